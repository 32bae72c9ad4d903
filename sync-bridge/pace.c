/* sync-bridge/pace.c -- sleeps between rows as the rate says, and for a moment in any case. */
#include "pace.h"

#include "base/clock.h"
#include "base/coro.h"

#define SLICE_US 1000
#define STRETCH_US 1000000

void
pace_rows(struct pace *pace, int rows)
{
	uint64_t now = clock_us();
	uint64_t due_us;

	/* Time that was lost is not made up for by a burst. */
	if (!pace->begun_us || now - pace->begun_us > STRETCH_US) {
		pace->begun_us = now;
		pace->stretch = 0;
	}
	if (!pace->slice_us)
		pace->slice_us = now;
	pace->rows += (uint64_t)rows;
	pace->stretch += (uint64_t)rows;
	due_us = pace->begun_us;
	if (pace->rate)
		due_us += pace->stretch * 1000000 / (uint64_t)pace->rate;
	if (now - pace->slice_us < SLICE_US && due_us < now + SLICE_US)
		return;
	coro_sleep(due_us > now + SLICE_US ? (due_us - now) / 1000 : 1);
	pace->slice_us = clock_us();
}
