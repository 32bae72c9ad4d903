/* common/app/heartbeat.c -- a timer that measures the loop's delay and feeds the watchdogs. */
#include "app/heartbeat.h"

#include <event2/event.h>
#include <unistd.h>

#include "app/metrics.h"
#include "app/notify.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"

#define PERIOD_MS 500
#define WINDOW 20 /* periods: 10 s */
#define ALIVE_MS 5000

static struct event *timer;
static int parent = -1;
static uint64_t last_us;
static uint64_t lags[WINDOW];
static int slot;
static bool ready_due; /* to be said, once somebody listens */

static void
tell(char what)
{
	if (parent >= 0) {
		/* A full pipe means the parent has beats enough. */
		if (write(parent, &what, 1) < 0)
			return;
	} else {
		ready_due = what == HEARTBEAT_READY || ready_due;
		if (ready_due)
			ready_due = !notify("READY=1");
		else
			notify("WATCHDOG=1");
	}
}

static void
beat(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now = clock_us();
	uint64_t passed = now - last_us;

	lags[slot] = passed > PERIOD_MS * 1000 ? passed - PERIOD_MS * 1000 : 0;
	slot = (slot + 1) % WINDOW;
	last_us = now;
	tell(HEARTBEAT_BEAT);
	metrics_tick();
}

void
heartbeat_start(int pipe)
{
	static const struct timeval period = { .tv_usec = PERIOD_MS * 1000 };

	parent = pipe;
	last_us = clock_us();
	timer = event_new(coro_loop(), -1, EV_PERSIST, beat, NULL);
	if (!timer)
		die("out of memory");
	event_add(timer, &period);
	tell(HEARTBEAT_READY);
}

/* A worker's parent has said the first half for all. */
void
heartbeat_reload(bool done)
{
	if (done)
		tell(HEARTBEAT_READY);
	else if (parent < 0)
		notify_reloading();
}

void
heartbeat_stop(void)
{
	if (parent < 0)
		notify("STOPPING=1");
}

bool
heartbeat_alive(void)
{
	return clock_us() - last_us < ALIVE_MS * 1000;
}

uint64_t
heartbeat_lag_us(void)
{
	uint64_t longest = 0;

	for (int i = 0; i < WINDOW; i++)
		if (lags[i] > longest)
			longest = lags[i];
	return longest;
}
