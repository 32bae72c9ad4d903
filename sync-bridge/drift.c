/* sync-bridge/drift.c -- keeps the findings of reconciliations and brings about their repair. */
#include "drift.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/text.h"
#include "db/db.h"
#include "drift_find.sql.h"
#include "drift_settle.sql.h"
#include "lane.h"
#include "links.h"
#include "sweep.h"
#include "system.h"

#define SETTLE_MS_MAX 30000
#define IN_VAIN_MAX 2   /* repairs of the same difference in one hour */

/* The record's newest message: what it ended as, when that is the reason for the difference. */
static const char sql_refused[] =
	"SELECT 'message ' || id || ' is ' || state || ': ' || coalesce(reason, 'no reason given')"
	" AS why FROM (SELECT id, state, reason, code FROM message"
	"  WHERE source = $1 AND entity = $2 AND source_id = $3 AND route = $4"
	"  ORDER BY version DESC, id DESC LIMIT 1) newest"
	" WHERE state IN ('rejected', 'dead') OR (state = 'skipped' AND code = 'by_hand')";

static const char sql_hold[] =
	"UPDATE drift SET state = 'held', reason = left($3, 1000), updated_at = now(),"
	" version = version + 1, forced = false"
	" WHERE route = $1 AND source_ref = $2 AND state = 'open'";

static const char sql_repair[] =
	"WITH sent AS (INSERT INTO message (version, route, source, event_id, type, entity,"
	"  source_id, traceparent, happened_at, body)"
	"  VALUES ($1, $2, $3, 'reconcile-' || gen_random_uuid(), $4, $5, $6, $7, now(), $8::json)"
	"  RETURNING id)"
	" UPDATE drift SET message_id = (SELECT id FROM sent), updated_at = now(),"
	"  version = version + 1, reason = NULL"
	" WHERE route = $2 AND source_ref = $9 AND state IN ('open', 'held')";

static const char sql_removed[] =
	"WITH ended AS (UPDATE drift SET state = 'repaired', ended_at = clock_timestamp(),"
	"  updated_at = now(), version = version + 1, forced = false,"
	"  reason = 'removed at the target'"
	"  WHERE route = $1 AND source_ref = $2 AND state IN ('open', 'held'))"
	" DELETE FROM link WHERE left_ref = $2 AND right_ref = $3";

static const char sql_still[] =
	"UPDATE drift SET last_seen_at = clock_timestamp()"
	" WHERE route = $1 AND source_ref = $2 AND state IN ('open', 'held')";

static const char sql_repairing[] =
	"SELECT EXISTS (SELECT FROM drift d JOIN message m ON m.id = d.message_id"
	" WHERE d.route = $1 AND d.state IN ('open', 'held') AND m.finished_at IS NULL) AS any";

static const char sql_gone[] =
	"UPDATE drift SET state = 'gone', ended_at = clock_timestamp(), updated_at = now(),"
	" version = version + 1, reason = 'equal again'"
	" WHERE route = $1 AND state IN ('open', 'held') AND last_seen_at < $2::timestamptz"
	" AND ($3::text IS NULL OR source_ref = $3)";

static const char sql_prune[] =
	"DELETE FROM drift WHERE ended_at < now() - $1::int * interval '1 day'";

static const char *const kinds[] = {
	[DRIFT_MISSING] = "missing", [DRIFT_EXTRA] = "extra", [DRIFT_DIFFERS] = "differs",
};

bool
drift_is_repair(const char *type)
{
	const char *dot = strrchr(type, '.');

	return dot && strcmp(dot, ".reconciled") == 0;
}

/* Our own text (original.c), in which the record comes last. */
int64_t
drift_target_version(struct request *rq, const char *body)
{
	static const char name[] = ",\"target_version\":";
	const char *record = strstr(body, ",\"record\":");
	const char *at = strstr(body, name);

	return at && record && at < record ? strtoll(at + sizeof(name) - 1, NULL, 10) : 0;
}

/* ---- what was found ---- */

struct standing {
	bool held, forced;
	int in_vain;
};

static void
note(struct request *rq, const struct comparison_of_route *c, const struct pair *pair,
     const char *field, const char *source, const char *target, struct standing *standing)
{
	const struct bridge_route *route = c->route;
	struct row *row = db_one(rq, sql_drift_find, P_TEXT(route->name), P_TEXT(kinds[pair->kind]),
				 P_TEXT(pair_source_ref(rq, c, pair->source.id)),
				 P_TEXT(pair_target_ref(rq, c, pair)), P_TEXT(field),
				 P_TEXT(source), P_TEXT(target), P_TEXT(route->from->name),
				 pair->source.text ? P_ID(pair->source.version) : P_NULL,
				 pair->target ? P_ID(pair->target_version) : P_NULL);

	standing->held = standing->held || row_bool(row, "held");
	standing->forced = standing->forced || row_bool(row, "forced");
	if (row_id(row, "repaired") > standing->in_vain)
		standing->in_vain = (int)row_id(row, "repaired");
}

