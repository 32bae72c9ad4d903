/* common/entity/openapi_operation.c -- one route as an OpenAPI operation. */
#include <ctype.h>
#include <string.h>

#include "entity/handlers.h"
#include "entity/openapi.h"

static const char list_text[] = "Every field filters: `field=value`, and `field[op]=value` with op "
				"one of eq, ne, gt, gte, lt, lte, "
				"like (contains), in (comma separated), null (true or false).";

/* How a handler shows itself. */
static const struct kind {
	void (*handle)(struct request *rq);
	const char *id;    /* of the operation; @: the entity's name */
	const char *body;  /* schema of the body; @ as above */
	const char *reply; /* schema of the answer */
	const char *status;
	const char *parameters; /* components, space separated */
} kinds[] = {
	{ entity_list, "list_@", NULL, NULL, "200", "q sort limit cursor fields include count" },
	{ entity_get, "get_@", NULL, "@", "200", "fields include IfNoneMatch" },
	{ entity_post, "create_@", "@_create", "@", "201", "IdempotencyKey" },
	{ entity_patch, "update_@", "@_patch", "@", "200", "IfMatch IdempotencyKey" },
	{ entity_delete, "delete_@", NULL, NULL, "204", "IfMatch" },
	{ entity_upsert, "upsert_@", "@_create", "@", "200",
	  "SourceVersion SourceEpoch IfMatch IdempotencyKey" },
	{ entity_batch, "batch_@", NULL, NULL, "200", "IdempotencyKey" },
	{ entity_timeline, "timeline_of_@", NULL, NULL, "200", "" },
	{ entity_verb, NULL, NULL, "@", "200", "IfMatch IdempotencyKey" },
	{ entity_view, NULL, NULL, NULL, "200", "" },
};

static const struct kind *
kind_of(const struct route *route)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].handle == route->handle)
			return &kinds[i];
	return NULL;
}

static const struct entity *
entity_of(const struct route *route)
{
	if (route->handle == entity_verb || route->handle == entity_view)
		return ((const struct action *)route->arg)->entity;
	return route->arg;
}

/* "@_create" -> "account_create" */
static const char *
named(struct arena *arena, const char *form, const char *name)
{
	const char *at = strchr(form, '@');

	return at ? arena_printf(arena, "%.*s%s%s", (int)(at - form), form, name, at + 1) : form;
}

/* "post_accounts_id_win", for routes that have no better name */
static const char *
operation_id(struct arena *arena, const struct route *route)
{
	struct text out = text_in(arena);
	const char *path =
		strncmp(route->pattern, "/api/v1", 7) == 0 ? route->pattern + 7 : route->pattern;
	bool gap = true;

	for (const char *c = route->method; *c; c++)
		text_add_char(&out, (char)tolower((unsigned char)*c));
	for (; *path; path++) {
		if (!isalnum((unsigned char)*path)) {
			gap = true;
			continue;
		}
		if (gap)
			text_add(&out, "_");
		gap = false;
		text_add_char(&out, *path);
	}
	return text_str(&out);
}

static void
write_path_parameters(struct writer *w, const char *pattern)
{
	for (const char *at = strchr(pattern, '{'); at; at = strchr(at + 1, '{')) {
		const char *name = arena_strndup(w->text.arena, at + 1, strcspn(at + 1, "}"));

		w_open(w, NULL, '{');
		w_text(w, "name", name);
		w_text(w, "in", "path");
		w_raw(w, "required", "true");
		w_raw(w, "schema",
		      strcmp(name, "id") == 0
			      ? "{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":1}"
			      : "{\"type\":\"string\"}");
		w_close(w, '}');
	}
}

static void
write_filters(struct writer *w, const struct entity *entity)
{
	const struct shape *shape = &entity->plan->shape;

	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];
		struct column derived = { .type = member->type };

		if (!member->cast || member->secret ||
		    words_have("q sort limit cursor fields include count", member->name))
			continue;
		w_open(w, NULL, '{');
		w_text(w, "name", member->name);
		w_text(w, "in", "query");
		w_open(w, "schema", '{');
		if (member->type == COLUMN_TEXTS || member->type == COLUMN_NUMERIC)
			w_text(w, "type", "string");
		else
			openapi_type(w, member->column ? member->column : &derived, false, true);
		w_close(w, '}');
		w_close(w, '}');
	}
}

static void
write_parameters(struct writer *w, const struct route *route, const struct kind *kind)
{
	char *rest, *name;

	w_open(w, "parameters", '[');
	write_path_parameters(w, route->pattern);
	if (kind) {
		rest = arena_strdup(w->text.arena, kind->parameters);
		while ((name = strsep(&rest, " ")))
			if (*name)
				w_ref(w, NULL, "parameters", name);
		if (kind->handle == entity_list)
			write_filters(w, entity_of(route));
	} else if (strcmp(route->method, "GET") != 0 && strcmp(route->method, "DELETE") != 0 &&
		   !(route->flags & (ROUTE_RAW_BODY | ROUTE_PUBLIC | ROUTE_NO_TRANSACTION))) {
		w_ref(w, NULL, "parameters", "IdempotencyKey");
	}
	w_close(w, ']');
}

