/* common/base/metric_list.c -- the table of what every daemon counts. */
#include "base/metric_list.h"

/* ---- HTTP ---- */

METRIC(metric_http_requests, .name = "http_requests_total", .type = METRIC_COUNTER,
       .label = "route,method,code", .help = "Requests answered.");
METRIC(metric_http_duration, .name = "http_request_duration_seconds", .type = METRIC_HISTOGRAM,
       .label = "route,method", .bounds_us = metric_bounds,
       .help = "Time from a request's arrival to its reply.");
METRIC(metric_http_connections, .name = "http_connections", .type = METRIC_GAUGE,
       .help = "Open connections.");
METRIC(metric_http_rejected, .name = "http_rejected_total", .type = METRIC_COUNTER,
       .label = "reason", .values = "smuggle slow size rate conn auth",
       .help = "Requests and connections refused before any handler.");
METRIC(metric_idempotency_hits, .name = "idempotency_hits_total", .type = METRIC_COUNTER,
       .label = "result", .values = "replay mismatch inflight",
       .help = "Requests whose Idempotency-Key was known.");

/* ---- events and webhooks ---- */

METRIC(metric_outbox_pending, .name = "outbox_pending", .type = METRIC_LATEST,
       .help = "Webhook deliveries not done yet.");
METRIC(metric_outbox_age, .name = "outbox_oldest_age_seconds", .type = METRIC_LATEST,
       .millionths = true, .help = "Age of the oldest of them.");
METRIC(metric_outbox_inserted, .name = "outbox_inserted_total", .type = METRIC_COUNTER,
       .help = "Webhook deliveries that were committed.");
METRIC(metric_outbox_delivered, .name = "outbox_delivered_total", .type = METRIC_COUNTER,
       .help = "Webhook deliveries done.");
METRIC(metric_outbox_attempts, .name = "outbox_delivery_attempts_total", .type = METRIC_COUNTER,
       .label = "outcome", .values = "ok failed", .help = "Webhook calls made.");
METRIC(metric_outbox_in_flight, .name = "outbox_in_flight", .type = METRIC_GAUGE,
       .help = "Webhook calls being made.");
METRIC(metric_outbox_elected, .name = "outbox_sender_elected", .type = METRIC_GAUGE,
       .help = "1 where a process of this daemon is the one that sends.");
METRIC(metric_outbox_breakers, .name = "outbox_breakers", .type = METRIC_GAUGE,
       .label = "state", .values = "closed open probing",
       .help = "Circuit breakers of webhooks.");
METRIC(metric_verify_failures, .name = "webhook_verify_failures_total", .type = METRIC_COUNTER,
       .label = "reason", .values = "missing stale wrong no_secret",
       .help = "Webhooks that came in without a good signature.");

/* ---- database ---- */

METRIC(metric_db_pool, .name = "db_pool_connections", .type = METRIC_GAUGE, .label = "state",
       .values = "shared leased_idle leased_busy", .help = "Connections to PostgreSQL.");
METRIC(metric_db_waiting, .name = "db_waiting", .type = METRIC_GAUGE,
       .help = "Requests that wait for a connection.");
METRIC(metric_db_reconnects, .name = "db_reconnects_total", .type = METRIC_COUNTER,
       .help = "Connections that were lost and opened again.");
METRIC(metric_db_statements, .name = "db_statements_total", .type = METRIC_COUNTER,
       .help = "Statements sent.");
METRIC(metric_db_transactions, .name = "db_transactions_total", .type = METRIC_COUNTER,
       .help = "Transactions committed.");
METRIC(metric_db_reruns, .name = "db_reruns_total", .type = METRIC_COUNTER,
       .help = "Requests run again after a deadlock or the like.");
METRIC(metric_db_query, .name = "db_query_duration_seconds", .type = METRIC_HISTOGRAM,
       .label = "stmt", .bounds_us = metric_bounds,
       .help = "From sending a statement to its answer.");
METRIC(metric_db_xmin_age, .name = "db_oldest_xmin_age_seconds", .type = METRIC_LATEST,
       .millionths = true,
       .help = "For how long the oldest snapshot has kept dead rows, at least.");
METRIC(metric_db_dead_tuples, .name = "db_dead_tuples", .type = METRIC_LATEST, .label = "table",
       .help = "Dead rows not vacuumed yet.");
METRIC(metric_db_notify, .name = "db_notify_queue_ratio", .type = METRIC_LATEST, .millionths = true,
       .help = "How full the server's NOTIFY queue is, 0 to 1.");
METRIC(metric_schema_version, .name = "schema_version", .type = METRIC_LATEST,
       .help = "Migrations that the schema has had.");

/* ---- the process ---- */

METRIC(metric_clock_skew, .name = "clock_skew_seconds", .type = METRIC_LATEST, .label = "peer",
       .millionths = true, .help = "How far another machine's clock and this one's are apart.");
METRIC(metric_loop_lag, .name = "event_loop_lag_seconds", .type = METRIC_PEAK, .millionths = true,
       .help = "Longest delay of the loop in the last 10 s.");
METRIC(metric_coroutines, .name = "coroutines", .type = METRIC_GAUGE, .help = "Coroutines alive.");
METRIC(metric_log_dropped, .name = "log_lines_dropped_total", .type = METRIC_COUNTER,
       .help = "Log lines nobody took.");
METRIC(metric_build, .name = "build_info", .type = METRIC_PEAK, .label = "service,version",
       .help = "Version of this program.");
METRIC(metric_cpu, .name = "process_cpu_seconds_total", .type = METRIC_COUNTER, .millionths = true,
       .help = "User and system time.");
METRIC(metric_resident, .name = "process_resident_memory_bytes", .type = METRIC_GAUGE,
       .help = "Resident memory.");
METRIC(metric_virtual, .name = "process_virtual_memory_bytes", .type = METRIC_GAUGE,
       .help = "Virtual memory.");
METRIC(metric_open_fds, .name = "process_open_fds", .type = METRIC_GAUGE,
       .help = "Open file descriptors.");
METRIC(metric_max_fds, .name = "process_max_fds", .type = METRIC_GAUGE,
       .help = "File descriptors allowed.");
METRIC(metric_start_time, .name = "process_start_time_seconds", .type = METRIC_PEAK,
       .help = "Start of the newest process, in seconds since 1970.");
