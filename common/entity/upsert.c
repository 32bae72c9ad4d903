/* common/entity/upsert.c -- create or update by another system's name for the record. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "entity/handlers.h"
#include "entity/write.h"
#include "http/http.h"

static const char *const result_names[] = {
	[WRITE_CREATED] = "created",
	[WRITE_UPDATED] = "updated",
	[WRITE_UNCHANGED] = "unchanged",
	[WRITE_SUPERSEDED] = "superseded",
};

bool
upsert_begin(struct request *rq, struct writing *w)
{
	const struct entity_plan *plan = w->entity->plan;
	int64_t version, epoch;

	w->record = record_lock_ref(rq, w->entity, w->ref);
	if (!w->record || !plan->by_source_version || !w->source_version || w->compared)
		return true;
	version = row_id(w->record->row, "source_version");
	epoch = plan->by_source_epoch ? row_id(w->record->row, "source_epoch") : w->source_epoch;
	if (epoch < w->source_epoch || (epoch == w->source_epoch && version < w->source_version))
		return true;
	w->result = epoch == w->source_epoch && version == w->source_version ? WRITE_UNCHANGED
									     : WRITE_SUPERSEDED;
	return false;
}

void
upsert_advance(struct request *rq, struct writing *w)
{
	const struct entity_plan *plan = w->entity->plan;

	if (!plan->by_source_version || !w->source_version)
		return;
	if (plan->by_source_epoch)
		db_do(rq, plan->advance, P_ID(w->record->id), P_ID(w->source_version),
		      P_ID(w->source_epoch));
	else
		db_do(rq, plan->advance, P_ID(w->record->id), P_ID(w->source_version));
}

/* The source's version is remembered even where its values were ours already. */
void
upsert_end(struct request *rq, struct writing *w)
{
	if (w->result == WRITE_UNCHANGED)
		upsert_advance(rq, w);
}

/* 0 when it is not given. */
static int64_t
positive_header(struct request *rq, const char *name)
{
	const char *header = http_header(rq, name);
	char *end;
	long long version;

	if (!header)
		return 0;
	errno = 0;
	version = strtoll(header, &end, 10);
	if (header[0] < '0' || header[0] > '9' || *end || errno || version < 1)
		fail(rq, ERR_BAD_REQUEST, .field = name,
		     .detail = arena_printf(&rq->arena, "%s must be a positive integer.", name));
	return version;
}

static void
set_reference(struct writing *w, struct problems *problems)
{
	const cJSON *given = json_get(w->body, "external_ref");

	if (!given)
		cJSON_AddStringToObject(w->body, "external_ref", w->ref);
	else if (!cJSON_IsString(given) || strcmp(given->valuestring, w->ref) != 0)
		problems_add(problems, "external_ref", "mismatch",
			     "differs from the reference in the path");
}

static void
upsert_reply(struct request *rq, struct writing *w)
{
	const char *json = record_shown(rq, w->record);
	const char *result = result_names[w->result];
	struct text out = text_in(&rq->arena);

	/* The object's last byte is its brace. */
	text_add_bytes(&out, json, strlen(json) - 1);
	text_addf(&out, ",\"source_result\":\"%s\"}", result);
	reply_json_length(rq, w->result == WRITE_CREATED ? 201 : 200, out.data, out.length);
	record_etag(rq, w->record->version);
	reply_header(rq, "Source-Result", result);
}

void
entity_upsert(struct request *rq)
{
	struct writing w = {
		.entity = (struct entity *)rq->http->route->arg,
		.ref = http_param(rq, "external_ref"),
		.compared = http_header(rq, "If-Match") != NULL,
	};
	struct problems problems = { .rq = rq };

	w.body = http_json(rq, false);
	w.source_version = positive_header(rq, "Source-Version");
	w.source_epoch = positive_header(rq, "Source-Epoch");
	if (!w.source_epoch)
		w.source_epoch = 1;
	if (upsert_begin(rq, &w)) {
		if (w.record)
			etag_require(rq, w.record, w.body);
		set_reference(&w, &problems);
		write_validate(rq, &w, &problems);
		problems_raise(&problems, ERR_VALIDATION);
		if (w.entity->plan->by_source_version && w.source_version)
			json_add_integer(w.body, "source_version", w.source_version);
		if (w.entity->plan->by_source_epoch && w.source_version)
			json_add_integer(w.body, "source_epoch", w.source_epoch);
		write_apply_all(rq, &w, 1);
	}
	upsert_reply(rq, &w);
}
