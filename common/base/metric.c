/* common/base/metric.c -- keeps what each process counts in shared memory, and adds it up. */
#include "base/metric.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

#define SLOT_BYTES (1024 * 1024)   /* of one process; only what is used takes memory */
#define LABELS_MAX 240
#define STALE_US 60000000u

/* One combination of labels; its values follow the text. Only its process writes. */
struct series {
	uint32_t metric;               /* number */
	uint32_t size;                 /* in all, in bytes */
	uint32_t values_at;            /* bytes from the beginning */
	char labels[];
};

struct slot {
	uint64_t used;
	char bytes[SLOT_BYTES - sizeof(uint64_t)];
};

const unsigned metric_bounds[] = { 100,    250,    500,     1000,    2500,     5000,
				   10000,  25000,  50000,   100000,  250000,   500000,
				   1000000, 2500000, 5000000, 10000000, 0 };

static struct metric *first;
static struct metric **sorted;
static int metric_total;
static struct slot *slots;
static int slot_count;
static struct slot *mine;

void
metric_register(struct metric *metric)
{
	metric->next = first;
	first = metric;
	metric_total++;
}

static int
bound_count(const struct metric *metric)
{
	int count = 0;

	while (metric->bounds_us[count])
		count++;
	return count;
}

/* Of a histogram: one for each bound, one above them, and the sum. Of the latest: when it was. */
static int
value_count(const struct metric *metric)
{
	if (metric->type == METRIC_HISTOGRAM)
		return bound_count(metric) + 2;
	return metric->type == METRIC_LATEST ? 2 : 1;
}

static uint64_t *
values_of(const struct series *series)
{
	return (uint64_t *)((uintptr_t)series + series->values_at);
}

/* The next one of the slot, NULL after the last. */
static struct series *
next_series(struct slot *slot, struct series *series)
{
	uint64_t used = __atomic_load_n(&slot->used, __ATOMIC_ACQUIRE);
	char *at = series ? (char *)series + series->size : slot->bytes;

	return at < slot->bytes + used ? (struct series *)at : NULL;
}

static struct series *
find(const struct metric *metric, const char *labels)
{
	struct series *series = NULL;

	while ((series = next_series(mine, series)))
		if (series->metric == (uint32_t)metric->number &&
		    strcmp(series->labels, labels) == 0)
			return series;
	return NULL;
}

static struct series *
append(const struct metric *metric, const char *labels)
{
	size_t length = strlen(labels);
	size_t values_at = (sizeof(struct series) + length + 1 + 7) / 8 * 8;
	size_t size = values_at + (size_t)value_count(metric) * sizeof(uint64_t);
	struct series *series = (struct series *)(mine->bytes + mine->used);
	static bool told;

	if (length > LABELS_MAX || mine->used + size > sizeof(mine->bytes)) {
		if (!told)
			log_warn("too many labels to count", "metric", metric->name, NULL);
		told = true;
		return NULL;
	}
	series->metric = (uint32_t)metric->number;
	series->size = (uint32_t)size;
	series->values_at = (uint32_t)values_at;
	memcpy(series->labels, labels, length + 1);
	__atomic_store_n(&mine->used, mine->used + size, __ATOMIC_RELEASE);
	return series;
}

uint64_t *
metric_series(struct metric *metric, const char *labels)
{
	struct series *series;

	if (!mine)
		return NULL;
	series = find(metric, labels);
	if (!series)
		series = append(metric, labels);
	return series ? values_of(series) : NULL;
}

static void
set(const struct metric *metric, uint64_t *at, uint64_t now)
{
	if (!at)
		return;
	__atomic_store_n(at, now, __ATOMIC_RELAXED);
	if (metric->type == METRIC_LATEST)
		__atomic_store_n(at + 1, clock_us(), __ATOMIC_RELAXED);
}

void
metric_set(struct metric *metric, int value, uint64_t now)
{
	set(metric, metric->at[value], now);
}

void
metric_set_labels(struct metric *metric, const char *labels, uint64_t now)
{
	set(metric, metric_series(metric, labels), now);
}

void
metric_observe(const struct metric *metric, uint64_t *at, uint64_t us)
{
	const unsigned *bound = metric->bounds_us;
	uint64_t *sum;

	if (!at)
		return;
	while (*bound && us > *bound)
		bound++;
	metric_count(at + (bound - metric->bounds_us), 1);
	while (*bound)
		bound++;
	sum = at + (bound - metric->bounds_us) + 1;
	metric_count(sum, us);
}

void
metric_time(struct metric *metric, int value, uint64_t us)
{
	metric_observe(metric, metric->at[value], us);
}

/* ---- processes ---- */

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(struct metric *const *)a)->name, (*(struct metric *const *)b)->name);
}

void
metric_share(int processes)
{
	int count = 0;

	sorted = calloc((size_t)metric_total + 1, sizeof(struct metric *));
	slots = mmap(NULL, (size_t)processes * sizeof(*slots), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!sorted || slots == MAP_FAILED)
		die("out of memory");
	slot_count = processes;
	for (struct metric *metric = first; metric; metric = metric->next)
		sorted[count++] = metric;
	qsort(sorted, (size_t)count, sizeof(struct metric *), by_name);
	for (int i = 0; i < count; i++)
		sorted[i]->number = i;
}

