/* tests/unit/test_event_lanes.c -- each record stays in order, whatever way its items come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "event/lanes.h"

static int released;

/* What flies is the test's own until it is recorded. */
static struct lane_item *in_the_air[64];
static struct lanes the_lanes;

static void
release(struct lane_item *item)
{
	released++;
	for (int i = 0; i < 64; i++)
		if (in_the_air[i] == item)
			in_the_air[i] = NULL;
	free(item);
}

static struct lanes *
begin(void)
{
	lanes_init(&the_lanes, release);
	return &the_lanes;
}

static struct lane_item *
fly(struct lanes *lanes, bool fresh_first)
{
	struct lane_item *item = lanes_next(lanes, fresh_first);
	int i = 0;

	while (item && in_the_air[i] && in_the_air[i] != item)
		i++;
	if (item)
		in_the_air[i] = item;
	return item;
}

static int
end(void **state)
{
	for (int i = 0; i < 64; i++)
		if (in_the_air[i]) {
			if (in_the_air[i]->state == LANE_FLYING)
				lanes_delivered(&the_lanes, in_the_air[i]);
			lanes_recorded(&the_lanes, in_the_air[i]);
		}
	lanes_release(&the_lanes);
	return 0;
}

static struct lane_item *
item_new(int64_t id, int64_t version)
{
	struct lane_item *item = calloc(1, sizeof(*item));

	item->id = id;
	item->version = version;
	return item;
}

/* Ids are record * 1000 + version here. */
static bool
offer(struct lanes *lanes, int64_t record, int64_t version, int64_t older, bool *load)
{
	struct lane_item *item = item_new(record * 1000 + version, version);
	bool taken = lanes_offer(lanes, "order", record, older, item, 0, load);

	if (!taken)
		free(item);
	return taken;
}

static bool
load(struct lanes *lanes, int64_t record, int64_t version, uint64_t now)
{
	struct lane_item *item = item_new(record * 1000 + version, version);
	bool taken = lanes_load(lanes, "order", record, item, now);

	if (!taken)
		free(item);
	return taken;
}

static void
deliver(struct lanes *lanes, struct lane_item *item)
{
	lanes_delivered(lanes, item);
	lanes_recorded(lanes, item);
}

static void
one_of_a_record_flies_at_a_time(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	assert_true(offer(lanes, 1, 1, 0, &more));
	assert_true(offer(lanes, 1, 2, 1, &more));
	assert_true(offer(lanes, 2, 1, 0, &more));

	struct lane_item *first = fly(lanes, false);
	struct lane_item *other = fly(lanes, false);

	assert_int_equal(first->id, 1001);
	assert_int_equal(other->id, 2001);
	assert_null(fly(lanes, false));
	deliver(lanes, first);
	assert_int_equal(fly(lanes, false)->id, 1002);
	assert_int_equal(lanes->flying, 2);
	assert_int_equal(lanes->waiting, 0);
}

static void
entities_with_the_same_id_are_different_lanes(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	assert_true(lanes_offer(lanes, "order", 1, 0, item_new(1, 1), 0, &more));
	assert_true(lanes_offer(lanes, "orde", 1, 0, item_new(2, 1), 0, &more));
	assert_non_null(fly(lanes, false));
	assert_non_null(fly(lanes, false));
}

static void
an_offer_that_leaves_a_gap_is_refused(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	/* Version 2 is pending, but not here. */
	assert_false(offer(lanes, 1, 3, 2, &more));
	assert_true(more);
	assert_true(offer(lanes, 1, 1, 0, &more));
	assert_false(offer(lanes, 1, 3, 2, &more));
	assert_true(more);
	/* The same one again. */
	assert_false(offer(lanes, 1, 1, 0, &more));
	assert_false(more);
}

static void
a_delivered_one_still_counts_until_it_is_recorded(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	offer(lanes, 1, 1, 0, &more);

	struct lane_item *item = fly(lanes, false);

	lanes_delivered(lanes, item);
	assert_true(offer(lanes, 1, 2, 1, &more));
	lanes_recorded(lanes, item);
	assert_true(offer(lanes, 1, 3, 2, &more));
	deliver(lanes, fly(lanes, false));
	deliver(lanes, fly(lanes, false));
	/* Nothing is left: the database must be asked. */
	assert_int_equal(lanes->lane_count, 0);
	assert_false(offer(lanes, 1, 5, 4, &more));
	assert_true(more);
}

