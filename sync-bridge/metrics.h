/* sync-bridge/metrics.h -- what the bridge counts beside what every daemon does.
 *
 * Each is one row in metrics.c or beside what it counts (see base/metric.h).
 */
#ifndef BRIDGE_METRICS_H
#define BRIDGE_METRICS_H

#include "base/metric_list.h"
#include "deliver.h"

/* The way of a message, from its arrival here on. */
enum stage {
	STAGE_RECEIVE,   /* verified and committed to the inbox */
	STAGE_QUEUE,     /* until its lane took it */
	STAGE_MAP,
	STAGE_CALL,      /* of the target */
	STAGE_FINISH,    /* outcome and link written */
};

/* began: clock_us. */
void metrics_stage(enum stage stage, uint64_t began);

extern struct metric metric_received, metric_duplicates, metric_echoes, metric_effect_latency;

/* A message got there; replayed: the target gave the answer of an earlier attempt. */
void metrics_outcome(const struct delivery *delivery);

/* What a system's Date header said, seconds since 1970; 0: nothing. */
void metrics_peer_clock(const char *system, int64_t date);

/* Copies the lanes' numbers; from the loop's timer. */
void metrics_copy(void);

#endif
