/* common/app/metrics.c -- copies numbers that others keep, asks the database, writes the page. */
#include "app/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "app/heartbeat.h"
#include "app/idempotency.h"
#include "app/process.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "event/sender.h"
#include "http/server.h"
#include "vitals.sql.h"

#define CODES 24

static const char sql_dead[] =
	"SELECT relname AS name, n_dead_tup AS dead FROM pg_stat_user_tables"
	" WHERE schemaname = current_schema()";

/* All requests of one route and method. */
struct series {
	const struct route *route;
	const char *method;
	struct {
		int status;
		uint64_t *at;
	} codes[CODES];
	uint64_t *durations;
	UT_hash_handle hh;
};

static struct series *all_series;
static uint64_t cpu_seen_us;

/* ---- requests ---- */

/* Methods are few and their names literals; without a route each has a series of its own. */
static struct series *
series_of(const struct route *route, const char *method)
{
	const void *key = route ? (const void *)route : (const void *)method;
	struct series *series;
	char labels[200];

	HASH_FIND_PTR(all_series, &key, series);
	if (series)
		return series;
	series = calloc(1, sizeof(*series));
	if (!series)
		die("out of memory");
	series->route = key;
	series->method = method;
	snprintf(labels, sizeof(labels), "route=\"%s\",method=\"%s\"",
		 route ? route->pattern : "none", method);
	series->durations = metric_series(&metric_http_duration, labels);
	HASH_ADD_PTR(all_series, route, series);
	return series;
}

static uint64_t *
code_of(struct series *series, const struct route *route, int status)
{
	char labels[220];
	int i = 0;

	while (i < CODES - 1 && series->codes[i].status != status && series->codes[i].status)
		i++;
	if (!series->codes[i].status) {
		series->codes[i].status = status;
		snprintf(labels, sizeof(labels), "route=\"%s\",method=\"%s\",code=\"%d\"",
			 route ? route->pattern : "none", series->method, status);
		series->codes[i].at = metric_series(&metric_http_requests, labels);
	}
	return series->codes[i].at;
}

void
metrics_request(const struct route *route, const char *method, int status, uint64_t us)
{
	struct series *series = series_of(route, method);

	metric_count(code_of(series, route, status), 1);
	metric_observe(&metric_http_duration, series->durations, us);
}

/* ---- what others keep ---- */

/* Adds what came since the last time, so that the sum survives the process. */
static void
follow(struct metric *metric, int value, unsigned long now)
{
	static struct {
		const struct metric *metric;
		int value;
		unsigned long seen;
	} followed[32];
	int i = 0;

	while (followed[i].metric && (followed[i].metric != metric || followed[i].value != value))
		i++;
	followed[i].metric = metric;
	followed[i].value = value;
	metric_add(metric, value, now - followed[i].seen);
	followed[i].seen = now;
}

static void
copy_server(void)
{
	struct http_server_stats stats;

	http_server_stats(process_server(), &stats);
	follow(&metric_http_rejected, REJECTED_SMUGGLE, stats.refused_smuggle);
	follow(&metric_http_rejected, REJECTED_SLOW, stats.refused_slow);
	follow(&metric_http_rejected, REJECTED_SIZE, stats.refused_size);
	follow(&metric_http_rejected, REJECTED_CONN, stats.refused_connection);
	metric_set(&metric_http_connections, 0,
		   (uint64_t)http_server_connections(process_server()));
	follow(&metric_idempotency_hits, HIT_REPLAY, idempotency_stats.replay);
	follow(&metric_idempotency_hits, HIT_MISMATCH, idempotency_stats.mismatch);
	follow(&metric_idempotency_hits, HIT_INFLIGHT, idempotency_stats.inflight);
}

static void
copy_database(void)
{
	struct db_stats stats;

	db_stats(app_current()->db, &stats);
	metric_set(&metric_db_pool, POOL_SHARED, (uint64_t)stats.shared_up);
	metric_set(&metric_db_pool, POOL_IDLE, (uint64_t)(stats.leased_up - stats.leased_busy));
	metric_set(&metric_db_pool, POOL_BUSY, (uint64_t)stats.leased_busy);
	metric_set(&metric_db_waiting, 0, (uint64_t)stats.waiting);
	follow(&metric_db_reconnects, 0, stats.reconnects);
	follow(&metric_db_statements, 0, stats.statements);
	follow(&metric_db_transactions, 0, stats.transactions);
}

static void
copy_sender(void)
{
	struct sender_stats stats;

	sender_counts(&stats);
	follow(&metric_outbox_delivered, 0, stats.delivered);
	follow(&metric_outbox_attempts, ATTEMPT_OK, stats.attempts_ok);
	follow(&metric_outbox_attempts, ATTEMPT_FAILED, stats.attempts_failed);
	metric_set(&metric_outbox_in_flight, 0, (uint64_t)stats.in_flight);
	metric_set(&metric_outbox_elected, 0, stats.elected);
	metric_set(&metric_outbox_breakers, BREAKERS_CLOSED, (uint64_t)stats.breakers_closed);
	metric_set(&metric_outbox_breakers, BREAKERS_OPEN, (uint64_t)stats.breakers_open);
	metric_set(&metric_outbox_breakers, BREAKERS_PROBING, (uint64_t)stats.breakers_probing);
}

