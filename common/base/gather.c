/* common/base/gather.c -- one writes for those that came while the one before was writing. */
#include "base/gather.h"

#include "base/coro.h"
#include "base/request.h"

#define BATCH_MAX 100

struct batch {
	struct gather *gather;
	struct gather_items items;
	int count;
};

static void
write_batch(struct request *rq, void *arg)
{
	struct batch *batch = arg;

	batch->gather->write(rq, &batch->items);
}

static void
write_alone(struct request *rq, struct gather *gather, struct gather_item *item)
{
	struct gather_items items = STAILQ_HEAD_INITIALIZER(items);

	STAILQ_INSERT_TAIL(&items, item, next);
	gather->write(rq, &items);
}

/* The item that leads is among them. */
static void
take(struct batch *batch)
{
	struct gather_item *item;

	STAILQ_INIT(&batch->items);
	while (batch->count < BATCH_MAX && (item = STAILQ_FIRST(&batch->gather->waiting))) {
		STAILQ_REMOVE_HEAD(&batch->gather->waiting, next);
		STAILQ_INSERT_TAIL(&batch->items, item, next);
		batch->count++;
	}
}

/* Whoever is woken may end at once, and its item with it. */
static void
end(struct batch *batch, const struct gather_item *own, const struct fault *fault)
{
	int state = fault->unknown ? GATHER_FAILED : fault->code ? GATHER_ALONE : GATHER_DONE;
	struct gather_item *item;

	while ((item = STAILQ_FIRST(&batch->items))) {
		STAILQ_REMOVE_HEAD(&batch->items, next);
		item->state = state;
		item->fault = *fault;
		if (item != own)
			coro_wake(item->waiter);
	}
	item = STAILQ_FIRST(&batch->gather->waiting);
	batch->gather->writing = item != NULL;
	if (item) {
		item->state = GATHER_LEADS;
		coro_wake(item->waiter);
	}
}

void
gather_write(struct request *rq, struct gather *gather, struct gather_item *item)
{
	struct batch batch = { .gather = gather };
	struct fault fault = { 0 };

	*item = (struct gather_item){ .waiter = coro_self() };
	STAILQ_INSERT_TAIL(&gather->waiting, item, next);
	if (gather->writing) {
		while (item->state == GATHER_WAITS)
			coro_park();
	} else {
		item->state = GATHER_LEADS;
	}
	if (item->state == GATHER_LEADS) {
		gather->writing = true;
		take(&batch);
		if (!request_run(rq, write_batch, &batch))
			fault = rq->fault;
		rq->fault = (struct fault){ 0 };
		end(&batch, item, &fault);
	}
	if (batch.count == 1 && fault.code)
		fault_raise(rq, &fault);
	if (item->state == GATHER_FAILED)
		fault_raise(rq, &item->fault);
	if (item->state == GATHER_ALONE)
		write_alone(rq, gather, item);
}
