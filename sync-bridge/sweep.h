/* sync-bridge/sweep.h -- finds in the table what the lanes do not hold: after a start, a crash, a
 * pause, a full window; and elects the one process per database whose lanes work. */
#ifndef BRIDGE_SWEEP_H
#define BRIDGE_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

void sweep_start(void);
void sweep_stop(void);

/* This process works the lanes. */
bool sweep_leading(void);
/* A sweep is reading: what it finds may have ended meanwhile. */
bool sweep_running(void);
/* Unfinished messages in the table, as of the last look; up to one over the inbox's limit. */
long sweep_open(void);

/* Wakes the leading process; for the others, after they took something in. */
void sweep_tell_leader(void);

/* ---- lane.c's, for the sweep ---- */
/* Ids of the messages held; answers how many. */
int lane_held(int64_t *ids, int max);
/* The sweep has ended: forget what ended during it. */
void lane_forget_done(void);

#endif
