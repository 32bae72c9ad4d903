/* sync-bridge/trace_find.c -- finds the records that one deal became. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "db/db.h"
#include "trace.h"

#define UP_MAX 8

const struct trace_step trace_steps[] = {
	{ "deal", "opportunity", "opportunities", .shown = "status stage handover amount",
	  .begins = "opportunity.won" },
	{ "order", "sales_order", "sales-orders", .of = "deal", .mirror_filter = "opportunity_id",
	  .shown = "status hold_reason delivery_status invoice_status promised_date total" },
	{ "delivery", "delivery", "deliveries", .of = "order", .filter = "sales_order_id",
	  .value = "id", .mirror_filter = "opportunity_id", .shown = "status tracking_number" },
	{ "invoice", "invoice", "invoices", .of = "order", .filter = "sales_order_id",
	  .value = "id", .mirror_filter = "opportunity_id", .shown = "status balance number" },
	{ "payment", "payment", "payments", .of = "invoice", .filter = "customer_id",
	  .value = "customer_id", .lines = "allocations", .line_member = "invoice_id",
	  .shown = "amount allocated unapplied" },
	{ 0 }
};

static const char sql_right[] =
	"SELECT right_ref AS ref FROM link WHERE left_ref = $1 AND NOT mirror ORDER BY id LIMIT 20";

static const char sql_left[] =
	"SELECT left_ref AS ref FROM link WHERE right_ref = $1 AND mirror = $2::boolean"
	" ORDER BY id LIMIT 20";

/* As the bridge last heard of it. */
static const char sql_heard[] =
	"SELECT body -> 'record' AS record FROM message"
	" WHERE source_id = $3 AND source = $1 AND entity = $2 ORDER BY id DESC LIMIT 1";

const struct trace_step *
trace_step_of(const char *entity)
{
	for (const struct trace_step *step = trace_steps; step->name; step++)
		if (strcmp(step->entity, entity) == 0)
			return step;
	return NULL;
}

static const struct trace_step *
step_named(const char *name)
{
	const struct trace_step *step = trace_steps;

	while (strcmp(step->name, name) != 0)
		step++;
	return step;
}

void
trace_gap(struct request *rq, struct trace *trace, const struct bridge_system *system,
	  const char *what, const char *reason)
{
	cJSON *gap = cJSON_CreateObject();

	json_add_string(gap, "system", system->name);
	json_add_string(gap, "what", what);
	json_add_string(gap, "reason", reason);
	cJSON_AddItemToArray(trace->unavailable, gap);
}

void
trace_peek(struct request *rq, struct trace *trace, const struct bridge_system *system,
	   struct peek *found, const char *path)
{
	for (int i = 0; i < trace->away_count; i++) {
		if (strcmp(trace->away[i], system->name) != 0)
			continue;
		*found = (struct peek){ .result = PEEK_AWAY, .reason = "it did not answer" };
		return;
	}
	peek(rq, system, found, path);
	if (found->result == PEEK_AWAY && trace->away_count < 8)
		trace->away[trace->away_count++] = system->name;
}

static const char *
make_ref(struct request *rq, const char *system, const char *entity, int64_t id)
{
	return arena_printf(&rq->arena, "%s:%s:%" PRId64, system, entity, id);
}

static struct trace_record *
add(struct request *rq, struct trace *trace, const struct trace_step *step, const char *text)
{
	struct trace_record *record = &trace->records[trace->count];

	for (int i = 0; i < trace->count; i++)
		if (strcmp(trace->records[i].text, text) == 0)
			return NULL;
	*record = (struct trace_record){ .step = step, .text = arena_strdup(&rq->arena, text) };
	if (!ref_parse(text, &record->ref) || !(record->system = bridge_system(record->ref.system)))
		return NULL;
	if (trace->count == TRACE_RECORDS_MAX - 1) {
		trace_gap(rq, trace, record->system, step->name, "there are too many to show");
		return NULL;
	}
	trace->count++;
	return record;
}

