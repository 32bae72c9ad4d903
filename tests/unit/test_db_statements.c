/* tests/unit/test_db_statements.c -- single statements: prepared once, alone in error. */
#include "db_fixture.h"

static const char sql_answer[] = "SELECT $1::int8 AS id, $2::text AS word, NULL AS nothing,"
				 " true AS yes";
static const char sql_divide[] = "SELECT 1 / $1::int";
static const char sql_prepared[] = "SELECT count(*) FROM pg_prepared_statements"
				   " WHERE statement = $1";
static const char sql_series[] = "SELECT i FROM generate_series(1, $1::int) AS i";
static const char sql_item[] = "SELECT * FROM item";
static const char sql_orphan[] = "INSERT INTO child VALUES ($1)";
static const char sql_insert[] = "INSERT INTO note VALUES ($1)";

static char zero[] = "0", one[] = "1", word[] = "zero";

static void
reads_columns(struct request *rq, void *arg)
{
	struct row *row = db_one(rq, sql_answer, P_ID(INT64_MIN), P_TEXT("x"));
	struct rows *rows = db_all(rq, sql_series, P_ID(1000));

	assert_non_null(row);
	assert_true(row_id(row, "id") == INT64_MIN);
	assert_string_equal(row_text(row, "word"), "x");
	assert_null(row_text(row, "nothing"));
	assert_true(row_null(row, "nothing"));
	assert_true(row_bool(row, "yes"));
	assert_string_equal(row_at(row, 1), "x");
	assert_int_equal(row_length(row, 1), 1);
	assert_int_equal(rows_count(rows), 1000);
	assert_int_equal(row_id(rows_at(rows, 999), "i"), 1000);
	assert_null(db_one(rq, sql_series, P_ID(0)));
	row = db_one(rq, sql_answer, P_ID(7), P_NULL);
	assert_true(row_null(row, "word"));
	row = db_one(rq, sql_answer, P_NULL, P_TEXT(""));
	assert_int_equal(row_id(row, "id"), 0);
	assert_string_equal(row_text(row, "word"), "");
}

static void
test_rows_are_read_by_name_and_position(void **state)
{
	fixture_run(reads_columns, NULL);
}

static void
asks_unknown_column(struct request *rq, void *arg)
{
	row_text(db_one(rq, sql_answer, P_ID(1), P_TEXT("x")), "wrod");
}

static void
divides(struct request *rq, void *arg)
{
	db_one(rq, sql_divide, P_TEXT(arg));
}

static void
fails_alone(struct request *rq, void *arg)
{
	struct request other;
	struct pending *good = db_send(rq, sql_series, P_ID(2));

	assert_int_equal(fixture_try(&other, divides, zero), ERR_VALIDATION);
	request_release(&other);
	assert_int_equal(fixture_try(&other, divides, word), ERR_VALIDATION);
	assert_string_equal(other.fault.detail, "invalid input syntax for type integer: \"zero\"");
	request_release(&other);
	assert_int_equal(fixture_try(&other, asks_unknown_column, NULL), ERR_INTERNAL);
	request_release(&other);
	assert_int_equal(rows_count(db_wait(rq, good)), 2);
	assert_int_equal(fixture_try(&other, divides, one), ERR_NONE);
	request_release(&other);
}

static void
test_an_error_touches_no_other_statement(void **state)
{
	fixture_run(fails_alone, NULL);
}

static void
prepares_once(struct request *rq, void *arg)
{
	char copy[sizeof sql_answer];

	memcpy(copy, sql_answer, sizeof copy);
	db_begin(rq);
	for (int i = 0; i < 5; i++)
		db_one(rq, sql_answer, P_ID(i), P_TEXT("again"));
	db_one(rq, copy, P_ID(1), P_TEXT("the same text elsewhere"));
	assert_int_equal(row_id(db_one(rq, sql_prepared, P_TEXT(sql_answer)), "count"), 1);
	db_all_once(rq, "SELECT 1 AS once");
	assert_int_equal(row_id(db_one(rq, sql_prepared, P_TEXT("SELECT 1 AS once")), "count"), 0);
	db_commit(rq);
}

static void
test_a_statement_is_prepared_once_per_connection(void **state)
{
	fixture_run(prepares_once, NULL);
}

static int running;

static void
reads_many(void *arg)
{
	struct request rq;

	for (int i = 0; i < 50; i++) {
		assert_int_equal(fixture_try(&rq, divides, one), ERR_NONE);
		request_release(&rq);
	}
	running--;
}

static void
reads_together(struct request *rq, void *arg)
{
	struct db_stats before, after;

	db_stats(fixture_db, &before);
	for (running = 0; running < 40; running++)
		coro_start(reads_many, NULL);
	while (running > 0)
		coro_sleep(5);
	db_stats(fixture_db, &after);
	assert_int_equal(after.statements - before.statements, 2000);
	assert_int_equal(after.shared_up, 2);
}

static void
test_many_requests_share_two_connections(void **state)
{
	fixture_run(reads_together, NULL);
}

static char words[12];

static void
gets(struct request *rq, void *arg)
{
	assert_string_equal(row_text(db_get(rq, sql_answer, P_ID(1), P_TEXT(arg)), "word"), arg);
}

static void
gets_quotient(struct request *rq, void *arg)
{
	assert_int_equal(atoi(row_at(db_get(rq, sql_divide, P_TEXT(arg)), 0)), 1);
}

