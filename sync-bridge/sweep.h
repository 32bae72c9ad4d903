/* sync-bridge/sweep.h -- finds in the table what the lanes do not hold: after a start, a crash, a
 * pause, a full window, and what came in at another process; and elects the one process per
 * database that leads: subscribes, and says how systems answer. */
#ifndef BRIDGE_SWEEP_H
#define BRIDGE_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

void sweep_start(void);
void sweep_stop(void);

/* This process is the elected one. */
bool sweep_leading(void);
/* A sweep is reading: what it finds may have ended meanwhile. */
bool sweep_running(void);
/* Unfinished messages in the table, of all processes: as of the last count (up to one over the
 * inbox's limit, 250 ms old at most while there are any), with what this one took in and ended
 * since. */
long sweep_open(void);
void sweep_count(int change);

/* Others' work may be ours now. Why they put it off went with them, and nobody works any more what
 * they were fetching: it is due. */
void sweep_inherit(void);

/* Wakes the other processes, if there are: something that one of them works has come in. */
void sweep_tell_others(void);
/* The same, and this one looks too. */
void sweep_tell_all(void);

/* ---- lane.c's, for the sweep ---- */
/* Ids of the messages held; answers how many. */
int lane_held(int64_t *ids, int max);
/* Half of the window is free; else lane_sweep_on follows once it is. */
bool lane_has_room(void);
/* The sweep has ended: forget what ended during it. */
void lane_forget_done(void);

#endif
