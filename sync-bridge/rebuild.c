/* sync-bridge/rebuild.c -- learns links from the references that the targets' records carry. */
#include <inttypes.h>
#include <string.h>

#include "epoch.h"
#include "replay.h"

#define LEARN_PAGE 200

static const char sql_learn[] =
	"INSERT INTO link (left_ref, right_ref, route, mirror, source_version, target_version)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (left_ref, right_ref) DO UPDATE SET"
	" source_version = greatest(link.source_version, excluded.source_version),"
	" target_version = greatest(link.target_version, excluded.target_version)";

/* A bridge that has forgotten which epoch the source is in would be superseded for ever. */
static const char sql_raise[] =
	"UPDATE system_epoch SET number = $2 WHERE name = $1 AND number < $2::bigint"
	" RETURNING name";

/* The record says what it is at the source of the route. */
static void
learn(struct request *rq, const struct bridge_route *route, const cJSON *record)
{
	const char *external = json_string(record, "external_ref");
	int64_t id, source_version = 0, version = 0;
	struct ref ref;

	if (!external || !ref_parse(external, &ref) || !json_integer(record, "id", &id) ||
	    strcmp(ref.system, route->from->name) != 0 || strcmp(ref.entity, route->entity) != 0)
		return;
	json_integer(record, "source_version", &source_version);
	json_integer(record, "version", &version);
	db_do(rq, sql_learn, P_TEXT(external),
	      P_TEXT(arena_printf(&rq->arena, "%s:%s:%" PRId64, route->to->name, route->target,
				  id)),
	      P_TEXT(route->name), P_BOOL(route->mirror), P_ID(source_version), P_ID(version));
}

void
rebuild_learn(struct request *rq, struct replay *job)
{
	const struct bridge_route *route = job->at.route;
	const char *only = arena_printf(&rq->arena, "&external_ref%%5Blike%%5D=%s%%3A%s%%3A",
					route->from->name, route->entity);
	cJSON *page = replay_page(rq, job, route->to, route->path,
				  "id,version,external_ref,source_version,source_epoch", only,
				  LEARN_PAGE);
	int64_t epoch = 0, each_epoch;
	const cJSON *each;

	if (!page)
		return;
	replay_passed(rq, job, page, LEARN_PAGE);
	db_begin(rq);
	cJSON_ArrayForEach(each, json_get(page, "data")) {
		learn(rq, route, each);
		if (json_integer(each, "source_epoch", &each_epoch) && each_epoch > epoch)
			epoch = each_epoch;
	}
	/* All processes have read it before anything is carried. */
	if (epoch && db_one(rq, sql_raise, P_TEXT(route->from->name), P_ID(epoch)))
		job->pause_ms = 2 * EPOCH_CHECK_MS;
}
