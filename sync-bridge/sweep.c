/* sync-bridge/sweep.c -- loads due messages into the lanes, each second or as soon as asked. */
#include "sweep.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/text.h"
#include "bridge.h"
#include "causes.h"
#include "db/db.h"
#include "epoch.h"
#include "lane.h"
#include "outcome.h"
#include "pause.h"
#include "shard.h"
#include "system.h"
#include "told.h"
#include "wake.h"

#define IDLE_MS 1000
#define BACKLOG_MS 250
#define COUNT_MS 250         /* counting a backlog takes a while: not in each look */
#define REST_SHARE 20        /* what takes long is not done again for so many times as long */
#define REST_OVER_US 10000
#define REST_MS_MAX 10000
#define LOAD_MAX 500
#define RETRIES_MAX 250
#define HELD_IDS_MAX 8000
#define ELECTION_KEY 0x62726964676531   /* "bridge1" */

/* $1 routes whose target answers, $2 ids held here, $3 shards worked here, $4 how many retries at
 * most, $5 id to go on after. First tries have their own place, so that retries cannot keep them
 * out; those of one record come in order. NOT IN is looked up by hash also in a plan for any
 * parameters. */
#define DUE                                                                                        \
	"SELECT id, route, source_id, version, event_id, type, body, traceparent, code, reason,"   \
	" attempts, round, state FROM message"                                                     \
	" WHERE state IN ('received', 'waiting', 'retrying')"                                      \
	" AND (next_at IS NULL OR next_at <= now()) AND route = ANY ($1::text[])"                  \
	" AND id NOT IN (SELECT unnest($2::bigint[])) AND source_id % 61 = ANY ($3::int[])"
static const char sql_due[] =
	"(" DUE " AND (state <> 'retrying' OR attempts = 0) AND id > $5 ORDER BY id LIMIT 500)"
	" UNION ALL "
	"(" DUE " AND state = 'retrying' AND attempts > 0 ORDER BY id LIMIT $4)";

/* What was put off while a system was away need not wait longer, nor what was pulled meanwhile. */
static const char sql_back[] =
	"UPDATE message SET next_at = NULL"
	" WHERE state IN ('received', 'retrying') AND next_at > now()"
	" AND route = ANY ($1::text[]) AND source_id % 61 = ANY ($2::int[])";

/* How many are unfinished, and whether some could be set free, and what is paused. $1: count no
 * further; 0: do not count. The order leads to the small indexes, also while nothing is
 * known yet of what the table holds. */
static const char sql_open[] =
	"SELECT EXISTS (SELECT FROM (SELECT FROM message WHERE waiting_for IS NOT NULL"
	"  ORDER BY waiting_for LIMIT 1) w) AS waiting,"
	" EXISTS (SELECT FROM (SELECT FROM message WHERE depends IS NOT NULL"
	"  ORDER BY finished_at LIMIT 1) r) AS rejected,"
	" (SELECT string_agg(name, E'\\n') FROM route_state WHERE paused_at IS NOT NULL) AS routes,"
	" (SELECT string_agg(name, E'\\n') FROM system_state WHERE paused_at IS NOT NULL)"
	"  AS systems,"
	" (SELECT count(*) FROM (SELECT FROM message"
	" WHERE state IN ('received', 'waiting', 'retrying') ORDER BY id LIMIT $1) s) AS open";

static struct event *timer;
static uint64_t due_at;       /* clock_ms of the timer, 0 when it is not set */
static bool leading, running, again, stopped;
static unsigned inherited;    /* so often shards were taken since they were looked through */
static long open_count;       /* as of the last count, and what came in and ended here since */
static int64_t position;      /* up to here a backlog is loaded; 0: there is none */
static uint64_t count_after;  /* clock_ms, as the following */
static uint64_t begin_after;  /* the next load from the beginning */
static uint64_t rest_until;   /* and at the earliest, if one is asked for */

static void
schedule(uint64_t ms)
{
	uint64_t at = clock_ms() + ms;

	if (stopped || !timer || (due_at && due_at <= at))
		return;
	due_at = at;
	wake_after(timer, ms);
}

