/* tests/unit/test_base_metric.c -- processes count apart, and one page adds them up. */
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/metric.h"
#include "base/text.h"

static const unsigned bounds[] = { 1000, 5000, 0 };

static METRIC(metric_hits, .name = "test_hits_total", .type = METRIC_COUNTER, .label = "side",
	      .values = "left right", .help = "Hits.");
static METRIC(metric_open, .name = "test_open", .type = METRIC_GAUGE, .help = "Open.");
static METRIC(metric_worst, .name = "test_worst", .type = METRIC_PEAK, .help = "Worst.");
static METRIC(metric_shared, .name = "test_shared", .type = METRIC_LATEST, .millionths = true,
	      .help = "Shared.");
static METRIC(metric_never, .name = "test_never", .type = METRIC_LATEST, .help = "Never.");
static METRIC(metric_waits, .name = "test_wait_seconds", .type = METRIC_HISTOGRAM,
	      .bounds_us = bounds, .help = "Waits.");
static METRIC(metric_free, .name = "test_free_total", .type = METRIC_COUNTER, .label = "name",
	      .help = "Free.");

static void
count_as(int process)
{
	metric_attach(process);
	metric_add(&metric_hits, 1, (uint64_t)process + 1);
	metric_set(&metric_open, 0, 10);
	metric_set(&metric_worst, 0, process == 1 ? 7 : 3);
	metric_set(&metric_shared, 0, 1500000 + (uint64_t)process);
	metric_time(&metric_waits, 0, 1000);
	metric_time(&metric_waits, 0, process == 1 ? 6000 : 1001);
	metric_count(metric_series(&metric_free, "name=\"a\""), 1);
	metric_count(metric_series(&metric_free, process ? "name=\"b\"" : "name=\"a\""), 1);
}

static void
in_a_process(int process)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		count_as(process);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
expect(const char *page, const char *line)
{
	if (!strstr(page, line))
		unit_fail("no line \"%s\" in:\n%s", line, page);
}

static void
counting_before_a_process_is_attached_does_nothing(void **state)
{
	metric_add(&metric_hits, 0, 1);
	metric_time(&metric_waits, 0, 1);
	assert_null(metric_series(&metric_free, "name=\"c\""));
}

static void
one_page_adds_up_what_all_processes_counted(void **state)
{
	struct arena arena = { 0 };
	struct text out = text_in(&arena);
	const char *page;

	metric_add(&metric_never, 0, 1);
	metric_share(2);
	in_a_process(0);
	in_a_process(1);
	in_a_process(0);   /* started again in the place of the first */
	metric_write(&out);
	page = text_str(&out);
	expect(page, "# HELP test_hits_total Hits.\n# TYPE test_hits_total counter\n");
	expect(page, "\ntest_hits_total{side=\"left\"} 0\n");
	expect(page, "\ntest_hits_total{side=\"right\"} 4\n");
	expect(page, "\ntest_open 20\n");
	expect(page, "\ntest_worst 7\n");
	expect(page, "\ntest_shared 1.500000\n");
	expect(page, "# TYPE test_never gauge\n# HELP test_open ");
	expect(page, "test_wait_seconds_bucket{le=\"0.001\"} 3\n"
		     "test_wait_seconds_bucket{le=\"0.005\"} 5\n"
		     "test_wait_seconds_bucket{le=\"+Inf\"} 6\n"
		     "test_wait_seconds_sum 0.011002\ntest_wait_seconds_count 6\n");
	expect(page, "test_free_total{name=\"a\"} 5\ntest_free_total{name=\"b\"} 1\n");
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counting_before_a_process_is_attached_does_nothing),
		cmocka_unit_test(one_page_adds_up_what_all_processes_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
