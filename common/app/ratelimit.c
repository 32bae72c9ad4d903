/* common/app/ratelimit.c -- keeps the token buckets in a hash and forgets the full ones. */
#include "app/ratelimit.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

/* Beyond this many keys the full buckets are dropped: they say nothing. */
#define BUCKETS_MAX 20000

/* Levels are in thousandths of a token, so that whole numbers are enough. */
#define TOKEN 1000

struct bucket {
	int64_t level;
	uint64_t at_ms;
	UT_hash_handle hh;
	char key[];
};

static void
bucket_refill(const struct ratelimit *limit, struct bucket *bucket, uint64_t now_ms)
{
	int64_t full = (int64_t)limit->burst * TOKEN;
	int64_t gained = (int64_t)(now_ms - bucket->at_ms) * TOKEN * limit->count / limit->ms;

	if (gained <= 0)
		return;
	bucket->level = gained > full - bucket->level ? full : bucket->level + gained;
	bucket->at_ms = now_ms;
}

static void
forget_full(struct ratelimit *limit, uint64_t now_ms)
{
	struct bucket *bucket, *next;

	HASH_ITER(hh, limit->buckets, bucket, next)
	{
		bucket_refill(limit, bucket, now_ms);
		if (bucket->level >= (int64_t)limit->burst * TOKEN) {
			HASH_DEL(limit->buckets, bucket);
			free(bucket);
		}
	}
	/* An attack from very many addresses: starting anew is better than growing. */
	if (HASH_COUNT(limit->buckets) >= BUCKETS_MAX)
		ratelimit_release(limit);
}

static struct bucket *
bucket_find(struct ratelimit *limit, const char *key, uint64_t now_ms)
{
	struct bucket *bucket;
	size_t size = strlen(key) + 1;

	HASH_FIND_STR(limit->buckets, key, bucket);
	if (bucket) {
		bucket_refill(limit, bucket, now_ms);
		return bucket;
	}
	if (HASH_COUNT(limit->buckets) >= BUCKETS_MAX)
		forget_full(limit, now_ms);
	bucket = malloc(sizeof(*bucket) + size);
	if (!bucket)
		die("out of memory");
	memcpy(bucket->key, key, size);
	bucket->level = (int64_t)limit->burst * TOKEN;
	bucket->at_ms = now_ms;
	HASH_ADD_STR(limit->buckets, key, bucket);
	return bucket;
}

static int
seconds_left(const struct ratelimit *limit, const struct bucket *bucket)
{
	int64_t ms = (TOKEN - bucket->level) * limit->ms / limit->count / TOKEN;

	return (int)(ms / 1000 + 1);
}

int
ratelimit_take(struct ratelimit *limit, const char *key, uint64_t now_ms)
{
	struct bucket *bucket;

	if (limit->count == 0)
		return 0;
	bucket = bucket_find(limit, key, now_ms);
	if (bucket->level < TOKEN)
		return seconds_left(limit, bucket);
	bucket->level -= TOKEN;
	return 0;
}

int
ratelimit_peek(struct ratelimit *limit, const char *key, uint64_t now_ms)
{
	struct bucket *bucket;

	if (limit->count == 0)
		return 0;
	HASH_FIND_STR(limit->buckets, key, bucket);
	if (!bucket)
		return 0;
	bucket_refill(limit, bucket, now_ms);
	return bucket->level < TOKEN ? seconds_left(limit, bucket) : 0;
}

void
ratelimit_return(struct ratelimit *limit, const char *key)
{
	struct bucket *bucket;

	HASH_FIND_STR(limit->buckets, key, bucket);
	if (bucket && bucket->level < (int64_t)limit->burst * TOKEN)
		bucket->level += TOKEN;
}

void
ratelimit_release(struct ratelimit *limit)
{
	struct bucket *bucket, *next;

	HASH_ITER(hh, limit->buckets, bucket, next)
	{
		HASH_DEL(limit->buckets, bucket);
		free(bucket);
	}
}
