/* common/app/metrics.c -- counts requests and writes the Prometheus page. */
#include "app/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "app/heartbeat.h"
#include "app/idempotency.h"
#include "app/process.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/text.h"
#include "event/sender.h"
#include "http/server.h"

static const unsigned bucket_us[] = { 500,    1000,   2500,   5000,    10000,   25000,   50000,
				      100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };
#define BUCKETS (sizeof(bucket_us) / sizeof(bucket_us[0]))
#define CODES 24

/* All requests of one route. */
struct series {
	const struct route *route;
	struct {
		int status;
		unsigned long count;
	} codes[CODES];
	unsigned long buckets[BUCKETS + 1];
	uint64_t sum_us;
	UT_hash_handle hh;
};

static struct series *all_series;
static unsigned long rejected[REJECTED_COUNT], reruns;

static struct series *
series_of(const struct route *route)
{
	struct series *series;

	HASH_FIND_PTR(all_series, &route, series);
	if (series)
		return series;
	series = calloc(1, sizeof(*series));
	if (!series)
		die("out of memory");
	series->route = route;
	HASH_ADD_PTR(all_series, route, series);
	return series;
}

void
metrics_request(const struct route *route, const char *method, int status, uint64_t us)
{
	struct series *series = series_of(route);
	size_t bucket = 0;

	for (int i = 0; i < CODES; i++) {
		if (series->codes[i].status != status && series->codes[i].status != 0)
			continue;
		series->codes[i].status = status;
		series->codes[i].count++;
		break;
	}
	while (bucket < BUCKETS && us > bucket_us[bucket])
		bucket++;
	series->buckets[bucket]++;
	series->sum_us += us;
}

void
metrics_rejected(enum rejected reason)
{
	rejected[reason]++;
}

void
metrics_rerun(void)
{
	reruns++;
}

