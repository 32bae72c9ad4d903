/* common/entity/mutate.c -- POST, PATCH and DELETE of one record. */
#include "entity/handlers.h"
#include "entity/write.h"
#include "event/event.h"
#include "http/http.h"

static const char *const no_query[] = { NULL };

void
entity_post(struct request *rq)
{
	struct writing w = { .entity = (struct entity *)rq->http->route->arg };
	struct problems problems = { .rq = rq };

	http_only_query(rq, no_query);
	w.body = http_json(rq, false);
	/* Else the reply is read from the table, and could fail after COMMIT. */
	w.last = plan_mask(w.entity->plan, rq->actor) == 0;
	db_begin(rq);
	write_validate(rq, &w, &problems);
	problems_raise(&problems, ERR_VALIDATION);
	write_apply_all(rq, &w, 1);
	record_reply(rq, w.record, 201);
}

void
entity_patch(struct request *rq)
{
	struct writing w = { .entity = (struct entity *)rq->http->route->arg };
	struct problems problems = { .rq = rq };

	http_only_query(rq, no_query);
	w.body = http_json(rq, false);
	w.record = record_lock(rq, w.entity, http_id(rq));
	etag_require(rq, w.record, w.body);
	write_validate(rq, &w, &problems);
	problems_raise(&problems, ERR_VALIDATION);
	write_apply_all(rq, &w, 1);
	record_reply(rq, w.record, 200);
}

void
entity_delete(struct request *rq)
{
	struct entity *entity = (struct entity *)rq->http->route->arg;
	struct record *record;

	http_only_query(rq, no_query);
	record = record_lock(rq, entity, http_id(rq));
	etag_require(rq, record, NULL);
	if (entity->deleting)
		entity->deleting(rq, record);
	for (int i = 0; i < entity->plan->line_count; i++)
		db_do(rq, entity->plan->lines[i].clear, P_ID(record->id));
	db_all(rq, entity->plan->remove, P_ID(record->id));
	event_append(rq, &(struct change){
				 .entity = entity->name,
				 .id = record->id,
				 .version = record->version + 1,
				 .type = arena_printf(&rq->arena, "%s.deleted", entity->name),
				 .before = record->json,
				 .record = record->json,
			 });
	reply_empty(rq, 204);
}
