/* sync-bridge/deliver.c -- takes one message the whole way, and says where it ended. */
#include "deliver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "causes.h"
#include "drift.h"
#include "epoch.h"
#include "event/schedule.h"
#include "links.h"
#include "mapping.h"
#include "metrics.h"
#include "outcome.h"
#include "ownership.h"
#include "places.h"
#include "resolve.h"
#include "system.h"

#define WAIT_MS 10000   /* a waiting message looks again, should its wake-up have been missed */

void
deliver_settle(struct delivery *d, enum message_state state, const char *code, const char *reason)
{
	d->settled = true;
	d->state = state;
	d->code = code;
	d->reason = reason;
	d->remedy = NULL;
	d->delay_ms = -1;
}

void
deliver_reject(struct delivery *d, const char *code, const char *reason, const char *remedy)
{
	deliver_settle(d, STATE_REJECTED, code, reason);
	d->remedy = remedy;
}

void
deliver_wait(struct delivery *d, const char *ref, const char *code, const char *reason)
{
	deliver_settle(d, STATE_WAITING, code, reason);
	d->waiting_for = ref;
	d->delay_ms = WAIT_MS;
}

void
deliver_later(struct delivery *d, struct bridge_system *system, const struct call *call)
{
	deliver_settle(d, STATE_RETRYING, call->code, call->reason);
	d->remedy = call->remedy;
	if (call->result == CALL_BLOCKED) {
		/* Nothing came of it, and the sweep leaves out routes to systems that are away. */
		d->deferred = system == d->message->route->to;
		d->delay_ms = (int64_t)system_wait_ms(system) + (int64_t)arc4random_uniform(200);
		return;
	}
	d->counted = true;
	system_count_retry(call);
	d->delay_ms = (int64_t)schedule_retry_ms(d->message->attempts + 1, call->status,
						 arc4random());
	if (d->delay_ms < call->retry_after * 1000)
		d->delay_ms = call->retry_after * 1000;
}

static bool
is_pulled(const struct delivery *d)
{
	const char *dot = strrchr(d->message->type, '.');

	return d->above || (dot && strcmp(dot, ".pulled") == 0) ||
	       drift_is_repair(d->message->type);
}

/* Of a record that is carried again it is not known what happened to it: along a route that
 * takes certain events only, its state has to say whether one of them did. */
static bool
needs_when(const struct delivery *d, const struct bridge_route *route)
{
	const char *dot = strrchr(d->message->type, '.');

	return dot && strcmp(dot, ".replayed") == 0 && !bridge_route_takes_all(route);
}

/* What has crossed stays in step, and what others need crosses, whatever "when" says. 1, 0; -1 when
 * "when" fails: d is settled then. */
static int
applies(struct request *rq, struct delivery *d, const struct bridge_route *route)
{
	const char *error;
	char ref[REF_MAX];
	int yes;

	if (is_pulled(d))
		return 1;
	if (!route->when)
		return needs_when(d, route) ? 0 : 1;
	yes = mapping_test(route->when, &rq->arena, d->message->body, &error);
	if (yes < 0)
		deliver_reject(d, "mapping_failed", error,
			       "Correct the route's \"when\" and retry.");
	if (yes)
		return yes;
	message_ref(d->message, ref);
	return !needs_when(d, route) && !route->mirror && links_crossed(rq, ref, route);
}

/* A deal is ordered once: what one system has taken over by a route with an answer is not offered
 * to another one when it would be routed there later. */
static bool
taken_elsewhere(struct request *rq, struct delivery *d)
{
	const struct bridge_route *route = d->message->route;
	const struct bridge all = bridge;   /* a reload may come while this waits */
	char ref[REF_MAX];

	message_ref(d->message, ref);
	for (int i = 0; route->answer && i < all.route_count; i++) {
		const struct bridge_route *other = &all.routes[i];

		if (!other->answer || same_system(other->to, route->to) ||
		    !same_system(other->from, route->from) ||
		    strcmp(other->entity, route->entity) != 0 ||
		    !links_crossed(rq, ref, other) || links_crossed(rq, ref, route))
			continue;
		deliver_settle(d, STATE_SKIPPED, "taken_elsewhere",
			       arena_printf(&rq->arena, "%s has taken it, by route %s",
					    other->to->name, other->name));
		return true;
	}
	return false;
}

static bool
wanted(struct request *rq, struct delivery *d)
{
	const struct bridge_route *route = d->message->route;
	int yes = applies(rq, d, route);

	if (yes == 0)
		deliver_settle(d, STATE_SKIPPED, "not_wanted",
			       route->when ? route->skip_reason :
			       "the route has no \"when\" that a record as it is can be held to");
	return yes > 0 && !taken_elsewhere(rq, d);
}

