/* sync-bridge/status.h -- how the bridge does: per route, per system, and whether all is done. */
#ifndef BRIDGE_STATUS_H
#define BRIDGE_STATUS_H

#include "base/request.h"

struct bridge_system;
struct text;

void status_get(struct request *rq);      /* GET /api/v1/status */
void status_routes(struct request *rq);   /* GET /api/v1/routes */
void status_systems(struct request *rq);  /* GET /api/v1/systems */

/* 1: the system holds changes not yet delivered to someone; 0: none; -1: it does not say, *error is
 * why. Yields. */
int status_undelivered(struct request *rq, struct bridge_system *system, const char **error);

/* Adds the bridge's lines to the Prometheus page. Yields. */
void status_metrics(struct request *rq, struct text *out);

#endif
