/* sync-bridge/simulate.c -- runs a changed mapping over a route's last changes, without effect. */
#include "simulate.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/text.h"
#include "db/db.h"
#include "http/http.h"
#include "links.h"
#include "mapping.h"
#include "ownership.h"
#include "peek.h"
#include "pull.h"
#include "resolve.h"
#include "simulate_events.sql.h"
#include "trial.h"

#define LAST_MAX 1000
#define SAMPLES_MAX 50
#define BODIES_MAX (16 * 1024 * 1024)
#define PROGRAM_MAX (64 * 1024)
#define LOOK_MS_MAX 12000

struct simulation {
	struct bridge_route *route;
	int64_t last, samples;
	struct trial trial;
	struct rows *rows;
	struct schema schema;
	uint64_t end;              /* clock_ms after which nothing more is looked at */
	const char *cut;           /* why not all were looked at, NULL */
	const char *target_away;
	int counts[SIMULATED_END];
	int differing;             /* records with another outcome than by the present programs */
	cJSON *sampled[SIMULATED_END];
};

static const char *const names[SIMULATED_END] = {
	[WOULD_CREATE] = "would_create", [WOULD_UPDATE] = "would_update",
	[WOULD_STAY] = "unchanged", [WOULD_SKIP] = "would_skip",
	[WOULD_REJECT] = "would_reject", [NOT_RUN] = "not_run",
};

/* What one pair of programs makes of one change. */
struct made {
	bool skipped;
	cJSON *body;               /* NULL: skipped, or see code and reason */
	const char *code, *reason;
	cJSON *pulls;              /* references that would be pulled first */
};

/* ---- the question ---- */

static int64_t
read_count(struct request *rq, const cJSON *body, const char *key, int64_t otherwise, int64_t most)
{
	const cJSON *member = json_get(body, key);
	int64_t value = otherwise;

	if (member && (!json_node_integer(member, &value) || value < 1 || value > most))
		fault_field(rq, arena_strdup(&rq->arena, key), "out_of_range",
			    "must be a whole number of 1 to %" PRId64, most);
	return value;
}

static const char *
read_text(struct request *rq, const cJSON *body, const char *key)
{
	const cJSON *member = json_get(body, key);

	if (!member || cJSON_IsNull(member))
		return NULL;
	if (!cJSON_IsString(member) || !*member->valuestring ||
	    strlen(member->valuestring) > PROGRAM_MAX)
		fault_field(rq, arena_strdup(&rq->arena, key), "invalid",
			    "must be a text of 1 to %d bytes", PROGRAM_MAX);
	return cJSON_IsString(member) ? member->valuestring : NULL;
}

static void
read_question(struct request *rq, struct simulation *s)
{
	static const char *const known[] = { "route", "map", "when", "last", "samples" };
	const cJSON *body = http_json(rq, false);
	const char *route = json_string(body, "route");
	const cJSON *each;

	cJSON_ArrayForEach(each, body) {
		size_t i = 0;

		while (i < sizeof(known) / sizeof(known[0]) && strcmp(each->string, known[i]) != 0)
			i++;
		if (i == sizeof(known) / sizeof(known[0]))
			fault_field(rq, each->string, "unknown_field", "is not known here");
	}
	s->route = route ? bridge_route(route) : NULL;
	if (!s->route)
		fault_field(rq, "route", route ? "not_found" : "required",
			    "must be the name of a route");
	s->last = read_count(rq, body, "last", 100, LAST_MAX);
	s->samples = read_count(rq, body, "samples", 5, SAMPLES_MAX);
	s->trial.map = read_text(rq, body, "map");
	s->trial.when = read_text(rq, body, "when");
	fault_raise_collected(rq);
}

static void
try_programs(struct request *rq, struct simulation *s)
{
	int count = rows_count(s->rows);

	s->trial.count = count;
	s->trial.target = s->route->to->name;
	s->trial.bodies = arena_array(&rq->arena, const char *, (size_t)count + 1);
	for (int i = 0; i < count; i++)
		s->trial.bodies[i] = row_text(rows_at(s->rows, i), "body");
	if (!trial_run(rq, &s->trial))
		fail(rq, ERR_RATE_LIMITED, .retry_after = 5,
		     .detail = "Another simulation is running; one runs at a time.");
	if (!s->trial.bad)
		return;
	fault_field(rq, s->trial.bad, "syntax", "%s",
		    s->trial.error ? s->trial.error : "jq cannot compile it");
	fault_raise_collected(rq);
}

/* ---- one change ---- */

static bool
is_wanted(const struct simulation *s, const struct row *row, int wanted)
{
	const char *type = row_text(row, "type");
	const char *dot = strrchr(type, '.');

	return wanted || (dot && strcmp(dot, ".pulled") == 0) ||
	       (!row_null(row, "target_ref") && !s->route->mirror);
}

static void
refuse(struct made *made, const char *code, const char *reason)
{
	made->body = NULL;
	made->code = code;
	made->reason = reason;
}

