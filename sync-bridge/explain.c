/* sync-bridge/explain.c -- collects what is known of one record on each route that takes it. */
#include "explain.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "db/db.h"
#include "explain_message.sql.h"
#include "http/http.h"
#include "mapping.h"
#include "peek.h"
#include "told.h"

#define CHAIN_MAX 8

static const char sql_link[] =
	"SELECT right_ref, source_version, target_version,"
	" to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS updated_at"
	" FROM link WHERE left_ref = $1 AND route = $2 ORDER BY updated_at DESC LIMIT 1";

static const char sql_from[] =
	"SELECT left_ref, route, source_version,"
	" to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS updated_at"
	" FROM link WHERE right_ref = $1 ORDER BY mirror, id LIMIT 20";

/* Where the system keeps records of this kind, as the routes have it. */
static const char *
path_of(const struct bridge_system *system, const char *entity)
{
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if (same_system(route->from, system) && strcmp(route->entity, entity) == 0)
			return route->source_path;
		if (same_system(route->to, system) && strcmp(route->target, entity) == 0)
			return route->path;
	}
	return NULL;
}

static void
look(struct request *rq, struct explained *record)
{
	const char *path = path_of(record->system, record->ref.entity);
	struct peek found;

	if (!path)
		fail(rq, ERR_NOT_FOUND,
		     .detail = arena_printf(&rq->arena, "No route takes or makes %s of %s.",
					    record->ref.entity, record->system->name),
		     .hint = "GET /api/v1/routes lists what crosses.");
	peek(rq, record->system, &found,
	     arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, path, record->ref.id));
	record->record = found.json;
	record->absent = found.result == PEEK_ABSENT;
	record->away = found.reason;
	if (!json_integer(found.json, "version", &record->version))
		record->version = 0;
}

static void
add_number(cJSON *object, const char *key, const char *text)
{
	cJSON_AddItemToObject(object, key, text ? cJSON_CreateRaw(text) : cJSON_CreateNull());
}

/* What "when" would see of the record as it is now. */
static void
ask_when(struct request *rq, const struct explained *record, struct verdict *verdict)
{
	const char *type = verdict->message ? row_text(verdict->message, "type") : NULL;
	struct text body = text_in(&rq->arena);
	char now[28];

	verdict->wanted = 1;
	if (!verdict->route->when)
		return;
	verdict->wanted = -1;
	if (!record->record)
		return;
	if (!type || row_id(verdict->message, "version") != record->version)
		type = arena_printf(&rq->arena, "%s.updated", record->ref.entity);
	clock_rfc3339(now);
	text_addf(&body,
		  "{\"type\":\"%s\",\"source\":\"%s\",\"timestamp\":\"%s\",\"entity\":\"%s\","
		  "\"id\":%" PRId64 ",\"version\":%" PRId64
		  ",\"origin\":\"user\",\"changed\":[],\"record\":",
		  type, record->ref.system, now, record->ref.entity, record->ref.id,
		  record->version);
	text_add(&body, json_text(rq, record->record));
	text_add(&body, "}");
	verdict->wanted = mapping_test(verdict->route->when, &rq->arena, text_str(&body),
				       &verdict->when_error);
}

/* A newer version need not concern the route: it may be of another type, or our own doing. */
static void
look_for_owed(struct request *rq, const struct explained *record, struct verdict *verdict)
{
	int64_t version = verdict->message ? row_id(verdict->message, "version") : 0;
	const char *skipped = record->system->skip_origin;
	struct peek told;
	const cJSON *each;

	if (record->version <= version)
		return;
	peek(rq, record->system, &told,
	     arena_printf(&rq->arena, "/api/v1/%s/%" PRId64 "/timeline?limit=100",
			  verdict->route->source_path, record->ref.id));
	cJSON_ArrayForEach(each, json_get(told.json, "data")) {
		const char *type = json_string(each, "type");
		const char *origin = json_string(each, "origin");
		int64_t newer;

		if (!json_integer(each, "version", &newer) || newer <= version || !type ||
		    !bridge_route_takes(verdict->route, type) ||
		    !bridge_route_reads(verdict->route, type, json_get(each, "changes")) ||
		    (origin && skipped && strcmp(origin, skipped) == 0))
			continue;
		if (newer > verdict->owed)
			verdict->owed = newer;
	}
}

