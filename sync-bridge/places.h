/* sync-bridge/places.h -- how many calls of a route are out at once: as many as its target is
 * served best with (event/window.h), "parallel" of all routes together at most.
 *
 * A call that takes long is not counted any more, so that a few which hang hold up nobody.
 */
#ifndef BRIDGE_PLACES_H
#define BRIDGE_PLACES_H

#include <stdbool.h>
#include <sys/queue.h>

#include "bridge.h"

struct coro;

/* On the stack of who makes the call. */
struct place {
	struct bridge_route *route;
	struct coro *coro;
	uint64_t began_us;         /* 0: waits for its place */
	TAILQ_ENTRY(place) entry;
};

/* Yields until there is room. Nothing may unwind from here until places_leave. */
void places_enter(struct place *place, struct bridge_route *route);
/* answered: how long it took says something of the target. */
void places_leave(struct place *place, bool answered);

#endif
