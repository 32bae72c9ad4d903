/* common/entity/openapi.c -- the OpenAPI 3.1 document of everything a daemon answers. */
#include "entity/openapi.h"

#include <string.h>

#include "entity/handlers.h"

static const char components[] =
	"\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\","
	"\"description\":\"An API token or a session of a person.\"}},"
	"\"headers\":{\"ETag\":{\"description\":\"The record's version, quoted.\","
	"\"schema\":{\"type\":\"string\"}}},"
	"\"responses\":{\"Problem\":{\"description\":\"A problem (RFC 9457).\",\"content\":"
	"{\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}},"
	"\"parameters\":{"
	"\"q\":{\"name\":\"q\",\"in\":\"query\",\"description\":\"Words that must all be found.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"sort\":{\"name\":\"sort\",\"in\":\"query\",\"description\":\"Fields, comma separated, - "
	"for descending.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"limit\":{\"name\":\"limit\",\"in\":\"query\","
	"\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":200,\"default\":50}},"
	"\"cursor\":{\"name\":\"cursor\",\"in\":\"query\",\"description\":\"next_cursor of the "
	"page before.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"fields\":{\"name\":\"fields\",\"in\":\"query\",\"description\":\"Only these, comma "
	"separated.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"include\":{\"name\":\"include\",\"in\":\"query\",\"description\":"
	"\"Child lines, or the record behind x_id as x; comma "
	"separated.\",\"schema\":{\"type\":\"string\"}},"
	"\"count\":{\"name\":\"count\",\"in\":\"query\",\"description\":\"true: how many there are "
	"in all.\","
	"\"schema\":{\"type\":\"boolean\"}},"
	"\"IfMatch\":{\"name\":\"If-Match\",\"in\":\"header\",\"description\":\"Refuse (412) "
	"unless this is the version.\","
	"\"schema\":{\"type\":\"string\"}},"
	"\"IfNoneMatch\":{\"name\":\"If-None-Match\",\"in\":\"header\",\"schema\":{\"type\":"
	"\"string\"}},"
	"\"IdempotencyKey\":{\"name\":\"Idempotency-Key\",\"in\":\"header\",\"description\":"
	"\"The same key and body get the same answer, and one "
	"effect.\",\"schema\":{\"type\":\"string\"}},"
	"\"SourceVersion\":{\"name\":\"Source-Version\",\"in\":\"header\",\"description\":"
	"\"Version at the source; an older one changes "
	"nothing.\",\"schema\":{\"type\":\"integer\",\"minimum\":1}},"
	"\"SourceEpoch\":{\"name\":\"Source-Epoch\",\"in\":\"header\",\"description\":"
	"\"Goes before the version: raised after the source was restored from a backup; 1 when "
	"left out.\",\"schema\":{\"type\":\"integer\",\"minimum\":1}}}";

static const char problem_schema[] =
	"{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":"
	"\"string\"},"
	"\"status\":{\"type\":\"integer\"},\"code\":{\"type\":\"string\"},\"detail\":{\"type\":"
	"\"string\"},"
	"\"hint\":{\"type\":\"string\"},\"trace_id\":{\"type\":\"string\"},\"errors\":{\"type\":"
	"\"array\","
	"\"items\":{\"type\":\"object\",\"properties\":{\"field\":{\"type\":\"string\"},"
	"\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}},\"required\":[\"field\","
	"\"code\"]}}},"
	"\"required\":[\"type\",\"title\",\"status\",\"code\"]}";

struct routes {
	struct route **at;
	int count, room;
};

static void
collect(struct route *route, void *arg)
{
	struct routes *routes = arg;

	if (routes->count == routes->room) {
		struct route **larger;

		routes->room = routes->room ? 2 * routes->room : 64;
		larger = arena_array(plan_arena(), struct route *, (size_t)routes->room);
		if (routes->count)
			memcpy(larger, routes->at, sizeof(*larger) * (size_t)routes->count);
		routes->at = larger;
	}
	routes->at[routes->count++] = route;
}

/* All methods of a path stand together, in the order of the path's first route. */
static void
write_paths(struct writer *w, const struct routes *routes)
{
	w_open(w, "paths", '{');
	for (int i = 0; i < routes->count; i++) {
		const char *pattern = routes->at[i]->pattern;
		bool done = false;

		for (int k = 0; k < i && !done; k++)
			done = strcmp(routes->at[k]->pattern, pattern) == 0;
		if (done)
			continue;
		w_open(w, pattern, '{');
		for (int k = i; k < routes->count; k++)
			if (strcmp(routes->at[k]->pattern, pattern) == 0)
				openapi_operation(w, routes->at[k]);
		w_close(w, '}');
	}
	w_close(w, '}');
}

static void
write_schemas(struct writer *w, const struct routes *routes)
{
	w_open(w, "schemas", '{');
	w_raw(w, "Problem", problem_schema);
	for (int i = 0; i < routes->count; i++)
		if (routes->at[i]->handle == entity_list)
			openapi_schemas(w, routes->at[i]->arg);
	w_close(w, '}');
}

static void
write_tags(struct writer *w, const struct routes *routes)
{
	w_open(w, "tags", '[');
	for (int i = 0; i < routes->count; i++) {
		const struct entity *entity = routes->at[i]->arg;

		if (routes->at[i]->handle != entity_list)
			continue;
		w_open(w, NULL, '{');
		w_text(w, "name", entity->name);
		if (entity->text)
			w_text(w, "description", entity->text);
		w_close(w, '}');
	}
	w_open(w, NULL, '{');
	w_text(w, "name", "more");
	w_text(w, "description", "What is no record: health, reports, the log, webhooks.");
	w_close(w, '}');
	w_close(w, ']');
}

const char *
entity_openapi(struct router *router, const char *title)
{
	struct writer w = { .text = text_in(plan_arena()) };
	struct routes routes = { .count = 0 };

	router_each(router, collect, &routes);
	w_open(&w, NULL, '{');
	w_text(&w, "openapi", "3.1.0");
	w_open(&w, "info", '{');
	w_text(&w, "title", title);
	w_text(&w, "version", DOVETAIL_VERSION);
	w_text(&w, "description",
	       "Amounts and quantities are decimal strings, ids integers, instants RFC 3339 in "
	       "UTC.");
	w_close(&w, '}');
	w_raw(&w, "servers", "[{\"url\":\"/\"}]");
	w_raw(&w, "security", "[{\"bearer\":[]}]");
	write_tags(&w, &routes);
	write_paths(&w, &routes);
	w_open(&w, "components", '{');
	write_schemas(&w, &routes);
	text_addf(&w.text, ",%s", components);
	w_close(&w, '}');
	w_close(&w, '}');
	return text_str(&w.text);
}
