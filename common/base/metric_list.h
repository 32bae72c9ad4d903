/* common/base/metric_list.h -- what every daemon counts, and the names of its label values.
 *
 * One row each in metric_list.c; what only one daemon has stands in that daemon's metrics.c.
 */
#ifndef BASE_METRIC_LIST_H
#define BASE_METRIC_LIST_H

#include "base/metric.h"

/* ---- HTTP ---- */
extern struct metric metric_http_requests, metric_http_duration, metric_http_connections;
enum { REJECTED_SMUGGLE, REJECTED_SLOW, REJECTED_SIZE, REJECTED_RATE, REJECTED_CONN,
       REJECTED_AUTH };
extern struct metric metric_http_rejected;
enum { HIT_REPLAY, HIT_MISMATCH, HIT_INFLIGHT };
extern struct metric metric_idempotency_hits;

/* ---- events and webhooks ---- */
extern struct metric metric_outbox_pending, metric_outbox_age, metric_outbox_inserted,
	metric_outbox_delivered, metric_outbox_in_flight, metric_outbox_elected;
enum { ATTEMPT_OK, ATTEMPT_FAILED };
extern struct metric metric_outbox_attempts;
enum { BREAKERS_CLOSED, BREAKERS_OPEN, BREAKERS_PROBING };
extern struct metric metric_outbox_breakers;
enum { VERIFY_MISSING, VERIFY_STALE, VERIFY_WRONG, VERIFY_NO_SECRET };
extern struct metric metric_verify_failures;

/* ---- database ---- */
enum { POOL_SHARED, POOL_IDLE, POOL_BUSY };
extern struct metric metric_db_pool;
extern struct metric metric_db_waiting, metric_db_reconnects, metric_db_statements,
	metric_db_transactions, metric_db_reruns, metric_db_query, metric_db_xmin_age,
	metric_db_dead_tuples, metric_db_notify, metric_schema_version;

/* ---- the process ---- */
extern struct metric metric_clock_skew, metric_loop_lag, metric_coroutines, metric_log_dropped,
	metric_build, metric_cpu, metric_resident, metric_virtual, metric_open_fds,
	metric_max_fds, metric_start_time;

#endif
