/* sync-bridge/restore.c -- makes both sides equal again after one was restored from a backup. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "entity/entity.h"
#include "epoch.h"
#include "http/http.h"
#include "links.h"
#include "mapping.h"
#include "pull.h"
#include "replay.h"
#include "system.h"

#define CHECK_PAGE 50

static const char sql_highest[] =
	"SELECT greatest("
	" (SELECT max(split_part(left_ref, ':', 3)::bigint) FROM link"
	"  WHERE starts_with(left_ref, $1 || ':' || $2 || ':')),"
	" (SELECT max(source_id) FROM message WHERE source = $1 AND entity = $2),"
	" (SELECT max(split_part(source_ref, ':', 3)::bigint) FROM held"
	"  WHERE starts_with(source_ref, $1 || ':' || $2 || ':'))) AS id";

static const char sql_is_restored[] =
	"SELECT name FROM system_epoch WHERE name = $1 AND restored_at IS NOT NULL";

static const char sql_accept[] =
	"UPDATE system_epoch SET number = coalesce($5::bigint, number + 1),"
	" epoch = $2, last_event = $3,"
	" checked_at = now(), restored_at = NULL, restored_reason = NULL, accepted_at = now(),"
	" accepted_by = $4 WHERE name = $1 AND restored_at IS NOT NULL";

/* What it told of in the history that is gone, or of records that are all carried again now. */
static const char sql_end_open[] =
	"UPDATE message SET state = 'superseded', code = 'restored', reason = $1 ||"
	" ' was restored from a backup', remedy = NULL, waiting_for = NULL, next_at = NULL,"
	" depends = NULL, finished_at = clock_timestamp(), updated_at = now()"
	" WHERE source = $1 AND finished_at IS NULL";

/* What its records are is learned anew from them. */
static const char sql_drop_links[] = "DELETE FROM link WHERE starts_with(right_ref, $1 || ':')";

/* Its versions begin again. */
static const char sql_reset_links[] =
	"UPDATE link SET source_version = 0 WHERE starts_with(left_ref, $1 || ':')";

static const char sql_links[] =
	"SELECT id, left_ref, right_ref, linked_at, route FROM link WHERE route = $1 AND id > $2"
	" ORDER BY id LIMIT 50";

/* $1: made after the link to it was, so the id was given out twice. */
static const char sql_is_later[] = "SELECT $1::timestamptz > $2::timestamptz AS later";

static const char sql_unlink[] = "DELETE FROM link WHERE id = $1";

static const char sql_hold[] =
	"INSERT INTO held (replay_id, system, ref, source_ref, reason) VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (ref, source_ref) DO UPDATE SET replay_id = excluded.replay_id,"
	" reason = excluded.reason, updated_at = now(), version = held.version + 1";

/* ---- ids ---- */

bool
restore_reserve(struct request *rq, struct bridge_system *system)
{
	const struct bridge all = bridge;   /* another may be read while this waits */
	bool done = true;

	for (int i = 0; i < all.route_count; i++) {
		const struct bridge_route *route = &all.routes[i];
		cJSON *body = cJSON_CreateObject();
		struct call call = { .method = "POST", .path = "/api/v1/epoch", .apart = true };
		int64_t id;

		if (!same_system(route->from, system))
			continue;
		id = row_id(db_one(rq, sql_highest, P_TEXT(system->name), P_TEXT(route->entity)),
			    "id");
		if (!id)
			continue;
		json_add_string(body, "entity", route->entity);
		json_add_integer(body, "id", id);
		call.body = json_text(rq, body);
		system_call(rq, system, &call);
		done = done && call.result != CALL_LATER;
	}
	return done;
}

/* ---- accepting ---- */

static struct record *
start_job(struct request *rq, const struct bridge_system *system)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "kind", "restore");
	json_add_string(body, "system", system->name);
	return record_create(rq, &replay_entity, body);
}

/* number: NULL for the next. The job, with the transaction that makes it still open; NULL when
 * the system does not answer. */
static struct record *
make_equal(struct request *rq, struct bridge_system *system, const char *number)
{
	struct call call = { .method = "GET", .path = "/api/v1/epoch", .apart = true };

	system_call(rq, system, &call);
	if (call.result != CALL_DONE || !json_string(call.json, "epoch") ||
	    !restore_reserve(rq, system))
		return NULL;
	db_begin(rq);
	db_do(rq, sql_accept, P_TEXT(system->name), P_TEXT(json_string(call.json, "epoch")),
	      P_TEXT(json_string(call.json, "last_event")),
	      P_TEXT(number ? "bridge.json" : rq->actor->name), P_TEXT(number));
	db_do(rq, sql_end_open, P_TEXT(system->name));
	db_do(rq, sql_drop_links, P_TEXT(system->name));
	db_do(rq, sql_reset_links, P_TEXT(system->name));
	return start_job(rq, system);
}

void
restore_accept_stated(struct request *rq, struct bridge_system *system)
{
	if (make_equal(rq, system, arena_printf(&rq->arena, "%" PRId64, system->epoch_stated)))
		db_commit(rq);
}

void
restore_accept(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	struct bridge_system *system = bridge_system(http_param(rq, "name"));
	struct record *job;

	http_only_query(rq, no_query);
	if (!system)
		fail(rq, ERR_NOT_FOUND, .detail = "There is no such system.");
	if (!db_one(rq, sql_is_restored, P_TEXT(system->name)))
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Nothing says that %s was restored.",
					    system->name));
	if (system->epoch_stated)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "bridge.json states the epoch of %s.",
					    system->name),
		     .hint = json_string(epoch_status(rq, system), "remedy"));
	job = make_equal(rq, system, NULL);
	if (!job)
		fail(rq, ERR_UNAVAILABLE,
		     .detail = arena_printf(&rq->arena, "%s does not answer.", system->name));
	record_reply(rq, job, 201);
	db_commit(rq);
}

