/* sync-bridge/inbox.c -- one row for each route that takes a change, of many changes at once. */
#include "inbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/gather.h"
#include "base/json.h"
#include "base/text.h"
#include "bridge.h"
#include "causes.h"
#include "db/db.h"
#include "event/receiver.h"
#include "http/http.h"
#include "lane.h"
#include "metrics.h"
#include "sweep.h"

#define RETRY_AFTER_S 5

/* A change that was taken in before is one more copy: nothing. */
static const char sql_take[] =
	"INSERT INTO message (version, route, source, event_id, type, entity, source_id,"
	" traceparent, happened_at, body, state, code, reason, finished_at)"
	" SELECT version, route, source, event_id, type, entity, source_id, traceparent,"
	" happened_at, body, CASE WHEN code IS NULL THEN 'received' ELSE 'skipped' END"
	"  ::message_state, code, reason, CASE WHEN code IS NOT NULL THEN now() END"
	" FROM json_to_recordset($1::json) r (version bigint, route text, source text,"
	" event_id text, type text, entity text, source_id bigint, traceparent text,"
	" happened_at timestamptz, body json, code text, reason text)"
	" ON CONFLICT DO NOTHING RETURNING id, source, event_id, route, state = 'received' AS open";

struct arrival {
	struct gather_item item;
	struct request *rq;
	struct bridge_system *system;
	struct webhook_message webhook;
	const char *entity;
	int64_t id, version;
	const char *body;
	int routes;                /* to be worked along */
	int rows;                  /* made of it; none of one more copy */
};

static bool
takes(const struct bridge_route *route, const struct arrival *arrival)
{
	return same_system(route->from, arrival->system) &&
	       strcmp(route->entity, arrival->entity) == 0 &&
	       bridge_route_takes(route, arrival->webhook.type);
}

static void
check(struct request *rq, struct arrival *arrival)
{
	const cJSON *data = arrival->webhook.data;

	arrival->entity = json_string(data, "entity");
	if (!arrival->entity || !*arrival->entity || strlen(arrival->entity) > 60)
		fault_field(rq, "data.entity", "required", "must name the kind of record");
	if (!json_integer(data, "id", &arrival->id) || arrival->id <= 0)
		fault_field(rq, "data.id", "required", "must be the record's id");
	if (!json_integer(data, "version", &arrival->version) || arrival->version <= 0)
		fault_field(rq, "data.version", "required", "must be the record's version");
	if (!cJSON_IsObject(json_get(data, "record")))
		fault_field(rq, "data.record", "required", "must be the record");
	if (strlen(arrival->webhook.type) > 100)
		fault_field(rq, "type", "too_long", "must have at most 100 characters");
	if (strlen(arrival->webhook.id) > 100)
		fault_field(rq, "webhook-id", "too_long", "must have at most 100 characters");
	fault_raise_collected(rq);
}

/* What mappings see: the members of data, with type, source and timestamp before them. */
static const char *
make_body(struct request *rq, const struct arrival *arrival)
{
	struct text out = text_in(&rq->arena);

	text_add(&out, "{\"type\":");
	text_add_json(&out, arrival->webhook.type);
	text_add(&out, ",\"source\":");
	text_add_json(&out, arrival->system->name);
	text_add(&out, ",\"timestamp\":");
	text_add_json(&out, arrival->webhook.timestamp);
	text_add(&out, ",");
	text_add(&out, json_text(rq, arrival->webhook.data) + 1);
	return text_str(&out);
}

/* The source was asked not to send these; should it do so all the same, they go no further. */
static bool
is_echo(const struct arrival *arrival)
{
	const char *skip = arrival->system->skip_origin;
	const char *origin = json_string(arrival->webhook.data, "origin");

	return skip && origin && strcmp(skip, origin) == 0;
}

static void
count(bool echo, int rows)
{
	metric_add(&metric_received, 0, 1);
	if (rows == 0)
		metric_add(&metric_duplicates, 0, 1);
	else if (echo)
		metric_add(&metric_echoes, 0, 1);
}

