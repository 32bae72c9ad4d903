/* sync-bridge/metrics.c -- the bridge's lines of the Prometheus page. */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "bridge.h"
#include "db/db.h"
#include "lane.h"
#include "outcome.h"
#include "reconcile.h"
#include "shard.h"
#include "status.h"
#include "system.h"

static const char sql_states[] =
	"SELECT s.state, count(m.id) AS count FROM unnest(ARRAY['received', 'waiting', 'retrying',"
	" 'rejected', 'dead']::message_state[]) s (state)"
	" LEFT JOIN message m ON m.state = s.state GROUP BY s.state ORDER BY s.state";

static const char sql_oldest[] =
	"SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0) AS age FROM message"
	" WHERE state IN ('received', 'waiting', 'retrying')";

static void
head(struct text *out, const char *name, const char *type, const char *help)
{
	text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_latency(struct text *out)
{
	const struct latency *latency = outcome_latency();
	unsigned long below = 0;

	head(out, "bridge_effect_latency_seconds", "histogram",
	     "From the source's change to its effect at the target, by this process.");
	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		below += latency->counts[i];
		text_addf(out, "bridge_effect_latency_seconds_bucket{le=\"%g\"} %lu\n",
			  latency_bounds[i], below);
	}
	text_addf(out, "bridge_effect_latency_seconds_bucket{le=\"+Inf\"} %lu\n", latency->count);
	text_addf(out, "bridge_effect_latency_seconds_sum %.6f\n", latency->sum);
	text_addf(out, "bridge_effect_latency_seconds_count %lu\n", latency->count);
}

static void
add_process(struct text *out)
{
	struct lane_stats stats;

	lane_stats(&stats);
	head(out, "bridge_lanes_running", "gauge", "Records being worked on.");
	text_addf(out, "bridge_lanes_running %d\n", stats.running);
	head(out, "bridge_leading", "gauge", "1 in the process that leads: it subscribes.");
	text_addf(out, "bridge_leading %d\n", stats.leading);
	head(out, "bridge_system_restored", "gauge",
	     "1 when it was restored from a backup and nobody has accepted that.");
	for (int i = 0; i < bridge.system_count; i++)
		text_addf(out, "bridge_system_restored{target=\"%s\"} %d\n",
			  bridge.systems[i].name, bridge.systems[i].restored);
	head(out, "bridge_breaker_state", "gauge", "0 closed, 1 open or paused, 2 probing.");
	for (int i = 0; i < bridge.system_count; i++) {
		const struct bridge_system *system = &bridge.systems[i];

		text_addf(out, "bridge_breaker_state{target=\"%s\"} %d\n", system->name,
			  system->paused_until ? 1 : (int)system->breaker.state);
	}
}

static void
add_shards(struct text *out)
{
	const struct shard_stats *stats = shard_stats();

	head(out, "bridge_shards_held", "gauge", "Parts of the records that this process works.");
	text_addf(out, "bridge_shards_held %d\n", stats->held);
	head(out, "bridge_processes", "gauge", "Processes that share the work.");
	text_addf(out, "bridge_processes %d\n", stats->processes);
	head(out, "bridge_shards_taken_total", "counter", "Shards that this process took over.");
	text_addf(out, "bridge_shards_taken_total %lu\n", stats->taken);
	head(out, "bridge_claims_fenced_total", "counter",
	     "Outcomes refused because the shard had another worker by then.");
	text_addf(out, "bridge_claims_fenced_total %lu\n", stats->fenced);
	head(out, "bridge_sessions_ended_total", "counter",
	     "Sessions of frozen bridge processes that this one ended.");
	text_addf(out, "bridge_sessions_ended_total %lu\n", stats->ended);
}

static void
add_retries(struct text *out)
{
	head(out, "bridge_retry_budget_tokens", "gauge",
	     "Retries that may go to the target now, from this process.");
	for (int i = 0; i < bridge.system_count; i++)
		text_addf(out, "bridge_retry_budget_tokens{target=\"%s\"} %d\n",
			  bridge.systems[i].name,
			  budget_left(&bridge.systems[i].budget, clock_ms()));
	head(out, "bridge_retries_total", "counter", "Calls that failed and are tried again.");
	for (int class = 0; class < RETRY_CLASSES; class++)
		text_addf(out, "bridge_retries_total{class=\"%s\"} %lu\n",
			  retry_class_names[class], system_retries[class]);
}

void
status_metrics(struct request *rq, struct text *out)
{
	struct rows *states;

	add_latency(out);
	add_process(out);
	add_shards(out);
	add_retries(out);
	states = db_all(rq, sql_states);
	head(out, "bridge_messages", "gauge", "Messages that need something, by state.");
	for (int i = 0; i < rows_count(states); i++)
		text_addf(out, "bridge_messages{state=\"%s\"} %s\n", row_at(rows_at(states, i), 0),
			  row_at(rows_at(states, i), 1));
	head(out, "bridge_oldest_age_seconds", "gauge", "Age of the oldest unfinished message.");
	text_addf(out, "bridge_oldest_age_seconds %s\n", row_text(db_one(rq, sql_oldest), "age"));
	reconcile_metrics(rq, out);
}
