/* tests/unit/test_event_window.c -- how many calls at once, for targets of several kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "event/window.h"

#define MOST 64

/* A target that does side_by_side calls at once, each in ms; used with as many as the window
 * allows. */
static void
use(struct window *window, int answers, int side_by_side, uint64_t ms)
{
	for (int i = 0; i < answers; i++) {
		int out = window_size(window, MOST);
		uint64_t turns = (uint64_t)((out + side_by_side - 1) / side_by_side);

		/* The quickest one found nobody before it. */
		window_note(window, out, MOST, (i % 20 ? turns : 1) * ms * 1000);
	}
}

static void
calls_that_wait_for_each_other_are_few(void **state)
{
	struct window window = { 0 };

	use(&window, 1000, 1, 5);
	assert_in_range(window_size(&window, MOST), WINDOW_LEAST, 10);
}

static void
a_target_that_does_all_side_by_side_gets_all(void **state)
{
	struct window window = { 0 };

	use(&window, 5000, 1000, 100);
	assert_int_equal(window_size(&window, MOST), MOST);
}

static void
one_that_does_some_side_by_side_gets_these_and_a_few_more(void **state)
{
	struct window window = { 0 };

	use(&window, 5000, 20, 5);
	assert_in_range(window_size(&window, MOST), 20, 40);
}

static void
it_opens_when_they_no_longer_wait_and_closes_when_they_do(void **state)
{
	struct window window = { 0 };

	use(&window, 1000, 1, 5);
	use(&window, 5000, 1000, 5);
	assert_int_equal(window_size(&window, MOST), MOST);
	use(&window, 200, 1, 5);
	assert_in_range(window_size(&window, MOST), WINDOW_LEAST, 16);
}

static void
a_target_that_has_moved_far_away_gets_all_again(void **state)
{
	struct window window = { 0 };

	use(&window, 1000, 1000, 2);
	use(&window, 20000, 1000, 80);
	assert_int_equal(window_size(&window, MOST), MOST);
}

static void
one_slow_answer_changes_little(void **state)
{
	struct window window = { 0 };

	use(&window, 5000, 1000, 5);
	window_note(&window, MOST, MOST, 10000000);
	assert_in_range(window_size(&window, MOST), MOST - 3, MOST);
}

static void
unused_it_stays_as_it_is(void **state)
{
	struct window window = { 0 };

	for (int i = 0; i < 1000; i++)
		window_note(&window, 1, MOST, 5000);
	assert_int_equal(window_size(&window, MOST), WINDOW_FIRST);
	assert_int_equal(window_size(&window, 3), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_that_wait_for_each_other_are_few),
		cmocka_unit_test(a_target_that_does_all_side_by_side_gets_all),
		cmocka_unit_test(one_that_does_some_side_by_side_gets_these_and_a_few_more),
		cmocka_unit_test(it_opens_when_they_no_longer_wait_and_closes_when_they_do),
		cmocka_unit_test(a_target_that_has_moved_far_away_gets_all_again),
		cmocka_unit_test(one_slow_answer_changes_little),
		cmocka_unit_test(unused_it_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
