/* sync-bridge/cli_control.h -- the commands that halt, and those that act on many messages. */
#ifndef BRIDGE_CLI_CONTROL_H
#define BRIDGE_CLI_CONTROL_H

#include <stdbool.h>

/* As the flags say; NULL: not said. */
struct cli_filter {
	const char *state, *route, *entity, *from, *to, *limit;
};

/* Each answers the exit status. kind: "route" or "system"; reason NULL: resumes. */
int cli_pause(const char *kind, const char *name, const char *reason, bool json);
/* verb: "retry" or "skip". */
int cli_bulk(const char *verb, const struct cli_filter *filter, const char *reason, bool json);

#endif
