/* sync-bridge/original.c -- applies condition, mapping and links, and sends nothing. */
#include "original.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "links.h"
#include "mapping.h"
#include "resolve.h"

bool
original_read(struct request *rq, const char *text, const char *type, struct original *original)
{
	struct json_error error;
	cJSON *record = json_parse(rq, text, strlen(text), &error);

	*original = (struct original){ .text = text, .type = type };
	original->updated_at = json_string(record, "updated_at");
	return json_integer(record, "id", &original->id) && original->id > 0 &&
	       json_integer(record, "version", &original->version);
}

const char *
original_event(struct request *rq, const struct bridge_route *route,
	       const struct original *original, int64_t target_version)
{
	struct text out = text_in(&rq->arena);

	text_addf(&out, "{\"type\":\"%s\",\"source\":\"%s\",\"timestamp\":", original->type,
		  route->from->name);
	text_add_json(&out, original->updated_at);
	text_addf(&out, ",\"entity\":\"%s\",\"id\":%" PRId64 ",\"version\":%" PRId64 ",",
		  route->entity, original->id, original->version);
	text_addf(&out, "\"origin\":\"bridge\",\"trace\":\"%s\",\"changed\":[],", rq->trace_id);
	if (target_version)
		text_addf(&out, "\"target_version\":%" PRId64 ",", target_version);
	text_add(&out, "\"record\":");
	text_add(&out, original->text);
	text_add(&out, "}");
	return text_str(&out);
}

static const char *
ref_of(struct request *rq, const struct bridge_route *route, int64_t id)
{
	return arena_printf(&rq->arena, "%s:%s:%" PRId64, route->from->name, route->entity, id);
}

/* Those the condition wants; and, where the route's own is asked, those that have crossed. */
static void
judge_all(struct request *rq, const struct bridge_route *route, struct original *originals,
	  int count, struct pace *pace)
{
	struct mapping *when = route->compare_when ? route->compare_when : route->when;
	const char **refs = arena_array(&rq->arena, const char *, (size_t)count + 1);
	int64_t *ids = arena_array(&rq->arena, int64_t, (size_t)count + 1);
	int *places = arena_array(&rq->arena, int, (size_t)count + 1);
	int unwanted = 0;

	for (int i = 0; i < count; i++) {
		struct original *each = &originals[i];
		int yes = 1;

		if (when && (!each->crossed || route->compare_when))
			yes = mapping_test(when, &rq->arena, original_event(rq, route, each, 0),
					   &each->error);
		each->expected = yes != 0;
		if (!yes && !route->compare_when) {
			places[unwanted] = i;
			refs[unwanted++] = ref_of(rq, route, each->id);
		}
		pace_rows(pace, 0);
	}
	links_lookup(rq, refs, unwanted, route->to, ids);
	for (int i = 0; i < unwanted; i++)
		originals[places[i]].expected = ids[i] != 0;
}

static void
map(struct request *rq, const struct bridge_route *route, struct original *original,
    struct link_nodes *links)
{
	struct json_error parse_error;
	const char *text = mapping_run(route->map, &rq->arena,
				       original_event(rq, route, original, 0), &original->error);
	cJSON *body = text ? json_parse(rq, text, strlen(text), &parse_error) : NULL;

	if (!text)
		return;
	if (!cJSON_IsObject(body)) {
		original->error = arena_printf(&rq->arena, "%s: gives no JSON object",
					       route->map_file);
		return;
	}
	links->bad = NULL;
	resolve_find(rq, links, body, route->to);
	if (links->bad)
		original->error = arena_printf(&rq->arena, "%s: not a reference: %s",
					       route->map_file, links->bad);
	else
		original->body = body;
}

void
originals_project(struct request *rq, const struct bridge_route *route,
		  struct original *originals, int count, struct pace *pace)
{
	struct link_nodes links = { 0 };
	int64_t *ids;

	judge_all(rq, route, originals, count, pace);
	for (int i = 0; i < count; i++) {
		if (originals[i].expected && !originals[i].error)
			map(rq, route, &originals[i], &links);
		pace_rows(pace, 1);
	}
	ids = arena_array(&rq->arena, int64_t, (size_t)links.count + 1);
	links_lookup(rq, links.refs, links.count, route->to, ids);
	for (int i = 0; i < links.count; i++)
		if (ids[i] || links.optional[i])
			resolve_put(rq, links.nodes[i], ids[i]);
}
