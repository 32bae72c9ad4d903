/* common/event/breaker.c -- counts failures in a row and says when to try a sick target again. */
#include "event/breaker.h"

bool
breaker_ready(const struct breaker *breaker, uint64_t now_ms)
{
	return breaker->state == BREAKER_CLOSED ||
	       (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms);
}

bool
breaker_allows(struct breaker *breaker, uint64_t now_ms, bool *probe)
{
	*probe = false;
	if (!breaker_ready(breaker, now_ms))
		return false;
	if (breaker->state == BREAKER_OPEN) {
		breaker->state = BREAKER_PROBING;
		*probe = true;
	}
	return true;
}

void
breaker_succeeded(struct breaker *breaker)
{
	*breaker = (struct breaker){ .state = BREAKER_CLOSED };
}

static void
breaker_open(struct breaker *breaker, uint64_t now_ms, bool reached)
{
	uint64_t first = reached ? BREAKER_DELAY_MS : BREAKER_DELAY_AWAY_MS;
	uint64_t most = reached ? BREAKER_DELAY_MAX_MS : BREAKER_DELAY_AWAY_MAX_MS;

	breaker->delay_ms = breaker->delay_ms == 0 ? first : breaker->delay_ms * 2;
	if (breaker->delay_ms > most)
		breaker->delay_ms = most;
	breaker->state = BREAKER_OPEN;
	breaker->until_ms = now_ms + breaker->delay_ms;
}

void
breaker_failed(struct breaker *breaker, uint64_t now_ms, bool probe, bool reached)
{
	if (breaker->state == BREAKER_CLOSED) {
		breaker->failures++;
		if (breaker->failures >= BREAKER_FAILURES)
			breaker_open(breaker, now_ms, reached);
	} else if (breaker->state == BREAKER_PROBING && probe) {
		breaker_open(breaker, now_ms, reached);
	}
	/* Others that were in flight when it opened say nothing new. */
}

void
breaker_hold(struct breaker *breaker, uint64_t now_ms, uint64_t hold_ms)
{
	if (hold_ms > BREAKER_DELAY_MAX_MS)
		hold_ms = BREAKER_DELAY_MAX_MS;
	if (breaker->state == BREAKER_OPEN && breaker->until_ms >= now_ms + hold_ms)
		return;
	if (breaker->delay_ms == 0)
		breaker->delay_ms = BREAKER_DELAY_MS;
	breaker->state = BREAKER_OPEN;
	breaker->until_ms = now_ms + hold_ms;
}
