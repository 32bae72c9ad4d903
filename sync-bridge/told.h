/* sync-bridge/told.h -- lets all processes of the bridge say the same of systems and routes.
 *
 * Each process calls systems and has its own view of them; the leading one's is what all show, and
 * only it subscribes. Effects are those of all.
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

/* Writes what has changed since the last time: effects, and in the leading process how systems
 * answer. Yields; may fail. */
void told_write(struct request *rq, bool leading);

/* What the leading process says of the system. Yields; may fail. */
void told_read(struct request *rq, const struct bridge_system *system, struct told *told);

#endif