/* What one route makes of the change, checked; NULL with d settled. */
static cJSON *
mapped_by(struct request *rq, struct delivery *d, const struct bridge_route *route)
{
	struct json_error parse_error;
	const char *error, *problem;
	uint64_t began = clock_us();
	const char *text = mapping_run(route->map, &rq->arena, d->message->body, &error);
	cJSON *body;

	metrics_stage(STAGE_MAP, began);
	if (!text) {
		deliver_reject(d, "mapping_failed", error,
			       "Correct the mapping or the record and retry.");
		return NULL;
	}
	body = json_parse(rq, text, strlen(text), &parse_error);
	if (!cJSON_IsObject(body)) {
		deliver_reject(d, "mapping_failed",
			       arena_printf(&rq->arena, "%s: gives no JSON object%s%s",
					    route->map_file, body ? "" : ": ",
					    body ? "" : parse_error.reason),
			       "Correct the mapping and retry.");
		return NULL;
	}
	problem = ownership_problem(rq, route, body);
	if (!problem)
		return body;
	deliver_reject(d, "not_owned", problem,
		       "Take it out of the mapping, or add it to the route's \"owns\", and retry.");
	return NULL;
}

/* The fields that other routes own in the same record go with it: the target takes each version of
 * the source's record once. */
static cJSON *
mapped(struct request *rq, struct delivery *d)
{
	const struct bridge_route *route = d->message->route;
	const struct bridge all = bridge;   /* a reload may come while "applies" waits */
	cJSON *body = mapped_by(rq, d, route);

	for (int i = 0; body && i < all.route_count; i++) {
		const struct bridge_route *other = &all.routes[i];
		cJSON *part;
		int yes = 0;

		if (strcmp(other->name, route->name) != 0 && bridge_routes_meet(other, route) &&
		    (is_pulled(d) || bridge_route_takes(other, d->message->type)))
			yes = applies(rq, d, other);
		part = yes > 0 ? mapped_by(rq, d, other) : NULL;
		if (yes < 0 || (yes > 0 && !part))
			return NULL;
		while (part && part->child) {
			cJSON *member = cJSON_DetachItemViaPointer(part, part->child);

			cJSON_AddItemToObject(body, member->string, member);
		}
	}
	return body;
}

/* The same over all attempts of a round, so that the target takes the call once; another for
 * each round, so that the answer of a rejected round is not given again. */
static const char *
idempotency_key(struct request *rq, const struct message *message)
{
	if (message->round == 0)
		return arena_printf(&rq->arena, "%s:%s", message->event_id, message->route->name);
	return arena_printf(&rq->arena, "%s:%s:%d", message->event_id, message->route->name,
			    message->round);
}

static enum message_state
applied_state(const struct call *call)
{
	const char *result = json_string(call->json, "source_result");

	if (result && strcmp(result, "unchanged") == 0)
		return STATE_UNCHANGED;
	if (result && strcmp(result, "superseded") == 0)
		return STATE_SUPERSEDED;
	return STATE_APPLIED;
}

static void
applied(struct request *rq, struct delivery *d, const struct call *call)
{
	const struct bridge_route *route = d->message->route;
	int64_t id;

	d->counted = true;
	if (!json_integer(call->json, "id", &id)) {
		deliver_settle(d, STATE_DEAD, "no_id",
			       arena_printf(&rq->arena, "%s answered %d without the record's id",
					    route->to->name, call->status));
		return;
	}
	deliver_settle(d, applied_state(call), NULL, NULL);
	d->target_ref =
		arena_printf(&rq->arena, "%s:%s:%" PRId64, route->to->name, route->target, id);
	json_integer(call->json, "version", &d->target_version);
	d->target_number = json_string(call->json, "number");
	if (d->state == STATE_SUPERSEDED)
		d->reason =
			arena_printf(&rq->arena, "%s has a later version already", route->to->name);
}

static void
put(struct request *rq, struct delivery *d, const cJSON *body)
{
	const struct message *message = d->message;
	struct bridge_system *to = message->route->to;
	struct place place;
	uint64_t began;
	char ref[REF_MAX];
	struct call call = {
		.method = "PUT",
		.body = json_text(rq, body),
		.key = idempotency_key(rq, message),
		.source_version = message->version,
		.retry = message->retry,
		.source_epoch = message->route->from->epoch_number,
	};
	struct call again;

	if (drift_is_repair(message->type))
		call.match_version = drift_target_version(rq, message->body);
	message_ref(message, ref);
	call.path = arena_printf(&rq->arena, "/api/v1/%s/by-ref/%s", message->route->path, ref);
	again = call;
	places_enter(&place, message->route);
	began = clock_us();
	system_call(rq, to, &call);
	if (call.result == CALL_REFUSED && strcmp(call.code, "idempotency_key_reused") == 0) {
		/* The mapping gives another body than an attempt whose answer was lost. */
		call = again;
		call.key = arena_printf(&rq->arena, "%s:%d.%d", call.key, message->round,
					message->attempts);
		system_call(rq, to, &call);
	}
	places_leave(&place, call.status != 0);
	d->called = true;
	d->replayed = call.replayed;
	metrics_stage(STAGE_CALL, began);
	if (call.result == CALL_DONE) {
		applied(rq, d, &call);
	} else if (call.result == CALL_REFUSED && call.status == 412 && call.match_version) {
		/* Somebody wrote after it was compared; what stands then is compared again. */
		d->counted = true;
		deliver_settle(d, STATE_SUPERSEDED, call.code, call.reason);
	} else if (call.result == CALL_REFUSED) {
		d->counted = true;
		d->problem = call.json;
		deliver_reject(d, call.code, call.reason, call.remedy);
	} else {
		deliver_later(d, to, &call);
	}
}