/* Ids in the place of references, as far as links are known. */
static void
look_up(struct request *rq, const struct simulation *s, struct made *made)
{
	struct link_nodes found = { 0 };

	resolve_find(rq, &found, made->body, s->route->to);
	if (found.bad) {
		refuse(made, "mapping_failed",
		       arena_printf(&rq->arena, "not a reference: %s", found.bad));
		return;
	}
	if (found.count)
		links_warm(rq, found.refs, found.count, s->route->to);
	for (int i = 0; i < found.count; i++) {
		int64_t id = links_known(found.refs[i], s->route->to);
		struct ref ref;

		ref_parse(found.refs[i], &ref);
		if (!id && !found.optional[i] && !pull_can(&ref, s->route->to)) {
			refuse(made, "unknown_reference",
			       arena_printf(&rq->arena, "%s has not crossed, and no route takes it",
					    found.refs[i]));
			return;
		}
		if (!id && !found.optional[i])
			cJSON_AddItemToArray(made->pulls, cJSON_CreateString(found.refs[i]));
		resolve_put(rq, found.nodes[i], id);
		if (!id && !found.optional[i]) {
			/* It will have an id by then; until then it shows none. */
			found.nodes[i]->type = cJSON_Raw;
			found.nodes[i]->valuestring = arena_strdup(&rq->arena, "0");
		}
	}
}

static void
finish(struct request *rq, const struct simulation *s, struct made *made, const char *text,
       const char *error)
{
	struct json_error parse_error;
	const char *problem;

	if (!text) {
		refuse(made, "mapping_failed", error);
		return;
	}
	made->body = json_parse(rq, text, strlen(text), &parse_error);
	if (!cJSON_IsObject(made->body)) {
		refuse(made, "mapping_failed",
		       made->body ? "gives no JSON object" : parse_error.reason);
		return;
	}
	problem = ownership_problem(rq, s->route, made->body);
	if (problem)
		refuse(made, "not_owned", problem);
	else
		look_up(rq, s, made);
}

/* By the programs in use, but for those that are tried. */
static struct made
make(struct request *rq, const struct simulation *s, int i, bool tried)
{
	const struct row *row = rows_at(s->rows, i);
	const struct trial_result *result = &s->trial.results[i];
	const char *body = s->trial.bodies[i];
	struct made made = { .pulls = cJSON_CreateArray() };
	const char *error = NULL;
	int wanted = 1;

	if (tried && s->trial.when) {
		wanted = result->wanted;
		error = result->when_error;
	} else if (s->route->when) {
		wanted = mapping_test(s->route->when, &rq->arena, body, &error);
	}
	if (wanted < 0) {
		refuse(&made, "mapping_failed", error);
		return made;
	}
	made.skipped = !is_wanted(s, row, wanted);
	if (made.skipped)
		return made;
	if (tried && s->trial.map) {
		finish(rq, s, &made, result->mapped, result->map_error);
	} else {
		const char *text = mapping_run(s->route->map, &rq->arena, body, &error);

		finish(rq, s, &made, text, error);
	}
	return made;
}

/* The record as it is over there; NULL when there is none, or when it cannot be looked at. */
static cJSON *
target_of(struct request *rq, struct simulation *s, const struct row *row, bool *exists)
{
	const char *text = row_text(row, "target_ref");
	struct peek found;
	struct ref ref;

	*exists = text != NULL;
	if (!text || !ref_parse(text, &ref) || s->target_away)
		return NULL;
	peek(rq, s->route->to, &found,
	     arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, s->route->path, ref.id));
	if (found.result == PEEK_ABSENT)
		*exists = false;
	else
		s->target_away = found.reason;
	return found.json;
}

static bool
differs(const struct made *a, const struct made *b)
{
	if (a->skipped || b->skipped)
		return a->skipped != b->skipped;
	if (!a->body || !b->body)
		return a->body || b->body || strcmp(a->reason, b->reason) != 0;
	return !diff_same(a->body, b->body, false);
}

static cJSON *
new_sample(const struct row *row, enum simulated outcome)
{
	cJSON *sample = cJSON_CreateObject();

	json_add_string(sample, "outcome", names[outcome]);
	json_add_string(sample, "ref", row_text(row, "ref"));
	json_add_integer(sample, "version", row_id(row, "version"));
	json_add_string(sample, "type", row_text(row, "type"));
	json_add_integer(sample, "message_id", row_id(row, "id"));
	json_add_string(sample, "state", row_text(row, "state"));
	json_add_string(sample, "target", row_text(row, "target_ref"));
	return sample;
}

/* Counts it; its sample when one more is wanted, else NULL. */
static cJSON *
count(struct simulation *s, const struct row *row, enum simulated outcome)
{
	cJSON *sample;

	s->counts[outcome]++;
	if (cJSON_GetArraySize(s->sampled[outcome]) >= s->samples)
		return NULL;
	sample = new_sample(row, outcome);
	cJSON_AddItemToArray(s->sampled[outcome], sample);
	return sample;
}

