/* common/event/schedule.h -- when a failed delivery is tried again; pure. */
#ifndef EVENT_SCHEDULE_H
#define EVENT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_STEPS 9
#define SCHEDULE_AWAY_MAX_MS 2000

/* Milliseconds until the next attempt, after so many counted ones (1 or more): 50 ms, 250 ms, 1 s,
 * 5 s, 30 s, 2 min, 10 min, 30 min, then 1 h, each up to 20 % less or more by random. */
uint64_t schedule_delay_ms(int attempts, uint32_t random);
/* The same, but 2 s at most for what was not the fault of what was sent: while the target is away
 * its breaker spares it, and once it is there nothing has to wait for long. */
uint64_t schedule_retry_ms(int attempts, int status, uint32_t random);
/* An answer (0: none) that says: not there, or too busy. */
bool schedule_is_away(int status);

#endif
