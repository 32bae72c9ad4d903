/* common/db/pool.c -- spreads statements over connections, leases them, and reopens lost ones. */
#include <event2/util.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/internal.h"

#define DELAY_MS_MIN 50
#define DELAY_MS_MAX 2000
/* A connection whose oldest statement runs longer than this gets new ones last. */
#define SLOW_MS 20
#define QUICK_DEEP 128   /* commands in flight */

static const char sql_alive[] = "SELECT 1";

static void
pool_tick(evutil_socket_t fd, short what, void *arg)
{
	struct db *db = arg;
	uint64_t now = clock_ms();

	for (int i = 0; i < db->connection_count; i++)
		connection_check(&db->connections[i], now);
	if (db->side)
		side_tick(db);
}

struct db *
db_open(const struct db_options *options)
{
	struct db *db = calloc(1, sizeof *db);
	int count = options->shared + options->leased + 1;

	if (!db || !(db->connections = calloc((size_t)count, sizeof *db->connections)))
		die("out of memory");
	db->options = *options;
	db->connection_count = count;
	TAILQ_INIT(&db->shared_waiters);
	TAILQ_INIT(&db->lease_waiters);
	SLIST_INIT(&db->idle);
	for (int i = 0; i < count; i++)
		connection_init(&db->connections[i], db,
				i < options->shared ? CONNECTION_SHARED
				: i < count - 1     ? CONNECTION_LEASED
						    : CONNECTION_SIDE);
	db->tick = event_new(coro_loop(), -1, EV_PERSIST, pool_tick, db);
	if (!db->tick || event_add(db->tick, &(struct timeval){ .tv_sec = 1 }) != 0)
		die("out of memory");
	pool_open(db);
	return db;
}

static void
pool_free(struct db *db)
{
	for (int i = 0; i < db->connection_count; i++)
		connection_free(&db->connections[i]);
	free(db->connections);
	side_free(db);
	statements_free(db);
	event_free(db->tick);
	free(db);
}

/* An attempt to open may be under way on a thread: then the last step is the opener's. */
void
db_close(struct db *db)
{
	db->closing = true;
	event_del(db->tick);
	for (int i = 0; i < db->connection_count; i++)
		connection_drop(&db->connections[i], "closed");
	if (db->sleeper)
		coro_wake(db->sleeper);
	if (!db->opening)
		pool_free(db);
}

static bool
pool_wants(const struct db *db, const struct connection *c)
{
	if (c->state != CONNECTION_CLOSED || db->closing)
		return false;
	switch (c->kind) {
	case CONNECTION_SHARED:
		return true;
	case CONNECTION_LEASED:
		return !TAILQ_EMPTY(&db->lease_waiters);
	case CONNECTION_SIDE:
		return db->side != NULL;
	}
	return false;
}

static struct connection *
pool_wanted(struct db *db)
{
	/* With one shared connection there, waiting writers come before the other shared ones. */
	bool shared = pool_pick(db, false) != NULL;
	struct connection *first = NULL;

	for (int i = 0; i < db->connection_count; i++) {
		struct connection *c = &db->connections[i];

		if (!pool_wants(db, c))
			continue;
		if (!first ||
		    (shared && first->kind == CONNECTION_SHARED && c->kind == CONNECTION_LEASED))
			first = c;
	}
	return first;
}

static void
pool_opened(struct connection *c)
{
	struct waiter *waiter;

	switch (c->kind) {
	case CONNECTION_SHARED:
		TAILQ_FOREACH(waiter, &c->db->shared_waiters, link)
		coro_wake(waiter->coro);
		break;
	case CONNECTION_LEASED:
		pool_returned(c);
		break;
	case CONNECTION_SIDE:
		side_opened(c->db);
		break;
	}
}

static void
pool_back_off(struct db *db)
{
	db->delay_ms *= 2;
	if (db->delay_ms < DELAY_MS_MIN)
		db->delay_ms = DELAY_MS_MIN;
	if (db->delay_ms > DELAY_MS_MAX)
		db->delay_ms = DELAY_MS_MAX;
}

/* One attempt at a time for the whole pool: many processes after a crash are no storm. */
static void
pool_opener(void *arg)
{
	struct db *db = arg;
	struct connection *c;
	unsigned char jitter;

	while ((c = pool_wanted(db))) {
		if (db->delay_ms) {
			evutil_secure_rng_get_bytes(&jitter, 1);
			db->sleeper = coro_self();
			coro_park_for(db->delay_ms * (192u + jitter / 2) / 256);
			db->sleeper = NULL;
			if (!(c = pool_wanted(db)))
				break;
		}
		if (connection_open(c)) {
			db->delay_ms = 0;
			pool_opened(c);
		} else {
			pool_back_off(db);
		}
	}
	db->opening = false;
	if (db->closing)
		pool_free(db);
}

void
pool_open(struct db *db)
{
	if (db->opening || !pool_wanted(db))
		return;
	db->opening = true;
	coro_start(pool_opener, db);
}

