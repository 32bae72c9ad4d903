/* sync-bridge/causes.c -- notes what a refused message depends on, and takes it up again. */
#include "causes.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "causes_missed.sql.h"
#include "db/db.h"
#include "lane.h"
#include "outcome.h"
#include "shard.h"
#include "sweep.h"

#define NAMED_MAX 100
#define MARGIN_MS 20 /* from sending the question until the database looks at its clock */

/* $1 the record, $2 any of its kind. */
static const char sql_free[] =
	"UPDATE message SET state = 'received', round = round + 1, depends = NULL,"
	" finished_at = NULL, updated_at = now(), next_at = greatest(now(), finished_at +"
	"  least(interval '50 ms' * (2 ^ least(round, 7) - 1), interval '5 s'))"
	" WHERE depends && ARRAY[$1::text, $2::text]"
	" RETURNING (extract(epoch FROM next_at - now()) * 1000)::bigint AS ms";

static void
add(struct delivery *d, const char *ref)
{
	d->refs[d->ref_count++] = ref;
}

/* "customer:7" or "period:*" */
static const char *
named(struct request *rq, const struct delivery *d, const cJSON *node)
{
	const char *text = cJSON_IsString(node) ? node->valuestring : "";
	const char *ref = arena_printf(&rq->arena, "%s:%s", d->message->route->to->name, text);
	size_t kind = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
	struct ref parsed;

	if (kind && strcmp(text + kind, ":*") == 0)
		return strlen(ref) < REF_MAX ? ref : NULL;
	return ref_parse(ref, &parsed) ? ref : NULL;
}

/* "erp:period:*" from "period.opened" */
static const char *
kind_of(struct request *rq, const struct delivery *d, const char *event)
{
	return arena_printf(&rq->arena, "%s:%.*s:*", d->message->route->to->name,
			    (int)strcspn(event, "."), event);
}

void
causes_note(struct request *rq, struct delivery *d, const cJSON *problem)
{
	const struct bridge_route *route = d->message->route;
	const cJSON *list = json_get(problem, "depends_on");
	const char **before = d->refs;
	int count = d->ref_count, kinds = 0, listed = 0;
	const cJSON *each;

	if (route->retry_on && !*route->retry_on) {
		d->ref_count = 0;
		return;
	}
	while (route->retry_on && route->retry_on[kinds])
		kinds++;
	d->refs = arena_array(&rq->arena, const char *, (size_t)(count + kinds + NAMED_MAX));
	d->ref_count = 0;
	cJSON_ArrayForEach(each, list)
	{
		const char *ref = listed++ < NAMED_MAX ? named(rq, d, each) : NULL;

		if (ref)
			add(d, ref);
	}
	if (d->ref_count)
		return;
	for (int i = 0; i < kinds; i++)
		add(d, kind_of(rq, d, route->retry_on[i]));
	for (int i = 0; i < count; i++)
		add(d, before[i]);
}

/* $1 the shards. Those refused last before a process ended, which may not have come to look. */
static const char sql_refused_last[] =
	"SELECT array_agg(id) AS ids FROM message"
	" WHERE depends IS NOT NULL AND source_id % 61 = ANY ($1::int[])"
	" AND finished_at > (SELECT max(finished_at) - interval '10 s' FROM message"
	"  WHERE depends IS NOT NULL)";

static void
due_soon(struct rows *freed)
{
	for (int i = 0; i < rows_count(freed); i++)
		lane_sweep_soon((uint64_t)row_id(rows_at(freed, i), "ms"));
}

struct look {
	const struct delivery *d;
	uint64_t began;
};

/* A question that was long on its way may have left out the first of that time: once more. */
static void
look(struct request *rq, void *arg)
{
	const struct look *look = arg;
	const char *ids = arena_printf(&rq->arena, "{%" PRId64 "}", look->d->message->id);
	struct rows *freed;
	uint64_t sent;

	do {
		sent = clock_ms();
		freed = db_all(rq, sql_causes_missed, P_TEXT(ids),
			       P_ID((int64_t)(sent - look->began) + MARGIN_MS));
	} while (!rows_any(freed) && clock_ms() - sent > MARGIN_MS);
	due_soon(freed);
}

void
causes_missed(struct request *rq, const struct delivery *d, uint64_t began)
{
	struct look call = { .d = d, .began = began };

	if (d->state == STATE_REJECTED && d->ref_count && !request_run(rq, look, &call))
		log_fault(rq, "causes");
}

void
causes_inherited(struct request *rq)
{
	struct row *last = db_one(rq, sql_refused_last, P_TEXT(shard_list(rq)));

	if (!row_null(last, "ids"))
		due_soon(db_all(rq, sql_causes_missed, P_TEXT(row_text(last, "ids")), P_NULL));
}

void
causes_changed(struct request *rq, const char *system, const char *entity, int64_t id)
{
	struct rows *freed;

	if (!outcome_parked.rejected && !shard_shared())
		return;
	freed = db_all(rq, sql_free,
		       P_TEXT(arena_printf(&rq->arena, "%s:%s:%" PRId64, system, entity, id)),
		       P_TEXT(arena_printf(&rq->arena, "%s:%s:*", system, entity)));
	due_soon(freed);
	if (rows_any(freed))
		sweep_tell_all();
}
