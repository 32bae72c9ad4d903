/* sync-bridge/replay_run.c -- works the oldest job, batch by batch, in one process per database. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/text.h"
#include "epoch.h"
#include "lane.h"
#include "replay.h"
#include "system.h"
#include "wake.h"

#define ELECTION_KEY 0x72657061796a6f62   /* "repayjob" */
#define IDLE_MS 1000
#define EAGER_MS 50
#define EAGER_TIMES 20
#define FULL_MS 125
#define LATER_MS 1000
#define STEPS_MAX 400

static const char sql_next[] =
	"SELECT id, kind, ref, route, entity, system, link, rate, step, position,"
	" to_char(\"from\" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS from_at,"
	" to_char(\"to\" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS to_at"
	" FROM replay WHERE state = 'running' ORDER BY id LIMIT 1";

/* $2 step, $3 of, $4 position, $5 more records, $6 counted, $7 reason, $8 report */
static const char sql_progress[] =
	"UPDATE replay SET step = $2, steps = $3, position = $4, done = done + $5::bigint,"
	" total = CASE WHEN $6::bigint < 0 THEN total ELSE coalesce(total, 0) + $6::bigint END,"
	" reason = $7, report = coalesce($8::json, report), updated_at = now()"
	" WHERE id = $1 AND state = 'running' RETURNING id";

static const char sql_end[] =
	"UPDATE replay SET state = $2::replay_state, reason = $3,"
	" finished_at = clock_timestamp() WHERE id = $1";

static struct event *timer;
static bool elected, running, stopped;
static int eager;             /* so often it looks again soon, for what is not committed yet */

static void
schedule(uint64_t ms)
{
	if (!stopped)
		wake_after(timer, ms);
}

/* ---- what a job consists of ---- */

struct steps {
	struct replay_step at[STEPS_MAX];
	int count;
};

static void
add_step(struct steps *steps, void (*run)(struct request *rq, struct replay *job),
	 const struct bridge_route *route, struct bridge_system *system)
{
	if (steps->count < STEPS_MAX)
		steps->at[steps->count++] =
			(struct replay_step){ .run = run, .route = route, .system = system };
}

static bool
touches(const struct bridge_route *route, const char *system)
{
	return !system || strcmp(route->from->name, system) == 0 ||
	       strcmp(route->to->name, system) == 0;
}

/* For every route of the system, or every one: links first, so that nothing is made twice. */
static void
add_whole(struct steps *steps, const char *system)
{
	for (int i = 0; i < bridge.route_count; i++)
		if (touches(&bridge.routes[i], system))
			add_step(steps, rebuild_learn, &bridge.routes[i], NULL);
	for (int i = 0; system && i < bridge.route_count; i++)
		if (strcmp(bridge.routes[i].from->name, system) == 0)
			add_step(steps, restore_check, &bridge.routes[i], NULL);
	for (int i = 0; i < bridge.route_count; i++)
		if (touches(&bridge.routes[i], system))
			add_step(steps, replay_feed_route, &bridge.routes[i], NULL);
}

static void
add_match(struct steps *steps, const struct replay *job, const struct bridge_route *route)
{
	add_step(steps, match_left, route, NULL);
	add_step(steps, match_right, route, NULL);
	add_step(steps, match_pair, route, NULL);
	if (job->link)
		add_step(steps, match_link, route, NULL);
}

/* The same for the same configuration; a route that is gone has no steps. */
static void
plan(const struct replay *job, struct steps *steps)
{
	const struct bridge_route *route = job->route ? bridge_route(job->route) : NULL;

	if (strcmp(job->kind, "record") == 0) {
		add_step(steps, replay_feed_record, NULL, NULL);
	} else if (strcmp(job->kind, "range") == 0) {
		for (int i = 0; i < bridge.system_count; i++)
			if (system_is_source(&bridge.systems[i]) &&
			    (!job->route || (route && route->from == &bridge.systems[i])))
				add_step(steps, replay_feed_range, route, &bridge.systems[i]);
	} else if (strcmp(job->kind, "route") == 0 && route) {
		add_step(steps, replay_feed_route, route, NULL);
	} else if (strcmp(job->kind, "match") == 0 && route) {
		add_match(steps, job, route);
	} else if (strcmp(job->kind, "rebuild") == 0) {
		add_whole(steps, NULL);
	} else if (strcmp(job->kind, "restore") == 0) {
		add_whole(steps, job->system);
	}
}

/* ---- one batch ---- */

struct turn {
	uint64_t pause_ms;    /* before the next one */
};

static void
end_job(struct request *rq, const struct replay *job, const char *state)
{
	struct record *record = record_lock(rq, &replay_entity, job->id);

	if (strcmp(record_text(record, "state"), "running") != 0)
		return;
	db_do(rq, sql_end, P_ID(job->id), P_TEXT(state), P_TEXT(job->reason));
	record_changed(rq, record, arena_printf(&rq->arena, "replay.%s", state));
	log_info("replay ended", "replay", log_num(job->id), "state", state, "reason", job->reason,
		 NULL);
}

