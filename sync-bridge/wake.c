/* sync-bridge/wake.c -- makes and sets the timers of those who work by the clock. */
#include "wake.h"

#include "base/coro.h"
#include "base/log.h"

struct event *
wake_new(event_callback_fn rang)
{
	struct event *timer = evtimer_new(coro_loop(), rang, NULL);

	if (!timer)
		die("out of memory");
	return timer;
}

void
wake_after(struct event *timer, uint64_t ms)
{
	struct timeval after = { .tv_sec = (time_t)(ms / 1000),
				 .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (timer)
		evtimer_add(timer, &after);
}
