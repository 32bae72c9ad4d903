/* sync-bridge/simulate_schema.c -- checks a body against the target's own OpenAPI document. */
#include <inttypes.h>
#include <jv.h>
#include <regex.h>
#include <string.h>

#include "peek.h"
#include "simulate.h"

#define ERRORS_MAX 20
#define DEPTH_MAX 16

/* What "#/components/schemas/customer_create" points at; invalid when there is none. Takes nothing
 * over. */
static jv
at_pointer(jv document, const char *pointer)
{
	jv node = strncmp(pointer, "#/", 2) == 0 ? jv_copy(document) : jv_invalid();

	for (pointer += 2; jv_get_kind(node) == JV_KIND_OBJECT && *pointer;) {
		size_t length = strcspn(pointer, "/");

		node = jv_object_get(node, jv_string_sized(pointer, (int)length));
		pointer += length + (pointer[length] == '/');
	}
	return node;
}

/* The schema with what its references point at in their place. Takes node over. */
static jv
whole(jv document, jv node, int depth)
{
	jv ref, out;

	if (depth > DEPTH_MAX || !jv_is_valid(node)) {
		jv_free(node);
		return jv_true();
	}
	if (jv_get_kind(node) == JV_KIND_ARRAY) {
		out = jv_array();
		jv_array_foreach(node, i, each)
			out = jv_array_append(out, whole(document, each, depth + 1));
		jv_free(node);
		return out;
	}
	if (jv_get_kind(node) != JV_KIND_OBJECT)
		return node;
	ref = jv_object_get(jv_copy(node), jv_string("$ref"));
	if (jv_get_kind(ref) == JV_KIND_STRING) {
		jv_free(node);
		node = at_pointer(document, jv_string_value(ref));
		jv_free(ref);
		return whole(document, node, depth + 1);
	}
	jv_free(ref);
	out = jv_object();
	jv_object_foreach(node, key, each)
		out = jv_object_set(out, key, whole(document, each, depth + 1));
	jv_free(node);
	return out;
}

/* The document itself is far larger than json_parse allows; the one schema is not. */
void
schema_load(struct request *rq, struct schema *schema, const struct bridge_route *route)
{
	const char *text = peek_text(rq, route->to, "/openapi.json", &schema->reason);
	const char *path =
		arena_printf(&rq->arena, "/api/v1/%s/by-ref/{external_ref}", route->path);
	static const char *const steps[] = { "put", "requestBody", "content", "application/json",
					     "schema" };
	struct json_error error;
	jv document, node;

	if (!text)
		return;
	document = jv_parse(text);
	node = at_pointer(document, "#/paths");
	for (int i = -1; i < 5 && jv_get_kind(node) == JV_KIND_OBJECT; i++)
		node = jv_object_get(node, jv_string(i < 0 ? path : steps[i]));
	if (jv_get_kind(node) == JV_KIND_OBJECT) {
		node = jv_dump_string(whole(document, node, 0), 0);
		schema->body = json_parse(
			rq, arena_strdup(&rq->arena, jv_string_value(node)),
			(size_t)jv_string_length_bytes(jv_copy(node)), &error);
	}
	jv_free(node);
	jv_free(document);
	if (!schema->body)
		schema->reason =
			arena_printf(&rq->arena, "the OpenAPI document of %s says nothing of %s",
				     route->to->name, route->path);
}

static void
wrong(struct request *rq, cJSON *errors, const char *field, const char *code, const char *message)
{
	cJSON *item;

	if (cJSON_GetArraySize(errors) >= ERRORS_MAX)
		return;
	item = cJSON_CreateObject();
	json_add_string(item, "field", field);
	json_add_string(item, "code", code);
	json_add_string(item, "message", message);
	cJSON_AddItemToArray(errors, item);
}

static bool
is_type(const cJSON *node, const char *type)
{
	int64_t number;

	if (strcmp(type, "null") == 0)
		return cJSON_IsNull(node);
	if (strcmp(type, "boolean") == 0)
		return cJSON_IsBool(node);
	if (strcmp(type, "object") == 0)
		return cJSON_IsObject(node);
	if (strcmp(type, "array") == 0)
		return cJSON_IsArray(node);
	if (strcmp(type, "string") == 0)
		return cJSON_IsString(node);
	return json_is_number(node) &&
	       (strcmp(type, "integer") != 0 || json_node_integer(node, &number));
}