/* code NULL: it is to be worked. */
static void
add_row(struct text *out, const struct arrival *arrival, const char *route, const char *code,
	const char *reason)
{
	text_addf(out, "%s{\"version\":%" PRId64 ",\"source_id\":%" PRId64 ",\"route\":",
		  out->length ? "," : "[", arrival->version, arrival->id);
	text_add_json(out, route);
	text_add(out, ",\"source\":");
	text_add_json(out, arrival->system->name);
	text_add(out, ",\"event_id\":");
	text_add_json(out, arrival->webhook.id);
	text_add(out, ",\"type\":");
	text_add_json(out, arrival->webhook.type);
	text_add(out, ",\"entity\":");
	text_add_json(out, arrival->entity);
	text_add(out, ",\"traceparent\":");
	text_add_json(out, arrival->rq->traceparent);
	text_add(out, ",\"happened_at\":");
	text_add_json(out, arrival->webhook.timestamp);
	text_add(out, ",\"code\":");
	text_add_json(out, code);
	text_add(out, ",\"reason\":");
	text_add_json(out, reason);
	text_addf(out, ",\"body\":%s}", arrival->body);
}

static void
add_rows(struct text *out, struct arrival *arrival)
{
	const struct webhook_message *webhook = &arrival->webhook;
	bool taken = false;

	arrival->routes = 0;
	if (is_echo(arrival)) {
		add_row(out, arrival, NULL, "echo", "a change of our own making");
		return;
	}
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];
		bool read = bridge_route_reads(route, webhook->type,
					       json_get(webhook->data, "changed"));

		if (!takes(route, arrival))
			continue;
		taken = true;
		arrival->routes += read;
		add_row(out, arrival, route->name, read ? NULL : "not_touched",
			read ? NULL : "nothing that the route reads has changed");
	}
	if (!taken)
		add_row(out, arrival, NULL, "no_route", "no route takes such a change");
}

static struct arrival *
arrival_of(struct gather_items *items, const struct row *row)
{
	const char *source = row_text(row, "source"), *event_id = row_text(row, "event_id");
	struct gather_item *item;

	STAILQ_FOREACH(item, items, next) {
		struct arrival *arrival = (struct arrival *)item;

		if (strcmp(arrival->webhook.id, event_id) == 0 &&
		    strcmp(arrival->system->name, source) == 0)
			return arrival;
	}
	return NULL;
}

static void
hand_over(const struct arrival *arrival, const struct row *row)
{
	struct message message = {
		.id = row_id(row, "id"),
		.route = bridge_route(row_text(row, "route")),
		.source_id = arrival->id,
		.version = arrival->version,
		.event_id = arrival->webhook.id,
		.type = arrival->webhook.type,
		.body = arrival->body,
		.traceparent = arrival->rq->traceparent,
	};

	if (message.route)   /* a reload may have taken it out meanwhile */
		lane_offer(message_new(&message));
}

static void
take(struct request *rq, struct gather_items *items)
{
	struct text all = text_in(&rq->arena);
	struct gather_item *item;
	struct rows *rows;

	STAILQ_FOREACH(item, items, next)
		add_rows(&all, (struct arrival *)item);
	text_add(&all, "]");
	rows = db_all(rq, sql_take, P_TEXT(text_str(&all)));
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);
		struct arrival *arrival = arrival_of(items, row);

		arrival->rows++;
		if (!row_bool(row, "open"))
			continue;
		sweep_count(1);
		hand_over(arrival, row);
	}
}

static struct gather gather = GATHER(gather, take);

void
inbox_post(struct request *rq)
{
	struct arrival arrival = { .rq = rq,
				   .system = bridge_system(http_param(rq, "system")) };
	const char *secrets[3] = { 0 };

	if (!arrival.system)
		fail(rq, ERR_NOT_FOUND, .detail = "There is no such system.");
	secrets[0] = arrival.system->secret;
	if (!arrival.system->old_secret_until || arrival.system->old_secret_until > clock_unix())
		secrets[1] = arrival.system->old_secret;
	webhook_receive(rq, secrets, &arrival.webhook);
	check(rq, &arrival);
	if (sweep_open() > bridge_options.inbox_limit)
		fail(rq, ERR_UNAVAILABLE, .detail = "The inbox is full.",
		     .retry_after = RETRY_AFTER_S);
	arrival.body = make_body(rq, &arrival);
	gather_write(rq, &gather, &arrival.item);
	count(is_echo(&arrival), arrival.rows);
	if (!arrival.routes && !is_echo(&arrival))
		causes_changed(rq, arrival.system->name, arrival.entity, arrival.id);
	metrics_stage(STAGE_RECEIVE, rq->http->started_us);
	reply_json(rq, 202, "{\"accepted\":true}");
}
