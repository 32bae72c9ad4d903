/* tests/unit/test_event_budget.c -- the budget of retries, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "event/budget.h"

static const uint64_t start = 1000000;

static int
spend_all(struct budget *budget, uint64_t now)
{
	int spent = 0;

	while (budget_spend(budget, now))
		spent++;
	return spent;
}

static void
with_no_traffic_ten_a_second_may_go(void **state)
{
	struct budget budget = { 0 };
	int sum = spend_all(&budget, start);

	assert_int_equal(sum, BUDGET_FLOOR * BUDGET_SECONDS);
	for (int second = 1; second <= 100; second++)
		sum += spend_all(&budget, start + (uint64_t)second * 1000);
	assert_int_equal(sum, BUDGET_FLOOR * BUDGET_SECONDS * 11);
}

static void
a_fifth_of_the_first_tries_is_earned(void **state)
{
	struct budget budget = { 0 };

	for (int i = 0; i < 1000; i++)
		budget_earn(&budget, start + (uint64_t)i);
	assert_int_equal(budget_left(&budget, start + 1000),
			 BUDGET_FLOOR * BUDGET_SECONDS + 200);
	assert_int_equal(spend_all(&budget, start + 1000), BUDGET_FLOOR * BUDGET_SECONDS + 200);
	assert_false(budget_spend(&budget, start + 1000));
}

static void
what_is_older_than_ten_seconds_does_not_count(void **state)
{
	struct budget budget = { 0 };

	for (int i = 0; i < 1000; i++)
		budget_earn(&budget, start);
	assert_int_equal(budget_left(&budget, start + 9999), 300);
	assert_int_equal(budget_left(&budget, start + 10000), 100);
	budget_spend(&budget, start + 10000);
	assert_int_equal(budget_left(&budget, start + 10000), 99);
	assert_int_equal(budget_left(&budget, start + 20000), 100);
}

static void
it_is_never_less_than_nothing(void **state)
{
	struct budget budget = { 0 };

	for (int i = 0; i < 1000; i++)
		budget_earn(&budget, start);
	spend_all(&budget, start + 5000);
	/* The tries are forgotten before the retries that they paid for. */
	assert_int_equal(budget_left(&budget, start + 11000), 0);
	assert_int_equal(budget_left(&budget, start + 15000), 100);
}

/* A target that is well again bears any number of them; one that fails bears no more for it. */
static void
what_succeeds_is_not_spent(void **state)
{
	struct budget budget = { 0 };
	uint64_t now = start;

	for (int i = 0; i < 10000; i++, now++) {
		assert_true(budget_spend(&budget, now));
		budget_return(&budget);
	}
	assert_int_equal(budget_left(&budget, now), BUDGET_FLOOR * BUDGET_SECONDS);
	assert_int_equal(spend_all(&budget, now), BUDGET_FLOOR * BUDGET_SECONDS);
	for (int going = 1; going <= 64; going *= 2) {   /* all of them succeed */
		for (int i = 0; i < going; i++)
			budget_return(&budget);
		assert_int_equal(spend_all(&budget, now), 2 * going > 100 ? 100 : 2 * going);
	}
	budget_return(&(struct budget){ 0 });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_no_traffic_ten_a_second_may_go),
		cmocka_unit_test(a_fifth_of_the_first_tries_is_earned),
		cmocka_unit_test(what_is_older_than_ten_seconds_does_not_count),
		cmocka_unit_test(it_is_never_less_than_nothing),
		cmocka_unit_test(what_succeeds_is_not_spent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
