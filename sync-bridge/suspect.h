/* sync-bridge/suspect.h -- tells drift from records that were only changing. */
#ifndef BRIDGE_SUSPECT_H
#define BRIDGE_SUSPECT_H

#include "compare.h"

/* Leaves out those with a message that is open or young. False with c->error. Yields. */
bool suspects_leave_busy(struct request *rq, struct comparison_of_route *c);

/* Reads each suspect twice, a second apart (a fifth, where nothing need settle). What stands at the
 * same versions, with no message of it open or young, is drift: it is written down and repaired or
 * held (drift.h). False with c->error. Yields; never fails by unwinding. */
bool suspects_check(struct request *rq, struct comparison_of_route *c);

#endif
