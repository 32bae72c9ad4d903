/* tests/unit/test_app_roles.c -- lists of role names become bits, and no bits deny. */
#include "unit.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/password.h"
#include "base/request.h"
#include "base/roles.h"

static const char *const names[] = { "admin", "sales", "support", NULL };

static void
names_become_bits(void **state)
{
	assert_int_equal(roles_parse("admin"), 1);
	assert_int_equal(roles_parse(" sales  support "), 6);
	assert_true(roles_parse("*") == ROLES_ALL);
	assert_int_equal(roles_parse(NULL), 0);
	assert_int_equal(roles_parse(""), 0);
	assert_int_equal(role_bit("sale", 4), 0);
	assert_int_equal(role_bit("sales", 5), 2);
}

static void
arrays_from_outside_skip_the_unknown(void **state)
{
	assert_int_equal(roles_from_array("{admin,support}"), 5);
	assert_int_equal(roles_from_array("{\"sales\",ghost}"), 2);
	assert_int_equal(roles_from_array("{}"), 0);
}

static void
an_unknown_name_stops_the_start(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		roles_parse("sales ghost");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void
nobody_named_is_nobody_allowed(void **state)
{
	struct actor sales = { .user_id = 7, .roles = 2 };
	struct actor admin = { .user_id = 8, .roles = 1 };
	struct actor none = { .user_id = 9 };
	struct actor daemon = { .user_id = 0 };

	assert_true(role_allowed(&sales, 2));
	assert_false(role_allowed(&sales, 4));
	assert_false(role_allowed(&sales, 0));
	assert_true(role_allowed(&admin, 0));
	assert_true(role_allowed(&daemon, 0));
	assert_false(role_allowed(&none, ROLES_ALL));
}

static void
weak_passwords_are_refused(void **state)
{
	char longest[202];

	for (int i = 0; i < 201; i++)
		longest[i] = (char)('a' + i % 26);
	longest[201] = '\0';
	assert_non_null(password_problem("short"));
	assert_non_null(password_problem("Password1"));
	assert_non_null(password_problem(longest));
	longest[200] = '\0';
	assert_null(password_problem(longest));
	assert_null(password_problem("correct horse"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_bits),
		cmocka_unit_test(arrays_from_outside_skip_the_unknown),
		cmocka_unit_test(an_unknown_name_stops_the_start),
		cmocka_unit_test(nobody_named_is_nobody_allowed),
		cmocka_unit_test(weak_passwords_are_refused),
	};

	roles_define(names);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
