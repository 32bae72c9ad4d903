/* sync-bridge/shard.c -- takes and gives up shards until every process has its fair share. */
#include "shard.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "bridge.h"
#include "db/db.h"
#include "lane.h"
#include "sweep.h"
#include "wake.h"

#define CHANNEL "bridge_shards"
#define LOOK_MS 300         /* a dead process's shards are free for so long at most */
#define ALONE_MS 1000       /* nobody else can die; newcomers tell */
#define GIVE_MS 5000        /* what runs in a shard that is given up has so long to end */

/* The lock SHARDS is shared by all who take part; each shard's own has one holder. */
static const char sql_join[] =
	"SELECT pg_try_advisory_lock_shared(hashtext(current_schema() || '.shard'), 61)";

static const char sql_leave[] =
	"SELECT pg_advisory_unlock_shared(hashtext(current_schema() || '.shard'), 61)";

/* Who holds what. The session's last statement is its sign of life, by PostgreSQL's clock: each
 * look is one, so no process writes anything while it has nothing to do. */
static const char sql_look[] =
	"SELECT l.pid, l.pid = pg_backend_pid() AS own, bool_or(l.objid = 61) AS member,"
	" (coalesce(max(extract(epoch FROM clock_timestamp() - a.state_change)), 0) * 1000)::bigint"
	"  AS silent,"
	" coalesce(string_agg(l.objid::text, ' ') FILTER (WHERE l.objid < 61), '') AS shards"
	" FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
	" WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
	" AND l.classid = (hashtext(current_schema() || '.shard')::bigint & 4294967295)::oid"
	" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	" GROUP BY l.pid ORDER BY l.pid";

static const char sql_take[] =
	"WITH got AS MATERIALIZED (SELECT n FROM unnest($1::int[]) n"
	"  WHERE pg_try_advisory_lock(hashtext(current_schema() || '.shard'), n))"
	" UPDATE shard SET term = term + 1, taken_at = now() FROM got WHERE id = n"
	" RETURNING id, term";

static const char sql_give[] =
	"SELECT pg_advisory_unlock(hashtext(current_schema() || '.shard'), n)"
	" FROM unnest($1::int[]) n";

static const char sql_end[] = "SELECT pg_terminate_backend($1)";

enum holder { HOLDER_NONE, HOLDER_SELF, HOLDER_OTHER };

static struct {
	int64_t term;              /* 0: not ours */
	bool giving;
	uint64_t give_by;          /* clock_ms */
	int running;
	enum holder holder;        /* as of the last look */
} shards[SHARDS];

static METRIC(metric_taken, .name = "bridge_shards_taken_total", .type = METRIC_COUNTER,
	      .help = "Shards that a process took over.");
static METRIC(metric_fenced, .name = "bridge_claims_fenced_total", .type = METRIC_COUNTER,
	      .help = "Outcomes refused because the shard had another worker by then.");
static METRIC(metric_ended, .name = "bridge_sessions_ended_total", .type = METRIC_COUNTER,
	      .help = "Sessions of frozen bridge processes that were ended.");

static struct event *timer;
static struct shard_stats stats;
static unsigned session;           /* of the side connection; another one after each loss */
static bool open, joined, running, again, stopping;
static int rank;                   /* of this process among all, by its session's pid */

/* ---- what others ask ---- */

int
shard_of(int64_t source_id)
{
	return (int)((uint64_t)source_id % SHARDS);
}

int64_t
shard_term(int shard)
{
	return shards[shard].giving ? 0 : shards[shard].term;
}

bool
shard_any(void)
{
	for (int n = 0; n < SHARDS; n++)
		if (shard_term(n))
			return true;
	return false;
}

bool
shard_shared(void)
{
	return stats.processes > 1;
}

static const char *
numbers(struct request *rq, bool (*holds)(int shard))
{
	struct text out = text_in(&rq->arena);

	for (int n = 0; n < SHARDS; n++)
		if (holds(n))
			text_addf(&out, "%s%d", out.length ? "," : "{", n);
	if (out.length)
		text_add(&out, "}");
	return text_str(&out);
}

