/* sync-bridge/metrics.c -- the table of what only the bridge counts, and what it asks for it. */
#include "metrics.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "bridge.h"
#include "db/db.h"
#include "lane.h"
#include "reconcile.h"
#include "shard.h"
#include "status.h"
#include "told.h"

/* More blocked records than this are not counted. */
#define BLOCKED_MAX "10000"

static const unsigned latency_bounds[] = { 1000,  2000,   3000,   5000,   7500,    10000,   25000,
					   50000, 100000, 250000, 500000, 1000000, 5000000,
					   30000000, 0 };

METRIC(metric_received, .name = "inbox_received_total", .type = METRIC_COUNTER,
       .help = "Changes that came in with a good signature.");
METRIC(metric_duplicates, .name = "inbox_duplicates_total", .type = METRIC_COUNTER,
       .help = "Of these, those that were there already.");
METRIC(metric_echoes, .name = "bridge_loops_dropped_total", .type = METRIC_COUNTER,
       .help = "Of these, those of our own making, which go no further.");
METRIC(metric_effect_latency, .name = "bridge_effect_latency_seconds", .type = METRIC_HISTOGRAM,
       .bounds_us = latency_bounds,
       .help = "From the source's commit to the effect at the target.");

static METRIC(metric_inbox, .name = "inbox_pending", .type = METRIC_LATEST, .label = "state",
	      .values = "received waiting retrying", .help = "Messages not ended.");
static METRIC(metric_inbox_age, .name = "inbox_oldest_age_seconds", .type = METRIC_LATEST,
	      .millionths = true, .help = "Age of the oldest of them.");
static METRIC(metric_dlq, .name = "bridge_dlq_events", .type = METRIC_LATEST, .label = "state",
	      .values = "rejected dead", .help = "Messages that ended without an effect.");
static METRIC(metric_blocked, .name = "bridge_blocked_keys", .type = METRIC_LATEST,
	      .help = "Records whose messages wait or are tried again, " BLOCKED_MAX " at most.");
static METRIC(metric_dlq_added, .name = "bridge_dlq_added_total", .type = METRIC_COUNTER,
	      .label = "reason", .values = "refused mapping missing internal",
	      .help = "Messages that became rejected or dead: the target refused, the mapping"
		      " failed, a record is missing, an error of ours.");
static METRIC(metric_applied, .name = "bridge_applied_total", .type = METRIC_COUNTER,
	      .label = "result",
	      .values = "applied replayed unchanged superseded skipped",
	      .help = "Messages that ended well.");
static METRIC(metric_stages, .name = "bridge_stage_duration_seconds", .type = METRIC_HISTOGRAM,
	      .label = "stage", .values = "receive queue map call finish",
	      .bounds_us = metric_bounds, .help = "Time a message spent in a stage.");
static METRIC(metric_lanes, .name = "bridge_lanes", .type = METRIC_GAUGE, .label = "state",
	      .values = "running queued", .help = "Messages in memory: worked on, or next.");
static METRIC(metric_leading, .name = "bridge_leading", .type = METRIC_GAUGE,
	      .help = "1 where a process of this daemon works the lanes.");
static METRIC(metric_shards, .name = "bridge_shards_held", .type = METRIC_GAUGE,
	      .help = "Parts of the records that this daemon works, of 61.");
static METRIC(metric_processes, .name = "bridge_processes", .type = METRIC_LATEST,
	      .help = "Processes that share the work.");
static METRIC(metric_restored, .name = "bridge_system_restored", .type = METRIC_LATEST,
	      .label = "system",
	      .help = "1 when it was restored from a backup and nobody has accepted that.");
static METRIC(metric_budget, .name = "bridge_retry_budget_tokens", .type = METRIC_LATEST,
	      .label = "target", .help = "Retries that may go to the target now.");
static METRIC(metric_breaker, .name = "bridge_breaker_state", .type = METRIC_LATEST,
	      .label = "target", .help = "0 closed, 1 open, 2 probing, 3 paused.");

static const char sql_states[] =
	"SELECT s.state, s.n - 1 AS n, count(m.id) AS count"
	" FROM unnest(ARRAY['received', 'waiting', 'retrying', 'rejected', 'dead']"
	"::message_state[]) WITH ORDINALITY s (state, n)"
	" LEFT JOIN message m ON m.state = s.state GROUP BY s.state, s.n";

static const char sql_oldest[] =
	"SELECT floor(coalesce(extract(epoch FROM now() - min(received_at)), 0) * 1000000)::bigint"
	" AS age FROM message WHERE state IN ('received', 'waiting', 'retrying')";

