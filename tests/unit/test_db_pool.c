/* tests/unit/test_db_pool.c -- connections die and come back; requests wait or get a 503. */
#include "db_fixture.h"

#include "base/clock.h"

static const char sql_pid[] = "SELECT pg_backend_pid() AS pid";
static const char sql_one[] = "SELECT 1";
static const char sql_echo[] = "SELECT $1::int8 AS id WHERE $1 IS NOT NULL";
static const char sql_insert[] = "INSERT INTO mark VALUES ($1)";
static const char sql_count[] = "SELECT count(*) FROM mark";
static const char sql_sleep[] = "SELECT pg_sleep($1::numeric)";

static void
kill_all(void)
{
	char sql[300];

	snprintf(sql, sizeof sql,
		 "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
		 " WHERE application_name = '%s' AND pid <> pg_backend_pid()",
		 fixture_schema);
	fixture_sql(sql);
}

static void
all_are_up(void)
{
	struct db_stats stats;

	for (db_stats(fixture_db, &stats); stats.shared_up < 2; db_stats(fixture_db, &stats))
		coro_sleep(5);
}

static void
asks(struct request *rq, void *arg)
{
	db_one(rq, sql_one);
}

static void
recovers(struct request *rq, void *arg)
{
	struct request other;
	struct db_stats before, stats;

	asks(rq, NULL);
	for (int i = 0; i < 5; i++) {
		all_are_up();
		db_stats(fixture_db, &before);
		kill_all();
		do {
			coro_sleep(5);
			db_stats(fixture_db, &stats);
		} while (stats.reconnects < before.reconnects + 2);
		/* Idle connections' deaths are seen without anybody asking. */
		assert_int_equal(fixture_try(&other, asks, NULL), ERR_NONE);
		request_release(&other);
	}
	all_are_up();
	assert_true(db_ready(fixture_db));
}

static void
test_killed_backends_are_replaced(void **state)
{
	fixture_run(recovers, NULL);
}

static void
writes_and_dies(struct request *rq, void *arg)
{
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(1));
	db_one(rq, sql_count);
	kill_all();
	coro_sleep(arg ? 30 : 0);
	db_do(rq, sql_insert, P_ID(2));
	db_one(rq, sql_count);
	db_commit(rq);
}

static void
loses_in_flight(struct request *rq, void *arg)
{
	struct request other;
	struct pending *pending;

	pending = db_send(rq, sql_sleep, P_TEXT("2"));
	coro_sleep(20);
	kill_all();
	while (!db_ready(fixture_db))
		coro_sleep(10);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(fixture_try(&other, writes_and_dies, i % 2 ? rq : NULL),
				 ERR_UNAVAILABLE);
		assert_true(other.fault.rerun);
		assert_int_equal(other.fault.retry_after, 1);
		request_release(&other);
	}
	assert_int_equal(row_id(db_one(rq, sql_count), "count"), 0);
	db_wait(rq, pending);
}

static void
is_unavailable(struct request *rq, void *arg)
{
	struct request other;

	assert_int_equal(fixture_try(&other, loses_in_flight, NULL), ERR_UNAVAILABLE);
	assert_false(other.fault.rerun);
	request_release(&other);
}

static void
test_what_was_in_flight_is_unavailable(void **state)
{
	fixture_run(is_unavailable, NULL);
}

static void
commits_and_dies(struct request *rq, void *arg)
{
	db_begin(rq);
	/* The server dies while COMMIT runs its deferred trigger. */
	db_do(rq, "INSERT INTO slow VALUES (1)");
	db_commit(rq);
}

static void
dies_as_a_whole(struct request *rq, void *arg)
{
	db_begin(rq);
	db_whole(rq, arg);
}

static bool stopping;
static int readers;
static long answered;

static void
reads_own(struct request *rq, void *arg)
{
	int64_t id = (int64_t)(answered % 977);
	struct row *row =
		answered % 2 ? db_get(rq, sql_echo, P_ID(id)) : db_one(rq, sql_echo, P_ID(id));

	assert_non_null(row);
	assert_true(row_id(row, "id") == id);
}

static void
reader(void *arg)
{
	struct request rq;

	while (!stopping) {
		enum fault_code code = fixture_try(&rq, reads_own, NULL);

		assert_true(code == ERR_NONE || code == ERR_UNAVAILABLE);
		answered += code == ERR_NONE;
		request_release(&rq);
	}
	readers--;
}

static void
gets_own_answers(struct request *rq, void *arg)
{
	for (readers = 0; readers < 20; readers++)
		coro_start(reader, NULL);
	for (int i = 0; i < 25; i++) {
		coro_sleep(40);
		kill_all();
	}
	stopping = true;
	while (readers > 0)
		coro_sleep(10);
	assert_true(answered > 100);
}

