/* common/app/metrics.h -- what this process has counted, and its Prometheus page.
 *
 * Labels have few values: routes by pattern, never paths or ids. With several workers each
 * process answers for itself.
 */
#ifndef APP_METRICS_H
#define APP_METRICS_H

#include <stdint.h>

#include "app/app.h"

enum rejected { REJECTED_RATE, REJECTED_AUTH, REJECTED_COUNT };

/* route is NULL when none was found. */
void metrics_request(const struct route *route, const char *method, int status, uint64_t us);
void metrics_rejected(enum rejected reason);
void metrics_rerun(void);

/* Handler of GET /metrics. Yields. */
void metrics_page(struct request *rq);

#endif
