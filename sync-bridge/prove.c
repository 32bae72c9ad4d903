/* sync-bridge/prove.c -- adds up events, duplicates, gaps, drift and queues to a verdict. */
#include "prove.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/json.h"
#include "base/text.h"
#include "db/db.h"
#include "http/http.h"
#include "prove_route.h"
#include "reconcile.h"
#include "status.h"

#define LOOK_MS 200
#define RUN_MS_MAX (6 * 3600 * 1000)

static const char sql_open[] =
	"SELECT count(*) AS open FROM (SELECT FROM message"
	" WHERE state IN ('received', 'waiting', 'retrying') ORDER BY id LIMIT 100000) m";

/* One source with two targets on a route, or the other way round. */
static const char sql_links[] =
	"WITH twice AS ("
	"SELECT left_ref || ' is ' || string_agg(right_ref, ' and ') AS text FROM link"
	" GROUP BY route, left_ref HAVING count(*) > 1 UNION ALL "
	"SELECT right_ref || ' comes from ' || string_agg(left_ref, ' and ') FROM link"
	" GROUP BY route, right_ref HAVING count(*) > 1)"
	" SELECT count(*) AS twice, (SELECT text FROM twice LIMIT 1) AS example FROM twice";

/* One version of a record that had an effect twice; repairs are meant to. */
static const char sql_applied[] =
	"WITH twice AS ("
	"SELECT source || ':' || entity || ':' || source_id || ' version ' || version"
	"  || ' was applied by messages ' || string_agg(id::text, ' and ') AS text FROM message"
	" WHERE state = 'applied' AND right(type, 11) <> '.reconciled'"
	" GROUP BY route, source, entity, source_id, version HAVING count(*) > 1)"
	" SELECT count(*) AS twice, (SELECT text FROM twice LIMIT 1) AS example FROM twice";

static const char sql_run[] =
	"SELECT state, reason, rows_compared, missing, extra, differs, in_flight, seconds,"
	" (SELECT string_agg(n.route || ': ' || n.not_compared, '; ') FROM reconciliation_route n"
	"  WHERE n.reconciliation_id = r.id AND n.not_compared IS NOT NULL) AS not_compared"
	" FROM reconciliation r WHERE id = $1";

static const char sql_found[] =
	"SELECT d.route || ': ' || d.source_ref || CASE d.kind"
	" WHEN 'missing' THEN ' is missing' WHEN 'extra' THEN ' is gone, but not ' || d.target_ref"
	" ELSE ' differs from ' || d.target_ref || ' in ' || d.field || ': '"
	"  || coalesce(d.source_value, 'null') || ' and ' || coalesce(d.target_value, 'null') END"
	" AS text FROM drift d JOIN reconciliation r ON r.id = $1"
	" WHERE d.state IN ('open', 'held') AND d.last_seen_at >= r.started_at"
	" ORDER BY d.id LIMIT 3";

/* The sums over all routes and what else was counted. */
struct proof {
	cJSON *reply, *examples;
	bool holds;
	int64_t events, gaps, refused, open, behind, unlinked, duplicates;
};

static void
say(struct proof *proof, const char *text)
{
	if (text && *text)
		cJSON_AddItemToArray(proof->examples, cJSON_CreateString(text));
}

/* What must be 0 for the proof to hold. */
static void
must_be_none(struct proof *proof, cJSON *object, const char *name, int64_t count)
{
	json_add_integer(object, name, count);
	proof->holds = proof->holds && count == 0;
}

/* ---- queues ---- */

static void
add_queues(struct request *rq, struct proof *proof, const char *name)
{
	cJSON *queues = cJSON_AddObjectToObject(proof->reply, name);
	cJSON *systems = cJSON_CreateObject();
	const struct bridge all = bridge;   /* a reload puts others there */
	int64_t open = row_id(db_one(rq, sql_open), "open");

	must_be_none(proof, queues, "open_messages", open);
	if (open)
		say(proof, arena_printf(&rq->arena, "%" PRId64 " messages are not finished", open));
	for (int i = 0; i < all.system_count; i++) {
		struct bridge_system *system = &all.systems[i];
		const char *error;
		int more = status_undelivered(rq, system, &error);

		cJSON_AddItemToObject(systems, system->name,
				      more < 0 ? cJSON_CreateNull() : cJSON_CreateBool(more));
		proof->holds = proof->holds && more == 0;
		if (more)
			say(proof, arena_printf(&rq->arena, "%s: %s", system->name,
						more < 0 ? error : "has changes to deliver"));
	}
	cJSON_AddItemToObject(queues, "undelivered", systems);
}

/* ---- routes ---- */

static cJSON *
route_json(struct proof *proof, const struct route_proof *p)
{
	cJSON *item = cJSON_CreateObject();

	json_add_string(item, "route", p->route->name);
	json_add_integer(item, "events", p->events);
	json_add_integer(item, "applied", p->applied);
	json_add_integer(item, "unchanged", p->unchanged);
	json_add_integer(item, "superseded", p->superseded);
	json_add_integer(item, "skipped", p->skipped);
	json_add_integer(item, "covered", p->covered);
	json_add_integer(item, "expired", p->expired);
	must_be_none(proof, item, "refused", p->refused);
	must_be_none(proof, item, "open", p->open);
	must_be_none(proof, item, "gaps", p->gaps);
	json_add_integer(item, "targets", p->targets);
	must_be_none(proof, item, "behind", p->behind);
	must_be_none(proof, item, "unlinked", p->unlinked);
	must_be_none(proof, item, "duplicates", p->duplicates);
	return item;
}

