/* sync-bridge/bulk.c -- retries or skips all messages that a filter names, and notes who did it. */
#include "bulk.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "bridge.h"
#include "bulk.sql.h"
#include "db/db.h"
#include "entity/value.h"
#include "http/http.h"
#include "sweep.h"

#define LIMIT 1000
#define LIMIT_MAX 10000
#define REASON_MAX 1000
#define TEXT_MAX 100

/* What one of the two calls takes. */
struct bulk {
	const char *action;
	const char *const *states;      /* that a message may leave by it, NULL-terminated */
	bool reason;
	bool configured;                /* only what some route could work */
};

struct filter {
	const char *states;             /* "{rejected,dead}" */
	const char *route, *source, *entity;
	const char *from_id, *to_id, *from_time, *to_time;
};

static const char *const retry_states[] = { "waiting", "retrying", "rejected", "dead", "skipped",
					    NULL };
static const char *const skip_states[] = { "received", "waiting", "retrying", "rejected", "dead",
					   NULL };

static const struct bulk retry = { "retry", retry_states, false, true };
static const struct bulk skip = { "skip", skip_states, true, false };

static bool
listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void
only(struct request *rq, const cJSON *object, const char *prefix, const char *const *known)
{
	const cJSON *each;

	cJSON_ArrayForEach(each, object)
		if (!listed(known, each->string))
			fault_field(rq, arena_printf(&rq->arena, "%s%s", prefix, each->string),
				    "unknown_field", "is not known");
}

static void
add_state(struct request *rq, const struct bulk *bulk, const cJSON *node, struct text *out)
{
	if (!cJSON_IsString(node) || !listed(bulk->states, node->valuestring))
		fault_field(rq, "filter.state", "invalid",
			    "must be a state that a message may leave so, or an array of such");
	else
		text_addf(out, "%s%s", out->length ? "," : "{", node->valuestring);
}

static const char *
read_states(struct request *rq, const struct bulk *bulk, const cJSON *node)
{
	struct text out = text_in(&rq->arena);
	const cJSON *each;

	if (!node)
		return "{rejected,dead}";
	if (!cJSON_IsArray(node))
		add_state(rq, bulk, node, &out);
	else if (!node->child || cJSON_GetArraySize(node) > 9)
		fault_field(rq, "filter.state", "invalid", "must have 1 to 9 elements");
	else
		cJSON_ArrayForEach(each, node)
			add_state(rq, bulk, each, &out);
	if (out.length)
		text_add(&out, "}");
	return text_str(&out);
}

static const char *
read_name(struct request *rq, const cJSON *filter, const char *key)
{
	const cJSON *node = json_get(filter, key);

	if (!node)
		return NULL;
	if (cJSON_IsString(node) && *node->valuestring && strlen(node->valuestring) <= TEXT_MAX)
		return node->valuestring;
	fault_field(rq, arena_printf(&rq->arena, "filter.%s", key), "invalid",
		    "must be a text of 1 to %d bytes", TEXT_MAX);
	return NULL;
}

static void
read_end(struct request *rq, const cJSON *filter, const char *key, const char **id,
	 const char **time)
{
	const cJSON *node = json_get(filter, key);
	int64_t number;

	if (!node)
		return;
	if (json_node_integer(node, &number) && number > 0)
		*id = arena_printf(&rq->arena, "%" PRId64, number);
	else if (cJSON_IsString(node) && instant_valid(node->valuestring, false))
		*time = node->valuestring;
	else
		fault_field(rq, arena_printf(&rq->arena, "filter.%s", key), "invalid",
			    "must be a message's id, or a time as in 2026-01-31T10:00:00Z");
}

static void
read_filter(struct request *rq, const struct bulk *bulk, const cJSON *node, struct filter *filter)
{
	static const char *const known[] = { "state", "route", "source", "entity", "from", "to",
					     NULL };

	if (!cJSON_IsObject(node)) {
		fault_field(rq, "filter", node ? "wrong_type" : "required",
			    "must be an object; an empty one names all dead letters");
		return;
	}
	only(rq, node, "filter.", known);
	filter->states = read_states(rq, bulk, json_get(node, "state"));
	filter->route = read_name(rq, node, "route");
	if (bulk->configured && filter->route && !bridge_route(filter->route))
		fault_field(rq, "filter.route", "unknown_reference", "is not configured");
	filter->source = read_name(rq, node, "source");
	filter->entity = read_name(rq, node, "entity");
	read_end(rq, node, "from", &filter->from_id, &filter->from_time);
	read_end(rq, node, "to", &filter->to_id, &filter->to_time);
	if ((filter->from_id && filter->to_time) || (filter->from_time && filter->to_id))
		fault_field(rq, "filter.to", "invalid", "must be of the same kind as from");
}

static int64_t
read_limit(struct request *rq, const cJSON *node)
{
	int64_t limit = LIMIT;

	if (node && (!json_node_integer(node, &limit) || limit < 1 || limit > LIMIT_MAX))
		fault_field(rq, "limit", "out_of_range", "must be 1 to %d", LIMIT_MAX);
	return limit;
}

static const char *
read_reason(struct request *rq, const struct bulk *bulk, const cJSON *node)
{
	if (!bulk->reason)
		return NULL;
	if (cJSON_IsString(node) && *node->valuestring && strlen(node->valuestring) <= REASON_MAX)
		return node->valuestring;
	fault_field(rq, "reason", node ? "invalid" : "required", "must be a text of 1 to %d bytes",
		    REASON_MAX);
	return NULL;
}

static void
committed(struct request *rq)
{
	sweep_tell_all();
}

static void
run(struct request *rq, const struct bulk *bulk)
{
	static const char *const retry_members[] = { "filter", "limit", NULL };
	static const char *const skip_members[] = { "filter", "limit", "reason", NULL };
	static const char *const no_query[] = { NULL };
	const cJSON *body = http_json(rq, false);
	struct filter f = { 0 };
	cJSON *reply = cJSON_CreateObject();
	const char *reason;
	struct row *row;
	int64_t limit, count;

	http_only_query(rq, no_query);
	only(rq, body, "", bulk->reason ? skip_members : retry_members);
	read_filter(rq, bulk, json_get(body, "filter"), &f);
	limit = read_limit(rq, json_get(body, "limit"));
	reason = read_reason(rq, bulk, json_get(body, "reason"));
	fault_raise_collected(rq);
	row = db_one(rq, sql_bulk, P_TEXT(f.states), P_TEXT(f.route), P_TEXT(f.source),
		     P_TEXT(f.entity), P_TEXT(f.from_id), P_TEXT(f.to_id), P_TEXT(f.from_time),
		     P_TEXT(f.to_time), P_ID(limit), P_TEXT(rq->actor->name), P_TEXT(reason),
		     P_TEXT(bulk->action),
		     P_TEXT(bulk->configured ? bridge_route_names(rq) : NULL));
	count = row_id(row, "count");
	json_add_integer(reply, "messages", count);
	cJSON_AddBoolToObject(reply, "more", row_bool(row, "more"));
	reply_tree(rq, 200, reply);
	rq->committed = committed;
}

void
bulk_retry(struct request *rq)
{
	run(rq, &retry);
}

void
bulk_skip(struct request *rq)
{
	run(rq, &skip);
}
