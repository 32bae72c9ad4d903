/* common/event/nap.h -- a coroutine that sleeps until it is needed, and is woken nowhere else.
 *
 * coro_wake reaches a coroutine wherever it is parked, also inside a database call. A nap is
 * ended only while it is one; ending it at another time makes the next one end at once.
 */
#ifndef EVENT_NAP_H
#define EVENT_NAP_H

#include <stdbool.h>
#include <stdint.h>

struct coro;
struct event;

/* Zeroed is ready to use. */
struct nap {
	struct coro *coro;     /* while it sleeps */
	struct event *timer;
	bool again;
};

void nap_sleep(struct nap *nap, uint64_t ms_max);   /* yields */
void nap_end(struct nap *nap);
void nap_release(struct nap *nap);

#endif