void
lane_sweep_soon(uint64_t ms)
{
	if (ms == 0 && begin_after > rest_until)
		begin_after = rest_until;
	if (running && ms == 0)
		again = true;
	schedule(ms);
}

void
lane_sweep_on(void)
{
	if (running)
		again = true;
	schedule(0);
}

/* When something that began at began_us may be done again: an old snapshot held somewhere keeps
 * all that has ended in the way of whoever looks from the beginning. */
static uint64_t
after_rest(uint64_t began_us)
{
	uint64_t took_us = clock_us() - began_us;
	uint64_t rest_ms = took_us > REST_OVER_US ? took_us * REST_SHARE / 1000 : 0;

	return clock_ms() + (rest_ms < REST_MS_MAX ? rest_ms : REST_MS_MAX);
}

static bool
is_ready(const struct bridge_route *route)
{
	return system_ready(route->to) && epoch_stands(route->from) && !pause_holds_route(route);
}

static bool
is_back(const struct bridge_route *route)
{
	return route->to->back != 0 || route->from->back != 0;
}

/* '{"account-customer","product-item"}' */
static const char *
routes_where(struct request *rq, bool (*holds)(const struct bridge_route *route))
{
	struct text out = text_in(&rq->arena);
	int count = 0;

	text_add(&out, "{");
	for (int i = 0; i < bridge.route_count; i++)
		if (holds(&bridge.routes[i]))
			text_addf(&out, "%s\"%s\"", count++ ? "," : "", bridge.routes[i].name);
	text_add(&out, "}");
	return text_str(&out);
}

static void
call_back(struct request *rq)
{
	const char *routes = routes_where(rq, is_back);
	const struct bridge all = bridge;   /* a reload may come while this waits */
	unsigned *seen = arena_array(&rq->arena, unsigned, (size_t)all.system_count);

	if (strcmp(routes, "{}") == 0)
		return;
	for (int i = 0; i < all.system_count; i++)
		seen[i] = all.systems[i].back;
	db_all(rq, sql_back, P_TEXT(routes), P_TEXT(shard_list(rq)));
	for (int i = 0; i < all.system_count; i++)
		if (all.systems[i].back == seen[i])
			all.systems[i].back = 0;   /* not once more meanwhile */
}

void
sweep_inherit(void)
{
	for (int i = 0; i < bridge.system_count; i++)
		bridge.systems[i].back++;
	outcome_parked.waiting = outcome_parked.rejected = true;
	outcome_parked.times++;
	inherited++;
	lane_sweep_soon(0);
}

static void
look_through(struct request *rq)
{
	unsigned seen = inherited;

	if (!seen)
		return;
	causes_inherited(rq);
	if (inherited == seen)
		inherited = 0;
}

static const char *
held_ids(struct request *rq)
{
	int64_t *ids = arena_array(&rq->arena, int64_t, HELD_IDS_MAX);
	int count = lane_held(ids, HELD_IDS_MAX);
	struct text out = text_in(&rq->arena);

	text_add(&out, "{");
	for (int i = 0; i < count; i++)
		text_addf(&out, "%s%" PRId64, i ? "," : "", ids[i]);
	text_add(&out, "}");
	return text_str(&out);
}

/* Answers whether it is a first try. */
static bool
offer_row(const struct row *row)
{
	struct message message = {
		.id = row_id(row, "id"),
		.route = bridge_route(row_text(row, "route")),
		.source_id = row_id(row, "source_id"),
		.version = row_id(row, "version"),
		.event_id = row_text(row, "event_id"),
		.type = row_text(row, "type"),
		.body = row_text(row, "body"),
		.traceparent = row_text(row, "traceparent"),
		.code = row_text(row, "code"),
		.reason = row_text(row, "reason"),
		.attempts = (int)row_id(row, "attempts"),
		.round = (int)row_id(row, "round"),
	};

	message.retry = message.attempts > 0 && strcmp(row_text(row, "state"), "retrying") == 0;
	if (message.route)
		lane_offer(message_new(&message));
	return !message.retry;
}

