/* common/base/json.c -- reads and writes members of cJSON trees exactly. */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/request.h"

static void *
allocate(size_t size)
{
	struct request *rq = request_current();

	if (!rq)
		die("JSON outside a request");
	return arena_alloc(&rq->arena, size);
}

static void
release(void *memory)
{
	(void)memory;   /* goes with the arena */
}

void
json_init(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = allocate, .free_fn = release });
}

cJSON *
json_get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *
json_string(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(json_get(object, key));
}

bool
json_is_number(const cJSON *node)
{
	return cJSON_IsRaw(node) || cJSON_IsNumber(node);
}

const char *
json_number_text(const cJSON *node)
{
	if (cJSON_IsRaw(node))
		return node->valuestring;
	return cJSON_IsNumber(node) ? cJSON_PrintUnformatted(node) : NULL;
}

bool
json_node_integer(const cJSON *node, int64_t *value)
{
	const char *text = json_is_number(node) ? json_number_text(node) : NULL;
	char *end;

	if (!text)
		return false;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

bool
json_integer(const cJSON *object, const char *key, int64_t *value)
{
	return json_node_integer(json_get(object, key), value);
}

void
json_add_integer(cJSON *object, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	cJSON_AddItemToObject(object, key, cJSON_CreateRaw(text));
}

void
json_add_string(cJSON *object, const char *key, const char *value)
{
	cJSON_AddItemToObject(object, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

char *
json_text(struct request *rq, const cJSON *node)
{
	char *text = cJSON_PrintUnformatted(node);

	if (!text)
		fail(rq, ERR_INTERNAL, .detail = "A JSON tree cannot be printed.");
	return text;
}