/* All that are known beforehand show from the start, as 0. */
static void
attach(struct metric *metric)
{
	const char *value = metric->values;
	char labels[LABELS_MAX];
	int count = 0;

	if (!metric->label)
		metric->at[0] = metric_series(metric, "");
	while (value && *value) {
		size_t length = strcspn(value, " ");

		if (count == METRIC_VALUES_MAX)
			die("metric %s has too many values", metric->name);
		snprintf(labels, sizeof(labels), "%s=\"%.*s\"", metric->label, (int)length, value);
		metric->at[count++] = metric_series(metric, labels);
		value += length + strspn(value + length, " ");
	}
}

void
metric_attach(int process)
{
	struct series *series = NULL;

	mine = &slots[process];
	/* What the process before this one had is over; what it had counted stays. */
	while ((series = next_series(mine, series))) {
		const struct metric *metric = sorted[series->metric];

		if (metric->type != METRIC_COUNTER && metric->type != METRIC_HISTOGRAM)
			memset(values_of(series), 0, series->size - series->values_at);
	}
	for (int i = 0; i < metric_total; i++)
		attach(sorted[i]);
}

/* ---- the page ---- */

/* One combination of labels over all processes. */
struct sum {
	const char *labels;
	uint64_t *values;
	struct sum *next;
	UT_hash_handle hh;
};

struct family {
	struct sum *sums;              /* by labels, in order of appearance */
};

static struct sum *
sum_of(struct arena *arena, struct family *family, const struct series *series, int count)
{
	struct sum *sum;

	HASH_FIND_STR(family->sums, series->labels, sum);
	if (sum)
		return sum;
	sum = arena_new(arena, struct sum);
	sum->labels = series->labels;
	sum->values = arena_array(arena, uint64_t, (size_t)count);
	HASH_ADD_KEYPTR(hh, family->sums, sum->labels, strlen(sum->labels), sum);
	return sum;
}

static void
merge(const struct metric *metric, struct sum *sum, const uint64_t *values, int count)
{
	if (metric->type == METRIC_PEAK) {
		if (values[0] > sum->values[0])
			sum->values[0] = values[0];
	} else if (metric->type == METRIC_LATEST) {
		if (values[1] >= sum->values[1])
			memcpy(sum->values, values, 2 * sizeof(values[0]));
	} else {
		for (int i = 0; i < count; i++)
			sum->values[i] += __atomic_load_n(&values[i], __ATOMIC_RELAXED);
	}
}

static void
add_value(struct text *out, const struct metric *metric, uint64_t value)
{
	if (metric->millionths)
		text_addf(out, "%" PRIu64 ".%06" PRIu64 "\n", value / 1000000, value % 1000000);
	else
		text_addf(out, "%" PRIu64 "\n", value);
}

static void
write_histogram(struct text *out, const struct metric *metric, const struct sum *sum)
{
	const char *comma = *sum->labels ? "," : "";
	int bounds = bound_count(metric);
	uint64_t below = 0;

	for (int i = 0; i <= bounds; i++) {
		below += sum->values[i];
		text_addf(out, "%s_bucket{%s%sle=\"", metric->name, sum->labels, comma);
		if (i < bounds)
			text_addf(out, "%g", metric->bounds_us[i] / 1e6);
		else
			text_add(out, "+Inf");
		text_addf(out, "\"} %" PRIu64 "\n", below);
	}
	text_addf(out, "%s_sum%s%s%s %" PRIu64 ".%06" PRIu64 "\n", metric->name,
		  *sum->labels ? "{" : "", sum->labels, *sum->labels ? "}" : "",
		  sum->values[bounds + 1] / 1000000, sum->values[bounds + 1] % 1000000);
	text_addf(out, "%s_count%s%s%s %" PRIu64 "\n", metric->name, *sum->labels ? "{" : "",
		  sum->labels, *sum->labels ? "}" : "", below);
}

static void
write_sum(struct text *out, const struct metric *metric, const struct sum *sum)
{
	if (metric->type == METRIC_HISTOGRAM) {
		write_histogram(out, metric, sum);
		return;
	}
	if (metric->type == METRIC_LATEST &&
	    (sum->values[1] == 0 || clock_us() - sum->values[1] > STALE_US))
		return;
	text_add(out, metric->name);
	if (*sum->labels)
		text_addf(out, "{%s}", sum->labels);
	text_add_char(out, ' ');
	add_value(out, metric, sum->values[0]);
}

static void
write_family(struct text *out, const struct metric *metric, const struct family *family)
{
	static const char *const types[] = { "counter", "gauge", "gauge", "gauge", "histogram" };

	text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
		  types[metric->type]);
	for (const struct sum *sum = family->sums; sum; sum = sum->hh.next)
		write_sum(out, metric, sum);
}

void
metric_write(struct text *out)
{
	struct family *families =
		arena_array(out->arena, struct family, (size_t)metric_total + 1);

	for (int i = 0; i < slot_count; i++) {
		struct series *series = NULL;

		while ((series = next_series(&slots[i], series))) {
			const struct metric *metric = sorted[series->metric];
			int count = value_count(metric);

			merge(metric,
			      sum_of(out->arena, &families[series->metric], series, count),
			      values_of(series), count);
		}
	}
	for (int i = 0; i < metric_total; i++) {
		write_family(out, sorted[i], &families[i]);
		HASH_CLEAR(hh, families[i].sums);
	}
}