/* The record as it is, else as it was when the bridge last heard of it. */
static void
load(struct request *rq, struct trace *trace, struct trace_record *record)
{
	struct peek found;
	struct row *heard;

	trace_peek(rq, trace, record->system, &found,
		   arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, record->step->path,
				record->ref.id));
	if (found.result == PEEK_FOUND) {
		record->record = found.json;
		record->live = true;
		return;
	}
	trace_gap(rq, trace, record->system, record->text,
		  found.reason ? found.reason : "it is not there any more");
	heard = db_one(rq, sql_heard, P_TEXT(record->ref.system), P_TEXT(record->ref.entity),
		       P_ID(record->ref.id));
	if (heard && !row_null(heard, "record"))
		record->record = json_own(rq, row_text(heard, "record"));
}

/* Whether one of its lines names a record of the step before that is known. */
static bool
belongs(const struct trace *trace, const struct trace_step *step, const cJSON *found,
	const struct bridge_system *system)
{
	const cJSON *line;

	if (!step->lines)
		return true;
	cJSON_ArrayForEach(line, json_get(found, step->lines)) {
		int64_t id;

		for (int i = 0; i < trace->count; i++)
			if (json_integer(line, step->line_member, &id) &&
			    trace->records[i].ref.id == id &&
			    same_system(trace->records[i].system, system) &&
			    strcmp(trace->records[i].step->name, step->of) == 0)
				return true;
	}
	return false;
}

/* The mirror's list of what it knows of the deal, where the system itself does not answer. */
static void
find_in_mirror(struct request *rq, struct trace *trace, const struct trace_step *step,
	       const struct bridge_system *system)
{
	const struct bridge all = bridge;   /* a reload may come between two looks */

	for (int i = 0; step->mirror_filter && i < all.route_count; i++) {
		const struct bridge_route *route = &all.routes[i];
		struct peek found;
		const cJSON *each;

		if (!route->mirror || !same_system(route->from, system) ||
		    !same_system(route->to, trace->records[0].system) ||
		    strcmp(route->entity, step->entity) != 0)
			continue;
		trace_peek(
			rq, trace, route->to, &found,
			arena_printf(&rq->arena, "/api/v1/%s?%s=%" PRId64 "&limit=100", route->path,
				  step->mirror_filter, trace->records[0].ref.id));
		if (found.result != PEEK_FOUND)
			trace_gap(rq, trace, route->to, route->target,
				  found.reason ? found.reason : "it has no such list");
		cJSON_ArrayForEach(each, json_get(found.json, "data")) {
			const char *ref = json_string(each, "external_ref");
			struct trace_record *record = ref ? add(rq, trace, step, ref) : NULL;

			if (record)
				load(rq, trace, record);
		}
	}
}

/* The list of the step's records that the one before leads to. */
static void
find_listed(struct request *rq, struct trace *trace, const struct trace_step *step,
	    const struct trace_record *before)
{
	int64_t value = before->ref.id;
	struct peek found;
	const cJSON *each;

	if (strcmp(step->value, "id") != 0 && !json_integer(before->record, step->value, &value))
		return;
	trace_peek(
		rq, trace, before->system, &found,
		arena_printf(&rq->arena, "/api/v1/%s?%s=%" PRId64 "&sort=-id&limit=100%s%s",
			  step->path, step->filter, value, step->lines ? "&include=" : "",
			  step->lines ? step->lines : ""));
	if (found.result != PEEK_FOUND) {
		trace_gap(rq, trace, before->system, step->path,
			  found.reason ? found.reason : "it has no such list");
		find_in_mirror(rq, trace, step, before->system);
		return;
	}
	if (json_string(found.json, "next_cursor"))
		trace_gap(rq, trace, before->system, step->path, "only the newest 100 are shown");
	cJSON_ArrayForEach(each, json_get(found.json, "data")) {
		struct trace_record *record;
		int64_t id;

		if (!json_integer(each, "id", &id) || !belongs(trace, step, each, before->system))
			continue;
		record = add(rq, trace, step,
			     make_ref(rq, before->ref.system, step->entity, id));
		if (record) {
			record->record = (cJSON *)each;
			record->live = true;
		}
	}
}

