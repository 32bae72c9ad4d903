/* sync-bridge/told.h -- lets all processes of the bridge say the same of systems and routes.
 *
 * Only the process that works the lanes calls systems; the others read what it wrote.
 */
#ifndef BRIDGE_TOLD_H
#define BRIDGE_TOLD_H

#include <stdbool.h>

#include "base/request.h"

struct bridge_system;

struct told {
	const char *breaker;
	const char *error;       /* NULL: none */
	bool subscribed;
};

/* In the leading process: writes what has changed since the last time. Yields; may fail. */
void told_write(struct request *rq);

/* What the leading process says of the system. Yields; may fail. */
void told_read(struct request *rq, const struct bridge_system *system, struct told *told);

#endif
