/* sync-bridge/epoch.c -- asks each system for its epoch and for the newest events it told of. */
#include "epoch.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/text.h"
#include "db/db.h"
#include "lane.h"
#include "links.h"
#include "replay.h"
#include "system.h"
#include "wake.h"

#define ELECTION_KEY 0x65706f636873      /* "epochs" */

static const char sql_add[] =
	"INSERT INTO system_epoch (name, number) SELECT s.name, greatest(s.stated, 1)"
	" FROM unnest($1::text[], $2::bigint[]) s (name, stated) ON CONFLICT DO NOTHING";

static const char sql_read[] = "SELECT name, number, restored_at IS NOT NULL AS restored"
			       " FROM system_epoch";

static const char sql_status[] =
	"SELECT restored_reason, to_char(restored_at AT TIME ZONE 'UTC',"
	" 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS since"
	" FROM system_epoch WHERE name = $1 AND restored_at IS NOT NULL";

/* What it must still know: the newest it had told of at the last check, and up to 40 of what it has
 * sent since, evenly: what a restore made it forget lies between what is older and what it has sent
 * after, however fast that came. */
static const char sql_known[] =
	"SELECT epoch, (SELECT string_agg(e.event, ',') FROM ("
	"  SELECT s.last_event AS event WHERE s.last_event IS NOT NULL"
	"  UNION SELECT m.entity || ':' || m.source_id || ':' || m.version || ':' ||"
	"   substr(m.event_id, 5) FROM (SELECT *, row_number() OVER () - 1 AS n,"
	"    count(*) OVER () AS count FROM (SELECT * FROM message ORDER BY id DESC LIMIT 3000) r"
	"    WHERE source = s.name AND received_at >"
	"     coalesce(greatest(s.accepted_at, s.checked_at - interval '5 s'), '-infinity')) m"
	"   WHERE m.n % (m.count / 40 + 1) = 0"
	"   AND m.event_id ~ '^evt_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') e) AS events"
	" FROM system_epoch s WHERE name = $1";

static const char sql_keep[] =
	"UPDATE system_epoch SET epoch = $2, last_event = coalesce($3, last_event),"
	" checked_at = now() WHERE name = $1 AND restored_at IS NULL"
	" AND ((epoch, last_event) IS DISTINCT FROM ($2, coalesce($3, last_event))"
	"  OR checked_at < now() - interval '1 minute')";

static const char sql_restored[] =
	"UPDATE system_epoch SET restored_at = now(), restored_reason = $2"
	" WHERE name = $1 AND restored_at IS NULL RETURNING name";

/* Where the bridge has brought its records, newest first. */
static const char sql_brought[] =
	"SELECT right_ref, target_version FROM link"
	" WHERE starts_with(right_ref, $1) AND target_version > 0"
	" ORDER BY updated_at DESC LIMIT 50";

#define SYSTEMS_MAX 64

static struct event *timer;
static bool elected, running, stopped;
static bool deep[SYSTEMS_MAX];     /* its records are to be compared, too */

static void
schedule(uint64_t ms)
{
	if (!stopped)
		wake_after(timer, ms);
}

bool
epoch_stands(const struct bridge_system *system)
{
	return system->epoch_number && system->epoch_number >= system->epoch_stated &&
	       !system->restored;
}

/* ---- what the table says ---- */

struct numbered {
	const char *name;
	int64_t number;
};

static struct arena numbers_arena;
static struct numbered *numbers;
static int number_count;

static void
remember(struct rows *rows)
{
	arena_release(&numbers_arena);
	numbers_arena = (struct arena){ 0 };
	numbers = arena_array(&numbers_arena, struct numbered, (size_t)rows_count(rows));
	for (number_count = 0; number_count < rows_count(rows); number_count++) {
		const struct row *row = rows_at(rows, number_count);

		numbers[number_count].name = arena_strdup(&numbers_arena, row_text(row, "name"));
		numbers[number_count].number = row_id(row, "number");
	}
}

int64_t
epoch_known(const char *name)
{
	for (int i = 0; i < number_count; i++)
		if (strcmp(numbers[i].name, name) == 0)
			return numbers[i].number;
	return 0;
}

static void
add_systems(struct request *rq)
{
	struct text names = text_in(&rq->arena), stated = text_in(&rq->arena);

	for (int i = 0; i < bridge.system_count; i++) {
		text_addf(&names, "%s\"%s\"", i ? "," : "{", bridge.systems[i].name);
		text_addf(&stated, "%s%" PRId64, i ? "," : "{", bridge.systems[i].epoch_stated);
	}
	text_add(&names, "}");
	text_add(&stated, "}");
	db_all(rq, sql_add, P_TEXT(text_str(&names)), P_TEXT(text_str(&stated)));
}

