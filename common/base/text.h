/* common/base/text.h -- a string that grows, in an arena.
 *
 *	struct text out = text_in(&rq->arena);
 *	text_add(&out, "{\"name\":");
 *	text_add_json(&out, name);
 *	text_add(&out, "}");
 *
 * data is always NUL-terminated once anything was added; text_str answers "" before that.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

#include "base/arena.h"

struct text {
	struct arena *arena;
	char *data;
	size_t length;
	size_t capacity;
};

static inline struct text
text_in(struct arena *arena)
{
	return (struct text){ .arena = arena };
}

void text_reserve(struct text *text, size_t more);
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_char(struct text *text, char c);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds the string as a JSON string with its quotes; NULL adds null. The input is UTF-8. */
void text_add_json(struct text *text, const char *string);

const char *text_str(const struct text *text);

#endif