static void
getter(void *arg)
{
	char *asked = arg;
	struct request rq;
	enum fault_code code = fixture_try(&rq, *asked < '2' ? gets_quotient : gets, asked);

	*asked = code == ERR_NONE ? '+' : code == ERR_VALIDATION ? '-' : '?';
	request_release(&rq);
	running--;
}

static void
gets_together(struct request *rq, void *arg)
{
	static char starts[] = "3140151617";
	static char each[10][2];
	struct request other;

	for (running = 0; running < 10; running++) {
		each[running][0] = starts[running];
		coro_start(getter, each[running]);
	}
	while (running > 0)
		coro_sleep(5);
	for (int i = 0; i < 10; i++)
		words[i] = each[i][0];
	assert_string_equal(words, "+++-++++++");
	assert_null(db_get(rq, sql_series, P_ID(0)));
	assert_int_equal(fixture_try(&other, gets_quotient, zero), ERR_VALIDATION);
	request_release(&other);
	db_begin(rq);
	gets(rq, one);
	db_commit(rq);
}

static void
test_quick_reads_share_a_batch_but_no_error(void **state)
{
	fixture_run(gets_together, NULL);
}

static void
inserts_orphan(struct request *rq, void *arg)
{
	db_all(rq, sql_orphan, P_ID(5));
}

static void
fails_late(struct request *rq, void *arg)
{
	struct request other;

	fixture_sql("CREATE TABLE parent (id int8 PRIMARY KEY);"
		    "CREATE TABLE child (parent_id int8 REFERENCES parent"
		    " DEFERRABLE INITIALLY DEFERRED)");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fixture_try(&other, inserts_orphan, NULL), ERR_VALIDATION);
		assert_string_equal(other.fault.field, "parent_id");
		request_release(&other);
	}
	fixture_sql("INSERT INTO parent VALUES (5)");
	inserts_orphan(rq, NULL);
}

static void
test_a_statement_is_done_when_it_is_committed(void **state)
{
	fixture_run(fails_late, NULL);
}

static void
survives_new_columns(struct request *rq, void *arg)
{
	struct rows *rows;

	fixture_sql("CREATE TABLE item (a int); INSERT INTO item VALUES (1)");
	for (int i = 0; i < 4; i++)
		db_all(rq, sql_item);
	fixture_sql("ALTER TABLE item ADD COLUMN b int DEFAULT 7");
	rows = db_all(rq, sql_item);
	assert_int_equal(row_id(rows_at(rows, 0), "b"), 7);
}

static void
test_a_changed_table_is_read_as_it_is_now(void **state)
{
	fixture_run(survives_new_columns, NULL);
}

static void
prepares_too_early(struct request *rq, void *arg)
{
	db_all(rq, "SELECT * FROM later");
}

static void
prepares_again(struct request *rq, void *arg)
{
	struct request other;

	assert_int_equal(fixture_try(&other, prepares_too_early, NULL), ERR_INTERNAL);
	request_release(&other);
	fixture_sql("CREATE TABLE later (a int)");
	prepares_too_early(rq, NULL);
}

static void
test_a_statement_that_could_not_be_prepared_is_tried_anew(void **state)
{
	fixture_run(prepares_again, NULL);
}

static void
sends_much(struct request *rq, void *arg)
{
	size_t size = 3 * 1000 * 1000;
	char *big = malloc(size + 1);
	struct pending *pending[8];

	memset(big, 'x', size);
	big[size] = '\0';
	fixture_sql("CREATE TABLE note (body text)");
	for (int i = 0; i < 8; i++)
		pending[i] = db_send(rq, sql_answer, P_ID(i), P_TEXT(big));
	for (int i = 0; i < 8; i++)
		assert_int_equal(row_length(rows_at(db_wait(rq, pending[i]), 0), 1), size);
	db_begin(rq);
	db_do(rq, sql_insert, P_TEXT(big));
	db_commit(rq);
	free(big);
}

static void
test_more_than_the_sockets_hold_gets_through(void **state)
{
	fixture_run(sends_much, NULL);
}

static void
forgets(struct request *rq, void *arg)
{
	db_send(rq, "SELECT pg_sleep(0.05)");
	fail(rq, ERR_NOT_FOUND);
}

static void
goes_on(struct request *rq, void *arg)
{
	struct request other;

	assert_int_equal(fixture_try(&other, forgets, NULL), ERR_NOT_FOUND);
	request_release(&other);
	coro_sleep(100);
	divides(rq, one);
}

static void
test_an_answer_nobody_waits_for_is_thrown_away(void **state)
{
	fixture_run(goes_on, NULL);
}

static void
is_ready(struct request *rq, void *arg)
{
	assert_true(db_ready(fixture_db));
}

static void
test_the_pool_says_it_is_ready(void **state)
{
	fixture_run(is_ready, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_read_by_name_and_position),
		cmocka_unit_test(test_an_error_touches_no_other_statement),
		cmocka_unit_test(test_a_statement_is_prepared_once_per_connection),
		cmocka_unit_test(test_many_requests_share_two_connections),
		cmocka_unit_test(test_quick_reads_share_a_batch_but_no_error),
		cmocka_unit_test(test_a_statement_is_done_when_it_is_committed),
		cmocka_unit_test(test_a_changed_table_is_read_as_it_is_now),
		cmocka_unit_test(test_a_statement_that_could_not_be_prepared_is_tried_anew),
		cmocka_unit_test(test_more_than_the_sockets_hold_gets_through),
		cmocka_unit_test(test_an_answer_nobody_waits_for_is_thrown_away),
		cmocka_unit_test(test_the_pool_says_it_is_ready),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
