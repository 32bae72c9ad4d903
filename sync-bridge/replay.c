/* sync-bridge/replay.c -- asks for replays, shows them and ends them. */
#include "replay.h"

#include <string.h>

#include "entity/entity.h"
#include "http/http.h"

static void prepare(struct request *rq, struct record *record, cJSON *body);
static void saved(struct request *rq, struct record *record, bool created);
static void cancel(struct request *rq, struct record *record, cJSON *body);

static const char sql_cancel[] =
	"UPDATE replay SET state = 'cancelled', finished_at = clock_timestamp() WHERE id = $1";

static const struct verb verbs[] = {
	{ .name = "cancel", .allow = "operator", .run = cancel,
	  .text = "Ends the job; what it has carried already stays." },
	{ 0 }
};

struct entity replay_entity = {
	.name = "replay", .path = "replays",
	.text = "A job that carries records again.",
	.read = "*", .write = "operator",
	.computed = "kind state system link actor step steps position total done reason report"
		    " finished_at",
	.filled = "kind actor",
	.verbs = verbs,
	.prepare = prepare,
	.saved = saved,
};

struct entity held_entity = {
	.name = "held", .path = "held",
	.text = "A record whose source was lost in a restore, kept for people to decide.",
	.read = "*", .remove = "operator",
	.search = "ref source_ref reason",
};

static void
check_ref(struct request *rq, const char *text)
{
	struct ref ref;

	if (!ref_parse(text, &ref) || !bridge_system(ref.system)) {
		fault_field(rq, "ref", "wrong_reference",
			    "must name a record of one of the systems, as in crm:account:42");
		return;
	}
	for (int i = 0; i < bridge.route_count; i++)
		if (strcmp(bridge.routes[i].from->name, ref.system) == 0 &&
		    strcmp(bridge.routes[i].entity, ref.entity) == 0)
			return;
	fault_field(rq, "ref", "wrong_reference", "no route carries %s of %s", ref.entity,
		    ref.system);
}

static bool
is_entity(const char *entity)
{
	for (int i = 0; i < bridge.route_count; i++)
		if (strcmp(bridge.routes[i].entity, entity) == 0)
			return true;
	return false;
}

/* What is asked for by a person: one record, one route, or what changed in a time. */
static const char *
kind_asked(struct request *rq, cJSON *body)
{
	const char *ref = json_string(body, "ref");
	const char *route = json_string(body, "route");
	const char *entity = json_string(body, "entity");
	const char *from = json_string(body, "from");
	const char *to = json_string(body, "to");

	if (ref)
		check_ref(rq, ref);
	if (ref && (route || from || to || entity))
		fault_field(rq, "ref", "excludes", "goes without route, entity, from and to");
	if (!ref && !route && !from)
		fault_field(rq, "ref", "required", "give ref, route, or from");
	if (route && !bridge_route(route))
		fault_field(rq, "route", "unknown_reference", "there is no such route");
	if (to && !from)
		fault_field(rq, "from", "required", "must be given with to");
	if (entity && !from)
		fault_field(rq, "entity", "excludes", "goes with from only");
	if (entity && !is_entity(entity))
		fault_field(rq, "entity", "unknown_reference", "no route carries such records");
	if (ref)
		return "record";
	return from ? "range" : "route";
}

static void
prepare(struct request *rq, struct record *record, cJSON *body)
{
	if (record)
		fail(rq, ERR_INVALID_STATE, .detail = "A replay cannot be changed.",
		     .hint = "Cancel it and ask for another one.");
	if (!json_get(body, "kind"))
		json_add_string(body, "kind", kind_asked(rq, body));
	if (!json_get(body, "actor"))
		json_add_string(body, "actor", rq->actor->name);
	fault_raise_collected(rq);
}

static void
saved(struct request *rq, struct record *record, bool created)
{
	replay_wake();
}

static void
cancel(struct request *rq, struct record *record, cJSON *body)
{
	if (strcmp(record_text(record, "state"), "running") != 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "The replay is %s.",
					    record_text(record, "state")));
	db_do(rq, sql_cancel, P_ID(record->id));
	record_changed(rq, record, "replay.cancelled");
}

void
replay_rebuild(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	const cJSON *given = http_json(rq, true);
	cJSON *body = cJSON_CreateObject();

	http_only_query(rq, no_query);
	if (given->child)
		fail(rq, ERR_VALIDATION, .field = given->child->string,
		     .detail = "A rebuild takes no members.");
	json_add_string(body, "kind", "rebuild");
	record_reply(rq, record_create(rq, &replay_entity, body), 201);
}
