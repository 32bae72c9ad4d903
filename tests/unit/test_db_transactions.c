/* tests/unit/test_db_transactions.c -- all or nothing, and nothing is left behind. */
#include "db_fixture.h"

static const char sql_insert[] = "INSERT INTO ledger (id, amount) VALUES ($1, $2)";
static const char sql_count[] = "SELECT count(*) FROM ledger";
static const char sql_lock[] = "SELECT amount FROM ledger WHERE id = $1 FOR UPDATE";
static const char sql_pid[] = "SELECT pg_backend_pid() AS pid";
static const char sql_defer[] = "INSERT INTO entry (ledger_id) VALUES ($1)";
static const char sql_open[] = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
			       " AND state LIKE 'idle in transaction%'";

static int committed;

static void
count_commit(struct request *rq)
{
	committed++;
}

static int64_t
ledger_count(struct request *rq)
{
	return row_id(db_one(rq, sql_count), "count");
}

static void
inserts(struct request *rq, void *arg)
{
	rq->committed = count_commit;
	db_begin(rq);
	assert_true(db_in_transaction(rq));
	db_do(rq, sql_insert, P_ID(1), P_TEXT("10.00"));
	db_do(rq, sql_insert, P_ID(2), P_TEXT("20.00"));
	assert_int_equal(ledger_count(rq), 2);
	db_commit(rq);
	assert_false(db_in_transaction(rq));
	assert_int_equal(committed, 1);
	assert_int_equal(ledger_count(rq), 2);
	db_begin(rq);
	db_commit(rq);
	assert_int_equal(committed, 2);
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(3), P_TEXT("30.00"));
	rq->mail = rq;
	db_rollback(rq);
	assert_null(rq->mail);
	assert_int_equal(ledger_count(rq), 2);
}

static void
test_commit_keeps_and_rollback_forgets(void **state)
{
	fixture_run(inserts, NULL);
}

static void
breaks_in_the_middle(struct request *rq, void *arg)
{
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(10), P_TEXT("1"));
	db_do(rq, sql_insert, P_ID(1), P_TEXT("1"));
	db_do(rq, sql_insert, P_ID(11), P_TEXT("not a number"));
	db_do(rq, sql_insert, P_ID(12), P_TEXT("1"));
	db_commit(rq);
}

static void
breaks_and_asks(struct request *rq, void *arg)
{
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(1), P_TEXT("1"));
	db_one(rq, sql_count);
}

static void
reports_first_error(struct request *rq, void *arg)
{
	struct request other;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(
			fixture_try(&other, i % 2 ? breaks_in_the_middle : breaks_and_asks, NULL),
			ERR_DUPLICATE);
		assert_string_equal(other.fault.field, "id");
		assert_null(other.session);
		request_release(&other);
	}
	assert_int_equal(ledger_count(rq), 2);
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(4), P_TEXT("40"));
	db_commit(rq);
	assert_int_equal(ledger_count(rq), 3);
}

static void
test_the_first_error_is_told_and_the_connection_lives(void **state)
{
	fixture_run(reports_first_error, NULL);
}

static void
gives_up(struct request *rq, void *arg)
{
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(20), P_TEXT("1"));
	if (arg)
		db_one(rq, sql_count);
	db_do(rq, sql_insert, P_ID(21), P_TEXT("1"));
	db_do(rq, "SELECT pg_sleep(0.02)");
	fail(rq, ERR_RULE);
}

static void
ends_open(struct request *rq, void *arg)
{
	db_begin(rq);
	db_one(rq, sql_pid);
	db_do(rq, sql_insert, P_ID(22), P_TEXT("1"));
}

static void
unwinds(struct request *rq, void *arg)
{
	struct request other;

	for (int i = 0; i < 12; i++) {
		assert_int_equal(fixture_try(&other, gives_up, i % 2 ? rq : NULL), ERR_RULE);
		request_release(&other);
		assert_int_equal(fixture_try(&other, ends_open, NULL), ERR_NONE);
		request_release(&other);
	}
	coro_sleep(100);
	assert_int_equal(ledger_count(rq), 3);
	assert_int_equal(row_id(db_one(rq, sql_open, P_TEXT(fixture_schema)), "count"), 0);
}

