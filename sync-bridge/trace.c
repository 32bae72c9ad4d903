/* sync-bridge/trace.c -- tells a deal's changes in order of time, and how each of them crossed. */
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "db/db.h"
#include "http/http.h"
#include "trace_messages.sql.h"

/* "2026-03-01T10:00:00.123456Z" as microseconds since 1970; 0 for what is no time. */
static int64_t
microseconds(const char *at)
{
	struct tm tm = { 0 };
	const char *rest = at ? strptime(at, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t fraction = 0;

	if (!rest)
		return 0;
	if (*rest == '.')
		for (int64_t unit = 100000; unit && *++rest >= '0' && *rest <= '9'; unit /= 10)
			fraction += (*rest - '0') * unit;
	return (int64_t)timegm(&tm) * 1000000 + fraction;
}

static void
add_number(cJSON *object, const char *key, const char *text)
{
	cJSON_AddItemToObject(object, key, text ? cJSON_CreateRaw(text) : cJSON_CreateNull());
}

/* How one change went along one route. */
static cJSON *
crossing(const struct row *row)
{
	cJSON *item = cJSON_CreateObject();
	const struct bridge_route *route = bridge_route(row_text(row, "route"));

	add_number(item, "message_id", row_text(row, "id"));
	json_add_string(item, "route", row_text(row, "route"));
	json_add_string(item, "to", route ? route->to->name : NULL);
	json_add_string(item, "state", row_text(row, "state"));
	json_add_string(item, "code", row_text(row, "code"));
	json_add_string(item, "reason", row_text(row, "reason"));
	json_add_string(item, "remedy", row_text(row, "remedy"));
	json_add_string(item, "became", row_text(row, "target_ref"));
	add_number(item, "attempts", row_text(row, "attempts"));
	json_add_string(item, "received_at", row_text(row, "received_at"));
	json_add_string(item, "finished_at", row_text(row, "finished_at"));
	json_add_string(item, "next_at", row_text(row, "next_at"));
	add_number(item, "received_ms", row_text(row, "received_ms"));
	add_number(item, "effect_ms", row_text(row, "effect_ms"));
	return item;
}

static cJSON *
new_change(const struct trace_record *record, const char *type, const char *at)
{
	cJSON *item = cJSON_CreateObject();

	json_add_string(item, "at", at);
	json_add_string(item, "system", record->ref.system);
	json_add_string(item, "step", record->step->name);
	json_add_string(item, "ref", record->text);
	json_add_string(item, "number", json_string(record->record, "number"));
	json_add_string(item, "type", type);
	return item;
}

static bool
is_shown(const char *shown, const char *member)
{
	size_t length = strlen(member);

	for (const char *at = shown; (at = strstr(at, member)); at += length)
		if ((at == shown || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

/* What a timeline says of one version. */
static cJSON *
change_told(const struct trace_record *record, const cJSON *told)
{
	cJSON *item = new_change(record, json_string(told, "type"), json_string(told, "timestamp"));
	cJSON *changes = cJSON_CreateObject();
	const cJSON *each;

	json_add_string(item, "actor", json_string(told, "actor"));
	json_add_string(item, "origin", json_string(told, "origin"));
	json_add_string(item, "trace", json_string(told, "trace"));
	cJSON_ArrayForEach(each, json_get(told, "changes"))
		if (is_shown(record->step->shown, each->string))
			cJSON_AddItemToObject(changes, each->string,
					      cJSON_Duplicate(each, true));
	cJSON_AddItemToObject(item, "changes", changes);
	return item;
}

/* A change that the bridge was told of, where its system does not tell. */
static cJSON *
change_heard(const struct trace_record *record, const struct row *row)
{
	cJSON *item =
		new_change(record, row_text(row, "type"), row_text(row, "happened_at"));

	json_add_string(item, "actor", NULL);
	json_add_string(item, "origin", row_text(row, "origin"));
	json_add_string(item, "trace", row_text(row, "trace"));
	cJSON_AddItemToObject(item, "changes", cJSON_CreateObject());
	return item;
}

/* The change of this version among those of one record; NULL when it is not there. */
static cJSON *
change_of(cJSON *changes, int64_t version)
{
	cJSON *each;
	int64_t found;

	cJSON_ArrayForEach(each, changes)
		if (json_integer(each, "version", &found) && found == version)
			return each;
	return NULL;
}

static void
take_change(cJSON *changes, cJSON *item, int64_t version)
{
	json_add_integer(item, "version", version);
	cJSON_AddItemToObject(item, "crossed", cJSON_CreateArray());
	cJSON_AddItemToArray(changes, item);
}

static cJSON *
changes_of(struct request *rq, struct trace *trace, const struct trace_record *record)
{
	cJSON *changes = cJSON_CreateArray();
	struct rows *messages;
	struct peek told = { 0 };
	const cJSON *each;
	int64_t version;

	if (record->live)
		trace_peek(rq, trace, record->system, &told,
			   arena_printf(&rq->arena, "/api/v1/%s/%" PRId64 "/timeline?limit=200",
					record->step->path, record->ref.id));
	if (record->live && told.result != PEEK_FOUND)
		trace_gap(rq, trace, record->system,
			  arena_printf(&rq->arena, "timeline of %s", record->text),
			  told.reason ? told.reason : "it has none");
	cJSON_ArrayForEach(each, json_get(told.json, "data"))
		if (json_integer(each, "version", &version))
			take_change(changes, change_told(record, each), version);
	messages = db_all(rq, sql_trace_messages, P_TEXT(record->ref.system),
			  P_TEXT(record->ref.entity), P_ID(record->ref.id));
	for (int i = 0; i < rows_count(messages); i++) {
		const struct row *row = rows_at(messages, i);
		cJSON *change;

		version = row_id(row, "version");
		if (!change_of(changes, version))
			take_change(changes, change_heard(record, row), version);
		change = change_of(changes, version);
		if (!row_null(row, "route"))
			cJSON_AddItemToArray(json_get(change, "crossed"),
					     crossing(row));
	}
	return changes;
}

static int
by_time(const void *left, const void *right)
{
	const cJSON *const *a = left;
	const cJSON *const *b = right;
	int64_t difference = microseconds(json_string(*a, "at")) -
			     microseconds(json_string(*b, "at"));

	return difference < 0 ? -1 : difference > 0;
}

/* Sorted by time, each with its distance from the first "won". */
static void
in_order(struct request *rq, struct trace *trace, cJSON *changes)
{
	int count = cJSON_GetArraySize(changes);
	cJSON **sorted = arena_array(&rq->arena, cJSON *, (size_t)count + 1);
	int64_t won = microseconds(trace->won_at);
	int n = 0;

	for (cJSON *each = changes->child; each; each = each->next)
		sorted[n++] = each;
	qsort(sorted, (size_t)count, sizeof(*sorted), by_time);
	for (int i = 0; i < count; i++) {
		int64_t since = microseconds(json_string(sorted[i], "at")) - won;

		add_number(sorted[i], "since_won_ms",
			   won ? arena_printf(&rq->arena, "%s%" PRId64 ".%" PRId64,
					      since < 0 ? "-" : "", (int64_t)imaxabs(since) / 1000,
					      (int64_t)imaxabs(since) % 1000 / 100)
			       : NULL);
		cJSON_AddItemToArray(trace->steps, cJSON_DetachItemViaPointer(changes, sorted[i]));
	}
}

void
trace_changes(struct request *rq, struct trace *trace)
{
	cJSON *all = cJSON_CreateArray();

	trace->steps = cJSON_CreateArray();
	for (int i = 0; i < trace->count; i++) {
		const char *begins = trace->records[i].step->begins;
		cJSON *changes = changes_of(rq, trace, &trace->records[i]);
		cJSON *each;

		while ((each = changes->child)) {
			const char *at = json_string(each, "at");

			cJSON_AddItemToArray(all, cJSON_DetachItemViaPointer(changes, each));
			if (begins && strcmp(json_string(each, "type"), begins) == 0 &&
			    (!trace->won_at || microseconds(at) < microseconds(trace->won_at)))
				trace->won_at = at;
		}
	}
	in_order(rq, trace, all);
}

/* ---- GET /traces/{entity}/{id} ---- */

/* Whether records of this kind are at the system, as the routes have it. */
static bool
has_kind(const struct bridge_system *system, const char *entity)
{
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if ((same_system(route->from, system) && strcmp(route->entity, entity) == 0) ||
		    (same_system(route->to, system) && strcmp(route->target, entity) == 0))
			return true;
	}
	return false;
}

/* The one system that has such records. No route takes payments; they are where invoices are. */
static const char *
only_system(struct request *rq, const char *entity)
{
	const struct trace_step *step = trace_step_of(entity);
	struct text names = text_in(&rq->arena);
	const char *found = NULL;
	int count = 0;

	for (int i = 0; i < bridge.system_count; i++) {
		const struct bridge_system *system = &bridge.systems[i];

		if (!has_kind(system, entity))
			continue;
		text_addf(&names, "%s%s", count++ ? ", " : "", system->name);
		found = system->name;
	}
	if (count == 1)
		return found;
	if (count == 0 && step && step->of)
		for (const struct trace_step *each = trace_steps; each->name; each++)
			if (strcmp(each->name, step->of) == 0)
				return only_system(rq, each->entity);
	if (count == 0)
		fail(rq, ERR_NOT_FOUND,
		     .detail = arena_printf(&rq->arena, "No system has a %s on a route.", entity),
		     .hint = "A trace begins at an opportunity, sales_order, delivery, invoice or "
			     "payment.");
	fail(rq, ERR_VALIDATION, .field = "system",
	     .detail = arena_printf(&rq->arena, "system must be one of %s.", text_str(&names)));
}

static const char *
asked_ref(struct request *rq)
{
	const char *entity = http_param(rq, "entity");
	const char *system = http_query(rq, "system");
	const char *text;
	struct ref ref;

	if (system && !bridge_system(system))
		fail(rq, ERR_VALIDATION, .field = "system", .detail = "There is no such system.");
	text = arena_printf(&rq->arena, "%s:%s:%" PRId64,
			    system ? system : only_system(rq, entity), entity, http_id(rq));
	if (!ref_parse(text, &ref))
		fail(rq, ERR_NOT_FOUND, .detail = "There is no such kind of record.");
	return text;
}

static cJSON *
record_json(const struct trace_record *record)
{
	cJSON *item = cJSON_CreateObject();
	const char *status = json_string(record->record, "status");
	int64_t version;

	json_add_string(item, "step", record->step->name);
	json_add_string(item, "ref", record->text);
	json_add_string(item, "number", json_string(record->record, "number"));
	json_add_string(item, "status", status);
	if (json_integer(record->record, "version", &version))
		json_add_integer(item, "version", version);
	json_add_string(item, "seen", record->live ? "now" : "by the bridge");
	return item;
}

void
trace_get(struct request *rq)
{
	static const char *const known[] = { "system", NULL };
	struct trace *trace = arena_new(&rq->arena, struct trace);
	cJSON *reply = cJSON_CreateObject();
	cJSON *records = cJSON_CreateArray();

	http_only_query(rq, known);
	trace_find(rq, trace, asked_ref(rq));
	trace_changes(rq, trace);
	trace_lacks(rq, trace);
	json_add_string(reply, "deal", trace->records[0].text);
	json_add_string(reply, "name", json_string(trace->records[0].record, "name"));
	json_add_string(reply, "won_at", trace->won_at);
	cJSON_AddBoolToObject(reply, "complete",
			      !trace->missing->child && !trace->unavailable->child);
	for (int i = 0; i < trace->count; i++)
		cJSON_AddItemToArray(records, record_json(&trace->records[i]));
	cJSON_AddItemToObject(reply, "records", records);
	cJSON_AddItemToObject(reply, "steps", trace->steps);
	cJSON_AddItemToObject(reply, "missing", trace->missing);
	cJSON_AddItemToObject(reply, "unavailable", trace->unavailable);
	reply_tree(rq, 200, reply);
}