/* Why it is left as it is; NULL when it is to be repaired. */
static const char *
why_held(struct request *rq, const struct comparison_of_route *c, const struct pair *pair,
	 const struct standing *standing)
{
	const struct bridge_route *route = c->route;
	struct row *refused;

	if (pair->why)
		return pair->why;
	if (pair->kind == DRIFT_EXTRA && !route->mirror)
		return arena_printf(&rq->arena,
				    "%s has no such %s any more; what is no picture is not deleted",
				    route->from->name, route->entity);
	if (standing->forced)
		return NULL;
	if (route->hold)
		return "the route holds what differs";
	if (standing->in_vain >= IN_VAIN_MAX)
		return "the same difference came back after it was repaired";
	refused = db_one(rq, sql_refused, P_TEXT(route->from->name), P_TEXT(route->entity),
			 P_ID(pair->source.id), P_TEXT(route->name));
	return refused ? row_text(refused, "why") : NULL;
}

/* Removes the picture of what is gone. */
static bool
remove_extra(struct request *rq, struct comparison_of_route *c, const struct pair *pair)
{
	struct call call = {
		.method = "DELETE",
		.match_version = pair->target_version,
		.path = arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, c->route->path,
				     pair->target_id),
	};
	const char *ref = pair_source_ref(rq, c, pair->source.id);

	system_call(rq, c->route->to, &call);
	if (call.result == CALL_DONE || call.status == 404) {
		db_all(rq, sql_removed, P_TEXT(c->route->name), P_TEXT(ref),
		       P_TEXT(pair_target_ref(rq, c, pair)));
		c->counts.repaired++;
	} else if (call.result == CALL_REFUSED && call.status != 412) {
		db_all(rq, sql_hold, P_TEXT(c->route->name), P_TEXT(ref),
		       P_TEXT(arena_printf(&rq->arena, "%s does not remove it: %s",
					   c->route->to->name, call.reason)));
		c->counts.held++;
	} else if (call.result != CALL_REFUSED) {
		snprintf(c->error, sizeof(c->error), "%s: %s", c->route->name, call.reason);
		return false;
	}
	return true;
}

static void
send_repair(struct request *rq, struct comparison_of_route *c, const struct pair *pair)
{
	const struct bridge_route *route = c->route;
	const char *ref = pair_source_ref(rq, c, pair->source.id);

	if (pair->kind == DRIFT_MISSING)
		links_drop(rq, ref, route->to);
	db_all(rq, sql_repair, P_ID(pair->source.version), P_TEXT(route->name),
	       P_TEXT(route->from->name),
	       P_TEXT(arena_printf(&rq->arena, "%s.reconciled", route->entity)),
	       P_TEXT(route->entity), P_ID(pair->source.id), P_TEXT(rq->traceparent),
	       P_TEXT(original_event(rq, route, &pair->source, pair->target_version)), P_TEXT(ref));
	lane_sweep_soon(0);
	sweep_tell_all();
}

static void
count(struct comparison_of_route *c, enum drift_kind kind)
{
	if (kind == DRIFT_MISSING)
		c->counts.missing++;
	else if (kind == DRIFT_EXTRA)
		c->counts.extra++;
	else
		c->counts.differs++;
}

bool
drift_found(struct request *rq, struct comparison_of_route *c, const struct pair *pair)
{
	const char *ref = pair_source_ref(rq, c, pair->source.id);
	struct standing standing = { 0 };
	const char *why;

	count(c, pair->kind);
	if (!pair->count)
		note(rq, c, pair, "", NULL, NULL, &standing);
	for (int i = 0; i < pair->count; i++)
		note(rq, c, pair, pair->differences[i].field, pair->differences[i].source,
		     pair->differences[i].target, &standing);
	log_warn("drift", "route", c->route->name, "record", ref, "kind", kinds[pair->kind],
		 "field", pair->count ? pair->differences[0].field : "", NULL);
	if (!c->repair)
		return true;
	why = why_held(rq, c, pair, &standing);
	if (why || (standing.held && !standing.forced)) {
		db_all(rq, sql_hold, P_TEXT(c->route->name), P_TEXT(ref),
		       P_TEXT(why ? why : "held before"));
		c->counts.held++;
		return true;
	}
	if (pair->kind == DRIFT_EXTRA)
		return remove_extra(rq, c, pair);
	send_repair(rq, c, pair);
	return true;
}

