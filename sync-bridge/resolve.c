/* sync-bridge/resolve.c -- finds the references in a mapped body and puts ids in their place. */
#include "resolve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"
#include "pull.h"

static void
grow(struct request *rq, struct link_nodes *found)
{
	struct link_nodes bigger = *found;

	bigger.size = found->size ? found->size * 2 : 32;
	bigger.nodes = arena_array(&rq->arena, cJSON *, (size_t)bigger.size);
	bigger.refs = arena_array(&rq->arena, const char *, (size_t)bigger.size);
	bigger.optional = arena_array(&rq->arena, bool, (size_t)bigger.size);
	if (found->count) {
		memcpy(bigger.nodes, found->nodes, sizeof(*found->nodes) * (size_t)found->count);
		memcpy(bigger.refs, found->refs, sizeof(*found->refs) * (size_t)found->count);
		memcpy(bigger.optional, found->optional, (size_t)found->count);
	}
	*found = bigger;
}

static void
add(struct request *rq, struct link_nodes *found, cJSON *node, const struct bridge_system *to)
{
	const char *text = json_string(node, "link");
	const cJSON *optional = json_get(node, "optional");
	struct ref ref;

	if (!text || !ref_parse(text, &ref) || !bridge_system(ref.system) ||
	    strcmp(ref.system, to->name) == 0 || (optional && !cJSON_IsBool(optional)) ||
	    cJSON_GetArraySize(node) != (optional ? 2 : 1)) {
		found->bad = json_text(rq, node);
		return;
	}
	if (found->count == found->size)
		grow(rq, found);
	found->nodes[found->count] = node;
	found->refs[found->count] = text;
	found->optional[found->count++] = cJSON_IsTrue(optional);
}

/* Depth is bounded by json_parse. */
void
resolve_find(struct request *rq, struct link_nodes *found, cJSON *node,
	     const struct bridge_system *to)
{
	cJSON *child;

	if (cJSON_IsObject(node) && json_get(node, "link")) {
		add(rq, found, node, to);
		return;
	}
	cJSON_ArrayForEach(child, node)
		resolve_find(rq, found, child, to);
}

void
resolve_put(struct request *rq, cJSON *node, int64_t id)
{
	node->child = NULL;
	if (id) {
		node->type = cJSON_Raw;
		node->valuestring = arena_printf(&rq->arena, "%" PRId64, id);
	} else {
		node->type = cJSON_NULL;
	}
}

/* What a rejection depends on: each named record, on both sides. */
static void
note_refs(struct request *rq, struct delivery *d, const struct link_nodes *found)
{
	d->refs = arena_array(&rq->arena, const char *, (size_t)found->count * 2 + 1);
	for (int i = 0; i < found->count; i++) {
		int64_t id = links_known(found->refs[i], d->message->route->to);
		struct ref ref;

		d->refs[d->ref_count++] = found->refs[i];
		ref_parse(found->refs[i], &ref);
		for (int r = 0; id && r < bridge.route_count; r++) {
			const struct bridge_route *route = &bridge.routes[r];

			if (route->mirror || !same_system(route->to, d->message->route->to) ||
			    strcmp(route->from->name, ref.system) != 0 ||
			    strcmp(route->entity, ref.entity) != 0)
				continue;
			d->refs[d->ref_count++] = arena_printf(&rq->arena, "%s:%s:%" PRId64,
							       route->to->name, route->target, id);
			break;
		}
	}
}

bool
resolve_links(struct request *rq, struct delivery *d, cJSON *body)
{
	struct bridge_system *to = d->message->route->to;
	struct link_nodes found = { 0 };
	bool complete = true;

	resolve_find(rq, &found, body, to);
	if (found.bad) {
		deliver_reject(d, "mapping_failed",
			       arena_printf(&rq->arena, "%s: not a reference: %s",
					    d->message->route->map_file, found.bad),
			       "Correct the mapping and retry.");
		return false;
	}
	if (!found.count)
		return true;
	links_warm(rq, found.refs, found.count, to);
	for (int i = 0; i < found.count && complete; i++) {
		int64_t id = links_known(found.refs[i], to);

		if (!id)
			id = pull(rq, d, found.refs[i], found.optional[i]);
		complete = !d->settled;
		resolve_put(rq, found.nodes[i], id);
	}
	note_refs(rq, d, &found);
	return complete;
}
