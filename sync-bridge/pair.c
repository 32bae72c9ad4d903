/* sync-bridge/pair.c -- reads a record at its source and at its target and says how they differ. */
#include "pair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "page.h"

const char *
pair_source_ref(struct request *rq, const struct comparison_of_route *c, int64_t id)
{
	return arena_printf(&rq->arena, "%s:%s:%" PRId64, c->route->from->name, c->route->entity,
			    id);
}

const char *
pair_target_ref(struct request *rq, const struct comparison_of_route *c, const struct pair *pair)
{
	if (!pair->target)
		return NULL;
	return arena_printf(&rq->arena, "%s:%s:%" PRId64, c->route->to->name, c->route->target,
			    pair->target_id);
}

static bool
cannot(struct comparison_of_route *c, const char *reason)
{
	snprintf(c->error, sizeof(c->error), "%s: %s", c->route->name, reason);
	return false;
}

/* How a record that is gone last was, by its system's log. */
static bool
read_deleted(struct request *rq, struct comparison_of_route *c, int64_t id, struct pair *pair)
{
	const char *type = arena_printf(&rq->arena, "%s.deleted", c->route->entity);
	const char *path = arena_printf(&rq->arena,
					"/api/v1/events?entity=%s&record_id=%" PRId64
					"&type=%s&limit=1",
					c->route->entity, id, type);
	struct page *page = arena_new(&rq->arena, struct page);
	struct json_error parse_error;
	const char *error;
	cJSON *event, *data;

	if (!page_read(rq, c->route->from, path, "after", "", page, &error))
		return cannot(c, error);
	if (!page->count)
		return true;
	event = json_parse(rq, page->records[0], strlen(page->records[0]), &parse_error);
	data = json_get(event, "data");
	if (!json_get(data, "record") ||
	    !original_read(rq, json_text(rq, json_get(data, "record")), type, &pair->source))
		return cannot(c, "the source's log holds something that is no event");
	json_integer(data, "version", &pair->source.version);
	pair->deleted = true;
	return true;
}

static bool
read_source(struct request *rq, struct comparison_of_route *c, int64_t id, struct pair *pair)
{
	const char *type = arena_printf(&rq->arena, "%s.reconciled", c->route->entity);
	struct call call = {
		.method = "GET",
		.raw = true,
		.path = arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, c->route->source_path, id),
	};

	system_call(rq, c->route->from, &call);
	if (call.result == CALL_REFUSED && call.status == 404)
		return read_deleted(rq, c, id, pair);
	if (call.result != CALL_DONE)
		return cannot(c, call.reason);
	if (!original_read(rq, call.text, type, &pair->source) || pair->source.id != id)
		return cannot(c, "the source answered something that is not the record");
	return true;
}

static bool
read_target(struct request *rq, struct comparison_of_route *c, int64_t id, struct pair *pair)
{
	struct call call = {
		.method = "GET",
		.path = arena_printf(&rq->arena, "/api/v1/%s?external_ref=%s&limit=2&include=*",
				     c->route->path, pair_source_ref(rq, c, id)),
	};
	const cJSON *data;

	system_call(rq, c->route->to, &call);
	data = json_get(call.json, "data");
	if (call.result != CALL_DONE || !cJSON_IsArray(data))
		return cannot(c, call.reason ? call.reason : "the target's answer is no list");
	pair->target = data->child;
	if (!pair->target)
		return true;
	if (pair->target->next) {
		pair->target = pair->target->next;
		pair->kind = DRIFT_EXTRA;
		pair->why = "the target has two records of this reference";
	}
	if (!json_integer(pair->target, "id", &pair->target_id) ||
	    !json_integer(pair->target, "version", &pair->target_version))
		return cannot(c, "the target's record has no id or version");
	return true;
}

/* The target's people have changed the record since, as they may: by its revision. */
static bool
is_revised(struct request *rq, const struct comparison_of_route *c, const struct pair *pair)
{
	const char *by = c->route->revised_by;
	int64_t agreed = 0, is = 0;
	struct json_error error;

	return by && json_integer(pair->target, by, &is) &&
	       json_integer(json_parse(rq, pair->source.text, strlen(pair->source.text), &error),
			    by, &agreed) && is > agreed;
}

/* What differs, without what is the target's own by now. */
static void
find_differences(struct request *rq, struct comparison_of_route *c, struct pair *pair)
{
	cJSON *body = pair->source.body;
	int all;

	pair->count = shape_differences(rq, c->shape, body, pair->target, pair->differences,
					DIFFERENCES_MAX);
	if (!pair->count || !is_revised(rq, c, pair))
		return;
	all = pair->count;
	body = cJSON_Duplicate(body, true);
	for (const char **field = c->route->revised_fields; *field; field++)
		cJSON_DeleteItemFromObjectCaseSensitive(body, *field);
	pair->count = shape_differences(rq, c->shape, body, pair->target, pair->differences,
					DIFFERENCES_MAX);
	c->counts.revised += pair->count < all;
}

static void
judge(struct request *rq, struct comparison_of_route *c, struct pair *pair)
{
	struct original *source = &pair->source;

	/* A picture of what is gone is no more; of a document, how it went is to be seen. */
	if (!source->text || (pair->deleted && (c->route->mirror || !pair->target))) {
		pair->kind = pair->target ? DRIFT_EXTRA : DRIFT_NONE;
		return;
	}
	source->crossed = pair->target != NULL;
	originals_project(rq, c->route, source, 1, &c->pace);
	if (!source->expected)
		return;
	pair->why = source->error;
	if (!pair->target) {
		pair->kind = DRIFT_MISSING;
		return;
	}
	if (source->body)
		find_differences(rq, c, pair);
	if (pair->count || source->error)
		pair->kind = DRIFT_DIFFERS;
}

bool
pair_read(struct request *rq, struct comparison_of_route *c, int64_t id, struct pair *pair)
{
	*pair = (struct pair){ .kind = DRIFT_NONE };
	if (!read_source(rq, c, id, pair) || !read_target(rq, c, id, pair))
		return false;
	pair->source.id = id;
	if (pair->kind == DRIFT_NONE)
		judge(rq, c, pair);
	return true;
}

static uint64_t
mix(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return (hash ^ (text ? 0xff : 0xfe)) * 0x100000001b3u;
}

uint64_t
pair_hash(const struct pair *pair)
{
	uint64_t hash = 0xcbf29ce484222325u;

	hash = (hash ^ (uint64_t)pair->kind) * 0x100000001b3u;
	hash = (hash ^ (uint64_t)pair->source.version) * 0x100000001b3u;
	hash = (hash ^ (uint64_t)pair->target_id) * 0x100000001b3u;
	hash = (hash ^ (uint64_t)pair->target_version) * 0x100000001b3u;
	for (int i = 0; i < pair->count; i++) {
		hash = mix(hash, pair->differences[i].field);
		hash = mix(hash, pair->differences[i].source);
		hash = mix(hash, pair->differences[i].target);
	}
	return hash ? hash : 1;
}
