/* common/base/metric.h -- counters, gauges and histograms, added up over a daemon's processes.
 *
 * A metric is declared once, where its kin are; that is all there is to do:
 *
 *	METRIC(metric_echoes, .name = "bridge_loops_dropped_total", .type = METRIC_COUNTER,
 *	       .help = "Changes that were our own.", .label = "target", .values = "crm erp");
 *	metric_add(&metric_echoes, 1, 1);          // one more of "erp"
 *
 * Each process counts in memory of its own, with plain additions; all of it is mapped before the
 * workers are forked, so that whoever is asked answers for all of them, and a worker that is
 * started again goes on where the dead one was. Label values are few and known: never an id, a
 * path or anything that came from outside.
 * Names follow Prometheus: base units, "_total" for what only grows.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct text;

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,        /* the processes' sum */
	METRIC_PEAK,         /* a gauge: the highest of the processes */
	METRIC_LATEST,       /* a gauge of what they share: set last; left out after a minute */
	METRIC_HISTOGRAM,    /* of durations */
};

#define METRIC_VALUES_MAX 12

struct metric {
	const char *name, *help;
	enum metric_type type;
	const char *label;           /* its name, or several by commas; NULL: none */
	const char *values;          /* of the label, by spaces; NULL: see metric_series */
	const unsigned *bounds_us;   /* of a histogram, rising, ended by 0 */
	bool millionths;             /* what is counted; histograms count microseconds anyway */
	/* metric.c's own */
	uint64_t *at[METRIC_VALUES_MAX];
	int number;
	struct metric *next;
};

#define METRIC(variable, ...)                                                                      \
	struct metric variable = { __VA_ARGS__ };                                                  \
	__attribute__((constructor)) static void variable##_register(void)                         \
	{                                                                                          \
		metric_register(&variable);                                                        \
	}                                                                                          \
	struct metric

void metric_register(struct metric *metric);

/* Bounds from 100 us to 10 s, for most durations. */
extern const unsigned metric_bounds[];

/* value: position in .values, 0 without a label. Before metric_attach nothing is counted. */
static inline void
metric_add(struct metric *metric, int value, uint64_t more)
{
	uint64_t *at = metric->at[value];

	if (at)
		__atomic_store_n(at, *at + more, __ATOMIC_RELAXED);
}
/* Of gauges. */
void metric_set(struct metric *metric, int value, uint64_t now);
/* One more duration of a histogram. */
void metric_time(struct metric *metric, int value, uint64_t us);

/* Where this process counts one combination of labels ('route="/a",code="200"'), for those that
 * are not known beforehand: to be kept, and given to the functions below. NULL when there are too
 * many (said once) and before metric_attach; they take that. */
uint64_t *metric_series(struct metric *metric, const char *labels);
static inline void
metric_count(uint64_t *at, uint64_t more)
{
	if (at)
		__atomic_store_n(at, *at + more, __ATOMIC_RELAXED);
}
void metric_observe(const struct metric *metric, uint64_t *at, uint64_t us);
/* One look-up by the labels: for what is set seldom. */
void metric_set_labels(struct metric *metric, const char *labels, uint64_t now);

/* Maps the memory for so many processes: once, before any fork. */
void metric_share(int processes);
/* This one counts as that one of them from now on. */
void metric_attach(int process);

/* The page: every metric with the sums of all processes. */
void metric_write(struct text *out);

#endif
