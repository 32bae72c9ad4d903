/* sync-bridge/buckets.h -- 65,536 sums of digests: two sides with equal ones hold the same records.
 *
 * Adding is commutative, so neither side need be sorted; a sum and not an exclusive-or, so that a
 * record that is there twice does not cancel itself out. The same 2.5 MB for any number of rows;
 * fewer of them, and what changes while a million rows are read would make most differ.
 */
#ifndef BRIDGE_BUCKETS_H
#define BRIDGE_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "shape.h"

#define BUCKETS 65536

struct bucket {
	uint64_t rows;
	uint64_t sums[4];
};

/* Which bucket the source's record belongs to. */
static inline int
bucket_of(int64_t id)
{
	uint64_t x = (uint64_t)id * 0x9E3779B97F4A7C15u;

	return (int)((x ^ (x >> 29)) >> 20 & (BUCKETS - 1));
}

static inline void
bucket_add(struct bucket *buckets, int64_t id, const struct digest *digest)
{
	struct bucket *bucket = &buckets[bucket_of(id)];

	bucket->rows++;
	for (int i = 0; i < 4; i++)
		bucket->sums[i] += digest->words[i];
}

static inline bool
bucket_equal(const struct bucket *a, const struct bucket *b)
{
	return a->rows == b->rows && a->sums[0] == b->sums[0] && a->sums[1] == b->sums[1] &&
	       a->sums[2] == b->sums[2] && a->sums[3] == b->sums[3];
}

#endif
