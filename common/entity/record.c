/* common/entity/record.c -- a record under its lock: loading, changing, announcing, showing. */
#include <inttypes.h>

#include "entity/write.h"
#include "event/event.h"
#include "http/http.h"

struct record *
record_of(struct request *rq, struct entity *entity, struct row *row)
{
	struct record *record = arena_new(&rq->arena, struct record);

	record->entity = entity;
	record->row = row;
	record->id = row_id(row, "id");
	record->version = row_id(row, "version");
	return record;
}

/* lock and load take the same parameter and go out together. */
static struct record *
lock_and_load(struct request *rq, struct entity *entity, const char *lock, const char *load,
	      struct param key)
{
	struct row *row;
	struct record *record;

	db_begin(rq);
	db_do(rq, lock, key);
	row = db_one(rq, load, key);
	if (!row)
		return NULL;
	record = record_of(rq, entity, row);
	record->json = row_text(row, "json_");
	return record;
}

struct record *
record_lock_any(struct request *rq, struct entity *entity, int64_t id)
{
	return lock_and_load(rq, entity, entity->plan->lock, entity->plan->load, P_ID(id));
}

struct record *
record_lock_ref(struct request *rq, struct entity *entity, const char *ref)
{
	return lock_and_load(rq, entity, entity->plan->lock_ref, entity->plan->load_ref,
			     P_TEXT(ref));
}

struct record *
record_lock(struct request *rq, struct entity *entity, int64_t id)
{
	struct record *record = record_lock_any(rq, entity, id);

	if (!record)
		fail(rq, ERR_NOT_FOUND,
		     .detail = arena_printf(&rq->arena, "There is no %s %" PRId64 ".", entity->name,
					    id));
	return record;
}

struct pending **
records_lock_send(struct request *rq, struct entity *entity, const int64_t *ids, int count)
{
	struct pending **loads = arena_array(&rq->arena, struct pending *, (size_t)count + 1);

	db_begin(rq);
	for (int i = 0; i < count; i++) {
		db_do(rq, entity->plan->lock, P_ID(ids[i]));
		loads[i] = db_send(rq, entity->plan->load, P_ID(ids[i]));
	}
	return loads;
}

void
records_lock_wait(struct request *rq, struct entity *entity, const int64_t *ids, int count,
		  struct pending **loads, struct record **records)
{
	for (int i = 0; i < count; i++) {
		struct rows *rows = db_wait(rq, loads[i]);

		if (!rows_any(rows))
			fail(rq, ERR_NOT_FOUND,
			     .detail = arena_printf(&rq->arena, "There is no %s %" PRId64 ".",
						    entity->name, ids[i]));
		records[i] = record_of(rq, entity, rows_at(rows, 0));
		records[i]->json = row_text(records[i]->row, "json_");
	}
}

void
records_lock(struct request *rq, struct entity *entity, const int64_t *ids, int count,
	     struct record **records)
{
	records_lock_wait(rq, entity, ids, count, records_lock_send(rq, entity, ids, count),
			  records);
}

const char *
record_text(const struct record *record, const char *column)
{
	return row_text(record->row, column);
}

int64_t
record_id(const struct record *record, const char *column)
{
	return row_id(record->row, column);
}

bool
record_bool(const struct record *record, const char *column)
{
	return row_bool(record->row, column);
}

void
record_reload(struct request *rq, struct record *record)
{
	struct row *row = db_one(rq, record->entity->plan->load, P_ID(record->id));

	if (!row)
		fail(rq, ERR_NOT_FOUND, .detail = "The record was deleted in between.");
	record->row = row;
	record->version = row_id(row, "version");
}

void
record_announce(struct request *rq, struct record *record, struct row *row, const char *type)
{
	struct change change = { .entity = record->entity->name, .id = record->id, .type = type };

	/* A hook has announced this version already: two events never share one. */
	if (row_id(row, "version") == record->announced)
		row = db_one(rq, record->entity->plan->touch, P_ID(record->id));
	change.before = record->json;
	record->row = row;
	record->version = record->announced = change.version = row_id(row, "version");
	record->json = change.record = row_text(row, "json_");
	event_append(rq, &change);
}

void
record_changed(struct request *rq, struct record *record, const char *type)
{
	struct row *row = db_one(rq, record->entity->plan->touch, P_ID(record->id));

	if (!row)
		fail(rq, ERR_NOT_FOUND, .detail = "The record was deleted in between.");
	record_announce(rq, record, row, type);
}

void
records_changed(struct request *rq, struct record *const *records, int count, const char *type)
{
	struct pending **touches = arena_array(&rq->arena, struct pending *, (size_t)count + 1);

	for (int i = 0; i < count; i++)
		touches[i] = db_send(rq, records[i]->entity->plan->touch, P_ID(records[i]->id));
	for (int i = 0; i < count; i++) {
		struct rows *rows = db_wait(rq, touches[i]);

		if (!rows_any(rows))
			fail(rq, ERR_NOT_FOUND, .detail = "The record was deleted in between.");
		record_announce(rq, records[i], rows_at(rows, 0), type);
	}
}

struct pending **
records_raised_send(struct request *rq, struct entity *entity, const int64_t *ids, int count)
{
	struct pending **loads = arena_array(&rq->arena, struct pending *, (size_t)count + 1);

	for (int i = 0; i < count; i++)
		loads[i] = db_send(rq, entity->plan->load, P_ID(ids[i]));
	return loads;
}

void
records_raised_wait(struct request *rq, struct record *const *records, int count,
		    struct pending **loads, const char *type)
{
	for (int i = 0; i < count; i++) {
		struct rows *rows = db_wait(rq, loads[i]);

		if (rows_any(rows) && row_id(rows_at(rows, 0), "version") > records[i]->version)
			record_announce(rq, records[i], rows_at(rows, 0), type);
	}
}

const char *
record_shown(struct request *rq, const struct record *record)
{
	const struct entity_plan *plan = record->entity->plan;
	unsigned mask = plan_mask(plan, rq->actor);
	struct row *row;

	/* The state of the last event is the state now, unless nothing was announced. */
	if (mask == 0 && record->announced)
		return record->json;
	row = db_one(rq, plan->sights[mask].get, P_ID(record->id));
	if (!row)
		fail(rq, ERR_NOT_FOUND, .detail = "The record was deleted in between.");
	return row_at(row, 1);
}

void
record_etag(struct request *rq, int64_t version)
{
	reply_header(rq, "ETag", arena_printf(&rq->arena, "\"%" PRId64 "\"", version));
}

void
record_reply(struct request *rq, struct record *record, int status)
{
	reply_json(rq, status, record_shown(rq, record));
	record_etag(rq, record->version);
	if (status == 201)
		reply_header(rq, "Location",
			     arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, record->entity->path,
					  record->id));
}
