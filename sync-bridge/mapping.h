/* sync-bridge/mapping.h -- jq programs, compiled once as a set and run on changes.
 *
 * A run that takes more than 250 ms of CPU is stopped and is an error. A program that would reach
 * outside of the change (env, input, debug, import ...) does not compile; $ENV is null. Not for
 * threads.
 */
#ifndef BRIDGE_MAPPING_H
#define BRIDGE_MAPPING_H

#include <stdbool.h>

#include "base/arena.h"

struct mapping;

/* Programs that are compiled as one: jq takes 20 to 50 ms each time. Lives in the arena, and goes
 * with it; the arena must not move before the set is compiled. */
struct mappings;
struct mappings *mappings_new(struct arena *arena);

/* Notes a program; the texts must live as long as the set. A program sees the name of the system
 * it maps for as member "target" of its input; NULL adds none. */
struct mapping *mapping_add(struct mappings *set, const char *where, const char *program,
			    const char *target);

/* False with *error (in the arena) about the one that is wrong: "<where>, line 3: syntax error".
 * Wants a stack of megabytes: never in a coroutine. */
bool mappings_compile(struct mappings *set, const char **error);

/* The one result as JSON text in the arena; NULL with *error in the arena, also when the program
 * gives no result or several. */
const char *mapping_run(struct mapping *mapping, struct arena *arena, const char *input,
			const char **error);

/* 1 and 0 as jq's truth; -1 with *error. No result is false. */
int mapping_test(struct mapping *mapping, struct arena *arena, const char *input,
		 const char **error);

#endif
