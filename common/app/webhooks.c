/* common/app/webhooks.c -- who is told about changes, and what became of each message. */
#include "app/webhooks.h"

#include <string.h>

#include "app/settings.h"
#include "event/event.h"
#include "event/sender.h"
#include "event/signature.h"

static const char sql_keep_secret[] =
	"UPDATE webhook SET old_secret = secret, old_secret_until = now() + interval '24 hours'"
	" WHERE id = $1 AND secret <> $2";

static void webhook_prepare(struct request *rq, struct record *record, cJSON *body);
static void webhook_saved(struct request *rq, struct record *record, bool created);
static void webhook_wake(struct request *rq, struct record *record, cJSON *body);
static void webhook_rotate(struct request *rq, struct record *record, cJSON *body);
static void webhook_replay(struct request *rq, struct record *record, cJSON *body);
static void delivery_replay(struct request *rq, struct record *record, cJSON *body);

static const struct param_spec replay_params[] = {
	{ .name = "since",
	  .type = COLUMN_INSTANT,
	  .required = true,
	  .text = "Events from this instant on are sent again." },
	{ 0 }
};

static struct verb webhook_verbs[] = {
	{ .name = "pause",
	  .from = "active",
	  .to = "paused",
	  .event = "webhook.paused",
	  .text = "Deliveries collect until it is resumed." },
	{ .name = "resume",
	  .from = "paused disabled",
	  .to = "active",
	  .event = "webhook.resumed",
	  .run = webhook_wake,
	  .text = "Delivers what has collected, and goes on." },
	{ .name = "disable",
	  .from = "active paused",
	  .to = "disabled",
	  .event = "webhook.disabled",
	  .text = "No further deliveries are collected." },
	{ .name = "rotate-secret",
	  .event = "webhook.secret_rotated",
	  .run = webhook_rotate,
	  .replies = "",
	  .text = "Makes a new secret, shown only now; the old one signs too for 24 hours." },
	{ .name = "replay",
	  .params = replay_params,
	  .run = webhook_replay,
	  .replies = "",
	  .text = "Sends every event since an instant again." },
	{ 0 }
};

static struct verb delivery_verbs[] = {
	{ .name = "replay", .run = delivery_replay, .text = "Sends it again, delivered or not." },
	{ 0 }
};

struct entity webhook_entity = {
	.name = "webhook",
	.path = "webhooks",
	.text = "Another system that is told about changes.",
	.computed = "status old_secret old_secret_until",
	.secret = "secret old_secret",
	.search = "name url",
	.verbs = webhook_verbs,
	.prepare = webhook_prepare,
	.saved = webhook_saved,
};

struct entity webhook_delivery_entity = {
	.name = "webhook_delivery",
	.path = "webhook-deliveries",
	.text = "One event for one webhook.",
	.verbs = delivery_verbs,
};

struct route event_routes[] = {
	{ .method = "GET",
	  .pattern = "/api/v1/events",
	  .handle = event_list,
	  .summary = "The event log, in an order that never changes behind the reader." },
	{ .method = "GET",
	  .pattern = "/api/v1/epoch",
	  .handle = event_epoch,
	  .summary = "Which history the database is in, and which of the events named it lacks." },
	{ .method = "POST",
	  .pattern = "/api/v1/epoch",
	  .handle = entity_reserve_ids,
	  .summary = "Gives out no id of the entity up to this one, after a restore." },
	{ 0 }
};

void
webhooks_define(void)
{
	const char *who = role_bit("bridge", 6) ? "admin bridge" : "admin";

	webhook_entity.read = webhook_entity.write = webhook_entity.remove = who;
	webhook_delivery_entity.read = who;
	for (struct route *route = event_routes; route->method; route++)
		route->allow = who;
	for (struct verb *verb = webhook_verbs; verb->name; verb++)
		verb->allow = who;
	for (struct verb *verb = delivery_verbs; verb->name; verb++)
		verb->allow = who;
}

static bool
url_allowed(const char *url)
{
	static const char *const loopback[] = { "http://127.0.0.1", "http://localhost",
						"http://[::1]" };

	if (settings.allow_plain_http || strncmp(url, "http://", 7) != 0)
		return true;
	for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
		size_t length = strlen(loopback[i]);

		if (strncmp(url, loopback[i], length) == 0 && strchr(":/?", url[length]))
			return true;
	}
	return false;
}

static void
webhook_prepare(struct request *rq, struct record *record, cJSON *body)
{
	const char *url = json_string(body, "url");
	const char *secret = json_string(body, "secret");

	if (url && !url_allowed(url))
		fault_field(rq, "url", "insecure", "must be https, or http on this machine");
	if (!record && !json_get(body, "secret"))
		json_add_string(body, "secret", signature_secret(&rq->arena));
	/* As by rotate-secret: the one before signs too for a while. */
	if (record && secret)
		db_do(rq, sql_keep_secret, P_ID(record->id), P_TEXT(secret));
}

static void
webhook_saved(struct request *rq, struct record *record, bool created)
{
	sender_wake(rq);
}

static void
webhook_wake(struct request *rq, struct record *record, cJSON *body)
{
	sender_wake(rq);
}

static void
webhook_rotate(struct request *rq, struct record *record, cJSON *body)
{
	cJSON *reply = cJSON_CreateObject();

	json_add_string(reply, "secret", sender_rotate(rq, record->id));
	reply_tree(rq, 200, reply);
	reply_header(rq, "Cache-Control", "no-store");
	sender_wake(rq);
}

static void
reply_count(struct request *rq, int count)
{
	cJSON *reply = cJSON_CreateObject();

	json_add_integer(reply, "deliveries", count);
	reply_tree(rq, 200, reply);
}

static void
webhook_replay(struct request *rq, struct record *record, cJSON *body)
{
	reply_count(rq, sender_replay_since(rq, record->id, json_string(body, "since")));
}

static void
delivery_replay(struct request *rq, struct record *record, cJSON *body)
{
	reply_count(rq, sender_replay(rq, &record->id, 1));
}
