/* common/base/text.c -- a growing string, and strings as JSON. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
text_reserve(struct text *text, size_t more)
{
	size_t need = text->length + more + 1;
	size_t capacity = text->capacity ? text->capacity : 128;
	char *data;

	if (need <= text->capacity)
		return;
	while (capacity < need)
		capacity *= 2;
	data = arena_alloc(text->arena, capacity);
	if (text->length)
		memcpy(data, text->data, text->length);
	text->data = data;
	text->capacity = capacity;
}

void
text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	text_reserve(text, length);
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void
text_add_char(struct text *text, char c)
{
	text_add_bytes(text, &c, 1);
}

void
text_addf(struct text *text, const char *format, ...)
{
	va_list args, again;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	text_reserve(text, (size_t)length);
	vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
	text->length += (size_t)length;
	va_end(again);
	va_end(args);
}

void
text_add_json(struct text *text, const char *string)
{
	const char *run = string;
	const char *at;

	if (!string) {
		text_add(text, "null");
		return;
	}
	text_add_char(text, '"');
	for (at = string; *at; at++) {
		unsigned char c = (unsigned char)*at;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		text_add_bytes(text, run, (size_t)(at - run));
		run = at + 1;
		if (c == '"' || c == '\\')
			text_addf(text, "\\%c", c);
		else if (c == '\n')
			text_add(text, "\\n");
		else if (c == '\t')
			text_add(text, "\\t");
		else
			text_addf(text, "\\u%04x", c);
	}
	text_add_bytes(text, run, (size_t)(at - run));
	text_add_char(text, '"');
}

const char *
text_str(const struct text *text)
{
	return text->data ? text->data : "";
}
