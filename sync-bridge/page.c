/* sync-bridge/page.c -- reads a list page by page, finding where each record begins and ends. */
#include "page.h"

#include <stdio.h>
#include <string.h>

static const char *
skip_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* Past the string that begins here; NULL when it does not end. */
static const char *
skip_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && !*++at)
			return NULL;
	return *at ? at + 1 : NULL;
}

/* Past the value that begins here; NULL when it does not end. Whether it is JSON inside is for its
 * parser to say. */
static const char *
skip_value(const char *at)
{
	int depth = 0;

	do {
		size_t plain;

		at = skip_space(at);
		switch (*at) {
		case '\0':
			return NULL;
		case '"':
			at = skip_string(at);
			if (!at)
				return NULL;
			break;
		case '{':
		case '[':
			depth++;
			at++;
			break;
		case '}':
		case ']':
			if (depth-- == 0)
				return NULL;
			at++;
			break;
		case ',':
		case ':':
			if (depth == 0)
				return NULL;
			at++;
			break;
		default:
			plain = strcspn(at, "\"{}[],: \t\r\n");
			at += plain;
		}
	} while (depth > 0);
	return at;
}

/* The records of the array that begins here; NULL when it is none, or too long. */
static const char *
cut_records(struct request *rq, const char *at, struct page *page)
{
	const char *end;

	if (*at != '[')
		return NULL;
	at = skip_space(at + 1);
	while (*at != ']') {
		end = skip_value(at);
		if (!end || page->count == PAGE_MAX)
			return NULL;
		page->records[page->count++] = arena_strndup(&rq->arena, at, (size_t)(end - at));
		at = skip_space(end);
		if (*at == ',')
			at = skip_space(at + 1);
		else if (*at != ']')
			return NULL;
	}
	return at + 1;
}

/* "next_cursor": a string without escapes, or null. */
static const char *
cut_cursor(const char *at, struct page *page)
{
	const char *end = skip_value(at);

	if (!end || strncmp(at, "null", 4) == 0)
		return end;
	if (*at != '"' || memchr(at, '\\', (size_t)(end - at)) || end - at - 2 >= CURSOR_MAX)
		return NULL;
	snprintf(page->next, sizeof(page->next), "%.*s", (int)(end - at - 2), at + 1);
	return end;
}

static bool
cut_page(struct request *rq, const char *text, struct page *page)
{
	const char *at = skip_space(text);
	bool data = false;

	if (*at != '{')
		return false;
	at = skip_space(at + 1);
	while (at && *at == '"') {
		const char *key = at;

		at = skip_string(at);
		at = at ? skip_space(at) : NULL;
		if (!at || *at != ':')
			return false;
		at = skip_space(at + 1);
		if (strncmp(key, "\"data\"", 6) == 0 && !data) {
			at = cut_records(rq, at, page);
			data = true;
		} else if (strncmp(key, "\"next_cursor\"", 13) == 0) {
			at = cut_cursor(at, page);
		} else {
			at = skip_value(at);
		}
		at = at ? skip_space(at) : NULL;
		if (at && *at == ',')
			at = skip_space(at + 1);
	}
	return data && at && *at == '}';
}

bool
page_read(struct request *rq, struct bridge_system *system, const char *path,
	  const char *parameter, const char *cursor, struct page *page, const char **error)
{
	struct call call = { .method = "GET", .path = path, .raw = true };

	if (*cursor)
		call.path = arena_printf(&rq->arena, "%s&%s=%s", path, parameter, cursor);
	*page = (struct page){ 0 };
	system_call(rq, system, &call);
	if (call.result != CALL_DONE) {
		*error = arena_printf(&rq->arena, "%s does not list %s: %s", system->name, path,
				      call.reason);
		return false;
	}
	if (cut_page(rq, call.text, page))
		return true;
	*error = arena_printf(&rq->arena, "%s: %s is no list", system->name, path);
	return false;
}
