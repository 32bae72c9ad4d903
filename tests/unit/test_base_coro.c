/* tests/unit/test_base_coro.c -- coroutines park, wake, sleep and unwind cleanly. */
#include "unit.h"

#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/request.h"

static char trail[64];
static struct coro *sleeper;

static void
mark(const char *what)
{
	strncat(trail, what, sizeof(trail) - strlen(trail) - 1);
}

static void
first(void *arg)
{
	mark("a");
	sleeper = coro_self();
	coro_park();
	mark("c");
}

static void
second(void *arg)
{
	mark("b");
	coro_wake(sleeper);
	mark("-");
}

static void
run_loop(void)
{
	trail[0] = '\0';
	while (coro_count() > 0)
		event_base_loop(coro_loop(), EVLOOP_ONCE);
}

static void
waking_does_not_switch_at_once(void **state)
{
	coro_start(first, NULL);
	coro_start(second, NULL);
	run_loop();
	assert_string_equal(trail, "ab-c");
}

static void
early_wake(void *arg)
{
	coro_wake(coro_self());
	coro_park();
	mark("x");
	assert_false(coro_park_for(5));
	mark("y");
}

static void
an_early_wake_is_remembered_and_a_timed_park_ends(void **state)
{
	coro_start(early_wake, NULL);
	run_loop();
	assert_string_equal(trail, "xy");
}

static void
sleep_twenty(void *arg)
{
	uint64_t before = clock_ms();

	coro_sleep(20);
	assert_true(clock_ms() - before >= 20);
	mark("s");
}

static void
many_coroutines_sleep_at_once(void **state)
{
	for (int i = 0; i < 50; i++)
		coro_start(sleep_twenty, NULL);
	run_loop();
	assert_int_equal(strlen(trail), 50);
}

static void
on_thread(void *arg)
{
	usleep(1000);
	*(int *)arg = 7;
}

static void
use_thread(void *arg)
{
	int answer = 0;

	assert_true(coro_on_thread(on_thread, &answer));
	assert_int_equal(answer, 7);
	mark("t");
}

static void
blocking_work_runs_on_a_thread(void **state)
{
	for (int i = 0; i < 10; i++)
		coro_start(use_thread, NULL);
	run_loop();
	assert_string_equal(trail, "tttttttttt");
}

static int deferred, rolled_back;

static void
count_deferred(void *what)
{
	deferred += *(int *)what;
}

static void
count_rollback(struct request *rq)
{
	rolled_back++;
}

static void
work_that_fails(struct request *rq, void *arg)
{
	int *one = arena_new(&rq->arena, int);

	*one = 1;
	arena_defer(&rq->arena, count_deferred, one);
	coro_sleep(1);
	fault_field(rq, "lines[0].quantity", "out_of_range", "must be more than %d", 0);
	fault_field(rq, "name", "required", "is needed");
	fault_raise_collected(rq);
	mark("never");
}

static void
failing_request(void *arg)
{
	struct request rq;

	request_init(&rq, NULL);
	rq.rolled_back = count_rollback;
	assert_false(request_run(&rq, work_that_fails, NULL));
	assert_int_equal(rq.fault.code, ERR_VALIDATION);
	assert_int_equal(rq.fault.field_count, 2);
	assert_int_equal(rolled_back, 1);
	assert_non_null(strstr(fault_document(&rq, &rq.fault),
			       "\"errors\":[{\"field\":\"lines[0].quantity\","
			       "\"code\":\"out_of_range\",\"message\":\"must be more than 0\"},"
			       "{\"field\":\"name\""));
	request_release(&rq);
	assert_int_equal(deferred, 1);
	mark("f");
}

static void
a_fault_unwinds_to_the_root_and_releases_everything(void **state)
{
	coro_start(failing_request, NULL);
	run_loop();
	assert_string_equal(trail, "f");
}

static void
traces_are_continued_only_when_well_formed(void **state)
{
	struct request rq;

	request_init(&rq, NULL);
	assert_true(request_trace(&rq, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	assert_string_equal(rq.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_int_equal(strlen(rq.traceparent), 55);
	assert_null(strstr(rq.traceparent, "00f067aa0ba902b7"));
	assert_false(request_trace(&rq, "00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
	assert_false(request_trace(&rq, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
	assert_false(request_trace(&rq, "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	assert_false(request_trace(&rq, "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
	assert_false(request_trace(&rq, "00-4bf92f3577b34da6a3ce929d0e0e4736-0f067aa0ba902b7-01x"));
	assert_false(request_trace(&rq, ""));
	request_release(&rq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waking_does_not_switch_at_once),
		cmocka_unit_test(an_early_wake_is_remembered_and_a_timed_park_ends),
		cmocka_unit_test(many_coroutines_sleep_at_once),
		cmocka_unit_test(blocking_work_runs_on_a_thread),
		cmocka_unit_test(a_fault_unwinds_to_the_root_and_releases_everything),
		cmocka_unit_test(traces_are_continued_only_when_well_formed),
	};
	struct event_base *loop = event_base_new();

	coro_init(loop);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