static void
a_failed_record_blocks_only_itself(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	offer(lanes, 1, 1, 0, &more);
	offer(lanes, 1, 2, 1, &more);
	offer(lanes, 2, 1, 0, &more);
	lanes_failed(lanes, fly(lanes, false), 100);
	assert_int_equal(lanes->waiting, 1);
	assert_int_equal(fly(lanes, false)->id, 2001);
	assert_null(fly(lanes, false));

	/* While it is blocked, neither a fresh one nor a load gets in, and none is asked for. */
	assert_false(offer(lanes, 1, 3, 2, &more));
	assert_false(more);
	assert_false(load(lanes, 1, 1, 99));
	assert_true(load(lanes, 1, 1, 100));
	assert_true(load(lanes, 1, 2, 100));
	assert_int_equal(fly(lanes, false)->id, 1001);
}

static void
after_a_failure_what_was_behind_counts_no_more(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	offer(lanes, 1, 1, 0, &more);
	offer(lanes, 1, 2, 1, &more);

	struct lane_item *first = fly(lanes, false);

	lanes_delivered(lanes, first);
	lanes_failed(lanes, fly(lanes, false), 0);
	/* The lane lives on because of the first one, but version 2 is not here. */
	assert_false(offer(lanes, 1, 3, 2, &more));
	assert_true(more);
	lanes_recorded(lanes, first);
	assert_int_equal(lanes->lane_count, 0);
}

static void
a_load_that_began_before_brings_nothing_back(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	released = 0;
	lanes_load_begin(lanes);
	offer(lanes, 1, 1, 0, &more);
	deliver(lanes, fly(lanes, false));
	assert_int_equal(released, 0);
	assert_true(lanes_known(lanes, 1001));
	assert_false(load(lanes, 1, 1, 0));
	lanes_load_end(lanes, 0);
	assert_int_equal(released, 1);
	assert_false(lanes_known(lanes, 1001));
}

static void
a_lane_that_ran_out_says_that_there_is_more(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	load(lanes, 1, 1, 0);
	load(lanes, 1, 2, 0);
	lanes_deeper(lanes, "order", 1);
	assert_false(offer(lanes, 1, 9, 8, &more));
	assert_false(more);
	assert_false(lanes_delivered(lanes, fly(lanes, false)));
	assert_true(lanes_delivered(lanes, fly(lanes, false)));
}

static void
a_probe_prefers_a_fresh_one(void **state)
{
	struct lanes *lanes = begin();
	struct lane_item *tried = item_new(1001, 1);
	bool more;

	tried->attempts = 3;
	lanes_load(lanes, "order", 1, tried, 0);
	offer(lanes, 2, 1, 0, &more);
	assert_int_equal(fly(lanes, true)->id, 2001);
	assert_int_equal(fly(lanes, true)->id, 1001);
}

static void
clearing_keeps_what_is_on_its_way(void **state)
{
	struct lanes *lanes = begin();
	bool more;

	offer(lanes, 1, 1, 0, &more);
	offer(lanes, 1, 2, 1, &more);
	offer(lanes, 2, 1, 0, &more);

	struct lane_item *flying = fly(lanes, false);

	lanes_clear(lanes);
	assert_int_equal(lanes->waiting, 0);
	assert_int_equal(lanes->lane_count, 1);
	assert_false(offer(lanes, 1, 3, 2, &more));
	assert_true(load(lanes, 1, 2, 0));
	assert_null(fly(lanes, false));
	deliver(lanes, flying);
	assert_int_equal(fly(lanes, false)->id, 1002);
}

/* ---- a random world: a database with pending rows, writers, loads, failures ---- */

#define RECORDS 20
#define VERSIONS 60
#define FLYING 8

struct world {
	struct lanes lanes;
	bool pending[RECORDS][VERSIONS + 1];
	bool sent[RECORDS][VERSIONS + 1];
	int written[RECORDS];              /* newest version */
	int in_flight[RECORDS];
	struct lane_item *flying[FLYING];
	struct lane_item *unrecorded[64];
	int unrecorded_count;
	bool snapshot[RECORDS][VERSIONS + 1];
	uint64_t now;
	unsigned seed;
	int left;
	bool trouble;
};

static int
chance(struct world *w, int n)
{
	w->seed = w->seed * 1103515245u + 12345u;
	return (int)((w->seed >> 8) % (unsigned)n);
}

static int
record_of(const struct lane_item *item)
{
	return (int)(item->id / 1000);
}

static void
world_write(struct world *w)
{
	int record = chance(w, RECORDS);
	int version = w->written[record] + 1, older = 0;
	bool more;

	if (version > VERSIONS)
		return;
	for (int v = 1; v < version; v++)
		if (w->pending[record][v])
			older = v;
	w->pending[record][version] = true;
	w->written[record] = version;
	w->left++;
	/* Some are written by another process, which offers nothing here. */
	if (chance(w, 4) > 0)
		offer(&w->lanes, record, version, older, &more);
}

