/* tests/unit/test_base_gather.c -- who writes together, and what a failure means to whom. */
#include "unit.h"

#include <event2/event.h>

#include "base/coro.h"
#include "base/gather.h"
#include "base/request.h"

#define COUNT 4

struct thing {
	struct gather_item item;
	char name;
	enum fault_code code;   /* how its write ended */
};

static struct thing things[COUNT];
static char trail[64];
static bool bad_c, unknown;

/* "a(bcd)": a by itself, then three together. A c may spoil what it is in. */
static void
write_things(struct request *rq, struct gather_items *items)
{
	bool together = STAILQ_NEXT(STAILQ_FIRST(items), next), bad = false;
	struct gather_item *item;

	strcat(trail, together ? "(" : "");
	STAILQ_FOREACH(item, items, next) {
		char name[2] = { ((struct thing *)item)->name };

		strcat(trail, name);
		bad = bad || (bad_c && name[0] == 'c');
	}
	strcat(trail, together ? ")" : "");
	coro_sleep(2);
	if (unknown && together)
		fail(rq, ERR_UNAVAILABLE, .unknown = true);
	if (bad)
		fail(rq, ERR_VALIDATION);
}

static struct gather gather = GATHER(gather, write_things);

static void
work(struct request *rq, void *arg)
{
	struct thing *thing = arg;

	gather_write(rq, &gather, &thing->item);
}

static void
come(void *arg)
{
	struct thing *thing = arg;
	struct request rq;

	request_init(&rq, NULL);
	thing->code = request_run(&rq, work, thing) ? ERR_NONE : rq.fault.code;
	request_release(&rq);
}

static void
all_come(void)
{
	trail[0] = '\0';
	for (int i = 0; i < COUNT; i++) {
		things[i] = (struct thing){ .name = (char)('a' + i) };
		coro_start(come, &things[i]);
	}
	while (coro_count() > 0)
		event_base_loop(coro_loop(), EVLOOP_ONCE);
}

static void
those_that_come_while_one_writes_are_written_together(void **state)
{
	all_come();
	assert_string_equal(trail, "a(bcd)");
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(things[i].code, ERR_NONE);
}

static void
when_a_batch_fails_each_is_written_by_itself(void **state)
{
	bad_c = true;
	all_come();
	bad_c = false;
	assert_int_equal(strlen(trail), strlen("a(bcd)bcd"));
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(things[i].code, i == 2 ? ERR_VALIDATION : ERR_NONE);
}

static void
what_may_be_written_is_not_written_again(void **state)
{
	unknown = true;
	all_come();
	unknown = false;
	assert_string_equal(trail, "a(bcd)");
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(things[i].code, i ? ERR_UNAVAILABLE : ERR_NONE);
	all_come();
	assert_string_equal(trail, "a(bcd)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_come_while_one_writes_are_written_together),
		cmocka_unit_test(when_a_batch_fails_each_is_written_by_itself),
		cmocka_unit_test(what_may_be_written_is_not_written_again),
	};
	struct event_base *loop = event_base_new();

	coro_init(loop);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