/* One type, or one of several. */
static bool
has_type(const cJSON *node, const cJSON *type)
{
	const cJSON *each;

	if (!type)
		return true;
	if (cJSON_IsString(type))
		return is_type(node, type->valuestring);
	cJSON_ArrayForEach(each, type)
		if (cJSON_IsString(each) && is_type(node, each->valuestring))
			return true;
	return false;
}

static bool
in_enum(const cJSON *node, const cJSON *list)
{
	const cJSON *each;

	cJSON_ArrayForEach(each, list)
		if (diff_same(node, each, false))
			return true;
	return false;
}

static bool
matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool found;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return true;
	found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static int64_t
characters(const char *text)
{
	int64_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xC0) != 0x80;
	return count;
}

static void
check_text(struct request *rq, const cJSON *schema, const cJSON *node, const char *field,
	   cJSON *errors)
{
	const char *text = cJSON_IsString(node) ? node->valuestring : json_number_text(node);
	const char *pattern = json_string(schema, "pattern");
	int64_t most, least;

	if (pattern && !matches(text, pattern))
		wrong(rq, errors, field, "invalid",
		      arena_printf(&rq->arena, "%s does not match %s", text, pattern));
	if (!cJSON_IsString(node))
		return;
	if (json_integer(schema, "maxLength", &most) && characters(text) > most)
		wrong(rq, errors, field, "too_long",
		      arena_printf(&rq->arena, "must have at most %" PRId64 " characters", most));
	if (json_integer(schema, "minLength", &least) && characters(text) < least)
		wrong(rq, errors, field, "too_short",
		      arena_printf(&rq->arena, "must have at least %" PRId64 " characters", least));
}

static void check(struct request *rq, const cJSON *schema,
		  const cJSON *node, const char *field, bool creates, cJSON *errors);

static void
check_object(struct request *rq, const cJSON *schema, const cJSON *node,
	     const char *field, bool creates, cJSON *errors)
{
	const cJSON *properties = json_get(schema, "properties");
	const cJSON *each;
	const char *dot = *field ? "." : "";

	cJSON_ArrayForEach(each, node) {
		const cJSON *property = json_get(properties, each->string);
		const char *name = arena_printf(&rq->arena, "%s%s%s", field, dot, each->string);

		if (property)
			check(rq, property, each, name, creates, errors);
		else if (cJSON_IsFalse(json_get(schema, "additionalProperties")))
			wrong(rq, errors, name, "unknown_field", "is not a field of the target");
	}
	if (!creates)
		return;
	cJSON_ArrayForEach(each, json_get(schema, "required"))
		if (cJSON_IsString(each) && !json_get(node, each->valuestring))
			wrong(rq, errors,
			      arena_printf(&rq->arena, "%s%s%s", field, dot, each->valuestring),
			      "required", "is required");
}

static void
check(struct request *rq, const cJSON *schema, const cJSON *node,
      const char *field, bool creates, cJSON *errors)
{
	const cJSON *items, *each;
	int i = 0;

	if (!has_type(node, json_get(schema, "type"))) {
		wrong(rq, errors, field, "wrong_type",
		      arena_printf(&rq->arena, "must be %s",
				   cJSON_PrintUnformatted(json_get(schema, "type"))));
		return;
	}
	if (json_get(schema, "enum") && !cJSON_IsNull(node) &&
	    !in_enum(node, json_get(schema, "enum")))
		wrong(rq, errors, field, "not_a_choice",
		      arena_printf(&rq->arena, "must be one of %s",
				   cJSON_PrintUnformatted(json_get(schema, "enum"))));
	if (cJSON_IsString(node) || json_is_number(node))
		check_text(rq, schema, node, field, errors);
	if (cJSON_IsObject(node))
		check_object(rq, schema, node, field, creates, errors);
	items = cJSON_IsArray(node) ? json_get(schema, "items") : NULL;
	/* Lines are replaced as a whole, so their required members are always needed. */
	if (items)
		cJSON_ArrayForEach(each, node)
			check(rq, items, each,
			      arena_printf(&rq->arena, "%s[%d]", field, i++), true, errors);
}

void
schema_check(struct request *rq, const struct schema *schema, const cJSON *body, bool creates,
	     cJSON *errors)
{
	if (schema->body)
		check(rq, schema->body, body, "", creates, errors);
}