static bool
is_worked(int shard)
{
	return shard_term(shard) != 0;
}

const char *
shard_list(struct request *rq)
{
	return shard_any() ? numbers(rq, is_worked) : "{}";
}

const struct shard_stats *
shard_stats(void)
{
	stats.held = 0;
	for (int n = 0; n < SHARDS; n++)
		stats.held += shards[n].term != 0;
	return &stats;
}

static void
look_in(uint64_t ms)
{
	if (running && ms == 0)
		again = true;
	else
		wake_after(timer, ms);
}

void
shard_began(int shard)
{
	shards[shard].running++;
}

void
shard_ended(int shard)
{
	shards[shard].running--;
	if (shards[shard].giving && shards[shard].running == 0)
		look_in(0);
}

void
shard_fenced(int shard)
{
	metric_add(&metric_fenced, 0, 1);
	log_warn("an outcome was refused: the shard has another worker", "shard", log_num(shard),
		 NULL);
	look_in(0);
}

/* ---- taking and giving ---- */

static void
lose_all(void)
{
	for (int n = 0; n < SHARDS; n++) {
		shards[n].term = 0;
		shards[n].giving = false;
	}
}

/* Nothing that was asked of one session may be believed of the next. */
static struct rows *
ask(struct request *rq, const char *sql, struct param param)
{
	unsigned asked = session;
	struct rows *rows = db_side_all(rq, sql, param);

	if (asked != session)
		fail(rq, ERR_UNAVAILABLE, .detail = "The session with the locks is lost.");
	return rows;
}

static bool
is_overheld(int shard)
{
	return shards[shard].holder == HOLDER_SELF && !shards[shard].term;
}

static bool
is_given(int shard)
{
	return shards[shard].giving &&
	       (shards[shard].running == 0 || clock_ms() >= shards[shard].give_by);
}

/* Locks without a term are what a statement left behind that failed after taking them. */
static bool
is_to_unlock(int shard)
{
	return is_overheld(shard) || is_given(shard);
}

static void
give(struct request *rq)
{
	const char *list = numbers(rq, is_to_unlock);
	bool freed[SHARDS];

	if (!*list)
		return;
	for (int n = 0; n < SHARDS; n++)
		freed[n] = is_to_unlock(n);
	for (int n = 0; n < SHARDS; n++) {
		if (!freed[n])
			continue;
		shards[n].term = 0;
		shards[n].giving = false;
		shards[n].holder = HOLDER_NONE;
	}
	ask(rq, sql_give, P_TEXT(list));
	db_notify(app_current()->db, CHANNEL);
}

static void
take(struct request *rq, int count)
{
	struct text list = text_in(&rq->arena);
	int first = stats.processes ? rank * SHARDS / stats.processes : 0;
	struct rows *rows;

	for (int i = 0; i < SHARDS && count > 0; i++) {
		int n = (first + i) % SHARDS;

		if (shards[n].holder != HOLDER_NONE)
			continue;
		text_addf(&list, "%s%d", list.length ? "," : "{", n);
		count--;
	}
	if (!list.length)
		return;
	text_add(&list, "}");
	rows = ask(rq, sql_take, P_TEXT(text_str(&list)));
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);
		int n = (int)row_id(row, "id");

		shards[n].term = row_id(row, "term");
		shards[n].giving = false;
		shards[n].holder = HOLDER_SELF;
		metric_add(&metric_taken, 0, 1);
	}
	if (rows_any(rows))
		sweep_inherit();
}

/* Idle ones first: their records need not wait for anything. */
static void
begin_giving(int count)
{
	for (int busy = 0; busy < 2; busy++) {
		for (int n = 0; n < SHARDS && count > 0; n++) {
			if (!is_worked(n) || (shards[n].running > 0) != busy)
				continue;
			shards[n].giving = true;
			shards[n].give_by = clock_ms() + GIVE_MS;
			count--;
		}
	}
}