static void
look_at_target(struct request *rq, struct verdict *verdict)
{
	const char *text = verdict->link ? row_text(verdict->link, "right_ref") : NULL;
	struct peek found;
	struct told told;
	struct ref ref;

	told_read(rq, verdict->route->to, &told);
	verdict->to_breaker = told.breaker;
	verdict->to_error = told.error;
	if (!text || !ref_parse(text, &ref))
		return;
	peek(rq, verdict->route->to, &found,
	     arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, verdict->route->path, ref.id));
	verdict->target = found.json;
	verdict->target_absent = found.result == PEEK_ABSENT;
	verdict->target_away = found.reason;
	if (!json_integer(found.json, "source_version", &verdict->target_source_version))
		verdict->target_source_version = 0;
}

/* From the record waited for on to the one that waits for nothing; the list of them. */
static cJSON *
follow(struct request *rq, struct verdict *verdict)
{
	cJSON *chain = cJSON_CreateArray();
	const char *text = verdict->message ? row_text(verdict->message, "waiting_for") : NULL;
	struct ref ref;

	for (int i = 0; text && i < CHAIN_MAX && ref_parse(text, &ref); i++) {
		struct row *row = db_one(rq, sql_explain_message, P_TEXT(ref.system),
					 P_TEXT(ref.entity), P_ID(ref.id), P_NULL);
		const char *state = row ? row_text(row, "state") : NULL;
		const char *reason = row ? row_text(row, "reason") : NULL;
		cJSON *item = cJSON_CreateObject();

		json_add_string(item, "ref", text);
		add_number(item, "message_id", row ? row_text(row, "id") : NULL);
		json_add_string(item, "state", state);
		json_add_string(item, "reason", reason);
		json_add_string(item, "remedy", row ? row_text(row, "remedy") : NULL);
		cJSON_AddItemToArray(chain, item);
		verdict->blocked = arena_printf(
			&rq->arena, "%s, which %s%s%s", text,
			state ? arena_printf(&rq->arena, "is %s", state)
			      : "the bridge has never heard of",
			reason ? ": " : "", reason ? reason : "");
		text = row ? row_text(row, "waiting_for") : NULL;
	}
	return chain;
}

static cJSON *
message_json(const struct row *row)
{
	static const char *const texts[] = { "type", "state", "code", "reason", "remedy",
		"waiting_for", "happened_at", "received_at", "finished_at", "next_at" };
	static const char *const numbers[] = { "id", "version", "attempts", "round" };
	cJSON *item = cJSON_CreateObject();

	if (!row)
		return cJSON_CreateNull();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		add_number(item, numbers[i], row_text(row, numbers[i]));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		json_add_string(item, texts[i], row_text(row, texts[i]));
	return item;
}

static cJSON *
target_json(const struct verdict *verdict)
{
	cJSON *item = cJSON_CreateObject();
	int64_t version;

	if (!verdict->link)
		return cJSON_CreateNull();
	json_add_string(item, "ref", row_text(verdict->link, "right_ref"));
	json_add_string(item, "number", json_string(verdict->target, "number"));
	add_number(item, "crossed_version", row_text(verdict->link, "source_version"));
	json_add_string(item, "crossed_at", row_text(verdict->link, "updated_at"));
	cJSON_AddItemToObject(item, "exists",
			      verdict->target_away ? cJSON_CreateNull()
						   : cJSON_CreateBool(!verdict->target_absent));
	if (json_integer(verdict->target, "version", &version))
		json_add_integer(item, "version", version);
	if (verdict->target_source_version)
		json_add_integer(item, "source_version", verdict->target_source_version);
	cJSON_AddItemToObject(item, "behind",
			      cJSON_CreateBool(verdict->owed ||
					       (verdict->target_source_version &&
						verdict->target_source_version <
							row_id(verdict->link, "source_version"))));
	return item;
}