static void
head(struct text *out, const char *name, const char *type, const char *help)
{
	text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
number(struct text *out, const char *name, const char *type, const char *help, double value)
{
	head(out, name, type, help);
	text_addf(out, "%s %.15g\n", name, value);
}

static void
series_labels(const struct series *series, char *labels, size_t size)
{
	snprintf(labels, size, "route=\"%s\",method=\"%s\"",
		 series->route ? series->route->pattern : "none",
		 series->route ? series->route->method : "none");
}

static void
write_durations(struct text *out, const struct series *series, const char *labels)
{
	unsigned long below = 0;

	for (size_t i = 0; i <= BUCKETS; i++) {
		below += series->buckets[i];
		text_addf(out, "http_request_duration_seconds_bucket{%s,le=\"", labels);
		if (i < BUCKETS)
			text_addf(out, "%g", bucket_us[i] / 1e6);
		else
			text_add(out, "+Inf");
		text_addf(out, "\"} %lu\n", below);
	}
	text_addf(out, "http_request_duration_seconds_sum{%s} %.6f\n", labels,
		  (double)series->sum_us / 1e6);
	text_addf(out, "http_request_duration_seconds_count{%s} %lu\n", labels, below);
}

static void
write_requests(struct text *out)
{
	struct series *series, *next;
	char labels[512];

	head(out, "http_requests_total", "counter", "Requests answered.");
	HASH_ITER(hh, all_series, series, next)
	{
		series_labels(series, labels, sizeof(labels));
		for (int i = 0; i < CODES && series->codes[i].status; i++)
			text_addf(out, "http_requests_total{%s,code=\"%d\"} %lu\n", labels,
				  series->codes[i].status, series->codes[i].count);
	}
	head(out, "http_request_duration_seconds", "histogram", "Time from arrival to reply.");
	HASH_ITER(hh, all_series, series, next)
	{
		series_labels(series, labels, sizeof(labels));
		write_durations(out, series, labels);
	}
}

static void
write_server(struct text *out)
{
	struct http_server_stats stats;

	http_server_stats(process_server(), &stats);
	number(out, "http_connections", "gauge", "Open connections.",
	       http_server_connections(process_server()));
	head(out, "http_rejected_total", "counter", "Requests and connections refused early.");
	text_addf(out,
		  "http_rejected_total{reason=\"smuggle\"} "
		  "%lu\nhttp_rejected_total{reason=\"slow\"} %lu\n"
		  "http_rejected_total{reason=\"size\"} %lu\nhttp_rejected_total{reason=\"conn\"} "
		  "%lu\n"
		  "http_rejected_total{reason=\"rate\"} %lu\nhttp_rejected_total{reason=\"auth\"} "
		  "%lu\n",
		  stats.refused_smuggle, stats.refused_slow, stats.refused_size,
		  stats.refused_connection, rejected[REJECTED_RATE], rejected[REJECTED_AUTH]);
	head(out, "idempotency_hits_total", "counter", "Requests whose Idempotency-Key was known.");
	text_addf(out,
		  "idempotency_hits_total{result=\"replay\"} %lu\n"
		  "idempotency_hits_total{result=\"mismatch\"} %lu\n"
		  "idempotency_hits_total{result=\"inflight\"} %lu\n",
		  idempotency_stats.replay, idempotency_stats.mismatch, idempotency_stats.inflight);
}

static void
write_database(struct text *out)
{
	struct db_stats stats;

	db_stats(app_current()->db, &stats);
	head(out, "db_pool_connections", "gauge", "Connections to PostgreSQL.");
	text_addf(out,
		  "db_pool_connections{state=\"shared\"} "
		  "%d\ndb_pool_connections{state=\"leased_idle\"} %d\n"
		  "db_pool_connections{state=\"leased_busy\"} %d\n",
		  stats.shared_up, stats.leased_up - stats.leased_busy, stats.leased_busy);
	number(out, "db_waiting", "gauge", "Requests waiting for a connection.", stats.waiting);
	number(out, "db_reconnects_total", "counter", "Connections opened again.",
	       (double)stats.reconnects);
	number(out, "db_statements_total", "counter", "Statements sent.", (double)stats.statements);
	number(out, "db_transactions_total", "counter", "Transactions begun.",
	       (double)stats.transactions);
	number(out, "db_reruns_total", "counter",
	       "Requests run again after a deadlock or the like.", (double)reruns);
}

static void
write_outbox(struct request *rq, void *arg)
{
	struct text *out = arg;
	struct sender_stats stats;

	sender_stats(rq, &stats);
	number(out, "outbox_pending", "gauge", "Webhook deliveries not done yet.",
	       (double)stats.pending);
	number(out, "outbox_oldest_age_seconds", "gauge", "Age of the oldest one.",
	       stats.oldest_age_s);
	number(out, "outbox_delivered_total", "counter", "Deliveries done by this process.",
	       (double)stats.delivered);
	head(out, "outbox_delivery_attempts_total", "counter", "Attempts by this process.");
	text_addf(out,
		  "outbox_delivery_attempts_total{outcome=\"ok\"} %lu\n"
		  "outbox_delivery_attempts_total{outcome=\"failed\"} %lu\n",
		  stats.attempts_ok, stats.attempts_failed);
	number(out, "outbox_in_flight", "gauge", "Deliveries being sent.", stats.in_flight);
	number(out, "outbox_sender_elected", "gauge", "1 in the process that sends.",
	       stats.elected);
	head(out, "outbox_breakers", "gauge", "Circuit breakers of webhooks.");
	text_addf(out,
		  "outbox_breakers{state=\"closed\"} %d\noutbox_breakers{state=\"open\"} %d\n"
		  "outbox_breakers{state=\"probing\"} %d\n",
		  stats.breakers_closed, stats.breakers_open, stats.breakers_probing);
}

static long
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long total = 0, resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%ld %ld", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

static int
open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	if (!folder)
		return 0;
	while (readdir(folder))
		count++;
	closedir(folder);
	return count - 3; /* ".", ".." and the folder itself */
}

static void
write_process(struct text *out)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	number(out, "process_cpu_seconds_total", "counter", "User and system time.",
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	number(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
	       (double)resident_bytes());
	number(out, "process_open_fds", "gauge", "Open file descriptors.", open_files());
	number(out, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.",
	       (double)process_started());
	number(out, "event_loop_lag_seconds", "gauge",
	       "Longest delay of the loop in the last 10 s.", (double)heartbeat_lag_us() / 1e6);
	number(out, "coroutines", "gauge", "Coroutines alive.", coro_count());
	number(out, "log_lines_dropped_total", "counter", "Log lines nobody took.",
	       (double)log_dropped());
	head(out, "build_info", "gauge", "Version of this program.");
	text_addf(out, "build_info{service=\"%s\",version=\"%s\"} 1\n", app_current()->daemon->name,
		  DOVETAIL_VERSION);
}

static void
write_daemon(struct request *rq, void *arg)
{
	app_current()->daemon->metrics(rq, arg);
}

void
metrics_page(struct request *rq)
{
	struct text out = text_in(&rq->arena);

	write_requests(&out);
	write_server(&out);
	write_database(&out);
	write_process(&out);
	/* Without a database the rest is still worth telling, and at once. */
	if (db_ready(app_current()->db)) {
		request_run(rq, write_outbox, &out);
		if (app_current()->daemon->metrics)
			request_run(rq, write_daemon, &out);
	}
	reply_text(rq, 200, "text/plain; version=0.0.4; charset=utf-8", text_str(&out));
}