static void
reject(struct simulation *s, const struct row *row, const char *code, const char *reason,
       cJSON *errors)
{
	cJSON *sample = count(s, row, WOULD_REJECT);

	if (!sample)
		return;
	json_add_string(sample, "code", code);
	json_add_string(sample, "reason", reason);
	cJSON_AddItemToObject(sample, "errors", errors ? errors : cJSON_CreateArray());
}

static void
compare(struct request *rq, struct simulation *s, const struct row *row, const struct made *now,
	const struct made *then)
{
	bool exists, other;
	cJSON *target = target_of(rq, s, row, &exists);
	cJSON *diff = diff_bodies(then->body, now->body, target, &other);
	cJSON *errors = cJSON_CreateArray();
	enum simulated outcome;
	cJSON *sample;

	schema_check(rq, &s->schema, then->body, !exists, errors);
	if (errors->child) {
		reject(s, row, "validation",
		       arena_printf(&rq->arena, "%s would not take it", s->route->to->name),
		       errors);
		return;
	}
	if (!exists)
		outcome = WOULD_CREATE;
	else if (target)
		outcome = other ? WOULD_UPDATE : WOULD_STAY;
	else
		outcome = differs(now, then) ? WOULD_UPDATE : WOULD_STAY;
	sample = count(s, row, outcome);
	if (!sample)
		return;
	cJSON_AddItemToObject(sample, "diff", diff);
	cJSON_AddItemToObject(sample, "pulls", then->pulls);
}

static void
look_at(struct request *rq, struct simulation *s, int i)
{
	const struct row *row = rows_at(s->rows, i);
	struct made now, then;
	cJSON *sample;

	if (s->cut || ((s->trial.map || s->trial.when) && !s->trial.results[i].ran)) {
		count(s, row, NOT_RUN);
		return;
	}
	now = make(rq, s, i, false);
	then = make(rq, s, i, true);
	s->differing += differs(&now, &then);
	if (then.skipped) {
		sample = count(s, row, WOULD_SKIP);
		if (sample)
			json_add_string(sample, "reason",
					s->trial.when ? "the condition does not hold"
						      : s->route->skip_reason);
	} else if (!then.body) {
		reject(s, row, then.code, then.reason, NULL);
	} else {
		compare(rq, s, row, &now, &then);
	}
}

/* ---- the answer ---- */

static cJSON *
answer(const struct simulation *s)
{
	cJSON *reply = cJSON_CreateObject();
	cJSON *counts = cJSON_CreateObject();
	cJSON *samples = cJSON_CreateArray();
	int read = rows_count(s->rows);
	struct row *first = read ? rows_at(s->rows, 0) : NULL;

	json_add_string(reply, "route", s->route->name);
	json_add_integer(reply, "events", first ? row_id(first, "events") : 0);
	json_add_integer(reply, "records", first ? row_id(first, "records") : 0);
	json_add_integer(reply, "differing", s->differing);
	for (int i = 0; i < SIMULATED_END; i++) {
		cJSON *each;

		json_add_integer(counts, names[i], s->counts[i]);
		while ((each = s->sampled[i]->child))
			cJSON_AddItemToArray(samples,
					     cJSON_DetachItemViaPointer(s->sampled[i], each));
	}
	cJSON_AddItemToObject(reply, "counts", counts);
	json_add_string(reply, "cut", s->trial.stopped ? s->trial.stopped
			: s->cut		      ? s->cut
			: first && row_id(first, "records") > read
				? "the changes are too large to look at all of them"
				: NULL);
	json_add_string(reply, "unchecked", s->schema.body ? NULL : s->schema.reason);
	json_add_string(reply, "target_away", s->target_away);
	cJSON_AddItemToObject(reply, "samples", samples);
	return reply;
}

void
simulate_post(struct request *rq)
{
	struct simulation *s = arena_new(&rq->arena, struct simulation);

	read_question(rq, s);
	s->rows = db_all(rq, sql_simulate_events, P_TEXT(s->route->name), P_ID(s->last),
			 P_TEXT(arena_printf(&rq->arena, "%s:%s:", s->route->to->name,
					     s->route->target)),
			 P_ID(BODIES_MAX));
	try_programs(rq, s);
	schema_load(rq, &s->schema, s->route);
	for (int i = 0; i < SIMULATED_END; i++)
		s->sampled[i] = cJSON_CreateArray();
	s->end = clock_ms() + LOOK_MS_MAX;
	for (int i = 0; i < rows_count(s->rows); i++) {
		if (!s->cut && clock_ms() > s->end)
			s->cut = "time is up: the target answers slowly";
		look_at(rq, s, i);
		coro_sleep(1);   /* the lanes go on */
	}
	reply_tree(rq, 200, answer(s));
}