static const char sql_blocked[] =
	"SELECT count(*) AS count FROM (SELECT DISTINCT source, entity, source_id FROM message"
	" WHERE state IN ('waiting', 'retrying') LIMIT " BLOCKED_MAX ") b";

/* ---- counted where it happens ---- */

void
metrics_stage(enum stage stage, uint64_t began)
{
	metric_time(&metric_stages, (int)stage, clock_us() - began);
}

static int
refusal_reason(const struct delivery *d)
{
	enum { REFUSED, MAPPING, MISSING, INTERNAL };

	if (d->state == STATE_DEAD)
		return INTERNAL;
	if (d->code && strcmp(d->code, "mapping_failed") == 0)
		return MAPPING;
	return d->called ? REFUSED : MISSING;
}

void
metrics_outcome(const struct delivery *d)
{
	enum { APPLIED, REPLAYED, UNCHANGED, SUPERSEDED, SKIPPED };

	switch (d->state) {
	case STATE_APPLIED:
		metric_add(&metric_applied, d->replayed ? REPLAYED : APPLIED, 1);
		break;
	case STATE_UNCHANGED:
		metric_add(&metric_applied, UNCHANGED, 1);
		break;
	case STATE_SUPERSEDED:
		metric_add(&metric_applied, SUPERSEDED, 1);
		break;
	case STATE_SKIPPED:
		metric_add(&metric_applied, SKIPPED, 1);
		break;
	case STATE_REJECTED:
	case STATE_DEAD:
		metric_add(&metric_dlq_added, refusal_reason(d), 1);
		break;
	case STATE_RECEIVED:
	case STATE_WAITING:
	case STATE_RETRYING:
		break;
	}
}

void
metrics_peer_clock(const char *system, int64_t date)
{
	int64_t apart = date - clock_unix();
	char labels[80];

	if (!date)
		return;
	/* The header has whole seconds: one of difference is none. */
	apart = apart < 0 ? -apart : apart;
	snprintf(labels, sizeof(labels), "peer=\"%s\"", system);
	metric_set_labels(&metric_clock_skew, labels,
			  (uint64_t)(apart > 1 ? apart : 0) * 1000000);
}

void
metrics_copy(void)
{
	enum { RUNNING, QUEUED };
	struct lane_stats stats;

	lane_stats(&stats);
	metric_set(&metric_lanes, RUNNING, (uint64_t)stats.running);
	metric_set(&metric_lanes, QUEUED,
		   (uint64_t)(stats.held > stats.running ? stats.held - stats.running : 0));
	metric_set(&metric_leading, 0, stats.leading);
	metric_set(&metric_shards, 0, (uint64_t)shard_stats()->held);
	metric_set(&metric_processes, 0, (uint64_t)shard_stats()->processes);
}

/* ---- asked when a page is wanted ---- */

static void
ask_states(struct request *rq)
{
	struct rows *rows = db_all(rq, sql_states);

	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);
		int n = (int)row_id(row, "n");
		uint64_t count = (uint64_t)row_id(row, "count");

		if (n < 3)
			metric_set(&metric_inbox, n, count);
		else
			metric_set(&metric_dlq, n - 3, count);
	}
}

static uint64_t
breaker_number(const char *state)
{
	static const char *const states[] = { "closed", "open", "probing", "paused" };
	uint64_t n = 0;

	while (n < 3 && strcmp(states[n], state) != 0)
		n++;
	return n;
}

void
status_metrics(struct request *rq, struct text *out)
{
	const struct bridge all = bridge;   /* a reload may come while this waits */

	ask_states(rq);
	metric_set(&metric_inbox_age, 0, (uint64_t)row_id(db_one(rq, sql_oldest), "age"));
	metric_set(&metric_blocked, 0, (uint64_t)row_id(db_one(rq, sql_blocked), "count"));
	for (int i = 0; i < all.system_count; i++) {
		const struct bridge_system *system = &all.systems[i];
		const char *target = arena_printf(&rq->arena, "target=\"%s\"", system->name);
		struct told told;

		told_read(rq, system, &told);
		metric_set_labels(&metric_breaker, target, breaker_number(told.breaker));
		metric_set_labels(&metric_budget, target,
				  (uint64_t)budget_left(&system->budget, clock_ms()));
		metric_set_labels(&metric_restored,
				  arena_printf(&rq->arena, "system=\"%s\"", system->name),
				  system->restored);
	}
	reconcile_metrics(rq, out);
}
