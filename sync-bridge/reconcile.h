/* sync-bridge/reconcile.h -- compares what the systems hold, again and again, and keeps them equal.
 *
 * One process per database does it (a job of common/app). A run compares every route, one after
 * the other (compare.h); runs follow each other with the pause of the option, and somebody may ask
 * for one in between: of all routes, of one, of one record. What was asked for is a row in table
 * reconciliation, so any process may take the call.
 *
 * In bridge.json a route may say "repair": "hold" (the default is "owner"), and
 *	"compare": {"when": ".record.status == \"won\"", "not": {"notes": "each side has its own"}}
 */
#ifndef BRIDGE_RECONCILE_H
#define BRIDGE_RECONCILE_H

#include "base/request.h"
#include "entity/entity.h"

struct text;

extern struct entity reconciliation_entity;

/* The job: runs what was asked for or is due. Costs a statement once a second. */
void reconcile_job(struct request *rq);
/* Something was asked for here: the job need not wait. */
void reconcile_soon(void);

/* Deletes old runs and findings. */
void reconcile_prune(struct request *rq);

/* POST /api/v1/reconciliations {route?, record?, repair?, settle_seconds?} */
void reconcile_post(struct request *rq);

/* Asks for a run of all routes that repairs nothing and leaves nothing out as too young; its id. */
int64_t reconcile_for_proof(struct request *rq);

/* Lines of the Prometheus page. Yields. */
void reconcile_metrics(struct request *rq, struct text *out);

#endif
