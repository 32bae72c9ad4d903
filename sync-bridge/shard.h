/* sync-bridge/shard.h -- divides the records among the bridge's processes, one worker for each.
 *
 * A record's shard is its id modulo 61 (a prime, so that ids in steps spread as well); all
 * messages of a record are in one. Every process on the database holds its fair share of the
 * shards by session locks on its side connection, which vanish with the process: the others look
 * each 300 ms and take what is free. Who takes a shard raises its term, and an outcome is written
 * only under the term its message was taken up with: a process that was frozen or cut off and
 * does not know yet that it lost its shards changes nothing here, and nothing at the target either,
 * which takes a call once (Idempotency-Key) and no older version (Source-Version).
 *
 * A newcomer is given shards by those who have more than their share; what runs in such a shard
 * ends first, 5 s at most. A process whose side connection has said nothing for the option "lease"
 * is taken for frozen: its session is ended by another.
 */
#ifndef BRIDGE_SHARD_H
#define BRIDGE_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/request.h"

#define SHARDS 61

int shard_of(int64_t source_id);

/* The term under which this process works the shard; 0: it does not, or gives it up just now. */
int64_t shard_term(int shard);
/* Whether it works any. */
bool shard_any(void);
/* Whether other processes may work some. */
bool shard_shared(void);
/* '{3,4,60}', those it works. */
const char *shard_list(struct request *rq);

/* Around the work on a message, so that a shard is given up between two. */
void shard_began(int shard);
void shard_ended(int shard);

/* An outcome was refused: the shard is another's by now, or was in between. */
void shard_fenced(int shard);

void shard_start(void);
/* Gives all up, each when what runs in it has ended. */
void shard_stop(void);

struct shard_stats {
	int held;                   /* by this process */
	int processes;              /* that share the work, as of the last look */
};
const struct shard_stats *shard_stats(void);

#endif
