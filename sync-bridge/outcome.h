/* sync-bridge/outcome.h -- writes where a message ended, its link and what that sets free. */
#ifndef BRIDGE_OUTCOME_H
#define BRIDGE_OUTCOME_H

#include "deliver.h"

/* One statement. When the database is away the row stays as it was and the sweep finds it again.
 * Yields; never fails by unwinding. */
void outcome_write(struct request *rq, struct delivery *delivery);

/* "applied" */
const char *state_name(enum message_state state);

/* Whether messages may be there that an outcome could set free. Searching for them costs, so it is
 * only done when there are: set when one is written, and by each sweep during which none was. It
 * knows of this process's own: where several share the work, each searches always. */
struct parked {
	bool waiting, rejected;
	int writing;              /* being written now */
	unsigned long times;      /* writing one began or ended */
};
extern struct parked outcome_parked;

#endif