static void
test_nobody_gets_the_answer_to_anothers_question(void **state)
{
	fixture_run(gets_own_answers, NULL);
}

static bool killer_done;

static void
killer(void *arg)
{
	coro_sleep(150);
	kill_all();
	killer_done = true;
}

static void
transacts(struct request *rq, void *arg)
{
	db_begin(rq);
	db_one(rq, sql_pid);
	db_commit(rq);
}

/* So that what comes next is not kept waiting for a connection until the killer has been. */
static void
wait_for_a_lease(void)
{
	struct request other;
	bool leased = false;

	while (!leased) {
		leased = fixture_try(&other, transacts, NULL) == 0;
		request_release(&other);
		coro_sleep(10);
	}
}

static void
does_not_know(struct request *rq, void *arg)
{
	struct request other;

	wait_for_a_lease();
	coro_start(killer, NULL);
	assert_int_equal(fixture_try(&other, commits_and_dies, NULL), ERR_UNAVAILABLE);
	assert_false(other.fault.rerun);
	assert_non_null(strstr(other.fault.detail, "not known"));
	request_release(&other);
	assert_true(killer_done);
}

static void
test_a_commit_without_answer_says_so(void **state)
{
	fixture_run(does_not_know, NULL);
}

static void
knows_by_the_answer(struct request *rq, void *arg)
{
	static char commits[] = "INSERT INTO slow VALUES (2) RETURNING id";
	static char runs[] = "INSERT INTO mark SELECT 7 FROM pg_sleep(1)";
	struct request other;

	/* The server dies in the deferred trigger: it has answered the statement by then. */
	wait_for_a_lease();
	coro_start(killer, NULL);
	assert_int_equal(fixture_try(&other, dies_as_a_whole, commits), ERR_UNAVAILABLE);
	assert_false(other.fault.rerun);
	assert_non_null(strstr(other.fault.detail, "not known"));
	request_release(&other);
	/* In the statement itself: nothing of it can have stayed. */
	wait_for_a_lease();
	coro_start(killer, NULL);
	assert_int_equal(fixture_try(&other, dies_as_a_whole, runs), ERR_UNAVAILABLE);
	assert_true(other.fault.rerun);
	assert_null(other.session);
	request_release(&other);
	while (!db_ready(fixture_db))
		coro_sleep(10);
	assert_int_equal(row_id(db_one(rq, "SELECT count(*) FROM mark WHERE id = 7"), "count"), 0);
}

static void
test_a_whole_transaction_is_unknown_only_once_it_is_answered(void **state)
{
	fixture_run(knows_by_the_answer, NULL);
}

static int finished, refused;
static unsigned hold_ms = 20;
static char order[20];

static void
holds(struct request *rq, void *arg)
{
	db_begin(rq);
	db_one(rq, sql_pid);
	order[strlen(order)] = *(const char *)arg;
	coro_sleep(hold_ms);
	db_commit(rq);
}

static void
holder(void *arg)
{
	struct request rq;
	enum fault_code code = fixture_try(&rq, holds, arg);

	if (code != ERR_NONE) {
		assert_int_equal(code, ERR_UNAVAILABLE);
		assert_int_equal(rq.fault.retry_after, 1);
		refused++;
	}
	request_release(&rq);
	finished++;
}

static void
queues(struct request *rq, void *arg)
{
	static char names[] = "abcdef";
	struct db_options options = fixture_options;
	struct db *wide = fixture_db;
	struct db_stats stats;

	options.leased = 1;
	fixture_db = db_open(&options);
	for (int i = 0; i < 6; i++)
		coro_start(holder, &names[i]);
	do {
		coro_sleep(5);
		db_stats(fixture_db, &stats);
	} while (!order[0]);
	assert_int_equal(stats.leased_busy, 1);
	assert_int_equal(stats.waiting, 5);
	while (finished < 6)
		coro_sleep(10);
	assert_string_equal(order, names);
	assert_int_equal(refused, 0);
	db_stats(fixture_db, &stats);
	assert_int_equal(stats.leased_up, 1);
	assert_int_equal(stats.waiting, 0);
	db_close(fixture_db);
	fixture_db = wide;
}

static void
test_leases_are_given_in_order(void **state)
{
	fixture_run(queues, NULL);
}

static void
waits_in_vain(struct request *rq, void *arg)
{
	struct db_options options = fixture_options;
	struct db *full = fixture_db;
	uint64_t start = clock_ms();
	static char name[] = "x";

	options.leased = 1;
	options.wait_ms = 400;
	hold_ms = 1000;
	fixture_db = db_open(&options);
	finished = refused = 0;
	for (int i = 0; i < 3; i++)
		coro_start(holder, name);
	while (finished < 3)
		coro_sleep(5);
	assert_int_equal(refused, 2);
	assert_true(clock_ms() - start < 4000);
	db_close(fixture_db);
	fixture_db = full;
}

