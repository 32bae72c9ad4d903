/* common/base/clock.c -- reads the two clocks. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t
clock_unix(void)
{
	return (int64_t)time(NULL);
}

void
clock_rfc3339(char out[28])
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(out, 21, "%Y-%m-%dT%H:%M:%S.", &utc);
	snprintf(out + 20, 8, "%06uZ", (unsigned)(now.tv_nsec / 1000) % 1000000u);
}