static void
run_steps(struct request *rq, void *arg)
{
	struct delivery *d = arg;
	cJSON *body;

	if (!wanted(rq, d))
		return;
	body = mapped(rq, d);
	if (body && resolve_links(rq, d, body))
		put(rq, d, body);
	if (d->state == STATE_REJECTED)
		causes_note(rq, d, d->problem);
}

/* What the source's record is told: accepted as what, or rejected why; NULL for nothing. */
static const char *
answer_body(struct request *rq, const struct delivery *d)
{
	bool accepted = d->state == STATE_APPLIED || d->state == STATE_UNCHANGED;
	bool rejected = d->state == STATE_REJECTED || (d->state == STATE_WAITING && d->code);
	const struct message *m = d->message;
	cJSON *body;

	if (!accepted && !rejected)
		return NULL;
	/* That a repair is refused does not undo what was accepted. */
	if (rejected && drift_is_repair(m->type))
		return NULL;
	/* Told already, and nothing has changed. */
	if (rejected && m->code && m->reason && d->reason && strcmp(m->code, d->code) == 0 &&
	    strcmp(m->reason, d->reason) == 0)
		return NULL;
	body = cJSON_CreateObject();
	json_add_string(body, "state", accepted ? "accepted" : "rejected");
	if (accepted) {
		json_add_string(body, "order_number", d->target_number);
		json_add_string(body, "order_ref", d->target_ref);
	} else {
		json_add_string(body, "code", d->code);
		json_add_string(body, "reason", d->reason);
		json_add_string(body, "remedy", d->remedy);
	}
	return json_text(rq, body);
}

static void
answer(struct request *rq, void *arg)
{
	struct delivery *d = arg;
	const struct message *m = d->message;
	struct call call = { .method = "POST", .body = answer_body(rq, d) };

	if (!call.body)
		return;
	call.path = arena_printf(&rq->arena, "/api/v1/%s/%" PRId64 "/%s", m->route->source_path,
				 m->source_id, m->route->answer);
	call.key = arena_printf(&rq->arena, "%s:%s:%s:%d.%d", m->event_id, m->route->name,
				m->route->answer, m->round, m->attempts);
	system_call(rq, m->route->from, &call);
	if (call.result == CALL_LATER || call.result == CALL_BLOCKED) {
		deliver_later(d, m->route->from, &call);
		return;
	}
	if (call.result == CALL_REFUSED && d->state != STATE_REJECTED &&
	    d->state != STATE_WAITING) {
		d->code = call.code;
		d->reason = arena_printf(&rq->arena, "done, but %s did not take the answer: %s",
					 m->route->from->name, call.reason);
	}
}

/* The database away, or an error of ours. */
static void
failed(struct request *rq, struct delivery *d)
{
	const struct fault *fault = &rq->fault;

	if (fault->rerun || fault->code == ERR_UNAVAILABLE || fault->code == ERR_LOCKED) {
		d->deferred = true;
		return;
	}
	deliver_settle(d, STATE_DEAD, fault_name(fault->code),
		       fault->detail ? fault->detail : fault_title(fault->code));
	log_fault(rq, "message");
}

void
deliver_run(struct request *rq, struct delivery *d)
{
	uint64_t began = clock_ms();

	if (!request_run(rq, run_steps, d))
		failed(rq, d);
	if (!d->deferred && d->message->route->answer && !request_run(rq, answer, d))
		failed(rq, d);
	if (!d->deferred)
		outcome_write(rq, d);
	if (!d->deferred)
		causes_missed(rq, d, began);
}

void
deliver(struct request *rq, const struct message *message)
{
	struct delivery d = { .message = message };

	/* Its source was restored since it was loaded: whether it still counts, the table says. */
	if (!epoch_stands(message->route->from) ||
	    message->epoch_number != message->route->from->epoch_number)
		return;
	if (message->traceparent)
		request_trace(rq, message->traceparent);
	deliver_run(rq, &d);
}
