/* sync-bridge/trial.h -- runs jq programs that nobody has approved yet, in a process of their own.
 *
 * A program that is only tried may loop, grow, or make jq itself abort. So it runs in a child that
 * has nothing: no environment, no files, no sockets, a bound on its memory and time. In it the
 * same limits hold for each program and each run as for the mappings that are in use (mapping.h).
 */
#ifndef BRIDGE_TRIAL_H
#define BRIDGE_TRIAL_H

#include <stdbool.h>

#include "base/request.h"

struct trial_result {
	const char *mapped;        /* JSON text; NULL: see error, or no map was given */
	const char *map_error;
	int wanted;                /* 1, 0; -1: see error, or no when was given */
	const char *when_error;
	bool ran;
};

struct trial {
	const char *map, *when;    /* programs; NULL: not tried */
	const char *target;        /* the system that they map for */
	const char **bodies;       /* changes as mappings see them */
	int count;

	struct trial_result *results;      /* one for each body */
	const char *bad;           /* "map" or "when": it does not compile */
	const char *error;         /* "line 3: syntax error, ..." */
	const char *stopped;       /* why not all were run; NULL when they were */
};

/* Everything it answers lives in the request's arena. False when a trial is under way already:
 * one runs at a time. Yields. */
bool trial_run(struct request *rq, struct trial *trial);

/* The child: "sync-bridge --trial", from standard input to standard output. Answers its exit
 * status. */
#define TRIAL_FLAG "--trial"
int trial_child(void);

#endif
