/* common/app/ratelimit.h -- token buckets by key: so many at once, refilled so fast. */
#ifndef APP_RATELIMIT_H
#define APP_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* One kind of limit. A zeroed one with count and ms filled is ready to use. */
struct ratelimit {
	long burst; /* at once */
	long count; /* refilled per ms milliseconds; 0: no limit */
	long ms;
	struct bucket *buckets; /* ratelimit.c's own */
};

/* Takes one; 0 when there was one, otherwise the seconds until there is one again (1 or more). */
int ratelimit_take(struct ratelimit *limit, const char *key, uint64_t now_ms);

/* As ratelimit_take without taking. */
int ratelimit_peek(struct ratelimit *limit, const char *key, uint64_t now_ms);

/* Gives one back: the attempt was none of those that count. */
void ratelimit_return(struct ratelimit *limit, const char *key);

/* Forgets every bucket. */
void ratelimit_release(struct ratelimit *limit);

#endif
