/* common/entity/write.c -- writes one record with its lines, runs its hooks, appends its event. */
#include "entity/write.h"

#include <string.h>

#include "event/event.h"

/* What the entity's hooks may change is read once more; the version moves at most once. */
static void
finish(struct request *rq, struct writing *w, const char *type)
{
	struct entity *entity = w->entity;
	struct record *record = w->record;
	bool created = w->result == WRITE_CREATED;
	struct row *row = record->row;

	if (entity->saved)
		entity->saved(rq, record, created);
	if (entity->upserted && w->ref)
		entity->upserted(rq, record, created);
	if (!entity->plan->direct)
		row = db_one(rq, entity->plan->load, P_ID(record->id));
	if (!row)
		fail(rq, ERR_INTERNAL, .detail = "A hook deleted the record it was called for.");
	record_announce(rq, record, row, type);
}

/* What is left to do may refuse the record: then COMMIT has to wait for it. */
static bool
checked_later(const struct writing *w)
{
	const struct entity *entity = w->entity;

	return entity->saved && (!entity->settles || !entity->settles(w->body));
}

static void
create(struct request *rq, struct writing *w)
{
	const struct entity_plan *plan = w->entity->plan;
	const char *type = arena_printf(&rq->arena, "%s.created", w->entity->name);
	bool whole = plan->create && !w->internal && !w->ref;
	bool checked = whole && checked_later(w);
	bool alone = whole && w->last && !checked && db_untouched(rq);
	struct row *row;

	if (whole)
		row = create_whole(rq, w, type, alone);
	else
		row = db_one(rq, w->ref ? plan->insert_ref : plan->insert,
			     P_TEXT(json_text(rq, w->body)));
	/* Another request created it between our look and our insert. */
	if (!row)
		fail(rq, ERR_CONFLICT, .detail = "Another request is creating this record.",
		     .rerun = true);
	w->record = record_of(rq, w->entity, row);
	w->result = WRITE_CREATED;
	if (!whole) {
		finish(rq, w, type);
		return;
	}
	w->record->json = row_text(row, "json_");
	w->record->announced = w->record->version;
	if (checked)
		w->entity->saved(rq, w->record, true);
}

/* RFC 7396 inside a json column. */
static cJSON *
merged(cJSON *target, cJSON *patch)
{
	cJSON *item, *next;

	if (!cJSON_IsObject(patch))
		return patch;
	if (!cJSON_IsObject(target))
		target = cJSON_CreateObject();
	for (item = patch->child; item; item = next) {
		cJSON *old = json_get(target, item->string);

		next = item->next;
		if (old)
			cJSON_DetachItemViaPointer(target, old);
		if (cJSON_IsNull(item))
			continue;
		cJSON_DetachItemViaPointer(patch, item);
		cJSON_AddItemToObject(target, item->string, merged(old, item));
	}
	return target;
}

static void
merge_json_columns(struct request *rq, struct writing *w)
{
	const struct shape *shape = &w->entity->plan->shape;

	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];
		cJSON *patch = member->type == COLUMN_JSON && member->column
				       ? json_get(w->body, member->name)
				       : NULL;
		const char *now;

		if (!cJSON_IsObject(patch))
			continue;
		now = row_text(w->record->row, member->name);
		cJSON_DetachItemViaPointer(w->body, patch);
		cJSON_AddItemToObject(w->body, member->name,
				      merged(now ? json_own(rq, now) : NULL, patch));
	}
}

static void
patch_record(struct request *rq, struct writing *w)
{
	const struct entity_plan *plan = w->entity->plan;
	struct lines_pending lines = { .count = 0 };
	struct pending *header;
	struct rows *rows;
	struct row *row = NULL;
	const char *body;

	merge_json_columns(rq, w);
	body = json_text(rq, w->body);
	header = db_send(rq, plan->patch, P_ID(w->record->id), P_TEXT(body));
	lines_send(rq, w, body, &lines);
	rows = db_wait(rq, header);
	if (rows_any(rows))
		row = rows_at(rows, 0);
	if (lines_wait(rq, &lines) && !row) {
		upsert_advance(rq, w);
		row = db_one(rq, plan->touch, P_ID(w->record->id));
	}
	if (!row) {
		w->result = WRITE_UNCHANGED;
		return;
	}
	w->result = WRITE_UPDATED;
	w->record->row = row;
	w->record->version = row_id(row, "version");
	finish(rq, w, arena_printf(&rq->arena, "%s.updated", w->entity->name));
}

void
write_apply(struct request *rq, struct writing *w)
{
	if (w->record)
		patch_record(rq, w);
	else
		create(rq, w);
	if (w->ref)
		upsert_end(rq, w);
}

struct apply_call {
	struct writing *all;
	int count;
	int at; /* the one being written when it failed */
};

static void
apply_each(struct request *rq, void *arg)
{
	struct apply_call *call = arg;

	for (call->at = 0; call->at < call->count; call->at++)
		write_apply(rq, &call->all[call->at]);
}

static bool
is_bad_reference(const struct fault *fault)
{
	for (int i = 0; i < fault->field_count; i++)
		if (strcmp(fault->fields[i].code, "unknown_reference") == 0)
			return true;
	return false;
}

/* PostgreSQL stops at the first reference to nothing; the client is told all of them. */
static void
name_bad_references(struct request *rq, struct writing *all, int count)
{
	struct problems problems = { .rq = rq };

	for (int i = 0; i < count; i++) {
		const char *text = all[i].entity->plan->bad_references;
		struct rows *rows;

		if (!text)
			continue;
		problems.prefix = all[i].prefix;
		rows = db_all(rq, text, P_TEXT(json_text(rq, all[i].body)));
		for (int k = 0; k < rows_count(rows); k++)
			problems_add(&problems, row_at(rows_at(rows, k), 0), "unknown_reference",
				     "refers to %s, which does not exist",
				     row_at(rows_at(rows, k), 1));
	}
	problems_raise(&problems, ERR_VALIDATION);
}

void
write_apply_all(struct request *rq, struct writing *all, int count)
{
	struct apply_call call = { .all = all, .count = count };
	struct fault fault;
	const char *prefix;

	if (request_run(rq, apply_each, &call))
		return;
	fault = rq->fault;
	rq->fault = (struct fault){ 0 };
	if (is_bad_reference(&fault))
		name_bad_references(rq, all, count);
	prefix = all[call.at].prefix;
	if (prefix && !fault.rerun) {
		for (int i = 0; i < fault.field_count; i++)
			fault.fields[i].field =
				arena_printf(&rq->arena, "%s%s", prefix, fault.fields[i].field);
		if (fault.field)
			fault.field = arena_printf(&rq->arena, "%s%s", prefix, fault.field);
		else if (!fault.field_count)
			fault.field = arena_strndup(&rq->arena, prefix, strlen(prefix) - 1);
	}
	fault_raise(rq, &fault);
}

struct record *
record_create(struct request *rq, struct entity *entity, cJSON *body)
{
	struct writing w = { .entity = entity, .body = body, .internal = true };
	struct problems problems = { .rq = rq };

	db_begin(rq);
	write_validate(rq, &w, &problems);
	problems_raise(&problems, ERR_VALIDATION);
	write_apply(rq, &w);
	return w.record;
}