static cJSON *
route_json(struct request *rq, const struct explained *record, const struct bridge_route *route)
{
	cJSON *item = cJSON_CreateObject();
	cJSON *when = cJSON_CreateObject();
	cJSON *to = cJSON_CreateObject();
	cJSON *chain;
	struct verdict v = { .route = route, .to_breaker = "closed" };

	v.message = db_one(rq, sql_explain_message, P_TEXT(record->ref.system),
			   P_TEXT(record->ref.entity), P_ID(record->ref.id), P_TEXT(route->name));
	v.link = db_one(rq, sql_link, P_TEXT(record->text), P_TEXT(route->name));
	ask_when(rq, record, &v);
	look_for_owed(rq, record, &v);
	look_at_target(rq, &v);
	chain = follow(rq, &v);
	json_add_string(item, "route", route->name);
	json_add_string(item, "verdict", explain_verdict(rq, record, &v));
	json_add_string(when, "text", route->when_text);
	cJSON_AddItemToObject(when, "holds",
			      v.wanted < 0 ? cJSON_CreateNull() : cJSON_CreateBool(v.wanted));
	json_add_string(when, "error", v.when_error);
	json_add_string(when, "skip_reason", route->skip_reason);
	cJSON_AddItemToObject(item, "when", when);
	cJSON_AddItemToObject(item, "message", message_json(v.message));
	cJSON_AddItemToObject(item, "target", target_json(&v));
	cJSON_AddItemToObject(item, "waiting_for", chain);
	json_add_string(to, "name", route->to->name);
	json_add_string(to, "breaker", v.to_breaker);
	json_add_string(to, "error", v.to_error);
	cJSON_AddItemToObject(item, "to", to);
	return item;
}

/* What it came from. */
static cJSON *
origins(struct rows *rows)
{
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < rows_count(rows); i++) {
		const struct row *row = rows_at(rows, i);
		cJSON *item = cJSON_CreateObject();

		json_add_string(item, "ref", row_text(row, "left_ref"));
		json_add_string(item, "route", row_text(row, "route"));
		add_number(item, "crossed_version", row_text(row, "source_version"));
		json_add_string(item, "crossed_at", row_text(row, "updated_at"));
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

static void
read_ref(struct request *rq, struct explained *record)
{
	static const char *const known[] = { "ref", NULL };

	record->text = http_query(rq, "ref");
	http_only_query(rq, known);
	if (!record->text || !ref_parse(record->text, &record->ref))
		fail(rq, ERR_VALIDATION, .field = "ref",
		     .detail = "ref must name a record, as in crm:account:42.");
	record->system = bridge_system(record->ref.system);
	if (!record->system)
		fail(rq, ERR_NOT_FOUND,
		     .detail = arena_printf(&rq->arena, "There is no system \"%s\".",
					    record->ref.system));
}

void
explain_get(struct request *rq)
{
	struct bridge all;
	struct explained record = { 0 };
	cJSON *reply = cJSON_CreateObject();
	cJSON *routes = cJSON_CreateArray();
	struct rows *from;
	struct row *heard;

	read_ref(rq, &record);
	look(rq, &record);
	from = db_all(rq, sql_from, P_TEXT(record.text));
	heard = db_one(rq, sql_explain_message, P_TEXT(record.ref.system),
		       P_TEXT(record.ref.entity), P_ID(record.ref.id), P_NULL);
	if (record.absent && !heard && !rows_any(from))
		fail(rq, ERR_NOT_FOUND,
		     .detail = arena_printf(&rq->arena,
					    "%s has no %s %" PRId64
					    ", and the bridge has never heard of one.",
					    record.ref.system, record.ref.entity, record.ref.id));
	json_add_string(reply, "ref", record.text);
	cJSON_AddItemToObject(reply, "exists",
			      record.away ? cJSON_CreateNull() : cJSON_CreateBool(!record.absent));
	if (record.version)
		json_add_integer(reply, "version", record.version);
	json_add_string(reply, "number", json_string(record.record, "number"));
	json_add_string(reply, "away", record.away);
	all = bridge;   /* a reload may come between two looks */
	for (int i = 0; i < all.route_count; i++)
		if (same_system(all.routes[i].from, record.system) &&
		    strcmp(all.routes[i].entity, record.ref.entity) == 0)
			cJSON_AddItemToArray(routes, route_json(rq, &record, &all.routes[i]));
	cJSON_AddItemToObject(reply, "routes", routes);
	cJSON_AddItemToObject(reply, "came_from", origins(from));
	reply_tree(rq, 200, reply);
}
