/* sync-bridge/metrics.c -- the bridge's lines of the Prometheus page. */
#include <stdio.h>

#include "base/text.h"
#include "bridge.h"
#include "db/db.h"
#include "lane.h"
#include "outcome.h"
#include "status.h"

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
	head(out, "bridge_leading", "gauge", "1 in the process that works the lanes.");
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

void
status_metrics(struct request *rq, struct text *out)
{
	struct rows *states;

	add_latency(out);
	add_process(out);
	states = db_all(rq, sql_states);
	head(out, "bridge_messages", "gauge", "Messages that need something, by state.");
	for (int i = 0; i < rows_count(states); i++)
		text_addf(out, "bridge_messages{state=\"%s\"} %s\n", row_at(rows_at(states, i), 0),
			  row_at(rows_at(states, i), 1));
	head(out, "bridge_oldest_age_seconds", "gauge", "Age of the oldest unfinished message.");
	text_addf(out, "bridge_oldest_age_seconds %s\n", row_text(db_one(rq, sql_oldest), "age"));
}
