/* sync-bridge/pull.c -- fetches a record that another needs and sends it along its own route. */
#include "pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "db/db.h"
#include "lane.h"
#include "links.h"
#include "pause.h"
#include "mapping.h"
#include "system.h"

#define DEPTH_MAX 8
#define PAUSED_MS 1000

/* The sweep leaves it alone for a while: it is worked right now, by its puller. */
static const char sql_pulled[] =
	"INSERT INTO message (version, route, source, event_id, type, entity, source_id,"
	" traceparent,"
	" happened_at, body, next_at)"
	" VALUES ($1, $2, $3, 'pull-' || gen_random_uuid(), $4, $5, $6, $7, now(), $8::json,"
	" now() + interval '10 s') RETURNING id, event_id";

struct pulling {
	struct delivery *d;               /* who needs it */
	const char *text;                 /* "crm:account:42" */
	struct ref ref;
	const struct bridge_route *route; /* its own */
	int64_t id;                       /* at the target, once known */
};

/* The first route that makes records of this kind at the target. */
static const struct bridge_route *
route_of(const struct ref *ref, const struct bridge_system *to)
{
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if (!route->mirror && same_system(route->to, to) &&
		    strcmp(route->from->name, ref->system) == 0 &&
		    strcmp(route->entity, ref->entity) == 0)
			return route;
	}
	return NULL;
}

/* Of several that make the same of it, the first whose "when" holds; the first when none does: what
 * others need crosses. Its body is known now. */
static const struct bridge_route *
route_for(struct request *rq, const struct bridge_route *first, const char *body)
{
	const char *error;

	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if (!route->mirror && bridge_routes_meet(route, first) &&
		    (!route->when || mapping_test(route->when, &rq->arena, body, &error) > 0))
			return route;
	}
	return first;
}

/* A route by which such a record came from the target, if it did; from records of this kind, when
 * entity is not NULL. */
static const struct bridge_route *
route_back(const struct ref *ref, const struct bridge_system *to, const char *entity)
{
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if (!route->mirror && same_system(route->from, to) &&
		    strcmp(route->to->name, ref->system) == 0 &&
		    strcmp(route->target, ref->entity) == 0 &&
		    (!entity || strcmp(route->entity, entity) == 0))
			return route;
	}
	return NULL;
}

bool
pull_can(const struct ref *ref, const struct bridge_system *to)
{
	return route_of(ref, to) || route_back(ref, to, NULL);
}

/* NULL with d's outcome set when it cannot be had. */
static cJSON *
fetch(struct request *rq, struct delivery *d, struct bridge_system *system, const char *path,
      const struct ref *ref, const char *text)
{
	struct call call = {
		.method = "GET",
		.path = arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, path, ref->id),
	};

	system_call(rq, system, &call);
	if (call.result == CALL_DONE && call.json)
		return call.json;
	if (call.result == CALL_DONE)
		deliver_reject(d, "unknown_reference",
			       arena_printf(&rq->arena, "%s: not a JSON object", text), NULL);
	else if (call.result == CALL_REFUSED)
		deliver_reject(
			d, "unknown_reference",
			arena_printf(&rq->arena, "%s cannot be fetched: %s", text, call.reason),
			"Restore the record or change the reference, then retry.");
	else
		deliver_later(d, system, &call);
	return NULL;
}

const char *
pull_body(struct request *rq, const struct ref *ref, const char *type, int64_t version,
	  const cJSON *record)
{
	struct text out = text_in(&rq->arena);
	char now[28];

	clock_rfc3339(now);
	text_addf(&out, "{\"type\":\"%s\",\"source\":\"%s\",\"timestamp\":\"%s\",", type,
		  ref->system, now);
	text_addf(&out, "\"entity\":\"%s\",\"id\":%" PRId64 ",\"version\":%" PRId64 ",",
		  ref->entity, ref->id, version);
	text_addf(&out, "\"origin\":\"bridge\",\"trace\":\"%s\",\"changed\":[],\"record\":",
		  rq->trace_id);
	text_add(&out, json_text(rq, record));
	text_add(&out, "}");
	return text_str(&out);
}

/* What became of the pulled record, for the one that needs it. */
static void
judge(struct request *rq, struct pulling *p, const struct delivery *pulled)
{
	struct delivery *d = p->d;

	if (p->id)
		return;
	if (pulled->deferred || pulled->state == STATE_RETRYING) {
		deliver_settle(d, STATE_RETRYING, pulled->code, pulled->reason);
		d->deferred = pulled->deferred;
		d->delay_ms = pulled->delay_ms < 0 ? 1000 : pulled->delay_ms;
		return;
	}
	deliver_wait(d, p->text, pulled->code,
		     arena_printf(&rq->arena, "%s has not crossed: %s", p->text,
				  pulled->reason ? pulled->reason : "no reason given"));
	d->remedy = pulled->remedy;
	d->counted = true;
}

