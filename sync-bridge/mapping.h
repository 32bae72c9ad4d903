/* sync-bridge/mapping.h -- jq programs, compiled once and run on changes.
 *
 * A run that takes longer than 250 ms is stopped and is an error. Not for threads.
 */
#ifndef BRIDGE_MAPPING_H
#define BRIDGE_MAPPING_H

#include <stdbool.h>

#include "base/arena.h"

struct mapping;

/* Notes a program; both texts must live as long as the process. */
struct mapping *mapping_add(const char *where, const char *program);

/* Compiles all that were noted, as one program: jq takes 20 to 50 ms for each. False with *error
 * (malloced) about the one that is wrong: "<where>, line 3: syntax error ...". */
bool mapping_compile(char **error);

/* The one result as JSON text in the arena; NULL with *error in the arena, also when the program
 * gives no result or several. */
const char *mapping_run(struct mapping *mapping, struct arena *arena, const char *input,
			const char **error);

/* 1 and 0 as jq's truth; -1 with *error. No result is false. */
int mapping_test(struct mapping *mapping, struct arena *arena, const char *input,
		 const char **error);

#endif
