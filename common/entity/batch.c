/* common/entity/batch.c -- many records in one transaction: all of them or none. */
#include <string.h>

#include "entity/handlers.h"
#include "entity/write.h"
#include "http/http.h"

#define RECORDS_MAX 1000

static cJSON *
batch_records(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	cJSON *body, *records, *member;
	int count;

	http_only_query(rq, no_query);
	body = http_json(rq, false);
	cJSON_ArrayForEach(member, body) if (member != json_get(body, "records"))
		fault_field(rq, member->string, "unknown_field", "is not known here");
	records = json_get(body, "records");
	if (!records)
		fault_field(rq, "records", "required", "must be given");
	else if (!cJSON_IsArray(records))
		fault_field(rq, "records", "wrong_type", "must be an array of objects");
	count = cJSON_GetArraySize(records);
	if (cJSON_IsArray(records) && (count < 1 || count > RECORDS_MAX))
		fault_field(rq, "records", "out_of_range", "must hold 1 to %d records",
			    RECORDS_MAX);
	fault_raise_collected(rq);
	return records;
}

/* The record an earlier one of the batch writes already, for the same one cannot be meant twice. */
static bool
is_repeated(const struct writing *all, const struct writing *w)
{
	for (const struct writing *earlier = all; earlier < w; earlier++)
		if ((w->record && earlier->record && earlier->record->id == w->record->id) ||
		    (w->ref && earlier->ref && strcmp(earlier->ref, w->ref) == 0))
			return true;
	return false;
}

/* Finds what the record wants to be: an update by id, an upsert by reference, or new. */
static void
batch_begin(struct request *rq, struct writing *all, struct writing *w, struct problems *problems)
{
	const cJSON *ref = json_get(w->body, "external_ref");
	const cJSON *id = json_get(w->body, "id");
	int64_t value;

	problems->prefix = w->prefix;
	if (id) {
		if (json_node_integer(id, &value) && value > 0)
			w->record = record_lock_any(rq, w->entity, value);
		if (!w->record) {
			problems_add(problems, "id", "unknown_reference", "is no record's id");
			return;
		}
		cJSON_DeleteItemFromObjectCaseSensitive(w->body, "id");
	} else if (w->entity->plan->by_ref && cJSON_IsString(ref)) {
		w->ref = ref->valuestring;
		upsert_begin(rq, w);
	}
	if (is_repeated(all, w))
		problems_add(problems, w->ref ? "external_ref" : "id", "duplicate",
			     "is in the batch already");
	else
		write_validate(rq, w, problems);
}

void
entity_batch(struct request *rq)
{
	struct entity *entity = (struct entity *)rq->http->route->arg;
	struct problems problems = { .rq = rq };
	cJSON *records = batch_records(rq);
	struct writing *all;
	struct text out;
	cJSON *record;
	int count = 0;

	all = arena_array(&rq->arena, struct writing, (size_t)cJSON_GetArraySize(records));
	db_begin(rq);
	cJSON_ArrayForEach(record, records)
	{
		struct writing *w = &all[count];

		w->entity = entity;
		w->body = record;
		w->prefix = arena_printf(&rq->arena, "records[%d].", count++);
		if (cJSON_IsObject(record)) {
			batch_begin(rq, all, w, &problems);
		} else {
			problems.prefix = NULL;
			problems_add(&problems, arena_printf(&rq->arena, "records[%d]", count - 1),
				     "wrong_type", "must be an object");
		}
	}
	problems_raise(&problems, ERR_VALIDATION);
	write_apply_all(rq, all, count);
	out = text_in(&rq->arena);
	text_add(&out, "{\"data\":[");
	for (int i = 0; i < count; i++) {
		text_add(&out, i ? "," : "");
		text_add(&out, record_shown(rq, all[i].record));
	}
	text_add(&out, "]}");
	reply_json_length(rq, 200, out.data, out.length);
}
