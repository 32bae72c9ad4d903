/* sync-bridge/match.c -- reads both sides of a route, pairs them and links what is certain. */
#include "match.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "http/http.h"
#include "links.h"
#include "mapping.h"
#include "match_pairs.sql.h"
#include "pull.h"
#include "replay.h"
#include "system.h"

#define LINK_PAGE 50

static const char sql_side[] =
	"INSERT INTO match_side (replay_id, is_left, record_id, record_version, wanted,"
	" external_ref, name, tax_id, domain, domain_verified, sku)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";

static const char sql_clear[] = "DELETE FROM match_side WHERE replay_id = $1";

/* For the one statement that pairs: what it makes on the way has no statistics to plan by, and is
 * taken for so large that a hash would be cut into a thousand files. Sorting goes well with any. */
static const char sql_plan[] =
	"SELECT set_config('enable_nestloop', 'off', true),"
	" set_config('enable_hashjoin', 'off', true), set_config('jit', 'off', true),"
	" set_config('statement_timeout', '600000', true)";

static const char sql_certain[] =
	"SELECT id, left_ref, right_ref FROM match m WHERE route = $1"
	" AND state IN ('proposed', 'accepted', 'linked') AND id > $2"
	" AND NOT EXISTS (SELECT FROM link l WHERE l.left_ref = m.left_ref"
	"  AND l.right_ref = m.right_ref) ORDER BY id LIMIT 50";

static const char sql_linked[] =
	"UPDATE match SET state = 'linked', reason = NULL, version = version + 1,"
	" updated_at = now() WHERE id = $1";

static const char sql_not_linked[] =
	"UPDATE match SET state = 'ambiguous', reason = $2, version = version + 1,"
	" updated_at = now() WHERE id = $1";

static const char sql_link[] =
	"INSERT INTO link (left_ref, right_ref, route, mirror, source_version, target_version)"
	" VALUES ($1, $2, $3, false, 0, $4) ON CONFLICT DO NOTHING";

static const char sql_rival[] =
	"SELECT left_ref, right_ref FROM match WHERE id <> $1 AND state IN ('accepted', 'linked')"
	" AND (left_ref = $2 OR right_ref = $3) LIMIT 1";

static const char sql_decide[] =
	"UPDATE match SET state = $2::match_state, reason = NULL WHERE id = $1";

static void accept(struct request *rq, struct record *record, cJSON *body);
static void refuse(struct request *rq, struct record *record, cJSON *body);

static const struct verb verbs[] = {
	{ .name = "accept", .allow = "operator", .run = accept,
	  .text = "They are the same; the next run that links links them." },
	{ .name = "refuse", .allow = "operator", .run = refuse,
	  .text = "They are not the same; it is not proposed again." },
	{ 0 }
};

struct entity match_entity = {
	.name = "match", .path = "matches",
	.text = "Two records of two systems that may be the same one.",
	.read = "*",
	.search = "left_name right_name key",
	.verbs = verbs,
};

/* ---- what people decide ---- */

static void
decide(struct request *rq, struct record *record, const char *state)
{
	if (strcmp(record_text(record, "state"), "linked") == 0)
		fail(rq, ERR_INVALID_STATE, .detail = "They are linked already.");
	db_do(rq, sql_decide, P_ID(record->id), P_TEXT(state));
	record_changed(rq, record, arena_printf(&rq->arena, "match.%s", state));
}

static void
accept(struct request *rq, struct record *record, cJSON *body)
{
	struct row *rival = db_one(rq, sql_rival, P_ID(record->id),
				   P_TEXT(record_text(record, "left_ref")),
				   P_TEXT(record_text(record, "right_ref")));

	if (rival)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "%s is %s already.",
					    row_text(rival, "left_ref"),
					    row_text(rival, "right_ref")),
		     .hint = "Refuse that pair first.");
	decide(rq, record, "accepted");
}

static void
refuse(struct request *rq, struct record *record, cJSON *body)
{
	decide(rq, record, "refused");
}

void
match_run(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	const cJSON *given = http_json(rq, false), *each, *link = json_get(given, "link");
	const char *name = json_string(given, "route");
	const struct bridge_route *route = name ? bridge_route(name) : NULL;
	cJSON *body = cJSON_CreateObject();

	http_only_query(rq, no_query);
	cJSON_ArrayForEach(each, given)
		if (strcmp(each->string, "route") != 0 && strcmp(each->string, "link") != 0)
			fault_field(rq, each->string, "unknown_field", "is not known here");
	if (!route)
		fault_field(rq, "route", name ? "unknown_reference" : "required",
			    "must name a route");
	else if (route->mirror)
		fault_field(rq, "route", "wrong_reference",
			    "makes pictures; there is nothing to compare");
	if (link && !cJSON_IsBool(link))
		fault_field(rq, "link", "wrong_type", "must be true or false");
	fault_raise_collected(rq);
	json_add_string(body, "kind", "match");
	json_add_string(body, "route", name);
	cJSON_AddBoolToObject(body, "link", cJSON_IsTrue(link));
	record_reply(rq, record_create(rq, &replay_entity, body), 201);
}

/* ---- reading the sides ---- */

/* "DE 123.456" is "de123456"; NULL for nothing. */
static const char *
plain(struct request *rq, const char *text)
{
	struct text out = text_in(&rq->arena);

	for (; text && *text; text++)
		if (isalnum((unsigned char)*text) || (unsigned char)*text >= 0x80)
			text_add_char(&out, (char)tolower((unsigned char)*text));
	return out.length ? text_str(&out) : NULL;
}