static void
test_unwinding_rolls_back_and_cleans_the_connection(void **state)
{
	fixture_run(unwinds, NULL);
}

struct race {
	int64_t first, second;
	int done, deadlocks, reruns;
};

static void
locks_two(struct request *rq, void *arg)
{
	const int64_t *ids = arg;

	db_begin(rq);
	db_do(rq, "SET LOCAL deadlock_timeout = '50ms'");
	db_one(rq, sql_lock, P_ID(ids[0]));
	coro_sleep(50);
	db_one(rq, sql_lock, P_ID(ids[1]));
	db_commit(rq);
}

static void
race_member(void *arg)
{
	struct race *race = arg;
	int64_t ids[2] = { race->first, race->second };
	struct request rq;

	race->first = ids[1];
	race->second = ids[0];
	if (fixture_try(&rq, locks_two, ids) != ERR_NONE) {
		race->deadlocks += rq.fault.code == ERR_LOCKED;
		race->reruns += rq.fault.rerun;
	}
	request_release(&rq);
	race->done++;
}

static void
races(struct request *rq, void *arg)
{
	struct race race = { .first = 1, .second = 2 };

	coro_start(race_member, &race);
	coro_start(race_member, &race);
	while (race.done < 2)
		coro_sleep(10);
	assert_int_equal(race.deadlocks, 1);
	assert_int_equal(race.reruns, 1);
}

static void
test_a_deadlock_asks_for_a_rerun(void **state)
{
	fixture_run(races, NULL);
}

static void
waits_for_lock(struct request *rq, void *arg)
{
	db_begin(rq);
	db_one(rq, sql_lock, P_ID(1));
}

static void
is_locked_out(struct request *rq, void *arg)
{
	struct request other;

	db_begin(rq);
	db_one(rq, sql_lock, P_ID(1));
	assert_int_equal(fixture_try(&other, waits_for_lock, NULL), ERR_LOCKED);
	assert_false(other.fault.rerun);
	assert_int_equal(other.fault.retry_after, 1);
	request_release(&other);
	db_rollback(rq);
}

static void
test_a_lock_held_too_long_is_a_conflict(void **state)
{
	fixture_run(is_locked_out, NULL);
}

static void
defers(struct request *rq, void *arg)
{
	db_begin(rq);
	db_do(rq, sql_defer, P_ID(999));
	db_commit(rq);
}

static void
fails_at_commit(struct request *rq, void *arg)
{
	struct request other;

	committed = 0;
	assert_int_equal(fixture_try(&other, defers, NULL), ERR_VALIDATION);
	assert_string_equal(other.fault.field, "ledger_id");
	assert_null(other.session);
	request_release(&other);
	assert_int_equal(committed, 0);
	assert_true(db_ready(fixture_db));
}

static void
test_a_deferred_constraint_fails_the_commit(void **state)
{
	fixture_run(fails_at_commit, NULL);
}

static const char sql_whole[] = "INSERT INTO ledger (id, amount) VALUES ($1, $2) RETURNING id";
static const char sql_whole_deferred[] = "INSERT INTO entry (ledger_id) VALUES (999) RETURNING 1";

static void
repeats_a_row(struct request *rq, void *arg)
{
	db_begin(rq);
	db_whole(rq, sql_whole, P_ID(1), P_TEXT("1"));
}

static void
defers_as_a_whole(struct request *rq, void *arg)
{
	db_begin(rq);
	db_whole(rq, sql_whole_deferred);
}

static void
comes_second(struct request *rq, void *arg)
{
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(31), P_TEXT("1"));
	assert_false(db_untouched(rq));
	db_whole(rq, sql_whole, P_ID(32), P_TEXT("1"));
}

