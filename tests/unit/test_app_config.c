/* tests/unit/test_app_config.c -- the nearest source wins; bad values name their place. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/config.h"

static const char *config_file, *url, *level;
static long port, wait_ms;
static bool migrate;

static const struct option common[] = {
	{ .name = "config", .type = OPTION_FILE, .value_text = &config_file, .text = "File." },
	{ .name = "port",
	  .type = OPTION_COUNT,
	  .initial = "8081",
	  .min = 0,
	  .max = 65535,
	  .value_number = &port,
	  .text = "Port." },
	{ .name = "wait",
	  .type = OPTION_DURATION,
	  .initial = "5s",
	  .min = 10,
	  .max = 3600000,
	  .value_number = &wait_ms,
	  .text = "Wait." },
	{ .name = "log-level",
	  .type = OPTION_CHOICE,
	  .initial = "info",
	  .choices = "debug info",
	  .value_text = &level,
	  .text = "Level." },
	{ .name = "migrate",
	  .type = OPTION_BOOL,
	  .initial = "off",
	  .value_bool = &migrate,
	  .text = "Migrate." },
	{ 0 }
};

static const struct option own[] = { { .name = "database",
				       .type = OPTION_TEXT,
				       .secret = true,
				       .value_text = &url,
				       .text = "URL." },
				     { 0 } };

static char folder[] = "/tmp/test_app_config_XXXXXX";

static const char *
file_with(const char *content)
{
	static char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/daemon.ini", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(content, file);
	fclose(file);
	return path;
}

#define LOAD(...) load((const char *[]){ "test", __VA_ARGS__, NULL })

static int
load(const char **words)
{
	char *argv[32];
	int argc = 0;

	for (; words[argc]; argc++)
		argv[argc] = (char *)words[argc];
	argv[argc] = NULL;
	return config_load(common, own, "TEST", "test: tests", argc, argv);
}

/* Loads in a child, since it exits; what it wrote goes to said. */
#define REFUSES(said, ...) \
	refuses(said, sizeof(said), (const char *[]){ "test", __VA_ARGS__, NULL })

static int
refuses(char *said, size_t size, const char **words)
{
	int ends[2];
	int status;
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		load(words);
		_exit(0);
	}
	close(ends[1]);
	while ((got = read(ends[0], said + length, size - 1 - length)) > 0)
		length += (size_t)got;
	said[length] = '\0';
	close(ends[0]);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void
nearest_source_wins(void **state)
{
	const char *path = file_with("# a comment\nport = 1\n\nwait=250ms\nlog-level = debug\n");

	assert_int_equal(LOAD("--port=7"), 2);
	assert_int_equal(port, 7);
	assert_int_equal(wait_ms, 5000);
	assert_string_equal(level, "info");

	LOAD("--config", path);
	assert_int_equal(port, 1);
	assert_int_equal(wait_ms, 250);
	assert_string_equal(level, "debug");

	setenv("TEST_PORT", "2", 1);
	setenv("TEST_LOG_LEVEL", "info", 1);
	LOAD("--config", path);
	assert_int_equal(port, 2);
	assert_string_equal(level, "info");

	LOAD("--config", path, "--port", "3");
	assert_int_equal(port, 3);
	unsetenv("TEST_PORT");
	unsetenv("TEST_LOG_LEVEL");

	setenv("TEST_CONFIG", path, 1);
	LOAD("--migrate");
	assert_int_equal(port, 1);
	assert_true(migrate);
	unsetenv("TEST_CONFIG");
}

static void
commands_begin_after_the_flags(void **state)
{
	assert_int_equal(LOAD("--migrate", "--port", "5", "status", "--verbose"), 4);
	assert_int_equal(LOAD("--migrate=off", "--", "--status"), 3);
	assert_false(migrate);
}

static void
durations_have_units(void **state)
{
	LOAD("--wait", "2min");
	assert_int_equal(wait_ms, 120000);
	LOAD("--wait", "1h");
	assert_int_equal(wait_ms, 3600000);
}

static void
secrets_come_from_files_and_are_masked(void **state)
{
	char path[160], flag[200], said[4096];

	snprintf(path, sizeof(path), "%s", file_with("postgresql://x:hidden@h/db\n"));
	snprintf(flag, sizeof(flag), "--database=@%s", path);
	LOAD(flag);
	assert_string_equal(url, "postgresql://x:hidden@h/db");
	assert_int_equal(REFUSES(said, flag, "--show-config"), 0);
	assert_non_null(strstr(said, "database = ********"));
	assert_null(strstr(said, "hidden"));
	assert_int_equal(REFUSES(said, "--database=@/nowhere"), 2);
	assert_non_null(strstr(said, "/nowhere"));
}

static void
bad_values_name_their_place(void **state)
{
	static const struct {
		const char *flag, *says;
	} bad[] = {
		{ "--port=70000", "--port: option port: 70000 is not between 0 and 65535" },
		{ "--port=8x", "\"8x\" is no whole number" },
		{ "--port=-1", "\"-1\" is no whole number" },
		{ "--port=99999999999999999999", "is no whole number" },
		{ "--wait=5", "is no duration" },
		{ "--wait=1ms", "1ms is not between 10ms and 1h" },
		{ "--log-level=loud", "\"loud\" is none of: debug info" },
		{ "--migrate=maybe", "neither on nor off" },
		{ "--nonsense=1", "--nonsense=1: there is no such option" },
		{ "--config=/nowhere.ini", "/nowhere.ini" },
		{ "--port", "needs a value" },
	};
	char said[4096], expected[256];
	const char *path = file_with("port = 1\nprot = 2\nnothing\nwait = soon\n");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(REFUSES(said, bad[i].flag), 2);
		assert_non_null(strstr(said, bad[i].says));
	}
	/* All of a file's mistakes at once, each with its line. */
	assert_int_equal(REFUSES(said, "--config", path), 2);
	snprintf(expected, sizeof(expected), "%s:2: there is no option \"prot\"", path);
	assert_non_null(strstr(said, expected));
	snprintf(expected, sizeof(expected), "%s:3: expected", path);
	assert_non_null(strstr(said, expected));
	snprintf(expected, sizeof(expected), "%s:4: option wait", path);
	assert_non_null(strstr(said, expected));
	setenv("TEST_WAIT", "x", 1);
	assert_int_equal(REFUSES(said, "--port=1"), 2);
	assert_non_null(strstr(said, "TEST_WAIT: option wait"));
	unsetenv("TEST_WAIT");
}

static void
help_and_documentation_come_from_the_table(void **state)
{
	char said[8192];

	assert_int_equal(REFUSES(said, "--help"), 0);
	assert_non_null(strstr(said, "--log-level"));
	assert_int_equal(REFUSES(said, "--config-doc"), 0);
	assert_non_null(strstr(said, "| `wait` | `TEST_WAIT` | 10ms .. 1h | `5s` | Wait. |"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_source_wins),
		cmocka_unit_test(commands_begin_after_the_flags),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(secrets_come_from_files_and_are_masked),
		cmocka_unit_test(bad_values_name_their_place),
		cmocka_unit_test(help_and_documentation_come_from_the_table),
	};
	char path[64];
	int failed;

	assert_non_null(mkdtemp(folder));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof(path), "%s/daemon.ini", folder);
	unlink(path);
	rmdir(folder);
	return failed;
}
