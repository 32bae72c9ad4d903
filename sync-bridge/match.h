/* sync-bridge/match.h -- finds which records of two systems that already hold data are the same.
 *
 * A run reads both sides of a route, then goes down a ladder: a reference that one side already
 * has of the other, then the tax id, then a verified domain, then the SKU. A pair that is the
 * only one on both sides is certain; several, or a name alone, are for people. What so many share
 * that their pairs would be more than 400 is counted, not listed. Nothing is written
 * at the systems unless the run links: then the target's record gets the source's reference, and
 * the next replay of the route brings it into step by the route's own mapping.
 */
#ifndef BRIDGE_MATCH_H
#define BRIDGE_MATCH_H

#include "entity/entity.h"

extern struct entity match_entity;

/* POST /api/v1/matches {route, link?}: starts a run; a replay of kind match tells how it goes. */
void match_run(struct request *rq);

#endif