void
epoch_read(struct request *rq)
{
	struct rows *rows = db_all(rq, sql_read);
	bool released = false;

	remember(rows);
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);
		struct bridge_system *system = bridge_system(row_text(row, "name"));
		bool stood;

		if (!system)
			continue;
		stood = epoch_stands(system);
		if (system->epoch_number && system->epoch_number != row_id(row, "number"))
			links_forget();
		system->epoch_number = row_id(row, "number");
		system->restored = row_bool(row, "restored");
		if (stood || !epoch_stands(system))
			continue;
		released = true;
		system->subscribe_at = 0;   /* a backup may not know of it */
	}
	if (released)
		lane_sweep_soon(0);
}

static const char *
remedy(struct request *rq, const struct bridge_system *system)
{
	if (system->epoch_number < system->epoch_stated)
		return "None is needed: it is accepted as soon as the system answers.";
	if (system->epoch_stated)
		return arena_printf(&rq->arena, "When the restore is meant and complete: write "
				    "\"epoch\": %" PRId64 " for %s in bridge.json, then "
				    "sync-bridge reload", system->epoch_number + 1, system->name);
	return arena_printf(&rq->arena, "When the restore is meant and complete: sync-bridge "
			    "accept-restore %s", system->name);
}

cJSON *
epoch_status(struct request *rq, const struct bridge_system *system)
{
	struct row *row = db_one(rq, sql_status, P_TEXT(system->name));
	cJSON *item;

	if (!row)
		return NULL;
	item = cJSON_CreateObject();
	json_add_string(item, "since", row_text(row, "since"));
	json_add_string(item, "reason", row_text(row, "restored_reason"));
	json_add_string(item, "remedy", remedy(rq, system));
	return item;
}

/* ---- the check ---- */

static void
mark_restored(struct request *rq, struct bridge_system *system, const char *reason)
{
	if (!db_one(rq, sql_restored, P_TEXT(system->name), P_TEXT(reason)))
		return;
	system->restored = true;
	log_error("system was restored from a backup; its routes stand still", "system",
		  system->name, "reason", reason, "remedy", "sync-bridge accept-restore", NULL);
	restore_reserve(rq, system);
}

static const char *
path_of(const struct ref *ref)
{
	for (int i = 0; i < bridge.route_count; i++)
		if (strcmp(bridge.routes[i].to->name, ref->system) == 0 &&
		    strcmp(bridge.routes[i].target, ref->entity) == 0)
			return bridge.routes[i].path;
	return NULL;
}

/* Gone without the log telling of it. -1: no answer. */
static int
is_lost(struct request *rq, struct bridge_system *system, const struct ref *ref)
{
	struct call call = { .method = "GET", .apart = true };
	const cJSON *data;

	call.path = arena_printf(&rq->arena,
				 "/api/v1/events?entity=%s&record_id=%" PRId64
				 "&type=%s.deleted&limit=1&record=false", ref->entity, ref->id,
				 ref->entity);
	system_call(rq, system, &call);
	data = json_get(call.json, "data");
	if (call.result != CALL_DONE || !cJSON_IsArray(data))
		return -1;
	return data->child == NULL;
}

/* 1: the record is not as far as it was brought, *reason says so; -1: no answer. */
static int
is_behind(struct request *rq, struct bridge_system *system, const struct row *link,
	  const char **reason)
{
	const char *text = row_text(link, "right_ref");
	int64_t brought = row_id(link, "target_version"), version = 0;
	struct call call = { .method = "GET", .apart = true };
	struct ref ref;
	int lost;

	if (!ref_parse(text, &ref) || !path_of(&ref))
		return 0;
	call.path = arena_printf(&rq->arena, "/api/v1/%s/%" PRId64 "?fields=version", path_of(&ref),
				 ref.id);
	system_call(rq, system, &call);
	if (call.status == 404) {
		lost = is_lost(rq, system, &ref);
		*reason = arena_printf(&rq->arena, "%s is gone without a trace", text);
		return lost;
	}
	if (call.result != CALL_DONE)
		return -1;
	json_integer(call.json, "version", &version);
	*reason = arena_printf(&rq->arena, "%s is version %" PRId64 ", it was %" PRId64, text,
			       version, brought);
	return version < brought;
}

/* 1, 0 or -1 as is_behind. */
static int
any_behind(struct request *rq, struct bridge_system *system, const char **reason)
{
	struct rows *links = db_all(rq, sql_brought,
				    P_TEXT(arena_printf(&rq->arena, "%s:", system->name)));
	int found = 0;

	for (int i = 0; i < rows_count(links) && found == 0; i++)
		found = is_behind(rq, system, rows_at(links, i), reason);
	return found;
}

