/* common/event/breaker.h -- keeps a sick target from being hammered; pure, with the caller's clock.
 *
 *	closed --5 failures in a row--> open --after 1 s--> probing --success--> closed
 *	                                 ^------failure, delay doubles-------'
 *
 * The delay doubles to 30 s. While the target is away (not reached) it begins with 125 ms and
 * doubles to 2 s only, because asking costs it nothing then, and it should be noticed soon when it
 * is back.
 *
 * A success of any attempt closes it. Only breaker_allows moves it from open to probing, and it
 * says yes once: that attempt is the probe.
 */
#ifndef EVENT_BREAKER_H
#define EVENT_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES 5
#define BREAKER_DELAY_MS 1000
#define BREAKER_DELAY_MAX_MS 30000
#define BREAKER_DELAY_AWAY_MS 125
#define BREAKER_DELAY_AWAY_MAX_MS 2000

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

/* Zeroed is closed. */
struct breaker {
	enum breaker_state state;
	int failures;            /* in a row */
	uint64_t delay_ms;       /* of the current opening */
	uint64_t until_ms;       /* open: no attempt before */
};

/* Whether an attempt may start now; *probe when it is the one that decides. */
bool breaker_allows(struct breaker *breaker, uint64_t now_ms, bool *probe);
/* Whether breaker_allows would say yes; changes nothing. */
bool breaker_ready(const struct breaker *breaker, uint64_t now_ms);
void breaker_succeeded(struct breaker *breaker);
void breaker_failed(struct breaker *breaker, uint64_t now_ms, bool probe, bool reached);
/* The target asked to be left alone for so long (Retry-After); 30 s at most. */
void breaker_hold(struct breaker *breaker, uint64_t now_ms, uint64_t hold_ms);

#endif
