/* common/base/arena.c -- hands out memory in blocks and gives it back in one step. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define BLOCK_SIZE 8192
#define ALIGNMENT 16

#if defined(__SANITIZE_ADDRESS__)
#define EACH_ALONE 1   /* so that AddressSanitizer sees every allocation's bounds */
#else
#define EACH_ALONE 0
#endif

struct arena_block {
	struct arena_block *older;
	size_t size;
	max_align_t data[];
};

struct arena_deferred {
	struct arena_deferred *older;
	void (*fn)(void *);
	void *what;
};

/* Standard blocks are kept for the next request: most requests need just one. */
static struct arena_block *spare;
static int spare_count;
#define SPARE_MAX 256

static struct arena_block *
block_new(size_t size)
{
	struct arena_block *block;

	if (size == BLOCK_SIZE && spare) {
		block = spare;
		spare = block->older;
		spare_count--;
		return block;
	}
	block = malloc(sizeof(*block) + size);
	if (!block)
		die("out of memory");
	block->size = size;
	return block;
}

static char *
arena_add_block(struct arena *arena, size_t size)
{
	struct arena_block *block = block_new(size);

	block->older = arena->blocks;
	arena->blocks = block;
	return (char *)block->data;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	char *memory;

	if (rounded < size)
		die("out of memory");
	arena->total += rounded;
	if (EACH_ALONE || rounded > BLOCK_SIZE / 2) {
		memory = arena_add_block(arena, size ? size : 1);
		return memset(memory, 0, size);
	}
	if (rounded > arena->left) {
		arena->next = arena_add_block(arena, BLOCK_SIZE);
		arena->left = BLOCK_SIZE;
	}
	memory = arena->next;
	arena->next += rounded;
	arena->left -= rounded;
	return memset(memory, 0, rounded);
}

char *
arena_strndup(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *
arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *
arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	char small[256];
	va_list again;
	char *text;
	int length;

	va_copy(again, args);
	length = vsnprintf(small, sizeof(small), format, args);
	if (length < 0)
		die("cannot format \"%s\"", format);
	if ((size_t)length < sizeof(small)) {
		text = arena_strndup(arena, small, (size_t)length);
	} else {
		text = arena_alloc(arena, (size_t)length + 1);
		vsnprintf(text, (size_t)length + 1, format, again);
	}
	va_end(again);
	return text;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}

void
arena_defer(struct arena *arena, void (*fn)(void *), void *what)
{
	struct arena_deferred *deferred = arena_new(arena, struct arena_deferred);

	deferred->fn = fn;
	deferred->what = what;
	deferred->older = arena->deferred;
	arena->deferred = deferred;
}

void
arena_release(struct arena *arena)
{
	struct arena_block *block, *older;

	while (arena->deferred) {
		struct arena_deferred *deferred = arena->deferred;

		arena->deferred = deferred->older;
		deferred->fn(deferred->what);
	}
	for (block = arena->blocks; block; block = older) {
		older = block->older;
		if (block->size == BLOCK_SIZE && spare_count < SPARE_MAX && !EACH_ALONE) {
			block->older = spare;
			spare = block;
			spare_count++;
		} else {
			free(block);
		}
	}
	*arena = (struct arena){ 0 };
}
