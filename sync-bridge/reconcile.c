/* sync-bridge/reconcile.c -- runs reconciliations one at a time, route by route, and counts. */
#include "reconcile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "compare.h"
#include "db/db.h"
#include "drift.h"
#include "suspect.h"

#define LOOK_MS 1000   /* for what another process was asked for */
#define QUIET_DAYS 7   /* runs that found nothing are kept so long */

/* What was asked for first; otherwise whether one is due: $1 ms after the last began. */
static const char sql_next[] =
	"SELECT (SELECT min(id) FROM reconciliation WHERE state = 'requested') AS asked,"
	" NOT EXISTS (SELECT FROM reconciliation WHERE started_at > now() - $1::bigint"
	"  * interval '1 ms' AND route IS NULL AND requested_by IS NULL) AS due";

/* No other process runs one: whoever was at it is gone. */
static const char sql_interrupted[] =
	"UPDATE reconciliation SET state = 'failed', reason = 'interrupted', finished_at = now(),"
	" updated_at = now(), version = version + 1 WHERE state = 'running'";

static const char sql_due[] =
	"INSERT INTO reconciliation (state, settle_seconds, started_at)"
	" VALUES ('running', $1, clock_timestamp())"
	" RETURNING id, route, source_ref, repair, settle_seconds, started_at";

static const char sql_asked[] =
	"UPDATE reconciliation SET state = 'running', started_at = clock_timestamp(),"
	" updated_at = now(), version = version + 1 WHERE id = $1"
	" RETURNING id, route, source_ref, repair, settle_seconds, started_at";

static const char sql_route[] =
	"INSERT INTO reconciliation_route (reconciliation_id, position, route, source_rows,"
	" target_rows, buckets, suspects, in_flight, missing, extra, differs, repaired, held,"
	" compared, not_compared, seconds, revised)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, left($14, 2000),"
	" left($15, 1000), $16::numeric / 1000, $17)";

static const char sql_finish[] =
	"UPDATE reconciliation r SET"
	" state = CASE WHEN $2::text IS NULL THEN 'finished' ELSE 'failed' END"
	"::reconciliation_state,"
	" reason = left($2, 400), finished_at = clock_timestamp(), updated_at = now(),"
	" version = version + 1, seconds = extract(epoch FROM clock_timestamp() - started_at),"
	" rows_compared = s.rows, missing = s.missing, extra = s.extra, differs = s.differs,"
	" repaired = s.repaired, held = s.held, in_flight = s.in_flight"
	" FROM (SELECT coalesce(sum(source_rows + target_rows), 0) AS rows,"
	"  coalesce(sum(missing), 0) AS missing, coalesce(sum(extra), 0) AS extra,"
	"  coalesce(sum(differs), 0) AS differs, coalesce(sum(repaired), 0) AS repaired,"
	"  coalesce(sum(held), 0) AS held, coalesce(sum(in_flight), 0) AS in_flight"
	"  FROM reconciliation_route WHERE reconciliation_id = $1) s WHERE r.id = $1";

static const char sql_prune[] =
	"DELETE FROM reconciliation WHERE started_at < now() - interval '1 day'"
	" * CASE WHEN missing + extra + differs = 0 AND requested_by IS NULL"
	" THEN least($1::int, $2::int) ELSE $1::int END";

static const char sql_last[] =
	"SELECT extract(epoch FROM finished_at) AS at, seconds FROM reconciliation"
	" WHERE state = 'finished' AND source_ref IS NULL ORDER BY started_at DESC LIMIT 1";

static const char sql_drift[] =
	"SELECT k.kind, count(DISTINCT d.source_ref || d.route) AS records"
	" FROM unnest(ARRAY['missing', 'extra', 'differs']::drift_kind[]) k (kind)"
	" LEFT JOIN drift d ON d.kind = k.kind AND d.state IN ('open', 'held')"
	" GROUP BY k.kind ORDER BY k.kind";

struct run {
	int64_t id;
	const char *route;        /* NULL: all */
	int64_t source_id;        /* of the one record; 0: all */
	bool repair;
	long settle_ms;
	const char *started;
	int position;
	const char *error;        /* the first route that could not be finished, why */
	uint64_t begun_ms;
};

/* Of this process. */
static unsigned long rows_compared, repairs;
static uint64_t process_began, looked_ms;
static bool asked_here;

/* ---- one route ---- */

static void
write_route(struct request *rq, struct run *run, const struct comparison_of_route *c,
	    uint64_t began_ms)
{
	const struct counts *n = &c->counts;
	const char *compared = shape_names(rq, c->shape, true);

	db_all(rq, sql_route, P_ID(run->id), P_ID(++run->position), P_TEXT(c->route->name),
	       P_ID((int64_t)c->source_rows), P_ID((int64_t)c->target_rows), P_ID(c->differing),
	       P_ID(n->suspects), P_ID(n->in_flight), P_ID(n->missing), P_ID(n->extra),
	       P_ID(n->differs), P_ID(n->repaired), P_ID(n->held), P_TEXT(compared ? compared : ""),
	       P_TEXT(shape_names(rq, c->shape, false)), P_ID((int64_t)(clock_ms() - began_ms)),
	       P_ID(n->revised));
	rows_compared += c->source_rows + c->target_rows;
	repairs += (unsigned long)n->repaired;
}

struct route_run {
	struct run *run;
	const struct bridge_route *route;
};

