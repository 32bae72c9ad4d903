/* common/entity/cursor.c -- where a page ended, as an opaque word for the client. */
#include <sodium.h>
#include <string.h>

#include "entity/list.h"

#define CURSOR_MAX 8192

const char *
cursor_write(struct arena *arena, const char *sort, const char *const *values, int count)
{
	struct text plain = text_in(arena);
	size_t room;
	char *out;

	text_add(&plain, "[");
	text_add_json(&plain, sort);
	for (int i = 0; i < count; i++) {
		text_add(&plain, ",");
		text_add_json(&plain, values[i]);
	}
	text_add(&plain, "]");
	room = sodium_base64_encoded_len(plain.length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	out = arena_alloc(arena, room);
	sodium_bin2base64(out, room, (const unsigned char *)plain.data, plain.length,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return out;
}

bool
cursor_read(struct request *rq, const char *cursor, const char *sort, const char **values,
	    int count)
{
	size_t length = strlen(cursor), plain_length;
	struct json_error error;
	unsigned char *plain;
	const cJSON *array, *item;
	int i = 0;

	if (length == 0 || length > CURSOR_MAX)
		return false;
	plain = arena_alloc(&rq->arena, length + 1);
	if (sodium_base642bin(plain, length, cursor, length, NULL, &plain_length, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return false;
	array = json_parse(rq, (const char *)plain, plain_length, &error);
	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) != count + 1 ||
	    !cJSON_IsString(array->child) || strcmp(array->child->valuestring, sort) != 0)
		return false;
	for (item = array->child->next; item; item = item->next) {
		if (!cJSON_IsString(item) && !cJSON_IsNull(item))
			return false;
		values[i++] = cJSON_GetStringValue(item);
	}
	return true;
}
