/* common/base/log.h -- structured log lines: JSON, or text when standard error is a terminal.
 *
 *	log_info("webhook delivered", "webhook", webhook_name, "attempt", "2", NULL);
 *
 * Names and values come in pairs, ended by NULL; a NULL value is left out. Each line carries
 * time (UTC, microseconds), level, service and, inside a request, its trace id. Writing never
 * blocks: when standard error is full, lines are dropped and counted, and the count is logged
 * once there is room. Never log a secret; amounts and names of people do not belong here either.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

struct request;

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

/* format: "auto", "json" or "text". */
void log_init(const char *service, enum log_level least, const char *format);
bool log_level_parse(const char *name, enum log_level *level);

void log_line(enum log_level level, const char *message, ...) __attribute__((sentinel));
#define log_debug(...) log_line(LOG_DEBUG_, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO_, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN_, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR_, __VA_ARGS__)

/* A short number as text, valid until 8 further calls: log_info("x", "n", log_num(n), NULL). */
const char *log_num(long long n);

/* Logs how the request failed. */
void log_fault(struct request *rq, const char *what);

/* Logs and ends the process with status 1; for start-up and exhausted memory. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

unsigned long log_dropped(void);

#endif
