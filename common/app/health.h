/* common/app/health.h -- for machines that ask how it is going. */
#ifndef APP_HEALTH_H
#define APP_HEALTH_H

#include "http/http.h"

/* /livez, /readyz, /metrics; ended by a NULL method. */
extern struct route health_routes[];

#endif
