/* sync-bridge/status.c -- GET /api/v1/status and /api/v1/routes. */
#include "status.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "bridge.h"
#include "db/db.h"
#include "epoch.h"
#include "http/http.h"
#include "lane.h"
#include "pause.h"
#include "reload.h"
#include "shard.h"
#include "system.h"
#include "told.h"

static const char sql_pending[] =
	"SELECT route, count(*) AS pending, count(*) FILTER (WHERE state = 'waiting') AS waiting,"
	" count(*) FILTER (WHERE state = 'retrying') AS retrying,"
	" round(extract(epoch FROM now() - min(received_at)), 3) AS age FROM message"
	" WHERE state IN ('received', 'waiting', 'retrying') GROUP BY route";

static const char sql_ended[] =
	"SELECT r.route, to_char(s.last_effect_at AT TIME ZONE 'UTC',"
	"  'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS effect, s.paused_by, s.paused_reason,"
	" to_char(s.paused_at AT TIME ZONE 'UTC',"
	"  'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS paused_at,"
	" (SELECT count(*) FROM message m"
	"  WHERE m.state = 'rejected' AND m.route = r.route) AS rejected,"
	" (SELECT count(*) FROM message m WHERE m.state = 'dead' AND m.route = r.route) AS dead"
	" FROM unnest($1::text[]) r (route) LEFT JOIN route_state s ON s.name = r.route";

static const char sql_open[] =
	"SELECT EXISTS (SELECT FROM (SELECT FROM message"
	" WHERE state IN ('received', 'waiting', 'retrying') ORDER BY id LIMIT 1) m) AS open";

static struct row *
row_of_route(struct rows *rows, const char *name)
{
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);

		if (strcmp(row_text(row, "route"), name) == 0)
			return row;
	}
	return NULL;
}

/* Counts and ages are numbers in SQL's own text. */
static void
add_raw(cJSON *object, const char *key, const char *text)
{
	cJSON_AddItemToObject(object, key, text ? cJSON_CreateRaw(text) : cJSON_CreateNull());
}

/* The later one: this process's, or any one's as last written. */
static const char *
last_effect(const struct bridge_route *route, const struct row *row)
{
	const char *written = row ? row_text(row, "effect") : NULL;

	if (!*route->last_effect || (written && strcmp(written, route->last_effect) > 0))
		return written;
	return route->last_effect;
}

/* One that messages wait for and that is not configured any more. */
static cJSON *
removed_route(const struct row *open)
{
	cJSON *item = cJSON_CreateObject();

	json_add_string(item, "name", row_text(open, "route"));
	json_add_string(item, "from", NULL);
	json_add_string(item, "to", NULL);
	add_raw(item, "pending", row_text(open, "pending"));
	add_raw(item, "waiting", row_text(open, "waiting"));
	add_raw(item, "retrying", row_text(open, "retrying"));
	add_raw(item, "oldest_age_seconds", row_text(open, "age"));
	add_raw(item, "rejected", "0");
	add_raw(item, "dead", "0");
	json_add_string(item, "last_effect_at", NULL);
	return item;
}

static cJSON *
routes_state(struct request *rq)
{
	struct rows *pending = db_all(rq, sql_pending);
	struct rows *ended = db_all(rq, sql_ended, P_TEXT(bridge_route_names(rq)));
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];
		struct row *open = row_of_route(pending, route->name);
		struct row *end = row_of_route(ended, route->name);
		cJSON *item = cJSON_CreateObject();

		json_add_string(item, "name", route->name);
		json_add_string(item, "from", route->from->name);
		json_add_string(item, "to", route->to->name);
		add_raw(item, "pending", open ? row_text(open, "pending") : "0");
		add_raw(item, "waiting", open ? row_text(open, "waiting") : "0");
		add_raw(item, "retrying", open ? row_text(open, "retrying") : "0");
		add_raw(item, "oldest_age_seconds", open ? row_text(open, "age") : NULL);
		add_raw(item, "rejected", end ? row_text(end, "rejected") : "0");
		add_raw(item, "dead", end ? row_text(end, "dead") : "0");
		json_add_string(item, "last_effect_at", last_effect(route, end));
		pause_add(item, end);
		cJSON_AddItemToArray(list, item);
	}
	for (int i = 0; i < rows_count(pending); i++)
		if (!bridge_route(row_text(rows_at(pending, i), "route")))
			cJSON_AddItemToArray(list, removed_route(rows_at(pending, i)));
	return list;
}

/* 1: it has changes to send to someone; 0: none; -1: it does not say, *error is why. */
int
status_undelivered(struct request *rq, struct bridge_system *system, const char **error)
{
	/* In the order in which its sender looks for them; in any other it would pass by all that
	 * were ever sent. */
	struct call call = {
		.method = "GET",
		.path = "/api/v1/webhook-deliveries?status=pending&limit=1&fields=id"
			"&sort=webhook_id,entity,record_id",
		.look = true,
	};
	const cJSON *data;

	*error = NULL;
	system_call(rq, system, &call);
	data = json_get(call.json, "data");
	if (call.result == CALL_DONE && cJSON_IsArray(data))
		return data->child != NULL;
	*error = call.reason ? call.reason : "its answer is no list";
	return -1;
}