void
pool_lost(struct connection *c)
{
	struct db *db = c->db;

	if (c->kind == CONNECTION_LEASED && c->state == CONNECTION_IDLE)
		SLIST_REMOVE(&db->idle, c, connection, idle);
	c->state = CONNECTION_CLOSED;
	if (c->taker) {
		c->taker->given = NULL;
		TAILQ_INSERT_HEAD(&db->lease_waiters, c->taker, link);
		c->taker = NULL;
	}
	if (db->closing)
		return;
	db->stats.reconnects++;
	/* One that goes as soon as it is open must not be reopened in a tight loop. */
	if (clock_ms() < c->up_ms + 1000)
		pool_back_off(db);
	if (c->kind == CONNECTION_SIDE)
		side_lost(db);
	pool_open(db);
}

/* Quick reads gather on the first connection, where they travel in batches, until it is deep.
 * Others begin at the last, so that a slow one has few quick ones behind it. */
struct connection *
pool_pick(struct db *db, bool quick)
{
	int count = db->options.shared;
	struct connection *best = NULL;
	uint64_t now = clock_ms();
	unsigned least = 0;

	for (int i = 0; i < count; i++) {
		struct connection *c = &db->connections[quick ? i : count - 1 - i];
		unsigned load = pipeline_depth(c);

		if (c->state != CONNECTION_IDLE)
			continue;
		if (load && now > c->progress_ms + SLOW_MS)
			load += 1u << 20;
		if (load < (quick ? QUICK_DEEP : 1))
			return c;
		if (!best || load < least) {
			best = c;
			least = load;
		}
	}
	return best;
}

_Noreturn static void
pool_refuse(struct request *rq)
{
	fail(rq, ERR_UNAVAILABLE, .retry_after = 1,
	     .detail = rq->db->unreachable ? "The database is not reachable."
					   : "All database connections are busy.");
}

/* False when the time is up. */
static bool
pool_wait(struct db *db, uint64_t deadline_ms)
{
	uint64_t now = clock_ms();

	if (now >= deadline_ms)
		return false;
	db->stats.waiting++;
	coro_park_for(deadline_ms - now);
	db->stats.waiting--;
	return true;
}

struct connection *
pool_shared(struct request *rq, bool quick)
{
	struct db *db = rq->db;
	struct connection *c = pool_pick(db, quick);
	struct waiter waiter = { .coro = coro_self() };
	uint64_t deadline;

	if (c)
		return c;
	deadline = clock_ms() + (uint64_t)db->options.wait_ms;
	TAILQ_INSERT_TAIL(&db->shared_waiters, &waiter, link);
	while (!(c = pool_pick(db, quick)) && pool_wait(db, deadline))
		;
	TAILQ_REMOVE(&db->shared_waiters, &waiter, link);
	if (!c)
		pool_refuse(rq);
	return c;
}

/* In line; a connection that comes back goes straight to the first. */
struct connection *
pool_lease(struct request *rq)
{
	struct db *db = rq->db;
	struct connection *c = SLIST_FIRST(&db->idle);
	struct waiter waiter = { .coro = coro_self() };
	uint64_t deadline;

	if (c) {
		SLIST_REMOVE_HEAD(&db->idle, idle);
		c->state = CONNECTION_TAKEN;
		return c;
	}
	deadline = clock_ms() + (uint64_t)db->options.wait_ms;
	TAILQ_INSERT_TAIL(&db->lease_waiters, &waiter, link);
	pool_open(db);
	while (!waiter.given && pool_wait(db, deadline))
		;
	if (!waiter.given) {
		TAILQ_REMOVE(&db->lease_waiters, &waiter, link);
		pool_refuse(rq);
	}
	waiter.given->taker = NULL;
	return waiter.given;
}

void
pool_returned(struct connection *c)
{
	struct db *db = c->db;
	struct waiter *waiter = TAILQ_FIRST(&db->lease_waiters);

	if (!waiter) {
		c->state = CONNECTION_IDLE;
		SLIST_INSERT_HEAD(&db->idle, c, idle);
		return;
	}
	c->state = CONNECTION_TAKEN;
	TAILQ_REMOVE(&db->lease_waiters, waiter, link);
	waiter->given = c;
	c->taker = waiter;
	coro_wake(waiter->coro);
}

bool
db_ready(struct db *db)
{
	struct connection *c = pool_pick(db, false);
	struct pending pending = { 0 };
	uint64_t deadline = clock_ms() + 1000;
	uint64_t now;
	bool answered;

	if (!c)
		return false;
	pending.quick = true;
	if (!pipeline_send_own(c, &pending, sql_alive) || !pipeline_sync(c, NULL)) {
		connection_drop(c, PQerrorMessage(c->pg));
		return false;
	}
	pending.waiter = coro_self();
	while (pending.state == PENDING_SENT && (now = clock_ms()) < deadline)
		coro_park_for(deadline - now);
	answered = pending.state == PENDING_DONE;
	pending_abandon(&pending);
	return answered;
}

void
db_stats(struct db *db, struct db_stats *stats)
{
	*stats = db->stats;
	for (int i = 0; i < db->connection_count; i++) {
		const struct connection *c = &db->connections[i];

		if (c->kind == CONNECTION_SHARED)
			stats->shared_up += c->state == CONNECTION_IDLE;
		if (c->kind != CONNECTION_LEASED)
			continue;
		stats->leased_up += c->state >= CONNECTION_IDLE;
		stats->leased_busy += c->state > CONNECTION_IDLE;
	}
}