/* Answers how many it keeps. */
static int
keep_giving_less(int missing)
{
	int kept = 0;

	for (int n = 0; n < SHARDS && kept < missing; n++) {
		if (!shards[n].giving)
			continue;
		shards[n].giving = false;
		kept++;
	}
	if (kept)
		lane_sweep_soon(0);
	return kept;
}

static int
fair_share(void)
{
	if (stopping || stats.processes == 0)
		return 0;
	return SHARDS / stats.processes + (rank < SHARDS % stats.processes);
}

static void
balance(struct request *rq)
{
	int share = fair_share();
	int mine = 0;

	for (int n = 0; n < SHARDS; n++)
		mine += is_worked(n);
	if (mine > share)
		begin_giving(mine - share);
	if (mine < share)
		mine += keep_giving_less(share - mine);
	give(rq);
	if (mine < share)
		take(rq, share - mine);
}

/* ---- looking ---- */

static void
note_holder(const struct row *row, bool own)
{
	const char *at = row_text(row, "shards");
	char *end;

	for (; *at; at = end) {
		long n = strtol(at, &end, 10);

		if (n >= 0 && n < SHARDS)
			shards[n].holder = own ? HOLDER_SELF : HOLDER_OTHER;
	}
}

/* Its locks vanish with its session; should it only have been slow, it gets a new one. */
static void
end_frozen(struct request *rq, const struct row *row)
{
	log_warn("ends the session of a bridge process that does nothing", "pid",
		 row_text(row, "pid"), "silent_ms", row_text(row, "silent"), NULL);
	ask(rq, sql_end, P_ID(row_id(row, "pid")));
	metric_add(&metric_ended, 0, 1);
}

static void
see(struct request *rq)
{
	struct rows *rows = ask(rq, sql_look, (struct param){ .kind = P_END_ });
	int processes = 0;

	for (int n = 0; n < SHARDS; n++)
		shards[n].holder = HOLDER_NONE;
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);
		bool own = row_bool(row, "own");

		note_holder(row, own);
		if (own)
			rank = processes;
		processes += row_bool(row, "member");
	}
	if (processes != stats.processes)
		log_info("bridge processes share the work", "processes", log_num(processes), NULL);
	if (processes < stats.processes)
		sweep_inherit();
	stats.processes = processes;
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);

		if (!row_bool(row, "own") && row_id(row, "silent") > bridge_options.lease)
			end_frozen(rq, row);
	}
}

static void
look(struct request *rq, void *arg)
{
	if (joined == stopping) {
		ask(rq, stopping ? sql_leave : sql_join, (struct param){ .kind = P_END_ });
		joined = !stopping;
		db_notify(app_current()->db, CHANNEL);
	}
	see(rq);
	balance(rq);
}

static void
work(struct request *rq, void *arg)
{
	bool looked = request_run(rq, look, NULL);
	bool more = again;

	running = again = false;
	if (!looked && open && !stopping)
		log_fault(rq, "shards");
	/* A process that ends looks only when something in it has ended; then it is gone. */
	if (more)
		look_in(0);
	else if (open && !stopping)
		look_in(stats.processes > 1 ? LOOK_MS : ALONE_MS);
}

static void
timer_rang(evutil_socket_t fd, short what, void *arg)
{
	if (running || !open)
		return;
	running = true;
	app_background("shards", work, NULL);
}

static void
changed(void *arg, bool is_open)
{
	open = is_open;
	session++;
	joined = false;
	lose_all();
	if (open)
		look_in(0);
}

static void
heard(void *arg)
{
	look_in(0);
}

void
shard_start(void)
{
	timer = wake_new(timer_rang);
	db_listen(app_current()->db, CHANNEL, heard, NULL);
	db_side_watch(app_current()->db, changed, NULL);
}

void
shard_stop(void)
{
	stopping = true;
	look_in(0);
}
