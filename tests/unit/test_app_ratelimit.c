/* tests/unit/test_app_ratelimit.c -- buckets give their burst and refill by the clock. */
#include "unit.h"

#include <stdio.h>

#include "app/ratelimit.h"

static void
gives_the_burst_then_says_when(void **state)
{
	struct ratelimit limit = { .burst = 5, .count = 5, .ms = 60000 };

	for (int i = 0; i < 5; i++)
		assert_int_equal(ratelimit_take(&limit, "a", 1000), 0);
	/* 5 a minute is one every 12 s. */
	assert_in_range(ratelimit_take(&limit, "a", 1000), 12, 13);
	assert_in_range(ratelimit_peek(&limit, "a", 1000), 12, 13);
	assert_int_equal(ratelimit_take(&limit, "b", 1000), 0);
	assert_int_equal(ratelimit_take(&limit, "a", 1000 + 12001), 0);
	assert_int_not_equal(ratelimit_take(&limit, "a", 1000 + 12001), 0);
	ratelimit_release(&limit);
}

static void
never_holds_more_than_the_burst(void **state)
{
	struct ratelimit limit = { .burst = 2, .count = 100, .ms = 1000 };

	assert_int_equal(ratelimit_take(&limit, "a", 0), 0);
	assert_int_equal(ratelimit_take(&limit, "a", 1000000), 0);
	assert_int_equal(ratelimit_take(&limit, "a", 1000000), 0);
	assert_int_equal(ratelimit_take(&limit, "a", 1000000), 1);
	ratelimit_release(&limit);
}

static void
takes_back_what_did_not_count(void **state)
{
	struct ratelimit limit = { .burst = 1, .count = 1, .ms = 60000 };

	for (int i = 0; i < 10; i++) {
		assert_int_equal(ratelimit_take(&limit, "a", 0), 0);
		ratelimit_return(&limit, "a");
	}
	ratelimit_return(&limit, "a");
	assert_int_equal(ratelimit_take(&limit, "a", 0), 0);
	assert_int_not_equal(ratelimit_take(&limit, "a", 0), 0);
	ratelimit_release(&limit);
}

static void
zero_is_no_limit(void **state)
{
	struct ratelimit limit = { .burst = 1, .count = 0, .ms = 1000 };

	for (int i = 0; i < 1000; i++)
		assert_int_equal(ratelimit_take(&limit, "a", 0), 0);
	assert_null(limit.buckets);
}

static void
does_not_grow_without_end(void **state)
{
	struct ratelimit limit = { .burst = 10, .count = 1, .ms = 1000 };
	char key[32];

	for (int i = 0; i < 50000; i++) {
		snprintf(key, sizeof(key), "10.0.%d.%d", i / 256, i % 256);
		assert_int_equal(ratelimit_take(&limit, key, (uint64_t)i), 0);
	}
	ratelimit_release(&limit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_burst_then_says_when),
		cmocka_unit_test(never_holds_more_than_the_burst),
		cmocka_unit_test(takes_back_what_did_not_count),
		cmocka_unit_test(zero_is_no_limit),
		cmocka_unit_test(does_not_grow_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