static cJSON *
system_state_json(struct request *rq, struct bridge_system *system, bool *empty)
{
	const char *error;
	int more = status_undelivered(rq, system, &error);
	cJSON *item = cJSON_CreateObject();
	cJSON *restored = epoch_status(rq, system);
	struct told told;

	told_read(rq, system, &told);
	json_add_string(item, "url", system->url);
	json_add_string(item, "breaker", told.breaker);
	cJSON_AddBoolToObject(item, "reachable", more >= 0);
	cJSON_AddItemToObject(item, "undelivered",
			      more < 0 ? cJSON_CreateNull() : cJSON_CreateBool(more));
	cJSON_AddBoolToObject(item, "subscribed", told.subscribed);
	json_add_string(item, "error", error ? error : told.error);
	pause_add_system(rq, system->name, item);
	json_add_integer(item, "epoch", system->epoch_number);
	cJSON_AddItemToObject(item, "restored", restored ? restored : cJSON_CreateNull());
	*empty = *empty && !restored;
	*empty = *empty && more == 0 && (told.subscribed || !system_is_source(system));
	return item;
}

void
status_get(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	cJSON *reply = cJSON_CreateObject();
	cJSON *systems = cJSON_CreateObject();
	struct lane_stats stats;
	struct bridge now;
	bool empty = true;

	http_only_query(rq, no_query);
	/* A reload may come between two calls. */
	now = bridge;
	/* A change moves from a system to us and on; looking at us after each system, none that is
	 * under way can slip by. */
	for (int i = 0; i < now.system_count; i++) {
		struct bridge_system *system = &now.systems[i];

		cJSON_AddItemToObject(systems, system->name, system_state_json(rq, system, &empty));
		if (row_bool(db_one(rq, sql_open), "open"))
			empty = false;
	}
	lane_stats(&stats);
	cJSON_AddBoolToObject(reply, "idle", empty);
	cJSON_AddItemToObject(reply, "systems", systems);
	cJSON_AddItemToObject(reply, "routes", routes_state(rq));
	cJSON_AddItemToObject(reply, "configuration", reload_state(rq));
	cJSON_AddBoolToObject(reply, "leading", stats.leading);
	json_add_integer(reply, "in_flight", stats.running);
	json_add_integer(reply, "processes", shard_stats()->processes);
	json_add_integer(reply, "shards", shard_stats()->held);
	reply_tree(rq, 200, reply);
}

/* NULL is null, as in bridge.json a member that is not there. */
static cJSON *
list_of(const char *const *texts)
{
	cJSON *list = texts ? cJSON_CreateArray() : cJSON_CreateNull();

	for (; texts && *texts; texts++)
		cJSON_AddItemToArray(list, cJSON_CreateString(*texts));
	return list;
}

/* As bridge.json has it, with null for what is not there. */
static cJSON *
compare_settings(const struct bridge_route *route)
{
	cJSON *item = cJSON_CreateObject(), *not = cJSON_CreateObject(), *revised;

	for (int i = 0; route->not_compared[i]; i++)
		json_add_string(not, route->not_compared[i], route->not_compared_why[i]);
	revised = route->revised_by ? cJSON_CreateObject() : cJSON_CreateNull();
	if (route->revised_by) {
		json_add_string(revised, "by", route->revised_by);
		cJSON_AddItemToObject(revised, "fields", list_of(route->revised_fields));
	}
	json_add_string(item, "when", route->compare_when_text);
	cJSON_AddItemToObject(item, "not", not);
	cJSON_AddItemToObject(item, "revised", revised);
	return item;
}

void
status_routes(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	cJSON *reply = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(reply, "data");

	http_only_query(rq, no_query);
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];
		cJSON *item = cJSON_CreateObject();

		json_add_string(item, "name", route->name);
		json_add_string(item, "from", route->from->name);
		json_add_string(item, "entity", route->entity);
		cJSON_AddItemToObject(item, "events", list_of(route->events));
		json_add_string(item, "when", route->when_text);
		json_add_string(item, "to", route->to->name);
		json_add_string(item, "target", route->target);
		json_add_string(item, "path", route->path);
		json_add_string(item, "map", route->map_file);
		cJSON_AddItemToObject(item, "owns", list_of(route->owns));
		cJSON_AddItemToObject(item, "reads", list_of(route->reads));
		json_add_string(item, "answer", route->answer);
		cJSON_AddBoolToObject(item, "mirror", route->mirror);
		cJSON_AddItemToObject(item, "retry_on", list_of(route->retry_on));
		json_add_string(item, "repair", route->hold ? "hold" : "owner");
		cJSON_AddItemToObject(item, "compare", compare_settings(route));
		cJSON_AddItemToArray(list, item);
	}
	reply_tree(rq, 200, reply);
}

void
status_systems(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	cJSON *reply = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(reply, "data");

	http_only_query(rq, no_query);
	for (int i = 0; i < bridge.system_count; i++) {
		const struct bridge_system *system = &bridge.systems[i];
		cJSON *item = cJSON_CreateObject();
		struct told told;

		told_read(rq, system, &told);
		json_add_string(item, "name", system->name);
		json_add_string(item, "url", system->url);
		json_add_string(item, "breaker", told.breaker);
		cJSON_AddBoolToObject(item, "subscribed", told.subscribed);
		json_add_string(item, "error", told.error);
		pause_add_system(rq, system->name, item);
		cJSON_AddItemToArray(list, item);
	}
	reply_tree(rq, 200, reply);
}
