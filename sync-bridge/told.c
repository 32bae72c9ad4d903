/* sync-bridge/told.c -- writes and reads tables system_state and route_state. */
#include "told.h"

#include <stdio.h>
#include <string.h>

#include "bridge.h"
#include "db/db.h"
#include "sweep.h"
#include "system.h"

static const char sql_write[] =
	"INSERT INTO system_state (name, breaker, subscribed, error) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (name) DO UPDATE SET breaker = excluded.breaker,"
	" subscribed = excluded.subscribed, error = excluded.error, updated_at = now()";

static const char sql_effect[] =
	"INSERT INTO route_state (name, last_effect_at) VALUES ($1, $2)"
	" ON CONFLICT (name) DO UPDATE SET"
	" last_effect_at = greatest(route_state.last_effect_at, excluded.last_effect_at)";

static const char sql_read[] =
	"SELECT breaker, subscribed, error FROM system_state WHERE name = $1";

static void
now(const struct bridge_system *system, struct told *told)
{
	told->breaker = system_state(system);
	told->subscribed = system->subscribed;
	told->error = *system->error ? system->error : NULL;
	if (!told->error && *system->subscribe_error)
		told->error = system->subscribe_error;
}

static void
write_effects(struct request *rq)
{
	const struct bridge all = bridge;   /* a reload may come between two statements */

	for (int i = 0; i < all.route_count; i++) {
		struct bridge_route *route = &all.routes[i];
		char now_at[sizeof(route->last_effect)];

		/* It may change while this waits. */
		memcpy(now_at, route->last_effect, sizeof(now_at));
		if (strcmp(now_at, route->told_effect) == 0)
			continue;
		db_all(rq, sql_effect, P_TEXT(route->name), P_TEXT(now_at));
		memcpy(route->told_effect, now_at, sizeof(now_at));
	}
}

void
told_write(struct request *rq, bool leading)
{
	const struct bridge all = bridge;

	write_effects(rq);
	for (int i = 0; i < all.system_count; i++) {
		struct bridge_system *system = &all.systems[i];
		char line[sizeof(system->told)];
		struct told told;

		if (!leading) {
			system->told[0] = '\0';   /* another process writes */
			continue;
		}
		now(system, &told);
		snprintf(line, sizeof(line), "%s %d %s", told.breaker, told.subscribed,
			 told.error ? told.error : "");
		if (strcmp(line, system->told) == 0)
			continue;
		/* A reload while this waits knows not what the table holds. */
		system->told[0] = '\0';
		db_all(rq, sql_write, P_TEXT(system->name), P_TEXT(told.breaker),
		       P_BOOL(told.subscribed), P_TEXT(told.error));
		memcpy(system->told, line, sizeof(line));
	}
}

void
told_read(struct request *rq, const struct bridge_system *system, struct told *told)
{
	struct row *row;

	if (sweep_leading()) {
		now(system, told);
		return;
	}
	row = db_one(rq, sql_read, P_TEXT(system->name));
	*told = (struct told){ .breaker = "closed" };
	if (!row)
		return;
	told->breaker = row_text(row, "breaker");
	told->subscribed = row_bool(row, "subscribed");
	told->error = row_text(row, "error");
}
