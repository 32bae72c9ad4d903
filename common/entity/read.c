/* common/entity/read.c -- GET of one record, its views and its timeline. */
#include <inttypes.h>
#include <stdlib.h>

#include "entity/handlers.h"
#include "entity/list.h"
#include "entity/write.h"
#include "event/event.h"
#include "http/http.h"

static const char *const no_query[] = { NULL };
static const char *const shown_query[] = { "fields", "include", NULL };

static _Noreturn void
not_found(struct request *rq, const struct entity *entity, int64_t id)
{
	fail(rq, ERR_NOT_FOUND,
	     .detail = arena_printf(&rq->arena, "There is no %s %" PRId64 ".", entity->name, id));
}

/* With fields or include the text is made for this request. */
static struct row *
get_chosen(struct request *rq, const struct entity *entity, unsigned mask, int64_t id)
{
	struct list *list = arena_new(&rq->arena, struct list);
	struct rows *rows;

	http_only_query(rq, shown_query);
	list->rq = list->unknown.rq = list->bad.rq = rq;
	list->plan = entity->plan;
	list->mask = mask;
	select_read(list, http_query(rq, "fields"), http_query(rq, "include"), true);
	problems_raise(&list->unknown, ERR_UNKNOWN_PARAMETER);
	problems_raise(&list->bad, ERR_BAD_REQUEST);
	rows = db_all_once(
		rq,
		arena_printf(&rq->arena,
			     "SELECT t.\"version\", (SELECT row_to_json(r) FROM (SELECT %s) r)"
			     " FROM \"%s\" t%s WHERE t.\"id\" = $1::bigint",
			     list->members, entity->plan->shape.table->name, list->from),
		P_ID(id));
	return rows_any(rows) ? rows_at(rows, 0) : NULL;
}

/* Derived members and embedded records change without the record's version. */
static bool
is_unchanged(struct request *rq, const struct entity *entity, const char *version)
{
	const char *header = http_header(rq, "If-None-Match");

	if (!header || entity->plan->derived_count || http_query(rq, "include"))
		return false;
	return etag_names(header, strtoll(version, NULL, 10)) > 0;
}

void
entity_get(struct request *rq)
{
	const struct entity *entity = rq->http->route->arg;
	unsigned mask = plan_mask(entity->plan, rq->actor);
	int64_t id = http_id(rq);
	struct row *row;

	if (rq->http->query_count)
		row = get_chosen(rq, entity, mask, id);
	else
		row = db_get(rq, entity->plan->sights[mask].get, P_ID(id));
	if (!row)
		not_found(rq, entity, id);
	if (is_unchanged(rq, entity, row_at(row, 0)))
		reply_empty(rq, 304);
	else
		reply_json_length(rq, 200, row_at(row, 1), (size_t)row_length(row, 1));
	reply_header(rq, "ETag", arena_printf(&rq->arena, "\"%s\"", row_at(row, 0)));
}

void
entity_view(struct request *rq)
{
	const struct action *action = rq->http->route->arg;
	int64_t id = http_id(rq);
	struct row *row;

	http_only_query(rq, no_query);
	row = db_one(rq, action->view->sql, P_ID(id));
	if (!row || !row_at(row, 0))
		not_found(rq, action->entity, id);
	reply_json_length(rq, 200, row_at(row, 0), (size_t)row_length(row, 0));
}

void
entity_timeline(struct request *rq)
{
	const struct entity *entity = rq->http->route->arg;

	/* Events never hold what is restricted or secret, so nothing is to be left out. */
	event_timeline(rq, entity->name, http_id(rq), NULL);
}
