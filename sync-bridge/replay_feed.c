/* sync-bridge/replay_feed.c -- makes messages again of what the sources hold. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "pull.h"
#include "replay.h"
#include "sweep.h"
#include "system.h"

/* Of all that a replay has made, no more than this is open at a time, nor half the inbox. */
#define OPEN_MAX 1000

static const char sql_outstanding[] =
	"SELECT count(*) AS count FROM (SELECT FROM message"
	" WHERE state IN ('received', 'waiting', 'retrying') AND starts_with(event_id, 'replay-')"
	" ORDER BY id LIMIT 1000) m";

/* A record is fed once for each route in a job, however often its batch is repeated. */
static const char sql_feed[] =
	"INSERT INTO message (version, route, source, event_id, type, entity, source_id,"
	" traceparent, body)"
	" SELECT $1, r.route, $2, $3, $4, $5, $6, $7, $8::json FROM unnest($9::text[]) r (route)"
	" ON CONFLICT DO NOTHING";

/* A record to be fed, and along which routes. */
struct feed {
	struct ref ref;
	const char *routes;     /* '{"account-customer"}' */
	const char *type;
	const char *body;
	int64_t version;
};

/* How many may be made now; 0 with the job to go on later. */
static int
room(struct request *rq, struct replay *job)
{
	long most = bridge_options.inbox_limit / 2;
	long open = (long)row_id(db_one(rq, sql_outstanding), "count");

	if (most > OPEN_MAX)
		most = OPEN_MAX;
	if (most < 1)
		most = 1;
	if (open >= most || sweep_open() > bridge_options.inbox_limit / 2) {
		job->later = true;
		return 0;
	}
	return most - open < PAGE ? (int)(most - open) : PAGE;
}

/* NULL when none of them carries such records. only: NULL, or the one route asked for. */
static const char *
routes_of(struct request *rq, const char *system, const char *entity,
	  const struct bridge_route *only, const char **path, int *count)
{
	struct text out = text_in(&rq->arena);

	*count = 0;
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if ((only && only != route) || strcmp(route->from->name, system) != 0 ||
		    strcmp(route->entity, entity) != 0)
			continue;
		text_addf(&out, "%s\"%s\"", (*count)++ ? "," : "{", route->name);
		*path = route->source_path;
	}
	if (!*count)
		return NULL;
	text_add(&out, "}");
	return text_str(&out);
}

static void
write_feeds(struct request *rq, struct replay *job, const struct feed *feeds, int count)
{
	db_begin(rq);
	for (int i = 0; i < count; i++) {
		const struct feed *feed = &feeds[i];

		db_do(rq, sql_feed, P_ID(feed->version), P_TEXT(feed->ref.system),
		      P_TEXT(arena_printf(&rq->arena, "replay-%" PRId64 "-%s-%" PRId64, job->id,
					  feed->ref.entity, feed->ref.id)),
		      P_TEXT(feed->type), P_TEXT(feed->ref.entity), P_ID(feed->ref.id),
		      P_TEXT(rq->traceparent), P_TEXT(feed->body), P_TEXT(feed->routes));
	}
}

/* The record as it is now. False with *gone, or with the job's outcome set. */
static bool
fetch(struct request *rq, struct replay *job, struct bridge_system *system, const char *path,
      struct feed *feed, bool *gone)
{
	cJSON *record = replay_get(rq, job, system,
				arena_printf(&rq->arena, "/api/v1/%s/%" PRId64, path,
					     feed->ref.id), gone);

	if (!record)
		return false;
	if (!json_integer(record, "version", &feed->version)) {
		job->failed = true;
		job->reason = arena_printf(&rq->arena, "%s %" PRId64 " has no version", path,
					   feed->ref.id);
		return false;
	}
	feed->type = arena_printf(&rq->arena, "%s.replayed", feed->ref.entity);
	feed->body = pull_body(rq, &feed->ref, feed->type, feed->version, record);
	return true;
}

/* Of a record that is gone, its last event. */
static bool
fetch_deleted(struct request *rq, struct replay *job, struct bridge_system *system,
	      struct feed *feed)
{
	cJSON *page, *event, *data;

	page = replay_get(rq, job, system,
		       arena_printf(&rq->arena,
				    "/api/v1/events?entity=%s&record_id=%" PRId64
				    "&type=%s.deleted&limit=1", feed->ref.entity, feed->ref.id,
				    feed->ref.entity), NULL);
	event = cJSON_GetArrayItem(json_get(page, "data"), 0);
	data = json_get(event, "data");
	if (!data || !json_integer(data, "version", &feed->version))
		return false;
	feed->type = arena_printf(&rq->arena, "%s.deleted", feed->ref.entity);
	feed->body = pull_body(rq, &feed->ref, feed->type, feed->version, json_get(data, "record"));
	return true;
}

