/* sync-bridge/config_reader.c -- reads and checks single values of bridge.json. */
#include "config_reader.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"

#define FILE_MAX (256 * 1024)

/* The string that begins at its opening quote; answers its closing one. */
static const char *
string_end(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return at;
}

/* The line on which the member key of a section begins, or its element of that index when key is
 * NULL; 0 when it is not there. The text is JSON. */
static int
line_of_member(const char *text, const char *section, const char *key, int index)
{
	int line = 1, depth = 0;
	bool inside = false;

	for (const char *at = text; *at; at++) {
		line += *at == '\n';
		if (*at == '"') {
			const char *end = string_end(at);
			const char *wanted = depth == 1 ? section : inside && depth == 2 ? key
											: NULL;
			bool is_key = *end && end[1 + strspn(end + 1, " \t\r\n")] == ':';
			bool same = wanted && strlen(wanted) == (size_t)(end - at) - 1 &&
				    strncmp(at + 1, wanted, strlen(wanted)) == 0;

			if (is_key && same && depth == 2)
				return line;
			if (is_key && depth == 1)
				inside = same;
			at = *end ? end : end - 1;
		} else if (*at == '{' || *at == '[') {
			if (inside && depth == 2 && !key && index-- == 0)
				return line;
			depth++;
		} else if (*at == '}' || *at == ']') {
			depth--;
		}
	}
	return 0;
}

/* "routes[3] (order-status)" and "systems.crm" with their line before them. */
const char *
config_place(struct config_reader *reader, const char *place)
{
	int line = 0;

	if (reader->text && strncmp(place, "routes[", 7) == 0)
		line = line_of_member(reader->text, "routes", NULL,
				      (int)strtol(place + 7, NULL, 10));
	else if (reader->text && strncmp(place, "systems.", 8) == 0)
		line = line_of_member(reader->text, "systems", place + 8, 0);
	return line ? arena_printf(&reader->rq->arena, "line %d: %s", line, place) : place;
}

void
config_refuse(struct config_reader *reader, const char *place, const char *format, ...)
{
	va_list args;
	char *reason;

	va_start(args, format);
	reason = arena_vprintf(&reader->rq->arena, format, args);
	va_end(args);
	fail(reader->rq, ERR_VALIDATION,
	     .detail = arena_printf(&reader->rq->arena, "%s: %s%s%s", reader->file,
				    config_place(reader, place), *place ? ": " : "", reason));
}

char *
config_file(struct config_reader *reader, const char *path)
{
	static char content[FILE_MAX + 1];
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t length;

	if (!file)
		return NULL;
	length = fread(content, 1, sizeof(content), file);
	if (!ferror(file) && length <= FILE_MAX) {
		text = arena_strndup(&reader->rq->arena, content, length);
		crypto_generichash_update(reader->digest, (const unsigned char *)path,
					  strlen(path) + 1);
		crypto_generichash_update(reader->digest, (const unsigned char *)text,
					  strlen(text) + 1);
	}
	fclose(file);
	sodium_memzero(content, sizeof(content));
	return text;
}

char *
config_beside(struct config_reader *reader, const char *folder, const char *name)
{
	if (*name == '/')
		return arena_strdup(&reader->rq->arena, name);
	return arena_printf(&reader->rq->arena, "%s/%s", folder, name);
}

void
config_only_keys(struct config_reader *reader, const char *place, const cJSON *object,
		 const char *const *known)
{
	const cJSON *member;

	if (!cJSON_IsObject(object))
		config_refuse(reader, place, "must be an object");
	cJSON_ArrayForEach(member, object) {
		int i = 0;

		while (known[i] && strcmp(known[i], member->string) != 0)
			i++;
		if (!known[i])
			config_refuse(reader, place, "unknown key \"%s\"", member->string);
	}
}

const char *
config_optional(struct config_reader *reader, const char *place, const cJSON *object,
		const char *key)
{
	const cJSON *member = json_get(object, key);

	if (!member)
		return NULL;
	if (!cJSON_IsString(member) || !*member->valuestring)
		config_refuse(reader, place, "\"%s\" must be a text that is not empty", key);
	return member->valuestring;
}

const char *
config_required(struct config_reader *reader, const char *place, const cJSON *object,
		const char *key)
{
	if (!json_get(object, key))
		config_refuse(reader, place, "\"%s\" is missing", key);
	return config_optional(reader, place, object, key);
}

const char *
config_name(struct config_reader *reader, const char *place, const cJSON *object, const char *key)
{
	const char *name = config_required(reader, place, object, key);

	if (strlen(name) > 60 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(name))
		config_refuse(reader, place,
			      "\"%s\" must be lower-case letters, digits, _ and - (60 at most)",
			      key);
	return name;
}

static const char *
secret_file(struct config_reader *reader, const char *name)
{
	const char *credential = config_credential(name);
	char *text = config_file(reader, credential ? credential :
				 config_beside(reader, reader->folder, name));
	size_t length = text ? strlen(text) : 0;

	while (length && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	return text;
}

const char *
config_secret(struct config_reader *reader, const char *place, const cJSON *object,
	      const char *key)
{
	const char *value = config_required(reader, place, object, key);
	const char *path, *text;

	if (*value != '@')
		return value;
	path = config_beside(reader, reader->folder, value + 1);
	text = secret_file(reader, value + 1);
	if (!text)
		config_refuse(reader, place, "\"%s\": cannot read %s", key, path);
	if (!*text)
		config_refuse(reader, place, "\"%s\": %s is empty", key, path);
	return text;
}

const char *
config_optional_secret(struct config_reader *reader, const char *place, const cJSON *object,
		       const char *key)
{
	const char *value = config_optional(reader, place, object, key);

	if (value && *value == '@')
		value = secret_file(reader, value + 1);
	return value && *value ? value : NULL;
}

const char *
config_url(struct config_reader *reader, const char *place, const cJSON *object, const char *key)
{
	char *url = arena_strdup(&reader->rq->arena, config_required(reader, place, object, key));
	size_t length = strlen(url);

	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		config_refuse(reader, place, "\"%s\" must begin with http:// or https://", key);
	while (url[length - 1] == '/')
		url[--length] = '\0';
	return url;
}

const char **
config_fields(struct config_reader *reader, const char *place, const cJSON *object, const char *key,
	      const char *whose)
{
	const cJSON *node = json_get(object, key);
	const char **fields;
	const cJSON *member;
	int count = 0;

	if (!node)
		return NULL;
	if (!cJSON_IsArray(node) || !node->child)
		config_refuse(reader, place, "\"%s\" must be a list of %s fields", key, whose);
	fields = arena_array(&reader->rq->arena, const char *,
			     (size_t)cJSON_GetArraySize(node) + 1);
	cJSON_ArrayForEach(member, node) {
		if (!cJSON_IsString(member) || !*member->valuestring ||
		    strspn(member->valuestring, "abcdefghijklmnopqrstuvwxyz0123456789_") !=
		    strlen(member->valuestring))
			config_refuse(reader, place, "\"%s\"[%d] must be a field's name", key,
				      count);
		for (int i = 0; i < count; i++)
			if (strcmp(fields[i], member->valuestring) == 0)
				config_refuse(reader, place, "\"%s\" names \"%s\" twice", key,
					      fields[i]);
		fields[count++] = member->valuestring;
	}
	return fields;
}