static void
compare_one_route(struct request *rq, void *arg)
{
	struct route_run *this = arg;
	struct run *run = this->run;
	struct comparison_of_route *c = arena_new(&rq->arena, struct comparison_of_route);
	uint64_t began_ms = clock_ms();
	bool ok;

	c->route = this->route;
	c->repair = run->repair;
	c->settle_ms = run->settle_ms;
	c->started = run->started;
	c->pace.rate = bridge_options.reconcile_rate;
	c->shape = arena_new(&rq->arena, struct shape);
	c->shape->route = this->route;
	c->suspects = arena_array(&rq->arena, struct suspect, SUSPECTS_ROOM);
	if (run->source_id) {
		c->suspects[c->suspect_count++] = (struct suspect){ .id = run->source_id };
		ok = compare_sample(rq, c);
	} else {
		ok = compare_route(rq, c);
	}
	ok = ok && suspects_check(rq, c);
	if (ok && run->repair)
		drift_settle(rq, c, run->source_id);
	write_route(rq, run, c, began_ms);
	if (!ok)
		fail(rq, ERR_UNAVAILABLE, .detail = arena_strdup(&rq->arena, c->error));
}

static void
run_route(struct request *rq, struct run *run, const struct bridge_route *route)
{
	struct route_run this = { .run = run, .route = route };
	struct request one;

	request_init(&one, rq->db);
	if (!request_run(&one, compare_one_route, &this) && !run->error)
		run->error = arena_strdup(&rq->arena, one.fault.detail
							      ? one.fault.detail
							      : fault_title(one.fault.code));
	request_release(&one);
}

/* ---- one run ---- */

static void
run_all(struct request *rq, struct run *run)
{
	const struct bridge all = bridge;   /* a reload puts others there */

	for (int i = 0; i < all.route_count; i++) {
		const struct bridge_route *route = &all.routes[i];

		if (app_current()->draining)
			break;
		if (!run->route || strcmp(run->route, route->name) == 0)
			run_route(rq, run, route);
	}
	if (!run->position && !run->error)
		run->error = app_current()->draining ? "the bridge is stopping"
						     : "there is no such route any more";
	db_all(rq, sql_finish, P_ID(run->id), P_TEXT(run->error));
	if (run->error)
		log_warn("reconciliation failed", "reason", run->error, NULL);
}

static void
take_run(struct request *rq, const struct row *row)
{
	struct run run = {
		.id = row_id(row, "id"),
		.route = row_text(row, "route"),
		.repair = row_bool(row, "repair"),
		.settle_ms = (long)row_id(row, "settle_seconds") * 1000,
		.started = row_text(row, "started_at"),
	};
	struct ref ref;

	if (!row_null(row, "source_ref") && ref_parse(row_text(row, "source_ref"), &ref))
		run.source_id = ref.id;
	run_all(rq, &run);
}

void
reconcile_soon(void)
{
	asked_here = true;
}

void
reconcile_job(struct request *rq)
{
	uint64_t pause = (uint64_t)bridge_options.reconcile_pause;
	struct row *next;
	bool due;

	/* A start is no reason for a run: the first is due after one pause. */
	if (!process_began)
		process_began = clock_ms();
	if (!asked_here && clock_ms() - looked_ms < LOOK_MS)
		return;
	asked_here = false;
	looked_ms = clock_ms();
	next = db_one(rq, sql_next, P_ID((int64_t)pause));
	due = row_bool(next, "due") && clock_ms() - process_began >= pause;
	if (row_null(next, "asked") && !due)
		return;
	db_all(rq, sql_interrupted);
	if (row_null(next, "asked"))
		take_run(rq, db_one(rq, sql_due, P_ID(bridge_options.reconcile_settle / 1000)));
	else
		take_run(rq, db_one(rq, sql_asked, P_ID(row_id(next, "asked"))));
}

void
reconcile_prune(struct request *rq)
{
	db_all(rq, sql_prune, P_ID(bridge_options.retention_days), P_ID(QUIET_DAYS));
	drift_prune(rq);
}

static void
add_metric(struct text *out, const char *name, const char *type, const char *help,
	   const char *value)
{
	text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
	if (value)
		text_addf(out, "%s %s\n", name, value);
}

void
reconcile_metrics(struct request *rq, struct text *out)
{
	struct row *last = db_one(rq, sql_last);
	struct rows *drift = db_all(rq, sql_drift);

	add_metric(out, "reconcile_last_success_timestamp_seconds", "gauge",
		   "When the last reconciliation that was finished had ended; 0 for none.",
		   last ? row_text(last, "at") : "0");
	add_metric(out, "reconcile_duration_seconds", "gauge", "What the last reconciliation took.",
		   last ? row_text(last, "seconds") : "0");
	add_metric(out, "reconcile_rows_compared_total", "counter",
		   "Records compared, by this process.",
		   arena_printf(&rq->arena, "%lu", rows_compared));
	add_metric(out, "reconcile_repairs_total", "counter", "Records repaired, by this process.",
		   arena_printf(&rq->arena, "%lu", repairs));
	add_metric(out, "reconcile_drift_rows", "gauge", "Records that differ now, by kind.", NULL);
	for (int i = 0; i < rows_count(drift); i++)
		text_addf(out, "reconcile_drift_rows{kind=\"%s\"} %s\n",
			  row_at(rows_at(drift, i), 0), row_at(rows_at(drift, i), 1));
}
