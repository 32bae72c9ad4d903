/* sync-bridge/lane.h -- which messages are worked on now: per record in order, records in parallel.
 *
 * What is here is a window of what table message holds; the table is the truth, so everything
 * here may be dropped at any moment. A message gets in when the inbox has committed it, or when
 * the sweep finds it due. Each process works the records of its shards (shard.h) and takes in all.
 */
#ifndef BRIDGE_LANE_H
#define BRIDGE_LANE_H

#include "base/request.h"
#include "bridge.h"

struct lane;

/* A message that is committed. Takes it over: works it in its lane, or drops it for the sweep, its
 * own or that of the process whose record it is. */
void lane_offer(struct message *message);

/* Looks into the table after so many milliseconds at the latest. Safe anywhere on the loop. */
void lane_sweep_soon(uint64_t ms);
/* There is room for more of a backlog: goes on loading it where the last load ended. */
void lane_sweep_on(void);

/* Takes the lane of a record that another record's message needs first, waiting for what runs
 * in it; NULL after 5 s. Yields. */
struct lane *lane_enter(const char *ref);
void lane_leave(struct lane *lane);

/* Another configuration runs from here on: drops what waits here, for the sweep to load again. What
 * is being worked on ends with the old one. */
void lane_drop_queued(void);

/* malloced in one piece, with copies of the texts; the lanes free it. */
struct message *message_new(const struct message *from);

struct lane_stats {
	int held, running;       /* messages here, and worked on */
	int retrying;            /* of those, not for the first time */
	bool leading;            /* this process is the elected one */
	long open;               /* unfinished in the table, as of the last sweep */
};
void lane_stats(struct lane_stats *stats);

#endif