void
drift_still(struct request *rq, const struct comparison_of_route *c, int64_t id)
{
	db_all(rq, sql_still, P_TEXT(c->route->name), P_TEXT(pair_source_ref(rq, c, id)));
}

void
drift_settle(struct request *rq, struct comparison_of_route *c, int64_t id)
{
	uint64_t until = clock_ms() + SETTLE_MS_MAX;
	uint64_t pause = 20;
	struct row *ended;

	while (row_bool(db_one(rq, sql_repairing, P_TEXT(c->route->name)), "any") &&
	       clock_ms() < until) {
		coro_sleep(pause);
		pause = pause < 500 ? pause * 2 : pause;
	}
	ended = db_one(rq, sql_drift_settle, P_TEXT(c->route->name));
	c->counts.repaired += (int)row_id(ended, "repaired");
	c->counts.held += (int)row_id(ended, "held");
	if (c->suspect_count < SUSPECTS_MAX)
		db_all(rq, sql_gone, P_TEXT(c->route->name), P_TEXT(c->started),
		       P_TEXT(id ? pair_source_ref(rq, c, id) : NULL));
}

void
drift_prune(struct request *rq)
{
	db_all(rq, sql_prune, P_ID(bridge_options.retention_days));
}

/* ---- the API ---- */

static const char sql_force[] =
	"WITH asked AS (INSERT INTO reconciliation"
	"  (requested_by, route, source_ref, settle_seconds) VALUES ($4, $2, $3, 0))"
	" UPDATE drift SET forced = true, updated_at = now(), version = version + 1,"
	"  reason = 'repair asked for by ' || $4"
	" WHERE route = $2 AND source_ref = $3 AND state IN ('open', 'held') AND $1::bigint > 0";

static const char sql_hold_one[] =
	"UPDATE drift SET state = 'held', forced = false, reason = $2, updated_at = now(),"
	" version = version + 1 WHERE id = $1";

static const struct param_spec hold_params[] = {
	{ .name = "reason", .type = COLUMN_TEXT, .required = true,
	  .text = "Why it is left as it is." },
	{ 0 }
};

static void repair(struct request *rq, struct record *record, cJSON *body);
static void hold(struct request *rq, struct record *record, cJSON *body);

static const struct verb verbs[] = {
	{ .name = "repair", .allow = "operator", .run = repair,
	  .text = "Compares the record now and, if it still differs, writes the owner's value." },
	{ .name = "hold", .allow = "operator", .params = hold_params, .run = hold,
	  .text = "Leaves it as it is, with a reason, until somebody asks for its repair." },
	{ 0 }
};

struct entity drift_entity = {
	.name = "drift", .path = "drift",
	.text = "What both sides hold differently although nothing is under way.",
	.read = "*",
	.search = "source_ref target_ref field reason",
	.derived = {
		{ "age_seconds", COLUMN_INTEGER,
		  "floor(extract(epoch FROM coalesce(t.ended_at, now()) - t.first_seen_at))"
		  "::bigint",
		  "Age: seconds since it was first seen, or until it ended." },
	},
	.verbs = verbs,
};

static void
need_standing(struct request *rq, const struct record *record)
{
	const char *state = record_text(record, "state");

	if (strcmp(state, "open") != 0 && strcmp(state, "held") != 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "It is %s already.", state));
}

static void
repair(struct request *rq, struct record *record, cJSON *body)
{
	const struct bridge_route *route = bridge_route(record_text(record, "route"));

	need_standing(rq, record);
	if (!route)
		fail(rq, ERR_INVALID_STATE, .detail = "There is no such route any more.");
	if (strcmp(record_text(record, "kind"), "extra") == 0 && !route->mirror)
		fail(rq, ERR_INVALID_STATE,
		     .detail = "What is no picture is not deleted by the bridge.",
		     .hint = "Cancel or deactivate the record in its own system.");
	db_do(rq, sql_force, P_ID(record->id), P_TEXT(route->name),
	      P_TEXT(record_text(record, "source_ref")), P_TEXT(rq->actor->name));
	record_reload(rq, record);
}

static void
hold(struct request *rq, struct record *record, cJSON *body)
{
	const char *reason = json_string(body, "reason");

	need_standing(rq, record);
	if (!*reason || strlen(reason) > 1000)
		fault_field(rq, "reason", *reason ? "too_long" : "required",
			    *reason ? "must have at most 1000 characters" : "must say why");
	fault_raise_collected(rq);
	db_do(rq, sql_hold_one, P_ID(record->id), P_TEXT(reason));
	record_reload(rq, record);
}