static void
add_routes(struct request *rq, struct proof *proof)
{
	const struct bridge all = bridge;   /* a reload puts others there */
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < all.route_count; i++) {
		struct route_proof *p = arena_new(&rq->arena, struct route_proof);

		p->route = &all.routes[i];
		if (!prove_route(rq, p))
			fail(rq, ERR_UNAVAILABLE,
			     .detail = arena_printf(&rq->arena, "%s cannot be proved now: %s",
						    p->route->name, p->error));
		cJSON_AddItemToArray(list, route_json(proof, p));
		for (int e = 0; e < p->example_count; e++)
			say(proof, p->examples[e]);
		proof->events += p->events;
		proof->gaps += p->gaps;
		proof->refused += p->refused;
		proof->open += p->open;
		proof->behind += p->behind;
		proof->unlinked += p->unlinked;
		proof->duplicates += p->duplicates;
	}
	cJSON_AddItemToObject(proof->reply, "routes", list);
}

static void
add_own_duplicates(struct request *rq, struct proof *proof)
{
	struct row *links = db_one(rq, sql_links);
	struct row *applied = db_one(rq, sql_applied);

	say(proof, row_text(links, "example"));
	say(proof, row_text(applied, "example"));
	must_be_none(proof, proof->reply, "linked_twice", row_id(links, "twice"));
	must_be_none(proof, proof->reply, "applied_twice", row_id(applied, "twice"));
	proof->duplicates += row_id(links, "twice") + row_id(applied, "twice");
}

/* ---- drift ---- */

static struct row *
wait_for_run(struct request *rq, int64_t id)
{
	uint64_t until = clock_ms() + RUN_MS_MAX;

	while (clock_ms() < until && !app_current()->draining) {
		struct row *run = db_one(rq, sql_run, P_ID(id));

		if (run && (strcmp(row_text(run, "state"), "finished") == 0 ||
			    strcmp(row_text(run, "state"), "failed") == 0))
			return run;
		coro_sleep(LOOK_MS);
	}
	fail(rq, ERR_UNAVAILABLE, .detail = "The comparison did not come to its end.");
}

static void
add_drift(struct request *rq, struct proof *proof)
{
	int64_t id = reconcile_for_proof(rq);
	struct row *run = wait_for_run(rq, id);
	struct rows *found = db_all(rq, sql_found, P_ID(id));
	cJSON *drift = cJSON_AddObjectToObject(proof->reply, "comparison");
	int64_t all = row_id(run, "missing") + row_id(run, "extra") + row_id(run, "differs");

	json_add_integer(drift, "reconciliation", id);
	json_add_string(drift, "state", row_text(run, "state"));
	json_add_integer(drift, "rows_compared", row_id(run, "rows_compared"));
	json_add_string(drift, "seconds", row_text(run, "seconds"));
	must_be_none(proof, drift, "missing", row_id(run, "missing"));
	must_be_none(proof, drift, "extra", row_id(run, "extra"));
	must_be_none(proof, drift, "differs", row_id(run, "differs"));
	must_be_none(proof, drift, "in_flight", row_id(run, "in_flight"));
	json_add_string(drift, "not_compared", row_text(run, "not_compared"));
	json_add_integer(proof->reply, "drift", all);
	if (strcmp(row_text(run, "state"), "failed") == 0) {
		proof->holds = false;
		say(proof, row_text(run, "reason"));
	}
	for (int i = 0; i < rows_count(found); i++)
		say(proof, row_at(rows_at(found, i), 0));
}

void
prove_get(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	struct proof proof = { .holds = true };
	uint64_t began = clock_ms();

	http_only_query(rq, no_query);
	proof.reply = cJSON_CreateObject();
	proof.examples = cJSON_CreateArray();
	add_queues(rq, &proof, "queues_before");
	add_routes(rq, &proof);
	add_own_duplicates(rq, &proof);
	add_drift(rq, &proof);
	add_queues(rq, &proof, "queues_after");
	json_add_integer(proof.reply, "events", proof.events);
	json_add_integer(proof.reply, "effects",
			 proof.events - proof.gaps - proof.refused - proof.open - proof.behind);
	json_add_integer(proof.reply, "duplicates", proof.duplicates);
	json_add_integer(proof.reply, "gaps", proof.gaps);
	json_add_integer(proof.reply, "unlinked", proof.unlinked);
	json_add_integer(proof.reply, "milliseconds", (int64_t)(clock_ms() - began));
	cJSON_AddItemToObject(proof.reply, "examples", proof.examples);
	cJSON_AddBoolToObject(proof.reply, "holds", proof.holds);
	reply_tree(rq, 200, proof.reply);
}