static void
makes_a_whole(struct request *rq, void *arg)
{
	struct db_stats before, after;
	struct request other;
	struct rows *rows;
	int64_t count = ledger_count(rq);

	db_stats(fixture_db, &before);
	assert_false(db_untouched(rq));
	db_begin(rq);
	assert_true(db_untouched(rq));
	rows = db_whole(rq, sql_whole, P_ID(30), P_TEXT("1"));
	assert_int_equal(row_id(rows_at(rows, 0), "id"), 30);
	assert_false(db_in_transaction(rq));
	db_stats(fixture_db, &after);
	assert_int_equal(after.transactions, before.transactions + 1);
	/* Committed: another connection sees it. */
	assert_int_equal(ledger_count(rq), count + 1);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fixture_try(&other, repeats_a_row, NULL), ERR_DUPLICATE);
		assert_string_equal(other.fault.field, "id");
		assert_false(other.fault.rerun);
		assert_null(other.session);
		request_release(&other);
		assert_int_equal(fixture_try(&other, defers_as_a_whole, NULL), ERR_VALIDATION);
		assert_string_equal(other.fault.field, "ledger_id");
		request_release(&other);
	}
	assert_int_equal(fixture_try(&other, comes_second, NULL), ERR_INTERNAL);
	request_release(&other);
	assert_int_equal(ledger_count(rq), count + 1);
	assert_int_equal(row_id(db_one(rq, "SELECT count(*) FROM entry"), "count"), 0);
	/* Their connections are good for the next. */
	db_begin(rq);
	db_do(rq, sql_insert, P_ID(33), P_TEXT("1"));
	db_commit(rq);
	assert_int_equal(ledger_count(rq), count + 2);
	coro_sleep(50);
	assert_int_equal(row_id(db_one(rq, sql_open, P_TEXT(fixture_schema)), "count"), 0);
}

static void
test_a_whole_transaction_is_one_statement(void **state)
{
	fixture_run(makes_a_whole, NULL);
}

static void
does_nothing(struct request *rq, void *arg)
{
	db_do(rq, sql_insert, P_ID(77), P_TEXT("1"));
}

static void
refuses_lone_do(struct request *rq, void *arg)
{
	struct request other;

	assert_int_equal(fixture_try(&other, does_nothing, NULL), ERR_INTERNAL);
	request_release(&other);
}

static void
test_db_do_needs_a_transaction(void **state)
{
	fixture_run(refuses_lone_do, NULL);
}

static void
sleeps(struct request *rq, void *arg)
{
	db_begin(rq);
	db_one(rq, "SET LOCAL statement_timeout = '50ms'");
	db_one(rq, "SELECT pg_sleep(1)");
}

static void
times_out(struct request *rq, void *arg)
{
	struct request other;

	assert_int_equal(fixture_try(&other, sleeps, NULL), ERR_UNAVAILABLE);
	request_release(&other);
}

static void
test_too_long_a_statement_is_unavailable(void **state)
{
	fixture_run(times_out, NULL);
}

static int
setup(void **state)
{
	if (fixture_setup(state) != 0)
		return -1;
	fixture_sql("CREATE TABLE ledger (id int8 PRIMARY KEY, amount numeric(18,2));"
		    "CREATE TABLE entry (ledger_id int8 REFERENCES ledger"
		    " DEFERRABLE INITIALLY DEFERRED)");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commit_keeps_and_rollback_forgets),
		cmocka_unit_test(test_the_first_error_is_told_and_the_connection_lives),
		cmocka_unit_test(test_unwinding_rolls_back_and_cleans_the_connection),
		cmocka_unit_test(test_a_deadlock_asks_for_a_rerun),
		cmocka_unit_test(test_a_lock_held_too_long_is_a_conflict),
		cmocka_unit_test(test_a_deferred_constraint_fails_the_commit),
		cmocka_unit_test(test_a_whole_transaction_is_one_statement),
		cmocka_unit_test(test_db_do_needs_a_transaction),
		cmocka_unit_test(test_too_long_a_statement_is_unavailable),
	};

	return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