/* What the targets' budgets would let through. */
static int
retries_left(void)
{
	int left = 0;

	for (int i = 0; i < bridge.system_count; i++)
		left += budget_left(&bridge.systems[i].budget, clock_ms());
	return left < RETRIES_MAX ? left : RETRIES_MAX;
}

static void
note_state(const struct row *row, unsigned long parked, bool counted)
{
	if (counted)
		open_count = (long)row_id(row, "open");
	if (outcome_parked.times == parked && !outcome_parked.writing) {
		outcome_parked.waiting = row_bool(row, "waiting");
		outcome_parked.rejected = row_bool(row, "rejected");
	}
	pause_known(row_text(row, "routes"), row_text(row, "systems"));
}

/* Answers whether it counted, too. */
static bool
look_around(struct request *rq)
{
	unsigned long parked = outcome_parked.times;
	bool count = clock_ms() >= count_after;
	uint64_t began = clock_us();
	struct row *row =
		db_one(rq, sql_open, P_ID(count ? bridge_options.inbox_limit + 1 : 0));

	note_state(row, parked, count);
	if (!count)
		return false;
	count_after = after_rest(began) + COUNT_MS;
	told_write(rq, leading);
	return true;
}

/* A backlog is gone through from where the last load ended; retries, and what was not due or not
 * visible then, are found from the beginning. */
static int
load(struct request *rq)
{
	int64_t from = clock_ms() < begin_after ? position : 0;
	uint64_t began = clock_us();
	struct rows *due = db_all(rq, sql_due, P_TEXT(routes_where(rq, is_ready)),
				  P_TEXT(held_ids(rq)), P_TEXT(shard_list(rq)),
				  P_ID(from ? 0 : retries_left()), P_ID(from));
	int64_t last = 0;
	int fresh = 0;

	if (!from) {
		rest_until = after_rest(began);
		begin_after = rest_until + BACKLOG_MS;
	}
	for (int i = 0; i < rows_count(due); i++) {
		struct row *row = rows_at(due, i);

		if (!offer_row(row))
			continue;
		last = row_id(row, "id");
		fresh++;
	}
	position = fresh < LOAD_MAX ? 0 : last;
	return rows_count(due);
}

static void
look(struct request *rq, void *arg)
{
	int *loaded = arg;
	bool counted;

	look_through(rq);
	counted = look_around(rq);
	if (!shard_any() || (counted && open_count == 0) || app_current()->draining)
		return;
	call_back(rq);
	if (lane_has_room())
		*loaded = load(rq);
}

static void
sweep(struct request *rq, void *arg)
{
	int loaded = 0;
	bool found = request_run(rq, look, &loaded);

	running = false;
	lane_forget_done();
	if (!found)
		log_fault(rq, "sweep");
	if (again || loaded >= LOAD_MAX)
		schedule(again ? 0 : 20);
	else
		schedule(open_count > 0 ? BACKLOG_MS : IDLE_MS);
	again = false;
}

static void
timer_rang(evutil_socket_t fd, short what, void *arg)
{
	due_at = 0;
	if (running)
		again = true;
	if (running || stopped)
		return;
	running = true;
	app_background("sweep", sweep, NULL);
}

static void
elected(void *arg, bool held)
{
	if (held != leading)
		log_info(held ? "leads the bridge" : "no longer leads the bridge", NULL);
	leading = held;
}

static void
heard(void *arg)
{
	lane_sweep_soon(0);
}

void
sweep_tell_others(void)
{
	if (shard_shared())
		db_notify(app_current()->db, "bridge_inbox");
}

void
sweep_tell_all(void)
{
	lane_sweep_soon(0);
	db_notify(app_current()->db, "bridge_inbox");
}

void
sweep_start(void)
{
	timer = wake_new(timer_rang);
	db_elect(app_current()->db, ELECTION_KEY, elected, NULL);
	db_listen(app_current()->db, "bridge_inbox", heard, NULL);
	schedule(0);
}

void
sweep_stop(void)
{
	stopped = true;
	evtimer_del(timer);
}

bool
sweep_leading(void)
{
	return leading;
}

bool
sweep_running(void)
{
	return running;
}

long
sweep_open(void)
{
	return open_count;
}

void
sweep_count(int change)
{
	open_count += change;
}
