/* tests/unit/test_event_breaker.c -- the breaker and the retry schedule, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "event/breaker.h"
#include "event/schedule.h"

static void
fail_times(struct breaker *breaker, int times, uint64_t now)
{
	for (int i = 0; i < times; i++)
		breaker_failed(breaker, now, false, true);
}

static void
it_opens_after_five_failures_in_a_row(void **state)
{
	struct breaker breaker = { 0 };
	bool probe;

	fail_times(&breaker, 4, 100);
	assert_true(breaker_allows(&breaker, 100, &probe));
	assert_false(probe);
	breaker_succeeded(&breaker);
	fail_times(&breaker, 4, 100);
	assert_int_equal(breaker.state, BREAKER_CLOSED);
	fail_times(&breaker, 1, 100);
	assert_int_equal(breaker.state, BREAKER_OPEN);
	assert_false(breaker_allows(&breaker, 1099, &probe));
}

static void
it_lets_one_probe_through_and_closes_on_success(void **state)
{
	struct breaker breaker = { 0 };
	bool probe;

	fail_times(&breaker, 5, 0);
	assert_true(breaker_ready(&breaker, 1000));
	assert_true(breaker_allows(&breaker, 1000, &probe));
	assert_true(probe);
	assert_false(breaker_allows(&breaker, 1000, &probe));
	assert_false(breaker_allows(&breaker, 99999, &probe));
	breaker_succeeded(&breaker);
	assert_true(breaker_allows(&breaker, 1001, &probe));
	assert_false(probe);
}

static void
its_delay_doubles_to_30_seconds(void **state)
{
	struct breaker breaker = { 0 };
	uint64_t expected[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
	uint64_t now = 0;
	bool probe;

	fail_times(&breaker, 5, now);
	for (int i = 0; i < 7; i++) {
		assert_false(breaker_allows(&breaker, now + expected[i] - 1, &probe));
		now += expected[i];
		assert_true(breaker_allows(&breaker, now, &probe));
		breaker_failed(&breaker, now, true, true);
	}
	breaker_succeeded(&breaker);
	fail_times(&breaker, 5, now);
	assert_int_equal(breaker.until_ms, now + 1000);
}

static void
a_target_that_is_away_is_asked_soon_and_then_every_2_seconds(void **state)
{
	struct breaker breaker = { 0 };
	uint64_t expected[] = { 125, 250, 500, 1000, 2000, 2000, 2000 };
	uint64_t now = 0;
	bool probe;

	for (int i = 0; i < 5; i++)
		breaker_failed(&breaker, now, false, false);
	for (int i = 0; i < 7; i++) {
		assert_false(breaker_allows(&breaker, now + expected[i] - 1, &probe));
		now += expected[i];
		assert_true(breaker_allows(&breaker, now, &probe));
		breaker_failed(&breaker, now, true, false);
	}
}

static void
late_failures_of_others_change_nothing(void **state)
{
	struct breaker breaker = { 0 };
	bool probe;

	fail_times(&breaker, 5, 0);
	fail_times(&breaker, 60, 500);
	assert_int_equal(breaker.until_ms, 1000);
	assert_true(breaker_allows(&breaker, 1000, &probe));
	fail_times(&breaker, 60, 1001);
	assert_int_equal(breaker.state, BREAKER_PROBING);
}

static void
it_holds_as_the_target_asks_but_not_for_hours(void **state)
{
	struct breaker breaker = { 0 };
	bool probe;

	breaker_hold(&breaker, 0, 2000);
	assert_false(breaker_allows(&breaker, 1999, &probe));
	breaker_hold(&breaker, 1000, 500);
	assert_int_equal(breaker.until_ms, 2000);
	breaker_hold(&breaker, 1000, 3600000);
	assert_int_equal(breaker.until_ms, 31000);
	assert_true(breaker_allows(&breaker, 31000, &probe));
	assert_true(probe);
}

static void
the_schedule_grows_to_hourly_with_jitter(void **state)
{
	uint64_t steps[] = { 50, 250, 1000, 5000, 30000, 120000, 600000, 1800000, 3600000 };

	for (int attempt = 1; attempt < 200; attempt++) {
		uint64_t step = steps[attempt > 9 ? 8 : attempt - 1];

		for (uint32_t random = 0; random < 4000000000u; random += 99999989u) {
			uint64_t delay = schedule_delay_ms(attempt, random);

			assert_true(delay >= step * 8 / 10 && delay <= step * 12 / 10);
		}
	}
	assert_int_equal(schedule_delay_ms(1, 0), 40);
	assert_int_equal(schedule_delay_ms(1, 20), 60);
	assert_int_equal(schedule_delay_ms(0, 10), 50);
}

static void
what_says_nothing_of_what_was_sent_is_tried_again_within_2_seconds(void **state)
{
	const int away[] = { 0, 429, 502, 503, 504 };
	const int secret[] = { 401, 403 };

	for (int attempt = 1; attempt < 20; attempt++) {
		uint64_t usual = schedule_delay_ms(attempt, 7);
		uint64_t soon = usual > 2000 ? 2000 : usual;

		for (size_t i = 0; i < sizeof(away) / sizeof(*away); i++) {
			assert_true(schedule_is_away(away[i]));
			assert_int_equal(schedule_retry_ms(attempt, away[i], 7), soon);
		}
		for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++) {
			assert_false(schedule_is_away(secret[i]));
			assert_int_equal(schedule_retry_ms(attempt, secret[i], 7), soon);
		}
		assert_int_equal(schedule_retry_ms(attempt, 500, 7), usual);
		assert_int_equal(schedule_retry_ms(attempt, 422, 7), usual);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_opens_after_five_failures_in_a_row),
		cmocka_unit_test(it_lets_one_probe_through_and_closes_on_success),
		cmocka_unit_test(its_delay_doubles_to_30_seconds),
		cmocka_unit_test(a_target_that_is_away_is_asked_soon_and_then_every_2_seconds),
		cmocka_unit_test(late_failures_of_others_change_nothing),
		cmocka_unit_test(it_holds_as_the_target_asks_but_not_for_hours),
		cmocka_unit_test(the_schedule_grows_to_hourly_with_jitter),
		cmocka_unit_test(
			what_says_nothing_of_what_was_sent_is_tried_again_within_2_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