static void
find_linked(struct request *rq, struct trace *trace, const struct trace_step *step,
	    const struct trace_record *before)
{
	struct rows *rows = db_all(rq, sql_right, P_TEXT(before->text));

	for (int i = 0; i < rows_count(rows); i++) {
		const char *text = row_text(rows_at(rows, i), "ref");
		struct trace_record *record;
		struct ref ref;

		if (!ref_parse(text, &ref) || strcmp(ref.entity, step->entity) != 0)
			continue;
		record = add(rq, trace, step, text);
		if (record)
			load(rq, trace, record);
	}
}

/* ---- up to the deal ---- */

static const char *
linked_left(struct request *rq, const char *text, bool mirror, const char *entity)
{
	struct rows *rows = db_all(rq, sql_left, P_TEXT(text), P_BOOL(mirror));

	for (int i = 0; i < rows_count(rows); i++) {
		const char *left = row_text(rows_at(rows, i), "ref");
		struct ref ref;

		if (ref_parse(left, &ref) && (!entity || strcmp(ref.entity, entity) == 0))
			return left;
	}
	return NULL;
}

/* The record before this one; NULL when it leads to none. */
static const char *
before(struct request *rq, struct trace *trace, const struct trace_step *step, const char *text)
{
	const struct trace_step *of = step_named(step->of);
	struct trace_record record = { .step = step, .text = text };
	const cJSON *from;
	const char *left;
	int64_t id;

	ref_parse(text, &record.ref);
	record.system = bridge_system(record.ref.system);
	if (!step->filter && (left = linked_left(rq, text, false, of->entity)))
		return left;
	load(rq, trace, &record);
	if (!step->filter)
		return json_string(record.record, "external_ref");
	from = step->lines ? cJSON_GetArrayItem(json_get(record.record, step->lines), 0)
			   : record.record;
	if (!json_integer(from, step->lines ? step->line_member : step->filter, &id))
		return NULL;
	return make_ref(rq, record.ref.system, of->entity, id);
}

static const char *
deal_of(struct request *rq, struct trace *trace, const char *text)
{
	const char *at = text;

	for (int i = 0; at && i < UP_MAX; i++) {
		const struct trace_step *step;
		struct ref ref;

		if (!ref_parse(at, &ref) || !bridge_system(ref.system))
			return NULL;
		step = trace_step_of(ref.entity);
		if (step && !step->of)
			return at;
		at = step ? before(rq, trace, step, at) : linked_left(rq, at, true, NULL);
	}
	return NULL;
}

void
trace_find(struct request *rq, struct trace *trace, const char *ref)
{
	const char *deal;
	struct trace_record *record;

	trace->unavailable = cJSON_CreateArray();
	deal = deal_of(rq, trace, ref);
	if (!deal)
		fail(rq, ERR_NOT_FOUND,
		     .detail = arena_printf(&rq->arena, "%s leads to no deal%s%s.", ref,
					    trace->unavailable->child ? ": " : "",
					    trace->unavailable->child
						    ? json_string(trace->unavailable->child,
								  "reason")
						    : ""),
		     .hint = "A trace begins at an opportunity, or at an order, a delivery, an "
			     "invoice or a payment that came of one.");
	trace->unavailable = cJSON_CreateArray();
	record = add(rq, trace, trace_steps, deal);
	load(rq, trace, record);
	if (!record->record && !trace->away_count)
		fail(rq, ERR_NOT_FOUND,
		     .detail = arena_printf(&rq->arena, "There is no %s.", deal));
	for (const struct trace_step *step = trace_steps + 1; step->name; step++) {
		int known = trace->count;

		for (int i = 0; i < known; i++) {
			if (strcmp(trace->records[i].step->name, step->of) != 0)
				continue;
			if (step->filter)
				find_listed(rq, trace, step, &trace->records[i]);
			else
				find_linked(rq, trace, step, &trace->records[i]);
		}
	}
}
