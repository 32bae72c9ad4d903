/* sync-bridge/places.c -- keeps who is out with a call, and who waits to be, in order. */
#include "places.h"

#include "base/clock.h"
#include "base/coro.h"

#define SLOW_US 500000
#define LOOK_MS 250         /* who waits sees that one has become slow */

static TAILQ_HEAD(, place) out = TAILQ_HEAD_INITIALIZER(out);
static TAILQ_HEAD(, place) waiting = TAILQ_HEAD_INITIALIZER(waiting);

static int
count_out(const struct bridge_route *route)
{
	uint64_t now = clock_us();
	const struct place *each;
	int count = 0;

	TAILQ_FOREACH(each, &out, entry)
		count += each->route == route && now - each->began_us < SLOW_US;
	return count;
}

static int
room(const struct bridge_route *route)
{
	return window_size(&route->window, (int)bridge_options.parallel) - count_out(route);
}

static bool
any_waits(const struct bridge_route *route)
{
	const struct place *each;

	TAILQ_FOREACH(each, &waiting, entry)
		if (each->route == route)
			return true;
	return false;
}

void
places_enter(struct place *place, struct bridge_route *route)
{
	*place = (struct place){ .route = route, .coro = coro_self() };
	if (any_waits(route) || room(route) <= 0) {
		TAILQ_INSERT_TAIL(&waiting, place, entry);
		do
			coro_park_for(LOOK_MS);
		while (room(route) <= 0);
		TAILQ_REMOVE(&waiting, place, entry);
	}
	place->began_us = clock_us();
	TAILQ_INSERT_TAIL(&out, place, entry);
}

static void
wake_next(const struct bridge_route *route)
{
	int left = room(route);
	struct place *each;

	TAILQ_FOREACH(each, &waiting, entry) {
		if (each->route != route)
			continue;
		if (left-- <= 0)
			break;
		coro_wake(each->coro);
	}
}

void
places_leave(struct place *place, bool answered)
{
	struct bridge_route *route = place->route;

	if (answered)
		window_note(&route->window, count_out(route), (int)bridge_options.parallel,
			    clock_us() - place->began_us);
	TAILQ_REMOVE(&out, place, entry);
	wake_next(route);
}