static void
copy_memory(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long total = 0, resident = 0;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!file)
		return;
	if (fscanf(file, "%lu %lu", &total, &resident) == 2) {
		metric_set(&metric_virtual, 0, total * page);
		metric_set(&metric_resident, 0, resident * page);
	}
	fclose(file);
}

static void
copy_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct rlimit limit;
	uint64_t count = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metric_set(&metric_max_fds, 0, limit.rlim_cur);
	if (!folder)
		return;
	while (readdir(folder))
		count++;
	closedir(folder);
	metric_set(&metric_open_fds, 0, count - 3);   /* ".", ".." and the folder itself */
}

static void
copy_process(void)
{
	struct rusage usage;
	struct timeval sum;
	uint64_t us;

	getrusage(RUSAGE_SELF, &usage);
	timeradd(&usage.ru_utime, &usage.ru_stime, &sum);
	us = (uint64_t)sum.tv_sec * 1000000 + (uint64_t)sum.tv_usec;
	metric_add(&metric_cpu, 0, us - cpu_seen_us);
	cpu_seen_us = us;
	metric_set(&metric_start_time, 0, (uint64_t)process_started());
	metric_set(&metric_coroutines, 0, (uint64_t)coro_count());
	follow(&metric_log_dropped, 0, log_dropped());
	metric_set(&metric_loop_lag, 0, heartbeat_lag_us());
}

void
metrics_tick(void)
{
	static unsigned turn;

	copy_server();
	copy_database();
	copy_sender();
	copy_process();
	if (app_current()->daemon->tick)
		app_current()->daemon->tick();
	/* Reading /proc costs the most. */
	if (turn++ % 10 == 0) {
		copy_memory();
		copy_files();
	}
}

void
metrics_start(int process)
{
	char labels[100];

	metric_attach(process);
	snprintf(labels, sizeof(labels), "service=\"%s\",version=\"%s\"",
		 app_current()->daemon->name, DOVETAIL_VERSION);
	metric_set_labels(&metric_build, labels, 1);
}

/* ---- what the database knows ---- */

static void
ask_outbox(struct request *rq, void *arg)
{
	struct sender_stats stats;

	sender_stats(rq, &stats);
	metric_set(&metric_outbox_pending, 0, (uint64_t)stats.pending);
	metric_set(&metric_outbox_age, 0, (uint64_t)(stats.oldest_age_s * 1e6));
}

/* Whose start cannot be seen has been there for as long as it is known here. */
static uint64_t
xmin_age_us(const struct row *vitals)
{
	static char seen[24];
	static uint64_t since_us;
	const char *xmin = row_text(vitals, "xmin");
	uint64_t told = (uint64_t)row_id(vitals, "xmin_us");
	uint64_t known;

	if (!xmin) {
		seen[0] = '\0';
		return 0;
	}
	if (strcmp(seen, xmin) != 0) {
		snprintf(seen, sizeof(seen), "%s", xmin);
		since_us = clock_us();
	}
	known = clock_us() - since_us;
	return told > known ? told : known;
}

static uint64_t
wall_us(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

static void
ask_vitals(struct request *rq, void *arg)
{
	uint64_t began = wall_us();
	struct row *vitals = db_one(rq, sql_vitals);
	uint64_t middle = began + (wall_us() - began) / 2;
	uint64_t theirs = (uint64_t)row_id(vitals, "now_us");

	metric_set_labels(&metric_clock_skew, "peer=\"database\"",
			  theirs > middle ? theirs - middle : middle - theirs);
	metric_set(&metric_db_xmin_age, 0, xmin_age_us(vitals));
	metric_set(&metric_db_notify, 0, (uint64_t)row_id(vitals, "notify"));
	metric_set(&metric_schema_version, 0, (uint64_t)row_id(vitals, "migrations"));
}

static void
ask_tables(struct request *rq, void *arg)
{
	struct rows *rows = db_all(rq, sql_dead);

	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);

		metric_set_labels(&metric_db_dead_tuples,
				  arena_printf(&rq->arena, "table=\"%s\"", row_text(row, "name")),
				  (uint64_t)row_id(row, "dead"));
	}
}

static void
ask_daemon(struct request *rq, void *arg)
{
	app_current()->daemon->metrics(rq, arg);
}

void
metrics_page(struct request *rq)
{
	struct text out = text_in(&rq->arena);
	struct text own = text_in(&rq->arena);

	/* Without a database the rest is still worth telling, and at once. */
	if (db_ready(app_current()->db)) {
		request_run(rq, ask_outbox, NULL);
		request_run(rq, ask_vitals, NULL);
		request_run(rq, ask_tables, NULL);
		if (app_current()->daemon->metrics)
			request_run(rq, ask_daemon, &own);
	}
	metrics_tick();
	metric_write(&out);
	text_add(&out, text_str(&own));
	reply_text(rq, 200, "text/plain; version=0.0.4; charset=utf-8", text_str(&out));
}
