/* sync-bridge/inbox.c -- one row for each route that takes a change, in one statement. */
#include "inbox.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "bridge.h"
#include "causes.h"
#include "db/db.h"
#include "event/receiver.h"
#include "http/http.h"
#include "lane.h"
#include "metrics.h"
#include "sweep.h"

#define RETRY_AFTER_S 5

/* A change that was taken in before is one more copy: nothing. */
static const char sql_take[] =
	"INSERT INTO message (version, route, source, event_id, type, entity, source_id,"
	" traceparent,"
	" happened_at, body)"
	" SELECT $1, r.route, $2, $3, $4, $5, $6, $7, $8, $9 FROM unnest($10::text[]) r (route)"
	" ON CONFLICT DO NOTHING RETURNING id, route";

static const char sql_skip[] =
	"INSERT INTO message (version, source, event_id, type, entity, source_id, traceparent,"
	" happened_at, body, state, code, reason, finished_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'skipped', $10, $11, now())"
	" ON CONFLICT DO NOTHING RETURNING id";

struct arrival {
	struct bridge_system *system;
	struct webhook_message webhook;
	const char *entity;
	int64_t id, version;
	const char *body;
};

static bool
takes(const struct bridge_route *route, const struct arrival *arrival)
{
	return route->from == arrival->system && strcmp(route->entity, arrival->entity) == 0 &&
	       bridge_route_takes(route, arrival->webhook.type);
}

/* '{"account-customer"}', NULL when there is none. */
static const char *
routes_array(struct request *rq, const struct arrival *arrival)
{
	struct text out = text_in(&rq->arena);

	for (int i = 0; i < bridge.route_count; i++)
		if (takes(&bridge.routes[i], arrival))
			text_addf(&out, "%s\"%s\"", out.length ? "," : "{", bridge.routes[i].name);
	if (!out.length)
		return NULL;
	text_add(&out, "}");
	return text_str(&out);
}

static void
check(struct request *rq, struct arrival *arrival)
{
	const cJSON *data = arrival->webhook.data;

	arrival->entity = json_string(data, "entity");
	if (!arrival->entity || !*arrival->entity || strlen(arrival->entity) > 60)
		fault_field(rq, "data.entity", "required", "must name the kind of record");
	if (!json_integer(data, "id", &arrival->id) || arrival->id <= 0)
		fault_field(rq, "data.id", "required", "must be the record's id");
	if (!json_integer(data, "version", &arrival->version) || arrival->version <= 0)
		fault_field(rq, "data.version", "required", "must be the record's version");
	if (!cJSON_IsObject(json_get(data, "record")))
		fault_field(rq, "data.record", "required", "must be the record");
	if (strlen(arrival->webhook.type) > 100)
		fault_field(rq, "type", "too_long", "must have at most 100 characters");
	if (strlen(arrival->webhook.id) > 100)
		fault_field(rq, "webhook-id", "too_long", "must have at most 100 characters");
	fault_raise_collected(rq);
}

/* What mappings see: the members of data, with type, source and timestamp before them. */
static const char *
make_body(struct request *rq, const struct arrival *arrival)
{
	struct text out = text_in(&rq->arena);

	text_add(&out, "{\"type\":");
	text_add_json(&out, arrival->webhook.type);
	text_add(&out, ",\"source\":");
	text_add_json(&out, arrival->system->name);
	text_add(&out, ",\"timestamp\":");
	text_add_json(&out, arrival->webhook.timestamp);
	text_add(&out, ",");
	text_add(&out, json_text(rq, arrival->webhook.data) + 1);
	return text_str(&out);
}

static void
hand_over(struct request *rq, const struct arrival *arrival, struct rows *rows)
{
	struct message message = {
		.source_id = arrival->id,
		.version = arrival->version,
		.event_id = arrival->webhook.id,
		.type = arrival->webhook.type,
		.body = arrival->body,
		.traceparent = rq->traceparent,
	};

	sweep_count(rows_count(rows));
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);

		message.id = row_id(row, "id");
		message.route = bridge_route(row_text(row, "route"));
		if (message.route)   /* a reload may have taken it out meanwhile */
			lane_offer(message_new(&message));
	}
}

/* The source was asked not to send these; should it do so all the same, they go no further. */
static bool
is_echo(const struct arrival *arrival)
{
	const char *skip = arrival->system->skip_origin;
	const char *origin = json_string(arrival->webhook.data, "origin");

	return skip && origin && strcmp(skip, origin) == 0;
}

static void
count(bool echo, int rows)
{
	metric_add(&metric_received, 0, 1);
	if (rows == 0)
		metric_add(&metric_duplicates, 0, 1);
	else if (echo)
		metric_add(&metric_echoes, 0, 1);
}

static void
take(struct request *rq, struct arrival *arrival)
{
	const struct webhook_message *webhook = &arrival->webhook;
	const char *source = arrival->system->name;
	bool echo = is_echo(arrival);
	const char *routes = echo ? NULL : routes_array(rq, arrival);
	struct rows *rows;

	if (routes)
		rows = db_all(rq, sql_take, P_ID(arrival->version), P_TEXT(source),
			      P_TEXT(webhook->id), P_TEXT(webhook->type), P_TEXT(arrival->entity),
			      P_ID(arrival->id), P_TEXT(rq->traceparent),
			      P_TEXT(webhook->timestamp), P_TEXT(arrival->body), P_TEXT(routes));
	else
		rows = db_all(rq, sql_skip, P_ID(arrival->version), P_TEXT(source),
			      P_TEXT(webhook->id), P_TEXT(webhook->type), P_TEXT(arrival->entity),
			      P_ID(arrival->id), P_TEXT(rq->traceparent),
			      P_TEXT(webhook->timestamp), P_TEXT(arrival->body),
			      P_TEXT(echo ? "echo" : "no_route"),
			      P_TEXT(echo ? "a change of our own making"
					  : "no route takes such a change"));
	count(echo, rows_count(rows));
	if (routes)
		hand_over(rq, arrival, rows);
	else if (!echo)
		causes_changed(rq, source, arrival->entity, arrival->id);
}

void
inbox_post(struct request *rq)
{
	struct arrival arrival = { .system = bridge_system(http_param(rq, "system")) };
	const char *secrets[3] = { 0 };

	if (!arrival.system)
		fail(rq, ERR_NOT_FOUND, .detail = "There is no such system.");
	secrets[0] = arrival.system->secret;
	if (!arrival.system->old_secret_until || arrival.system->old_secret_until > clock_unix())
		secrets[1] = arrival.system->old_secret;
	webhook_receive(rq, secrets, &arrival.webhook);
	check(rq, &arrival);
	if (sweep_open() > bridge_options.inbox_limit)
		fail(rq, ERR_UNAVAILABLE, .detail = "The inbox is full.",
		     .retry_after = RETRY_AFTER_S);
	arrival.body = make_body(rq, &arrival);
	take(rq, &arrival);
	metrics_stage(STAGE_RECEIVE, rq->http->started_us);
	reply_json(rq, 202, "{\"accepted\":true}");
}
