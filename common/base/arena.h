/* common/base/arena.h -- memory that lives exactly as long as one piece of work.
 *
 * Everything a request allocates comes from its arena and goes with it in one step, so a
 * handler never calls free. What an arena cannot hold (a PGresult, a curl handle) is hung on
 * it with arena_defer and released in reverse order.
 *
 * Under AddressSanitizer every allocation is a malloc of its own, so that an overrun is seen.
 * Memory is zeroed and aligned for any type. Running out of memory ends the process with a
 * log line: a half-done allocation is worse than a restart.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;
struct arena_deferred;

struct arena {
	struct arena_block *blocks;       /* newest first */
	struct arena_deferred *deferred;  /* newest first */
	char *next;                       /* free space in the newest block */
	size_t left;
	size_t total;                     /* bytes handed out, for limits and tests */
};

/* A zeroed struct arena is ready to use; arena_release makes it so again. */
void arena_release(struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Calls fn(what) when the arena is released, newest first. */
void arena_defer(struct arena *arena, void (*fn)(void *), void *what);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))

#endif