static void
world_snapshot(struct world *w)
{
	lanes_load_begin(&w->lanes);
	for (int r = 0; r < RECORDS; r++)
		for (int v = 1; v <= VERSIONS; v++)
			w->snapshot[r][v] = w->pending[r][v];
}

static void
world_load(struct world *w)
{
	if (!w->lanes.loading)
		return;
	for (int r = 0; r < RECORDS; r++) {
		int depth = 0;

		for (int v = 1; v <= VERSIONS && depth < 3; v++)
			if (w->snapshot[r][v]) {
				load(&w->lanes, r, v, w->now);
				depth++;
			}
		if (depth == 3)
			lanes_deeper(&w->lanes, "order", r);
	}
	lanes_load_end(&w->lanes, w->now);
}

static void
world_send(struct world *w)
{
	int slot = chance(w, FLYING);

	if (w->flying[slot] != NULL)
		return;

	struct lane_item *item = lanes_next(&w->lanes, chance(w, 2) == 0);

	if (item == NULL)
		return;
	w->flying[slot] = item;
	assert_int_equal(++w->in_flight[record_of(item)], 1);
	for (int v = 1; v < item->version; v++)
		if (!w->sent[record_of(item)][v] && w->pending[record_of(item)][v])
			fail_msg("record %d: version %d before %d", record_of(item),
				 (int)item->version, v);
}

static void
world_answer(struct world *w)
{
	int slot = chance(w, FLYING);
	struct lane_item *item = w->flying[slot];

	if (item == NULL || w->unrecorded_count == 64)
		return;
	w->flying[slot] = NULL;
	w->in_flight[record_of(item)]--;
	if (w->trouble && chance(w, 3) == 0) {
		lanes_failed(&w->lanes, item, w->now + (uint64_t)chance(w, 50));
		return;
	}
	if (w->sent[record_of(item)][item->version])
		fail_msg("sent twice without a failure");
	w->sent[record_of(item)][item->version] = true;
	lanes_delivered(&w->lanes, item);
	w->unrecorded[w->unrecorded_count++] = item;
}

static void
world_record(struct world *w)
{
	for (int i = 0; i < w->unrecorded_count; i++) {
		struct lane_item *item = w->unrecorded[i];

		w->pending[record_of(item)][item->version] = false;
		w->left--;
		lanes_recorded(&w->lanes, item);
	}
	w->unrecorded_count = 0;
}

static void
world_step(struct world *w)
{
	w->now++;
	switch (chance(w, 12)) {
	case 0:
	case 1:
		world_write(w);
		break;
	case 2:
		world_snapshot(w);
		break;
	case 3:
		world_load(w);
		break;
	case 4:
		world_record(w);
		break;
	case 5:
		if (chance(w, 40) == 0)
			lanes_clear(&w->lanes);
		break;
	case 6:
	case 7:
	case 8:
		world_send(w);
		break;
	default:
		world_answer(w);
	}
}

static void
world_quiet(struct world *w)
{
	int steps = 0;

	w->trouble = false;
	for (; w->left > 0 && steps < 1000000; steps++) {
		w->now++;
		world_load(w);
		world_snapshot(w);
		world_send(w);
		world_answer(w);
		world_record(w);
	}
	assert_int_equal(w->left, 0);
	lanes_load_end(&w->lanes, w->now + 1000);
	lanes_release(&w->lanes);
	assert_int_equal(w->lanes.lane_count, 0);
	assert_int_equal(w->lanes.waiting + w->lanes.flying + w->lanes.delivered, 0);
}

static void
in_any_world_all_arrive_once_and_in_order(void **state)
{
	for (unsigned seed = 1; seed <= 40; seed++) {
		static struct world world;

		world = (struct world){ .seed = seed * 2654435761u, .trouble = true };
		lanes_init(&world.lanes, release);
		for (int i = 0; i < 6000; i++)
			world_step(&world);
		world_quiet(&world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one_of_a_record_flies_at_a_time, end),
		cmocka_unit_test_teardown(entities_with_the_same_id_are_different_lanes, end),
		cmocka_unit_test_teardown(an_offer_that_leaves_a_gap_is_refused, end),
		cmocka_unit_test_teardown(a_delivered_one_still_counts_until_it_is_recorded, end),
		cmocka_unit_test_teardown(a_failed_record_blocks_only_itself, end),
		cmocka_unit_test_teardown(after_a_failure_what_was_behind_counts_no_more, end),
		cmocka_unit_test_teardown(a_load_that_began_before_brings_nothing_back, end),
		cmocka_unit_test_teardown(a_lane_that_ran_out_says_that_there_is_more, end),
		cmocka_unit_test_teardown(a_probe_prefers_a_fresh_one, end),
		cmocka_unit_test_teardown(clearing_keeps_what_is_on_its_way, end),
		cmocka_unit_test(in_any_world_all_arrive_once_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