static bool
is_wanted(struct request *rq, const struct bridge_route *route, const struct ref *ref,
	  int64_t version, const cJSON *record)
{
	const char *type = arena_printf(&rq->arena, "%s.replayed", route->entity), *error;

	return !route->when || mapping_test(route->when, &rq->arena,
					    pull_body(rq, ref, type, version, record), &error) > 0;
}

static void
add_side(struct request *rq, struct replay *job, bool left, const cJSON *record)
{
	const struct bridge_route *route = job->at.route;
	const char *domain = json_string(record, "domain"), *sku = json_string(record, "sku");
	const cJSON *verified = json_get(record, "domain_verified_at");
	int64_t version = 1;
	struct ref ref = { 0 };

	if (!json_integer(record, "id", &ref.id))
		return;
	json_integer(record, "version", &version);
	memcpy(ref.system, route->from->name, strlen(route->from->name) + 1);
	memcpy(ref.entity, route->entity, strlen(route->entity) + 1);
	db_do(rq, sql_side, P_ID(job->id), P_BOOL(left), P_ID(ref.id), P_ID(version),
	      P_BOOL(left && is_wanted(rq, route, &ref, version, record)),
	      P_TEXT(json_string(record, "external_ref")), P_TEXT(json_string(record, "name")),
	      P_TEXT(plain(rq, json_string(record, "tax_id"))),
	      P_TEXT(domain && *domain ? domain : NULL),
	      P_BOOL(verified && !cJSON_IsNull(verified)), P_TEXT(sku && *sku ? sku : NULL));
}

static void
read_side(struct request *rq, struct replay *job, bool left)
{
	const struct bridge_route *route = job->at.route;
	cJSON *page = replay_page(rq, job, left ? route->from : route->to,
			       left ? route->source_path : route->path, "", "", PAGE);
	const cJSON *each;

	if (!page)
		return;
	replay_passed(rq, job, page, PAGE);
	db_begin(rq);
	cJSON_ArrayForEach(each, json_get(page, "data"))
		add_side(rq, job, left, each);
}

void
match_left(struct request *rq, struct replay *job)
{
	read_side(rq, job, true);
}

void
match_right(struct request *rq, struct replay *job)
{
	read_side(rq, job, false);
}

void
match_pair(struct request *rq, struct replay *job)
{
	const struct bridge_route *route = job->at.route;

	db_begin(rq);
	db_one(rq, sql_plan);
	job->report = row_text(db_one(rq, sql_match_pairs, P_ID(job->id), P_TEXT(route->name),
				      P_TEXT(arena_printf(&rq->arena, "%s:%s:", route->from->name,
							  route->entity)),
				      P_TEXT(arena_printf(&rq->arena, "%s:%s:", route->to->name,
							  route->target))),
			       "report");
	db_do(rq, sql_clear, P_ID(job->id));
	job->step_done = true;
}

/* ---- linking ---- */

/* What became of a pair at the target. */
struct joined {
	int64_t id, version;
	const char *left, *right;
	const char *refused;       /* why it was not linked */
};

/* The target's record gets the source's name, unless it has one or has moved on meanwhile. */
static void
join(struct request *rq, struct replay *job, struct joined *pair)
{
	const struct bridge_route *route = job->at.route;
	struct call call = { .method = "PATCH" };
	const char *is, *path;
	bool missing;
	cJSON *record;
	struct ref ref;

	ref_parse(pair->right, &ref);
	path = arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, route->path, ref.id);
	record = replay_get(rq, job, route->to, path, &missing);
	if (!record) {
		pair->refused = "the right record is gone";
		return;
	}
	is = json_string(record, "external_ref");
	json_integer(record, "version", &pair->version);
	if (is && strcmp(is, pair->left) == 0)
		return;
	if (is) {
		pair->refused = arena_printf(&rq->arena, "the right record is %s already", is);
		return;
	}
	call.path = path;
	call.match_version = pair->version;
	call.body = arena_printf(&rq->arena, "{\"external_ref\":\"%s\"}", pair->left);
	system_call(rq, route->to, &call);
	if (call.result == CALL_REFUSED) {
		pair->refused = call.reason;
	} else if (call.result != CALL_DONE) {
		job->later = true;
		job->reason = call.reason;
	} else {
		json_integer(call.json, "version", &pair->version);
	}
}

void
match_link(struct request *rq, struct replay *job)
{
	struct rows *rows = db_all(rq, sql_certain, P_TEXT(job->at.route->name),
				   P_TEXT(job->position ? job->position : "0"));
	int count = rows_count(rows);
	struct joined *pairs = arena_array(&rq->arena, struct joined, LINK_PAGE);

	for (int i = 0; i < count; i++) {
		struct row *row = rows_at(rows, i);

		pairs[i] = (struct joined){ .id = row_id(row, "id"),
					    .left = row_text(row, "left_ref"),
					    .right = row_text(row, "right_ref") };
		join(rq, job, &pairs[i]);
		if (job->later || job->failed)
			return;
		job->position = row_text(row, "id");
	}
	db_begin(rq);
	for (int i = 0; i < count; i++) {
		if (pairs[i].refused) {
			db_do(rq, sql_not_linked, P_ID(pairs[i].id), P_TEXT(pairs[i].refused));
			continue;
		}
		db_do(rq, sql_linked, P_ID(pairs[i].id));
		db_do(rq, sql_link, P_TEXT(pairs[i].left), P_TEXT(pairs[i].right),
		      P_TEXT(job->at.route->name), P_ID(pairs[i].version));
	}
	job->records = count;
	job->step_done = count < LINK_PAGE;
}
