/* common/event/schedule.c -- the steps between attempts: quick first, hourly in the end. */
#include "event/schedule.h"

static const uint64_t steps_ms[SCHEDULE_STEPS] = {
	50, 250, 1000, 5000, 30000, 120000, 600000, 1800000, 3600000,
};

uint64_t
schedule_delay_ms(int attempts, uint32_t random)
{
	int step = attempts < 1 ? 0 : attempts - 1;

	if (step >= SCHEDULE_STEPS)
		step = SCHEDULE_STEPS - 1;

	uint64_t base = steps_ms[step];
	uint64_t span = base * 2 / 5;

	return base - span / 2 + random % (span + 1);
}

bool
schedule_is_away(int status)
{
	return status == 0 || status == 429 || (status >= 502 && status <= 504);
}

/* A secret or token that is refused is none of the record's business either. */
uint64_t
schedule_retry_ms(int attempts, int status, uint32_t random)
{
	uint64_t delay = schedule_delay_ms(attempts, random);
	bool innocent = schedule_is_away(status) || status == 401 || status == 403;

	return innocent && delay > SCHEDULE_AWAY_MAX_MS ? SCHEDULE_AWAY_MAX_MS : delay;
}
