/* sync-bridge/reconcile_api.c -- reconciliations as an entity, and how one is asked for. */
#include <inttypes.h>
#include <string.h>

#include "bridge.h"
#include "db/db.h"
#include "http/http.h"
#include "reconcile.h"

#define SETTLE_SECONDS_MAX 86400

static const char sql_ask[] =
	"INSERT INTO reconciliation (requested_by, route, source_ref, repair, settle_seconds)"
	" VALUES ($1, $2, $3, $4, $5) RETURNING id";

struct entity reconciliation_entity = {
	.name = "reconciliation", .path = "reconciliations",
	.text = "One comparison of what the systems hold, route by route.",
	.read = "*",
	.lines = { { .name = "routes", .table = "reconciliation_route",
		     .parent = "reconciliation_id", .read_only = true } },
};

struct asked {
	const char *route, *record;
	bool repair;
	int64_t settle;
};

static void
read_route(struct request *rq, const cJSON *node, struct asked *asked)
{
	if (!cJSON_IsString(node) || !bridge_route(node->valuestring))
		fault_field(rq, "route", "unknown_reference", "there is no such route");
	else
		asked->route = node->valuestring;
}

static void
read_record(struct request *rq, const cJSON *node, struct asked *asked)
{
	struct ref ref;

	if (!cJSON_IsString(node) || !ref_parse(node->valuestring, &ref))
		fault_field(rq, "record", "wrong_type", "must name a record, as in crm:account:42");
	else
		asked->record = node->valuestring;
}

static void
read_member(struct request *rq, const cJSON *node, struct asked *asked)
{
	if (strcmp(node->string, "route") == 0) {
		read_route(rq, node, asked);
	} else if (strcmp(node->string, "record") == 0) {
		read_record(rq, node, asked);
	} else if (strcmp(node->string, "repair") == 0) {
		if (!cJSON_IsBool(node))
			fault_field(rq, "repair", "wrong_type", "must be true or false");
		asked->repair = cJSON_IsTrue(node);
	} else if (strcmp(node->string, "settle_seconds") == 0) {
		if (!json_node_integer(node, &asked->settle) || asked->settle < 0 ||
		    asked->settle > SETTLE_SECONDS_MAX)
			fault_field(rq, "settle_seconds", "out_of_range",
				    "must be a number from 0 to %d", SETTLE_SECONDS_MAX);
	} else {
		fault_field(rq, node->string, "unknown_field", "is not known here");
	}
}

/* A record is compared on the one route its reference and the body agree on. */
static void
check_record(struct request *rq, struct asked *asked)
{
	struct ref ref;

	if (!asked->record)
		return;
	ref_parse(asked->record, &ref);
	if (!asked->route) {
		fault_field(rq, "route", "required", "must say on which route");
		return;
	}
	const struct bridge_route *route = bridge_route(asked->route);
	if (strcmp(route->from->name, ref.system) != 0 || strcmp(route->entity, ref.entity) != 0)
		fault_field(rq, "record", "mismatch", "must be a record of %s:%s on this route",
			    route->from->name, route->entity);
}

static int64_t
ask(struct request *rq, const struct asked *asked)
{
	return row_id(db_one(rq, sql_ask, P_TEXT(rq->actor->name), P_TEXT(asked->route),
			     P_TEXT(asked->record), P_BOOL(asked->repair), P_ID(asked->settle)),
		      "id");
}

static void
wake(struct request *rq)
{
	reconcile_soon();
}

void
reconcile_post(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	struct asked asked = { .repair = true, .settle = bridge_options.reconcile_settle / 1000 };
	const cJSON *body = http_json(rq, true);
	const cJSON *each;
	int64_t id;

	http_only_query(rq, no_query);
	cJSON_ArrayForEach(each, body)
		read_member(rq, each, &asked);
	fault_raise_collected(rq);
	check_record(rq, &asked);
	fault_raise_collected(rq);
	id = ask(rq, &asked);
	rq->committed = wake;
	reply_header(rq, "Location",
		     arena_printf(&rq->arena, "/api/v1/reconciliations/%" PRId64, id));
	reply_json(rq, 202,
		   arena_printf(&rq->arena, "{\"id\":%" PRId64 ",\"state\":\"requested\"}", id));
}

int64_t
reconcile_for_proof(struct request *rq)
{
	const struct asked asked = { .repair = false, .settle = 0 };

	int64_t id = ask(rq, &asked);

	reconcile_soon();
	return id;
}
