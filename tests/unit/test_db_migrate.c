/* tests/unit/test_db_migrate.c -- migrations are applied once, in order, and never changed. */
#include "db_fixture.h"

#include <sys/wait.h>

#include "db/migrate.h"

#define ONE "CREATE TABLE one (id int); SELECT pg_sleep(0.1);"
#define TWO "ALTER TABLE one ADD COLUMN two text DEFAULT 'a;b';\nCREATE TABLE two (id int);"

static const struct migration first[] = { { "common/0001_one", ONE },
					  { "test/0001_two", TWO },
					  { 0 } };
static const struct migration longer[] = { { "common/0001_one", ONE },
					   { "test/0001_two", TWO },
					   { "test/0002_three", "CREATE TABLE three (id int);" },
					   { 0 } };
static const struct migration changed[] = { { "common/0001_one", "CREATE TABLE one (id int8);" },
					    { 0 } };
static const struct migration broken[] = {
	{ "common/0001_one", ONE },
	{ "test/0001_two", TWO },
	{ "test/0002_three", "CREATE TABLE three (id int);" },
	{ "test/0003_bad", "CREATE TABLE four (id int); CREATE TABEL five (id int);" },
	{ 0 }
};
static const struct migration diverged[] = { { "common/0001_one", ONE },
					     { "test/0009_other", "SELECT 1" },
					     { 0 } };
static const struct migration locking[] = { { "common/0001_one", ONE },
					    { "test/0001_two", TWO },
					    { "test/0002_three", "CREATE TABLE three (id int);" },
					    { "test/0003_four",
					      "ALTER TABLE one ADD COLUMN four int;" },
					    { 0 } };

static void
test_two_at_once_apply_each_migration_once(void **state)
{
	const char *error = NULL;
	int applied, status;
	pid_t child;

	assert_int_equal(migrate_missing(fixture_url, first, &error), 2);
	child = fork();
	if (child == 0)
		_exit(migrate_apply(fixture_url, first, &error) < 0 ? 99 : 0);
	applied = migrate_apply(fixture_url, first, &error);
	assert_in_range(applied, 0, 2);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_string_equal(fixture_sql("SELECT count(*) FROM schema_migration"), "2");
	assert_int_equal(migrate_missing(fixture_url, first, &error), 0);
	assert_int_equal(migrate_apply(fixture_url, first, &error), 0);
}

static void
test_only_what_is_missing_is_applied(void **state)
{
	const char *error = NULL;

	assert_int_equal(migrate_missing(fixture_url, longer, &error), 1);
	assert_int_equal(migrate_apply(fixture_url, longer, &error), 1);
	/* An older program on a newer schema is fine. */
	assert_int_equal(migrate_missing(fixture_url, first, &error), 0);
}

static void
test_a_changed_migration_is_refused(void **state)
{
	const char *error = NULL;

	assert_int_equal(migrate_apply(fixture_url, changed, &error), -1);
	assert_non_null(strstr(error, "common/0001_one was changed"));
	assert_true(strlen(error) > 128 + 40);
	assert_int_equal(migrate_missing(fixture_url, changed, &error), -1);
	assert_int_equal(migrate_apply(fixture_url, diverged, &error), -1);
	assert_non_null(strstr(error, "test/0009_other"));
}

static void
test_a_broken_migration_leaves_nothing_and_says_where(void **state)
{
	const char *error = NULL;

	assert_int_equal(migrate_apply(fixture_url, broken, &error), -1);
	assert_non_null(strstr(error, "test/0003_bad, character 36"));
	assert_string_equal(fixture_sql("SELECT to_regclass('four') IS NULL"), "t");
	assert_int_equal(migrate_missing(fixture_url, broken, &error), 1);
}

static void
test_a_locked_table_is_waited_for(void **state)
{
	const char *error = NULL;
	PGconn *pg = PQconnectdb(fixture_url);
	pid_t child;
	int status;

	PQclear(PQexec(pg, "BEGIN; LOCK TABLE one"));
	child = fork();
	if (child == 0) {
		log_init("test", (enum log_level)(LOG_ERROR_ + 1), "text");
		_exit(migrate_apply(fixture_url, locking, &error) == 1 ? 0 : 1);
	}
	usleep(3500000);
	PQclear(PQexec(pg, "COMMIT"));
	PQfinish(pg);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
test_a_schema_that_is_not_there_is_said(void **state)
{
	const char *error = NULL;
	char url[700];

	snprintf(url, sizeof url, "%s_absent", fixture_url);
	assert_int_equal(migrate_apply(url, first, &error), -1);
	assert_non_null(strstr(error, "search_path"));
	assert_int_equal(migrate_apply("postgresql://nobody@127.0.0.1:1/none", first, &error), -1);
	assert_non_null(error);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_at_once_apply_each_migration_once),
		cmocka_unit_test(test_only_what_is_missing_is_applied),
		cmocka_unit_test(test_a_changed_migration_is_refused),
		cmocka_unit_test(test_a_broken_migration_leaves_nothing_and_says_where),
		cmocka_unit_test(test_a_locked_table_is_waited_for),
		cmocka_unit_test(test_a_schema_that_is_not_there_is_said),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