static void
test_too_long_a_queue_is_a_503(void **state)
{
	fixture_run(waits_in_vain, NULL);
}

static void
finds_nobody(struct request *rq, void *arg)
{
	struct db_options options = fixture_options;
	struct db *reachable = fixture_db;
	struct request other;

	options.url = "postgresql://nobody@127.0.0.1:1/none";
	options.wait_ms = 200;
	fixture_db = db_open(&options);
	assert_int_equal(fixture_try(&other, asks, NULL), ERR_UNAVAILABLE);
	assert_string_equal(other.fault.detail, "The database is not reachable.");
	request_release(&other);
	assert_int_equal(fixture_try(&other, writes_and_dies, NULL), ERR_UNAVAILABLE);
	assert_false(other.fault.rerun);
	request_release(&other);
	assert_false(db_ready(fixture_db));
	db_close(fixture_db);
	fixture_db = reachable;
}

static void
test_without_a_server_requests_wait_and_get_a_503(void **state)
{
	fixture_run(finds_nobody, NULL);
}

static int heard_count;

static void
heard(void *arg)
{
	heard_count++;
}

static int held[2];

static void
taken(void *arg, bool is_held)
{
	*(int *)arg = is_held;
}

static void
await_count(const int *value, int wanted)
{
	for (int i = 0; i < 500 && *value < wanted; i++)
		coro_sleep(10);
	coro_sleep(50);
}

static void
hears(struct request *rq, void *arg)
{
	struct db *second = db_open(&fixture_options);
	int before;

	db_listen(fixture_db, "news", heard, NULL);
	db_elect(fixture_db, 42, taken, &held[0]);
	await_count(&held[0], 1);
	await_count(&heard_count, 1);
	assert_int_equal(heard_count, 1);
	assert_int_equal(held[0], 1);
	db_elect(second, 42, taken, &held[1]);
	for (int i = 0; i < 100; i++)
		db_notify(second, "news");
	db_notify(second, "other");
	await_count(&heard_count, 2);
	assert_in_range(heard_count, 2, 3);
	assert_int_equal(held[1], 0);
	kill_all();
	before = heard_count;
	await_count(&heard_count, before + 1);
	assert_int_equal(heard_count, before + 1);
	for (int i = 0; i < 300 && held[0] + held[1] != 1; i++)
		coro_sleep(10);
	assert_int_equal(held[0] + held[1], 1);
	db_notify(second, "news");
	await_count(&heard_count, before + 2);
	assert_int_equal(heard_count, before + 2);
	db_close(second);
	await_count(&held[0], 1);
	assert_int_equal(held[0], 1);
}

static void
test_notifications_and_elections_survive_a_loss(void **state)
{
	fixture_run(hears, NULL);
}

static void
sees_settings(struct request *rq, void *arg)
{
	struct row *row;

	db_begin(rq);
	row = db_one(rq,
		     "SELECT current_setting('timezone') AS zone,"
		     " current_setting('lock_timeout') AS lock,"
		     " current_setting('idle_in_transaction_session_timeout') AS idle,"
		     " current_setting('application_name') AS name, current_schema() AS schema");
	assert_string_equal(row_text(row, "zone"), "UTC");
	assert_string_equal(row_text(row, "lock"), "500ms");
	assert_string_equal(row_text(row, "idle"), "10s");
	assert_string_equal(row_text(row, "name"), fixture_schema);
	assert_string_equal(row_text(row, "schema"), fixture_schema);
}

static void
test_connections_carry_their_settings(void **state)
{
	fixture_run(sees_settings, NULL);
}

static int
setup(void **state)
{
	if (fixture_setup(state) != 0)
		return -1;
	fixture_sql("CREATE TABLE mark (id int8); CREATE TABLE slow (id int8);"
		    "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
		    " $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;"
		    "CREATE CONSTRAINT TRIGGER dawdles AFTER INSERT ON slow"
		    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_backends_are_replaced),
		cmocka_unit_test(test_what_was_in_flight_is_unavailable),
		cmocka_unit_test(test_nobody_gets_the_answer_to_anothers_question),
		cmocka_unit_test(test_a_commit_without_answer_says_so),
		cmocka_unit_test(test_a_whole_transaction_is_unknown_only_once_it_is_answered),
		cmocka_unit_test(test_leases_are_given_in_order),
		cmocka_unit_test(test_too_long_a_queue_is_a_503),
		cmocka_unit_test(test_without_a_server_requests_wait_and_get_a_503),
		cmocka_unit_test(test_notifications_and_elections_survive_a_loss),
		cmocka_unit_test(test_connections_carry_their_settings),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