/* all: compare records as well; unset once that is done. */
static void
check(struct request *rq, struct bridge_system *system, bool *all)
{
	struct row *known = db_one(rq, sql_known, P_TEXT(system->name));
	const char *events = row_text(known, "events"), *was = row_text(known, "epoch"), *is;
	const char *reason = NULL, *unknown;
	struct call call = { .method = "GET", .apart = true };
	int behind;

	call.path = events ? arena_printf(&rq->arena, "/api/v1/epoch?event=%s", events)
			   : "/api/v1/epoch";
	system_call(rq, system, &call);
	if (call.result != CALL_DONE) {
		*all = true;   /* away: who knows what happens to it meanwhile */
		return;
	}
	is = json_string(call.json, "epoch");
	if (!is)
		return;
	unknown = cJSON_GetStringValue(cJSON_GetArrayItem(json_get(call.json, "unknown"), 0));
	if (unknown) {
		mark_restored(rq, system,
			      arena_printf(&rq->arena, "its log has lost event %.300s", unknown));
		return;
	}
	if (was && strcmp(was, is) != 0)
		*all = true;
	behind = *all ? any_behind(rq, system, &reason) : 0;
	if (behind > 0)
		mark_restored(rq, system, reason);
	if (behind != 0)
		return;
	*all = false;
	if (was && strcmp(was, is) != 0)
		log_warn("system has a new epoch and has lost nothing that is known", "system",
			 system->name, "was", was, "is", is, NULL);
	db_all(rq, sql_keep, P_TEXT(system->name), P_TEXT(is),
	       P_TEXT(json_string(call.json, "last_event")));
}

/* Somebody has raised the number in bridge.json. */
static void
take_stated(struct request *rq, struct bridge_system *system)
{
	const char *reason = arena_printf(&rq->arena, "bridge.json states epoch %" PRId64,
					  system->epoch_stated);

	if (!system->epoch_number)
		return;
	if (db_one(rq, sql_restored, P_TEXT(system->name), P_TEXT(reason)))
		log_warn("system is in a new epoch, as stated; its routes stand until both sides "
			 "are equal", "system", system->name, "reason", reason, NULL);
	system->restored = true;
	restore_accept_stated(rq, system);
}

static void
turn(struct request *rq, void *arg)
{
	struct bridge all;

	for (int i = 0; i < bridge.system_count; i++) {
		if (bridge.systems[i].epoch_number)
			continue;
		add_systems(rq);
		break;
	}
	epoch_read(rq);
	all = bridge;   /* another may be read while this waits */
	for (int i = 0; elected && i < all.system_count && i < SYSTEMS_MAX; i++)
		if (epoch_stands(&all.systems[i]))
			check(rq, &all.systems[i], &deep[i]);
		else if (all.systems[i].epoch_number < all.systems[i].epoch_stated)
			take_stated(rq, &all.systems[i]);
}

static void
work(struct request *rq, void *arg)
{
	if (!request_run(rq, turn, NULL))
		log_fault(rq, "epoch check");
	running = false;
	schedule(EPOCH_CHECK_MS);
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	if (running || stopped || app_current()->draining)
		return;
	running = true;
	app_background("epoch check", work, NULL);
}

static void
taken(void *arg, bool held)
{
	elected = held;
	for (int i = 0; i < SYSTEMS_MAX; i++)
		deep[i] = true;
	if (held)
		schedule(0);
}

static void
heard(void *arg)
{
	schedule(0);
}

struct beginning {
	struct db *db;
	bool done;
};

static void
begin_work(struct request *rq, void *arg)
{
	remember(db_all(rq, sql_read));
}

/* As another coroutine of the loop, which is not needed by anything else yet. */
static void
begin(void *arg)
{
	struct beginning *beginning = arg;
	struct request rq;

	request_init(&rq, beginning->db);
	if (!request_run(&rq, begin_work, NULL))
		log_fault(&rq, "epochs at start");
	request_release(&rq);
	beginning->done = true;
}

void
epoch_begin(void)
{
	struct beginning beginning = { .db = app_current()->db };

	coro_start(begin, &beginning);
	while (!beginning.done)
		event_base_loop(coro_loop(), EVLOOP_ONCE);
}

void
epoch_start(void)
{
	timer = wake_new(tick);
	schedule(0);
	db_elect(app_current()->db, ELECTION_KEY, taken, NULL);
	db_listen(app_current()->db, "bridge_replay", heard, NULL);
}

void
epoch_stop(void)
{
	stopped = true;
	evtimer_del(timer);
}
