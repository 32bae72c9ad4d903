/* common/entity/ids.c -- steps over ids that were given out in a history that is lost. */
#include <inttypes.h>
#include <string.h>

#include "entity/plan.h"
#include "http/http.h"

#define STEP_MAX INT64_C(1000000000)

/* Some further than asked, so that a record made at this moment cannot be in between. */
static const char sql_reserve[] =
	"SELECT setval(s.seq, $2::bigint + 1000) AS id FROM"
	" (SELECT pg_get_serial_sequence(quote_ident($1), 'id')::regclass AS seq) s"
	" WHERE coalesce(pg_sequence_last_value(s.seq), 0) < $2::bigint";

static const char sql_last[] =
	"SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(quote_ident($1), 'id')"
	"::regclass), 0) AS id";

void
entity_reserve_ids(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	const cJSON *body = http_json(rq, false), *each;
	const char *name = json_string(body, "entity");
	struct entity *entity = name ? plan_entity_named(name) : NULL;
	int64_t id = 0, last = 0;

	http_only_query(rq, no_query);
	cJSON_ArrayForEach(each, body)
		if (strcmp(each->string, "entity") != 0 && strcmp(each->string, "id") != 0)
			fault_field(rq, each->string, "unknown_field", "is not known here");
	if (!entity)
		fault_field(rq, "entity", name ? "unknown_reference" : "required",
			    "must name an entity");
	else
		last = row_id(db_one(rq, sql_last, P_TEXT(entity->plan->shape.table->name)), "id");
	if (!json_integer(body, "id", &id) || id < 1)
		fault_field(rq, "id", "wrong_type", "must be a positive integer");
	else if (id - last > STEP_MAX)
		fault_field(rq, "id", "out_of_range", "is more than %" PRId64 " further", STEP_MAX);
	fault_raise_collected(rq);
	db_all(rq, sql_reserve, P_TEXT(entity->plan->shape.table->name), P_ID(id));
	reply_json(rq, 200, arena_printf(&rq->arena, "{\"entity\":\"%s\",\"id\":%" PRId64 "}",
					 entity->name, id));
}
