/* common/app/metrics.h -- fills in what is not counted where it happens, and writes the page.
 *
 * What is counted is in base/metric_list.h. Numbers that others keep (pool, sender, /proc) are
 * copied by each process twice a second and before its page; what the database knows is asked
 * by the process that is asked.
 */
#ifndef APP_METRICS_H
#define APP_METRICS_H

#include <stdint.h>

#include "app/app.h"
#include "base/metric_list.h"

/* A request was answered; route is NULL when none was found. */
void metrics_request(const struct route *route, const char *method, int status, uint64_t us);

/* Once the process has its loop and database; process: its number among the workers. */
void metrics_start(int process);
/* From the loop's timer. */
void metrics_tick(void);

/* Handler of GET /metrics. Yields. */
void metrics_page(struct request *rq);

#endif