/* {"<member>": [entity, ...]} */
static void
write_array_of(struct writer *w, const char *key, const char *member, const char *schema,
	       const char *more)
{
	w_open(w, key, '{');
	w_text(w, "type", "object");
	w_open(w, "properties", '{');
	w_open(w, member, '{');
	w_text(w, "type", "array");
	if (schema)
		w_ref(w, "items", "schemas", schema);
	w_close(w, '}');
	if (more)
		text_add(&w->text, more);
	w_close(w, '}');
	w_open(w, "required", '[');
	w_text(w, NULL, member);
	w_close(w, ']');
	w_close(w, '}');
}

static void
write_body_schema(struct writer *w, const struct route *route, const struct kind *kind)
{
	if (route->handle == entity_verb)
		openapi_params(w, "schema", ((const struct action *)route->arg)->verb->params);
	else if (kind && kind->handle == entity_batch)
		write_array_of(w, "schema", "records", NULL, NULL);
	else if (kind && kind->body)
		w_ref(w, "schema", "schemas",
		      named(w->text.arena, kind->body, entity_of(route)->name));
	else
		w_raw(w, "schema", route->body ? route->body
			: route->flags & ROUTE_RAW_BODY ? "{}" : "{\"type\":\"object\"}");
}

static void
write_body(struct writer *w, const struct route *route, const struct kind *kind)
{
	if (strcmp(route->method, "GET") == 0 || strcmp(route->method, "DELETE") == 0)
		return;
	w_open(w, "requestBody", '{');
	if (kind && kind->handle != entity_verb)
		w_raw(w, "required", "true");
	w_open(w, "content", '{');
	if (kind && kind->handle == entity_patch) {
		w_open(w, "application/merge-patch+json", '{');
		write_body_schema(w, route, kind);
		w_close(w, '}');
	}
	w_open(w, route->flags & ROUTE_RAW_BODY ? "*/*" : "application/json", '{');
	write_body_schema(w, route, kind);
	w_close(w, '}');
	w_close(w, '}');
	w_close(w, '}');
}

/* NULL where the answer is no record. */
static const char *
reply_schema(struct arena *arena, const struct route *route, const struct kind *kind)
{
	const struct verb *verb;

	if (!kind || !kind->reply)
		return NULL;
	if (route->handle == entity_verb) {
		verb = ((const struct action *)route->arg)->verb;
		if (verb->replies)
			return *verb->replies ? verb->replies : NULL;
	}
	return named(arena, kind->reply, entity_of(route)->name);
}

static void
write_reply_schema(struct writer *w, const struct route *route, const struct kind *kind)
{
	static const char page[] = ",\"next_cursor\":{\"type\":[\"string\",\"null\"]},"
				   "\"count\":{\"type\":\"integer\"}";
	const char *schema = reply_schema(w->text.arena, route, kind);

	if (kind && (kind->handle == entity_list || kind->handle == entity_batch))
		write_array_of(w, "schema", "data", entity_of(route)->name,
			       kind->handle == entity_list ? page : NULL);
	else if (schema)
		w_ref(w, "schema", "schemas", schema);
	else
		w_raw(w, "schema", "{}");
}

static void
write_success(struct writer *w, const struct route *route, const struct kind *kind,
	      const char *status)
{
	w_open(w, status, '{');
	w_text(w, "description", strcmp(status, "201") == 0 ? "Created." : "Done.");
	if (strcmp(status, "204") != 0) {
		if (kind && kind->reply)
			w_raw(w, "headers", "{\"ETag\":{\"$ref\":\"#/components/headers/ETag\"}}");
		w_open(w, "content", '{');
		w_open(w, kind ? "application/json" : "*/*", '{');
		write_reply_schema(w, route, kind);
		w_close(w, '}');
		w_close(w, '}');
	}
	w_close(w, '}');
}

static void
write_responses(struct writer *w, const struct route *route, const struct kind *kind)
{
	w_open(w, "responses", '{');
	write_success(w, route, kind, kind ? kind->status : "2XX");
	if (kind && (kind->handle == entity_upsert || kind->handle == entity_verb))
		write_success(w, route, kind, "201");
	if (kind && kind->handle == entity_get)
		w_raw(w, "304", "{\"description\":\"Not changed since the version named.\"}");
	w_ref(w, "default", "responses", "Problem");
	w_close(w, '}');
}

void
openapi_operation(struct writer *w, const struct route *route)
{
	struct arena *arena = w->text.arena;
	const struct kind *kind = kind_of(route);
	const char *method = route->method;
	struct text key = text_in(arena);

	for (; *method; method++)
		text_add_char(&key, (char)tolower((unsigned char)*method));
	w_open(w, text_str(&key), '{');
	w_text(w, "operationId",
	       kind && kind->id ? named(arena, kind->id, entity_of(route)->name)
				: operation_id(arena, route));
	if (route->summary)
		w_text(w, "summary", route->summary);
	if (route->handle == entity_list)
		w_text(w, "description", list_text);
	w_open(w, "tags", '[');
	w_text(w, NULL, kind ? entity_of(route)->name : "more");
	w_close(w, ']');
	if (route->flags & ROUTE_PUBLIC)
		w_raw(w, "security", "[]");
	else
		w_text(w, "x-roles", route->allow ? route->allow : "admin");
	write_parameters(w, route, kind);
	write_body(w, route, kind);
	write_responses(w, route, kind);
	w_close(w, '}');
}
