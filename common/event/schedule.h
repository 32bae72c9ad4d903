/* common/event/schedule.h -- when a failed delivery is tried again; pure. */
#ifndef EVENT_SCHEDULE_H
#define EVENT_SCHEDULE_H

#include <stdint.h>

#define SCHEDULE_STEPS 9

/* Milliseconds until the next attempt, after so many counted ones (1 or more): 50 ms, 250 ms, 1 s,
 * 5 s, 30 s, 2 min, 10 min, 30 min, then 1 h, each up to 20 % less or more by random. */
uint64_t schedule_delay_ms(int attempts, uint32_t random);

#endif
