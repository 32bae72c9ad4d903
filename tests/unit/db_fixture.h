/* tests/unit/db_fixture.h -- a schema of its own, a pool on it, and a coroutine for each test.
 *
 * DOVETAIL_TEST_DATABASE is the URL of a cluster's owner. Each program makes a schema named by
 * its process and drops it at the end. A test's body runs as a request in a coroutine:
 *
 *	static void checks(struct request *rq, void *arg) { assert_int_equal(...); }
 *	static void test_x(void **state) { fixture_run(checks, NULL); }
 */
#ifndef DB_FIXTURE_H
#define DB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* base/fault.h's is meant */
#include <event2/event.h>
#include <libpq-fe.h>

#include "base/coro.h"
#include "base/json.h"
#include "base/log.h"
#include "base/request.h"
#include "db/db.h"

static char fixture_schema[40];
static char fixture_url[600];
static struct db *fixture_db;
static struct event_base *fixture_loop;
static struct db_options fixture_options;

/* Plain blocking SQL on a connection of its own; answers the first value or "". */
static inline const char *
fixture_sql(const char *sql)
{
	static char value[200];
	PGconn *pg = PQconnectdb(fixture_url);
	PGresult *result = PQexec(pg, sql);

	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
	    PQresultStatus(result) != PGRES_COMMAND_OK) {
		print_error("%s: %s", sql, PQerrorMessage(pg));
		assert_true(false);
	}
	snprintf(value, sizeof value, "%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	PQfinish(pg);
	return value;
}

struct fixture_work {
	void (*work)(struct request *rq, void *arg);
	void *arg;
	bool done;
	bool fine;
};

static inline void
fixture_coroutine(void *arg)
{
	struct fixture_work *work = arg;
	struct request rq;

	request_init(&rq, fixture_db);
	work->fine = request_run(&rq, work->work, work->arg);
	if (!work->fine)
		print_error("fault %s: %s\n", fault_name(rq.fault.code), rq.fault.detail);
	request_release(&rq);
	work->done = true;
	event_base_loopbreak(fixture_loop);
}

/* The body must not fail. */
static inline void
fixture_run(void (*body)(struct request *rq, void *arg), void *arg)
{
	struct fixture_work work = { .work = body, .arg = arg };

	coro_start(fixture_coroutine, &work);
	while (!work.done)
		event_base_dispatch(fixture_loop);
	assert_true(work.fine);
}

/* Runs work as a request of its own inside a test's body; the fault stays readable until *rq
 * is released by the caller. */
static inline enum fault_code
fixture_try(struct request *rq, void (*work)(struct request *rq, void *arg), void *arg)
{
	request_init(rq, fixture_db);
	return request_run(rq, work, arg) ? ERR_NONE : rq->fault.code;
}

static inline int
fixture_setup(void **state)
{
	const char *url = getenv("DOVETAIL_TEST_DATABASE");

	if (!url || !*url) {
		print_error("DOVETAIL_TEST_DATABASE is not set\n");
		return -1;
	}
	/* A failed check must not jump out of a coroutine. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	log_init("test", LOG_ERROR_, "text");
	snprintf(fixture_schema, sizeof fixture_schema, "unit_%d", (int)getpid());
	snprintf(fixture_url, sizeof fixture_url, "%s", url);
	fixture_sql("SELECT 1");
	char sql[200];

	snprintf(sql, sizeof sql, "CREATE SCHEMA %s", fixture_schema);
	fixture_sql(sql);
	snprintf(fixture_url, sizeof fixture_url, "%s%coptions=-csearch_path%%3D%s", url,
		 strchr(url, '?') ? '&' : '?', fixture_schema);
	fixture_loop = event_base_new();
	coro_init(fixture_loop);
	json_init();
	fixture_options = (struct db_options){ .url = fixture_url,
					       .service = fixture_schema,
					       .shared = 2,
					       .leased = 3,
					       .wait_ms = 2000,
					       .statement_timeout_ms = 3000,
					       .lock_timeout_ms = 500 };
	fixture_db = db_open(&fixture_options);
	return 0;
}

static inline void
fixture_settle(void)
{
	for (int i = 0; i < 200 && coro_count() > 0; i++)
		event_base_loopexit(fixture_loop, &(struct timeval){ .tv_usec = 10000 }),
			event_base_dispatch(fixture_loop);
}

static inline int
fixture_teardown(void **state)
{
	char sql[200];

	if (!fixture_db)
		return -1;
	db_close(fixture_db);
	fixture_settle();
	assert_int_equal(coro_count(), 0);
	coro_shutdown();
	snprintf(sql, sizeof sql, "DROP SCHEMA %s CASCADE", fixture_schema);
	fixture_sql(sql);
	return 0;
}

#endif