void
replay_feed_record(struct request *rq, struct replay *job)
{
	struct feed feed = { 0 };
	struct bridge_system *system;
	const char *path = NULL;
	bool gone = false;
	int count;

	if (!room(rq, job))
		return;
	ref_parse(job->ref, &feed.ref);
	system = bridge_system(feed.ref.system);
	feed.routes = routes_of(rq, feed.ref.system, feed.ref.entity, NULL, &path, &count);
	if (!system || !feed.routes) {
		job->failed = true;
		job->reason = "no route carries it any more";
		return;
	}
	if (!fetch(rq, job, system, path, &feed, &gone) &&
	    (!gone || !fetch_deleted(rq, job, system, &feed))) {
		if (!job->later && !job->failed) {
			job->failed = true;
			job->reason = arena_printf(&rq->arena, "%s does not exist", job->ref);
		}
		return;
	}
	job->counted = job->records = 1;
	job->step_done = true;
	write_feeds(rq, job, &feed, 1);
}

void
replay_feed_route(struct request *rq, struct replay *job)
{
	const struct bridge_route *route = job->at.route;
	int limit = room(rq, job);
	struct feed *feeds = arena_array(&rq->arena, struct feed, PAGE);
	const cJSON *each;
	const char *path, *routes;
	cJSON *page;
	int count = 0, found;

	if (!limit)
		return;
	routes = routes_of(rq, route->from->name, route->entity, route, &path, &found);
	page = replay_page(rq, job, route->from, path, "id", "", limit);
	cJSON_ArrayForEach(each, json_get(page, "data")) {
		struct feed *feed = &feeds[count];
		bool gone = false;

		*feed = (struct feed){ .routes = routes };
		snprintf(feed->ref.system, sizeof(feed->ref.system), "%s", route->from->name);
		snprintf(feed->ref.entity, sizeof(feed->ref.entity), "%s", route->entity);
		if (!json_integer(each, "id", &feed->ref.id))
			continue;
		if (fetch(rq, job, route->from, path, feed, &gone))
			count++;
		if (job->later || job->failed)
			return;
	}
	if (!page)
		return;
	replay_passed(rq, job, page, limit);
	write_feeds(rq, job, feeds, count);
}

static cJSON *
log_page(struct request *rq, struct replay *job, int limit)
{
	struct text path = text_in(&rq->arena);
	const char *entity = job->at.route ? job->at.route->entity : job->entity;

	text_addf(&path, "/api/v1/events?record=false&limit=%d&from=%s", limit, job->from);
	if (job->to)
		text_addf(&path, "&to=%s", job->to);
	if (entity)
		text_addf(&path, "&entity=%s", entity);
	if (job->position)
		text_addf(&path, "&after=%s", job->position);
	return replay_get(rq, job, job->at.system, text_str(&path), NULL);
}

static bool
is_among(const struct feed *feeds, int count, const struct ref *ref)
{
	for (int i = 0; i < count; i++)
		if (feeds[i].ref.id == ref->id && strcmp(feeds[i].ref.entity, ref->entity) == 0)
			return true;
	return false;
}

/* The record that an event is of, unless no route carries it or it is there already. */
static bool
add_changed(struct request *rq, struct replay *job, const cJSON *event, struct feed *feeds,
	    int count)
{
	const cJSON *data = json_get(event, "data");
	const char *entity = json_string(data, "entity");
	struct feed *feed = &feeds[count];
	const char *path = NULL;
	bool gone = false;
	int found;

	*feed = (struct feed){ 0 };
	if (!entity || !json_integer(data, "id", &feed->ref.id))
		return false;
	snprintf(feed->ref.system, sizeof(feed->ref.system), "%s", job->at.system->name);
	snprintf(feed->ref.entity, sizeof(feed->ref.entity), "%s", entity);
	feed->routes = routes_of(rq, feed->ref.system, entity, job->at.route, &path, &found);
	if (!feed->routes || is_among(feeds, count, &feed->ref))
		return false;
	return fetch(rq, job, job->at.system, path, feed, &gone) ||
	       (gone && fetch_deleted(rq, job, job->at.system, feed));
}

/* The log says which records changed; each crosses once, as it is now. */
void
replay_feed_range(struct request *rq, struct replay *job)
{
	int limit = room(rq, job);
	struct feed *feeds = arena_array(&rq->arena, struct feed, PAGE + 1);
	cJSON *page = limit ? log_page(rq, job, limit) : NULL;
	const cJSON *each;
	int count = 0;

	if (!page)
		return;
	cJSON_ArrayForEach(each, json_get(page, "data")) {
		count += add_changed(rq, job, each, feeds, count);
		if (job->later || job->failed)
			return;
		job->position = json_string(each, "position");
	}
	job->records = count;
	job->step_done = !json_string(page, "next_cursor");
	write_feeds(rq, job, feeds, count);
}