/* With what the batch has written, in one transaction. */
static void
keep(struct request *rq, struct replay *job, const struct steps *steps)
{
	db_begin(rq);
	if (job->step_done) {
		job->step++;
		job->position = NULL;
	}
	/* Cancelled meanwhile: what the batch wrote is let go. */
	if (!db_one(rq, sql_progress, P_ID(job->id), P_ID(job->step), P_ID(steps->count),
		    P_TEXT(job->position), P_ID(job->records), P_ID(job->counted),
		    P_TEXT(job->reason), P_TEXT(job->report))) {
		db_rollback(rq);
		return;
	}
	if (job->failed)
		end_job(rq, job, "failed");
	else if (job->step >= steps->count)
		end_job(rq, job, "done");
	db_commit(rq);
}

static void
read_job(const struct row *row, struct replay *job)
{
	*job = (struct replay){
		.id = row_id(row, "id"),
		.kind = row_text(row, "kind"),
		.ref = row_text(row, "ref"),
		.route = row_text(row, "route"),
		.entity = row_text(row, "entity"),
		.from = row_text(row, "from_at"),
		.to = row_text(row, "to_at"),
		.system = row_text(row, "system"),
		.link = row_bool(row, "link"),
		.rate = (long)row_id(row, "rate"),
		.step = (int)row_id(row, "step"),
		.position = row_text(row, "position"),
		.counted = -1,
	};
}

static void
batch(struct request *rq, void *arg)
{
	struct turn *turn = arg;
	uint64_t began = clock_ms(), spent, due;
	struct row *row = db_one(rq, sql_next);
	struct steps *steps = arena_new(&rq->arena, struct steps);
	struct replay job;

	if (!row) {
		turn->pause_ms = eager > 0 ? EAGER_MS : IDLE_MS;
		eager -= eager > 0;
		return;
	}
	eager = 0;
	read_job(row, &job);
	plan(&job, steps);
	if (!steps->count) {
		job.failed = true;
		job.reason = "its route or system is not in the configuration";
	} else if (job.step < steps->count) {
		const char *position = job.position;

		job.at = steps->at[job.step];
		job.at.run(rq, &job);
		if (job.later || job.failed) {
			job.position = position;
			job.records = 0;
			job.counted = -1;
			job.step_done = false;
		}
	}
	keep(rq, &job, steps);
	lane_sweep_soon(0);
	db_notify(app_current()->db, "bridge_inbox");
	if (job.later) {
		turn->pause_ms = job.reason ? LATER_MS : FULL_MS;
		return;
	}
	spent = clock_ms() - began;
	due = (uint64_t)job.records * 1000 / (uint64_t)job.rate;
	turn->pause_ms = due > spent ? due - spent : 1;
	if (turn->pause_ms < job.pause_ms)
		turn->pause_ms = job.pause_ms;
}

static void
work(struct request *rq, void *arg)
{
	struct turn turn = { .pause_ms = IDLE_MS };

	if (!request_run(rq, batch, &turn)) {
		log_fault(rq, "replay");
		turn.pause_ms = LATER_MS;
	}
	running = false;
	schedule(turn.pause_ms);
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	if (running || stopped || !elected || app_current()->draining)
		return;
	running = true;
	app_background("replay", work, NULL);
}

/* ---- what parts use ---- */

cJSON *
replay_get(struct request *rq, struct replay *job, struct bridge_system *system, const char *path,
	bool *missing)
{
	struct call call = { .method = "GET", .path = path };

	system_call(rq, system, &call);
	if (missing)
		*missing = call.status == 404;
	if (call.result == CALL_DONE && call.json)
		return call.json;
	if (missing && *missing)
		return NULL;
	job->later = call.result == CALL_LATER || call.result == CALL_BLOCKED;
	job->failed = !job->later;
	job->reason = call.reason ? arena_printf(&rq->arena, "%s: %.800s", path, call.reason)
				  : arena_printf(&rq->arena, "%s: no JSON object", path);
	return NULL;
}

cJSON *
replay_page(struct request *rq, struct replay *job, struct bridge_system *system, const char *path,
	 const char *fields, const char *extra, int limit)
{
	struct text query = text_in(&rq->arena);
	cJSON *page;
	int64_t count;

	text_addf(&query, "/api/v1/%s?sort=id&limit=%d%s", path, limit, extra);
	if (*fields)
		text_addf(&query, "&fields=%s", fields);
	if (job->position)
		text_addf(&query, "&id%%5Bgt%%5D=%s", job->position);
	else
		text_add(&query, "&count=true");
	page = replay_get(rq, job, system, text_str(&query), NULL);
	if (page && !job->position && json_integer(page, "count", &count))
		job->counted = count;
	return page;
}

void
replay_passed(struct request *rq, struct replay *job, const cJSON *page, int limit)
{
	const cJSON *data = json_get(page, "data");
	int count = cJSON_GetArraySize(data);
	int64_t last = 0;

	job->records += count;
	job->step_done = count < limit;
	if (count && json_integer(cJSON_GetArrayItem(data, count - 1), "id", &last))
		job->position = arena_printf(&rq->arena, "%" PRId64, last);
}

/* ---- life ---- */

static void
taken(void *arg, bool held)
{
	elected = held;
	if (held)
		schedule(0);
}

static void
heard(void *arg)
{
	eager = EAGER_TIMES;
	schedule(0);
}

void
replay_wake(void)
{
	heard(NULL);
	db_notify(app_current()->db, "bridge_replay");
}

void
replay_start(void)
{
	timer = wake_new(tick);
	db_elect(app_current()->db, ELECTION_KEY, taken, NULL);
	db_listen(app_current()->db, "bridge_replay", heard, NULL);
}

void
replay_stop(void)
{
	stopped = true;
	evtimer_del(timer);
}