/* ---- what was lost ---- */

/* A link whose source is asked for. */
struct suspect {
	int64_t link_id, source_id;
	const char *source_ref, *target_ref;
	const char *lost;          /* why its source is not what the link says; NULL: it is */
	bool reused;               /* its id is another record's now */
};

static const cJSON *
record_of_id(const cJSON *page, int64_t id)
{
	const cJSON *each;
	int64_t found;

	cJSON_ArrayForEach(each, json_get(page, "data"))
		if (json_integer(each, "id", &found) && found == id)
			return each;
	return NULL;
}

static cJSON *
sources(struct request *rq, struct replay *job, const struct suspect *suspects, int count)
{
	const struct bridge_route *route = job->at.route;
	struct text path = text_in(&rq->arena);

	text_addf(&path, "/api/v1/%s?limit=%d&id%%5Bin%%5D=", route->source_path, CHECK_PAGE);
	for (int i = 0; i < count; i++)
		text_addf(&path, "%s%" PRId64, i ? "," : "", suspects[i].source_id);
	return replay_get(rq, job, route->from, text_str(&path), NULL);
}

/* Along a route that takes certain events only, the record may not have come so far any more. */
static bool
is_wanted(struct request *rq, const struct bridge_route *route, const struct suspect *suspect,
	  const cJSON *record)
{
	const char *error, *type = arena_printf(&rq->arena, "%s.replayed", route->entity);
	int64_t version = 1;
	struct ref ref;

	if (!route->when || bridge_route_takes_all(route))
		return true;
	json_integer(record, "version", &version);
	ref_parse(suspect->source_ref, &ref);
	return mapping_test(route->when, &rq->arena, pull_body(rq, &ref, type, version, record),
			    &error) != 0;
}

static const char *
lost_reason(struct request *rq, const struct bridge_route *route, struct suspect *suspect,
	    const struct row *link, const cJSON *record)
{
	const char *created = json_string(record, "created_at");

	if (!record)
		return arena_printf(&rq->arena, "%s does not know %s any more", route->from->name,
				    suspect->source_ref);
	suspect->reused = created && row_bool(db_one(rq, sql_is_later, P_TEXT(created),
						     P_TEXT(row_text(link, "linked_at"))),
					      "later");
	if (suspect->reused)
		return arena_printf(&rq->arena, "%s gave the id of %s to another record",
				    route->from->name, suspect->source_ref);
	if (!is_wanted(rq, route, suspect, record))
		return arena_printf(&rq->arena, "%s is not so far any more: %.200s",
				    suspect->source_ref, route->skip_reason);
	return NULL;
}

/* The target's record of one that is lost: a picture goes with what it shows; anything else stays,
 * and lets go of a reference that means another record now. False: the target does not answer. */
static bool
let_go(struct request *rq, struct replay *job, struct suspect *suspect)
{
	const struct bridge_route *route = job->at.route;
	struct call call = { .method = route->mirror ? "DELETE" : "PATCH" };
	struct ref ref;

	if (!route->mirror && !suspect->reused)
		return true;
	ref_parse(suspect->target_ref, &ref);
	call.path = arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, route->path, ref.id);
	if (!route->mirror)
		call.body = "{\"external_ref\":null}";
	system_call(rq, route->to, &call);
	if (call.result == CALL_DONE || call.status == 404)
		return true;
	if (call.result == CALL_REFUSED) {
		suspect->lost = arena_printf(&rq->arena, "%s; %s keeps it: %.200s", suspect->lost,
					     route->to->name, call.reason);
		return true;
	}
	job->later = true;
	job->reason = call.reason;
	return false;
}

static void
write_lost(struct request *rq, struct replay *job, const struct suspect *suspect)
{
	const struct bridge_route *route = job->at.route;

	if (route->mirror || suspect->reused)
		db_do(rq, sql_unlink, P_ID(suspect->link_id));
	if (!route->mirror)
		db_do(rq, sql_hold, P_ID(job->id), P_TEXT(route->from->name),
		      P_TEXT(suspect->target_ref), P_TEXT(suspect->source_ref),
		      P_TEXT(suspect->lost));
}

/* Every link of a route from the restored system: is its source still what it was? */
void
restore_check(struct request *rq, struct replay *job)
{
	struct suspect *suspects = arena_array(&rq->arena, struct suspect, CHECK_PAGE);
	struct rows *links = db_all(rq, sql_links, P_TEXT(job->at.route->name),
				    P_TEXT(job->position ? job->position : "0"));
	int count = rows_count(links);
	cJSON *page = NULL;
	struct ref ref;

	for (int i = 0; i < count; i++) {
		struct row *row = rows_at(links, i);

		suspects[i] = (struct suspect){ .link_id = row_id(row, "id"),
						.source_ref = row_text(row, "left_ref"),
						.target_ref = row_text(row, "right_ref") };
		suspects[i].source_id = ref_parse(suspects[i].source_ref, &ref) ? ref.id : 0;
		job->position = row_text(row, "id");
	}
	if (count && !(page = sources(rq, job, suspects, count)))
		return;
	for (int i = 0; i < count; i++) {
		const cJSON *record = record_of_id(page, suspects[i].source_id);

		suspects[i].lost = lost_reason(rq, job->at.route, &suspects[i], rows_at(links, i),
					       record);
		if (suspects[i].lost && !let_go(rq, job, &suspects[i]))
			return;
	}
	db_begin(rq);
	for (int i = 0; i < count; i++)
		if (suspects[i].lost)
			write_lost(rq, job, &suspects[i]);
	job->records = count;
	job->step_done = count < CHECK_PAGE;
}
