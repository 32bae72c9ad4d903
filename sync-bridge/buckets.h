/* sync-bridge/buckets.h -- 65,536 sums of digests, all zero when both sides hold the same records.
 *
 * What the source holds is added, what the target holds is taken away. Adding is commutative, so
 * neither side need be sorted; a sum and not an exclusive-or, so that a record that is there twice
 * does not cancel itself out. The same 2.6 MB for any number of rows; fewer buckets, and what
 * changes while a million rows are read would make most differ.
 */
#ifndef BRIDGE_BUCKETS_H
#define BRIDGE_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "shape.h"

#define BUCKETS 65536

struct bucket {
	uint64_t sums[4];       /* of the source's digests less the target's */
	uint32_t source_rows;
	uint32_t surplus;       /* the source's rows less the target's */
};

/* Which bucket the source's record belongs to. */
static inline int
bucket_of(int64_t id)
{
	uint64_t x = (uint64_t)id * 0x9E3779B97F4A7C15u;

	return (int)((x ^ (x >> 29)) >> 20 & (BUCKETS - 1));
}

/* times: 1 for the source, -1 for the target. */
static inline void
bucket_add(struct bucket *buckets, int64_t id, const struct digest *digest, int times)
{
	struct bucket *bucket = &buckets[bucket_of(id)];

	bucket->source_rows += times > 0;
	bucket->surplus += (uint32_t)times;
	for (int i = 0; i < 4; i++)
		bucket->sums[i] += (uint64_t)times * digest->words[i];
}

static inline bool
bucket_differs(const struct bucket *bucket)
{
	return bucket->surplus || bucket->sums[0] || bucket->sums[1] || bucket->sums[2] ||
	       bucket->sums[3];
}

#endif