static void
send_along(struct request *rq, struct pulling *p, const cJSON *record)
{
	struct message message = { .route = (struct bridge_route *)p->route,
				   .source_id = p->ref.id };
	struct delivery pulled = { .message = &message, .above = p->d, .depth = p->d->depth + 1 };
	struct row *row;

	if (!json_integer(record, "version", &message.version)) {
		deliver_reject(p->d, "unknown_reference",
			       arena_printf(&rq->arena, "%s has no version", p->text), NULL);
		return;
	}
	message.type = arena_printf(&rq->arena, "%s.pulled", p->ref.entity);
	message.traceparent = rq->traceparent;
	message.body = pull_body(rq, &p->ref, message.type, message.version, record);
	p->route = route_for(rq, p->route, message.body);
	message.route = (struct bridge_route *)p->route;
	row = db_one(rq, sql_pulled, P_ID(message.version), P_TEXT(p->route->name),
		     P_TEXT(p->ref.system), P_TEXT(message.type), P_TEXT(p->ref.entity),
		     P_ID(p->ref.id), P_TEXT(message.traceparent), P_TEXT(message.body));
	/* The record's lane may be another process's, which this one neither asks nor waits for:
	 * the target takes each version once and none that is older than its own, so whichever of
	 * two calls comes second changes nothing. The outcome is written under the term of the
	 * message that needs it: if that is fenced, this is too, and the record's own worker ends
	 * it. */
	message.shard = p->d->message->shard;
	message.term = p->d->message->term;
	message.id = row_id(row, "id");
	message.event_id = row_text(row, "event_id");
	deliver_run(rq, &pulled);
	p->id = links_known(p->text, p->route->to);
	judge(rq, p, &pulled);
}

/* What the target has of it, though the link was lost. Along a route that takes certain events only
 * it is not carried again for that: an order that was won may have changed since. 0: none, or d's
 * outcome is set. */
static int64_t
found_there(struct request *rq, struct pulling *p)
{
	const struct bridge_route *route = p->route;
	struct call call = {
		.method = "GET",
		.path = arena_printf(&rq->arena, "/api/v1/%s?external_ref=%s&limit=1&fields=id",
				     route->path, p->text),
	};
	const cJSON *data;
	int64_t id;

	if (bridge_route_takes_all(route))
		return 0;
	system_call(rq, route->to, &call);
	if (call.result == CALL_LATER || call.result == CALL_BLOCKED)
		deliver_later(p->d, route->to, &call);
	data = json_get(call.json, "data");
	if (call.result != CALL_DONE || !data || !json_integer(data->child, "id", &id))
		return 0;
	links_learn(rq, p->text, arena_printf(&rq->arena, "%s:%s:%" PRId64, route->to->name,
					      route->target, id), route->name);
	return id;
}

/* In the record's lane. */
static void
in_lane(struct request *rq, void *arg)
{
	struct pulling *p = arg;
	cJSON *record;

	p->id = links_find(rq, p->text, p->route->to);
	if (p->id)
		return;
	if (pause_holds_route(p->route)) {
		deliver_settle(p->d, STATE_RETRYING, "paused",
			       arena_printf(&rq->arena,
					    "%s must cross first, and route %s is paused", p->text,
					    p->route->name));
		p->d->delay_ms = PAUSED_MS;
		return;
	}
	p->id = found_there(rq, p);
	if (p->id || p->d->settled)
		return;
	record = fetch(rq, p->d, p->route->from, p->route->source_path, &p->ref, p->text);
	if (record)
		send_along(rq, p, record);
}

/* A chain of needs that comes back to itself, or goes too deep. */
static bool
refuse_chain(struct request *rq, struct delivery *d, const char *text)
{
	char ref[REF_MAX];

	for (const struct delivery *each = d; each; each = each->above) {
		message_ref(each->message, ref);
		if (strcmp(ref, text) != 0)
			continue;
		deliver_reject(d, "reference_cycle",
			       arena_printf(&rq->arena, "%s is needed before itself", text),
			       "Break the cycle of references, then retry.");
		return true;
	}
	if (d->depth < DEPTH_MAX)
		return false;
	deliver_reject(
		d, "reference_depth",
		arena_printf(&rq->arena, "references lead more than %d records deep", DEPTH_MAX),
		NULL);
	return true;
}

static int64_t
pull_source(struct request *rq, struct pulling *p)
{
	struct lane *lane;

	if (refuse_chain(rq, p->d, p->text))
		return 0;
	lane = lane_enter(p->text);
	if (!lane) {
		deliver_settle(p->d, STATE_RETRYING, "locked",
			       arena_printf(&rq->arena, "%s is busy", p->text));
		p->d->delay_ms = 250;
		return 0;
	}
	if (!request_run(rq, in_lane, p)) {
		struct fault fault = rq->fault;

		lane_leave(lane);
		fault_raise(rq, &fault);
	}
	lane_leave(lane);
	return p->id;
}

/* A record of the other side that came from the target says so itself; the link was lost. */
static int64_t
learn(struct request *rq, struct pulling *p, const struct bridge_route *back)
{
	cJSON *record = fetch(rq, p->d, back->to, back->path, &p->ref, p->text);
	const char *external = json_string(record, "external_ref");
	struct ref ref;

	if (!record || !external || !ref_parse(external, &ref) ||
	    strcmp(ref.system, back->from->name) != 0)
		return 0;
	back = route_back(&p->ref, back->from, ref.entity);
	if (!back)
		return 0;
	links_learn(rq, external, p->text, back->name);
	lane_sweep_soon(0);
	return ref.id;
}

int64_t
pull(struct request *rq, struct delivery *d, const char *text, bool optional)
{
	struct pulling p = { .d = d, .text = text };
	const struct bridge_route *back;
	int64_t id = 0;

	ref_parse(text, &p.ref);
	p.route = route_of(&p.ref, d->message->route->to);
	if (p.route)
		return pull_source(rq, &p);
	back = route_back(&p.ref, d->message->route->to, NULL);
	if (back)
		id = learn(rq, &p, back);
	if (!id && optional && d->settled && d->state == STATE_REJECTED)
		d->settled = false;   /* it is gone at its source: no counterpart, then */
	if (!id && !optional && !d->settled)
		deliver_wait(d, text, NULL,
			     arena_printf(&rq->arena, "%s has no counterpart yet", text));
	return id;
}
