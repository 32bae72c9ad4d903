/* sync-bridge/drift.h -- what was found to differ: written down, repaired or held, and shown.
 *
 * A repair is a message like any other, of type <entity>.reconciled: the source's present state,
 * which the target takes only if its record still has the version that was compared (If-Match).
 * So a live write in between is never undone; it makes the repair end as superseded, and the
 * record is compared again.
 */
#ifndef BRIDGE_DRIFT_H
#define BRIDGE_DRIFT_H

#include "entity/entity.h"
#include "pair.h"

extern struct entity drift_entity;

/* A finding that stands: writes it down, and repairs or holds it when the run is to. False with
 * c->error. Yields; may fail. */
bool drift_found(struct request *rq, struct comparison_of_route *c, const struct pair *pair);

/* The record could not be judged now: what was found of it before stays. Yields; may fail. */
void drift_still(struct request *rq, const struct comparison_of_route *c, int64_t id);

/* When all was looked at: waits for the repairs (30 s at most), notes how they ended, and that what
 * was not found again is gone. id: of the one record that was looked at, 0 for all. Yields; may
 * fail. */
void drift_settle(struct request *rq, struct comparison_of_route *c, int64_t id);

/* Whether a message is a repair, and the target's version it may overwrite; 0: there was none. */
bool drift_is_repair(const char *type);
int64_t drift_target_version(struct request *rq, const char *body);

/* Deletes findings that ended longer ago than the option says. Yields; may fail. */
void drift_prune(struct request *rq);

#endif
