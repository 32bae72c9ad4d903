/* common/base/clock.h -- time for timers and time for people.
 * Timers use the monotonic clock; business dates and due times come from PostgreSQL's now(). */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);        /* monotonic milliseconds */
uint64_t clock_us(void);        /* monotonic microseconds */
int64_t clock_unix(void);       /* wall clock, seconds since 1970 */
/* RFC 3339 UTC with microseconds into out[28]. */
void clock_rfc3339(char out[28]);

#endif
