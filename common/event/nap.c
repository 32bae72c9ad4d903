/* common/event/nap.c -- sleeps with a timer of its own, so that each park is woken exactly once. */
#include "event/nap.h"

#include <event2/event.h>

#include "base/coro.h"
#include "base/log.h"

static void
nap_over(evutil_socket_t fd, short what, void *arg)
{
	nap_end(arg);
}

void
nap_sleep(struct nap *nap, uint64_t ms_max)
{
	struct timeval after = { .tv_sec = (time_t)(ms_max / 1000),
				 .tv_usec = (suseconds_t)(ms_max % 1000 * 1000) };

	if (nap->again) {
		nap->again = false;
		return;
	}
	if (nap->timer == NULL)
		nap->timer = evtimer_new(coro_loop(), nap_over, nap);
	if (nap->timer == NULL || evtimer_add(nap->timer, &after) != 0)
		die("out of memory");
	nap->coro = coro_self();
	coro_park();
	evtimer_del(nap->timer);
}

void
nap_end(struct nap *nap)
{
	struct coro *coro = nap->coro;

	nap->coro = NULL;
	if (coro != NULL)
		coro_wake(coro);
	else
		nap->again = true;
}

void
nap_release(struct nap *nap)
{
	if (nap->timer != NULL)
		event_free(nap->timer);
	*nap = (struct nap){ 0 };
}
