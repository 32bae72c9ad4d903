/* sync-bridge/pause.c -- halts routes and systems, lets them go on, and says which are halted. */
#include "pause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/db.h"
#include "http/http.h"
#include "sweep.h"

#define REASON_MAX 1000

static const char sql_pause_route[] =
	"INSERT INTO route_state (name, paused_at, paused_by, paused_reason)"
	" VALUES ($1, now(), $2, $3) ON CONFLICT (name) DO UPDATE SET"
	" paused_at = coalesce(route_state.paused_at, now()), paused_by = excluded.paused_by,"
	" paused_reason = excluded.paused_reason";

static const char sql_pause_system[] =
	"INSERT INTO system_state (name, paused_at, paused_by, paused_reason)"
	" VALUES ($1, now(), $2, $3) ON CONFLICT (name) DO UPDATE SET"
	" paused_at = coalesce(system_state.paused_at, now()), paused_by = excluded.paused_by,"
	" paused_reason = excluded.paused_reason";

static const char sql_resume_route[] =
	"UPDATE route_state SET paused_at = NULL, paused_by = NULL, paused_reason = NULL"
	" WHERE name = $1";

static const char sql_resume_system[] =
	"UPDATE system_state SET paused_at = NULL, paused_by = NULL, paused_reason = NULL"
	" WHERE name = $1";

static const char sql_show_route[] =
	"SELECT paused_by, paused_reason, to_char(paused_at AT TIME ZONE 'UTC',"
	" 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS paused_at"
	" FROM route_state WHERE name = $1";

static const char sql_show_system[] =
	"SELECT paused_by, paused_reason, to_char(paused_at AT TIME ZONE 'UTC',"
	" 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS paused_at"
	" FROM system_state WHERE name = $1";

/* One kind of thing that can be paused. */
struct kind {
	const char *word;
	const char *pause, *resume, *show;
};

static const struct kind route_kind = { "route", sql_pause_route, sql_resume_route,
					sql_show_route };
static const struct kind system_kind = { "system", sql_pause_system, sql_resume_system,
					 sql_show_system };

static char *paused_routes, *paused_systems;   /* "\na\nb\n" */
static bool known;

/* ---- what is paused ---- */

static void
keep(char **kept, const char *names)
{
	size_t size = names ? strlen(names) + 3 : 1;
	char *copy = malloc(size);

	if (!copy)
		die("out of memory");
	if (names)
		snprintf(copy, size, "\n%s\n", names);
	else
		*copy = '\0';
	free(*kept);
	*kept = copy;
}

void
pause_known(const char *routes, const char *systems)
{
	keep(&paused_routes, routes);
	keep(&paused_systems, systems);
	known = true;
}

static bool
is_in(const char *kept, const char *name)
{
	char line[210];

	if (!known)
		return true;
	if (!*kept)
		return false;
	snprintf(line, sizeof(line), "\n%s\n", name);
	return strstr(kept, line) != NULL;
}

bool
pause_holds_system(const struct bridge_system *system)
{
	return is_in(paused_systems, system->name);
}

bool
pause_holds_route(const struct bridge_route *route)
{
	return is_in(paused_routes, route->name) || pause_holds_system(route->to);
}

/* ---- what operators do ---- */

static const char *
route_named(struct request *rq)
{
	const char *name = http_param(rq, "name");

	if (!bridge_route(name))
		fail(rq, ERR_NOT_FOUND, .detail = "There is no such route.");
	return name;
}

static const char *
system_named(struct request *rq)
{
	const char *name = http_param(rq, "name");

	if (!bridge_system(name))
		fail(rq, ERR_NOT_FOUND, .detail = "There is no such system.");
	return name;
}

/* The body's one member; every other one is named. */
static const char *
reason_of(struct request *rq, bool wanted)
{
	const cJSON *body = http_json(rq, !wanted);
	const char *reason = json_string(body, "reason");
	const cJSON *each;

	cJSON_ArrayForEach(each, body)
		if (!wanted || strcmp(each->string, "reason") != 0)
			fault_field(rq, each->string, "unknown_field", "is not known");
	if (wanted && !json_get(body, "reason"))
		fault_field(rq, "reason", "required", "must say why");
	else if (wanted && (!reason || !*reason || strlen(reason) > REASON_MAX))
		fault_field(rq, "reason", "invalid", "must be a text of 1 to %d bytes", REASON_MAX);
	fault_raise_collected(rq);
	return reason;
}

void
pause_add(cJSON *item, const struct row *row)
{
	cJSON *paused;

	if (!row || row_null(row, "paused_at")) {
		cJSON_AddNullToObject(item, "paused");
		return;
	}
	paused = cJSON_AddObjectToObject(item, "paused");
	json_add_string(paused, "reason", row_text(row, "paused_reason"));
	json_add_string(paused, "by", row_text(row, "paused_by"));
	json_add_string(paused, "at", row_text(row, "paused_at"));
}

void
pause_add_system(struct request *rq, const char *name, cJSON *item)
{
	pause_add(item, db_one(rq, sql_show_system, P_TEXT(name)));
}

static void
answer(struct request *rq, const struct kind *kind, const char *name)
{
	cJSON *reply = cJSON_CreateObject();

	json_add_string(reply, "name", name);
	pause_add(reply, db_one(rq, kind->show, P_TEXT(name)));
	reply_tree(rq, 200, reply);
}

static void
committed(struct request *rq)
{
	sweep_tell_all();
}

static void
set(struct request *rq, const struct kind *kind, const char *name, bool paused)
{
	static const char *const no_query[] = { NULL };
	const char *reason;

	http_only_query(rq, no_query);
	reason = reason_of(rq, paused);
	if (paused)
		db_do(rq, kind->pause, P_TEXT(name), P_TEXT(rq->actor->name), P_TEXT(reason));
	else
		db_do(rq, kind->resume, P_TEXT(name));
	answer(rq, kind, name);
	log_info(paused ? "paused" : "resumed", kind->word, name, "by", rq->actor->name, "reason",
		 reason ? reason : "", NULL);
	rq->committed = committed;
}

void
pause_route(struct request *rq)
{
	set(rq, &route_kind, route_named(rq), true);
}

void
resume_route(struct request *rq)
{
	set(rq, &route_kind, route_named(rq), false);
}

void
pause_system(struct request *rq)
{
	set(rq, &system_kind, system_named(rq), true);
}

void
resume_system(struct request *rq)
{
	set(rq, &system_kind, system_named(rq), false);
}
