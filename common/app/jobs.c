/* common/app/jobs.c -- starts each job that is due, while this process is the elected one. */
#include "app/jobs.h"

#include <event2/event.h>
#include <stdlib.h>

#include "app/process.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"

/* Any number, the same in all processes of a schema; db/ makes it the schema's own. */
#define JOBS_LOCK 0x6a6f6273
#define TICK_MS 250

static const char sql_prune_keys[] =
	"DELETE FROM idempotency_key WHERE created_at < now() - interval '7 days'";

static const char sql_prune_sessions[] =
	"DELETE FROM session WHERE expires_at < now() - interval '1 day'";

static void prune(struct request *rq);

static const struct job own_jobs[] = {
	{ .name = "prune keys and sessions", .seconds = 3600, .run = prune }, { 0 }
};

struct schedule {
	const struct job *job;
	uint64_t due_ms;
	bool running;
};

static struct schedule *schedules;
static struct event *timer;
static int schedule_count;
static bool elected;

static void
prune(struct request *rq)
{
	db_all(rq, sql_prune_keys);
	db_all(rq, sql_prune_sessions);
}

static void
job_run(struct request *rq, void *arg)
{
	struct schedule *schedule = arg;

	schedule->job->run(rq);
	if (db_in_transaction(rq))
		db_commit(rq);
}

/* Whatever way the run ends, the next one is due after the job's pause. */
static void
job_start(struct request *rq, void *arg)
{
	struct schedule *schedule = arg;

	if (!request_run(rq, job_run, schedule))
		log_fault(rq, schedule->job->name);
	schedule->running = false;
	schedule->due_ms = clock_ms() + (uint64_t)schedule->job->seconds * 1000;
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now = clock_ms();

	if (!elected || app_current()->draining)
		return;
	for (int i = 0; i < schedule_count; i++) {
		struct schedule *schedule = &schedules[i];

		if (schedule->running || now < schedule->due_ms)
			continue;
		schedule->running = true;
		app_background(schedule->job->name, job_start, schedule);
	}
}

static void
taken(void *arg, bool held)
{
	elected = held;
}

static void
schedule_jobs(const struct job *jobs)
{
	for (const struct job *job = jobs; job && job->name; job++) {
		schedules = realloc(schedules, sizeof(*schedules) * (size_t)(schedule_count + 1));
		if (!schedules)
			die("out of memory");
		/* The first run comes soon after the start, not with it. */
		schedules[schedule_count++] = (struct schedule){
			.job = job,
			.due_ms =
				clock_ms() + (uint64_t)(job->seconds < 5 ? job->seconds : 5) * 1000,
		};
	}
}

void
jobs_start(struct app *app)
{
	static const struct timeval period = { .tv_usec = TICK_MS * 1000 };

	timer = event_new(coro_loop(), -1, EV_PERSIST, tick, NULL);
	if (!timer)
		die("out of memory");
	event_add(timer, &period);
	schedule_jobs(own_jobs);
	schedule_jobs(app->daemon->jobs);
	db_elect(app->db, JOBS_LOCK, taken, NULL);
}
