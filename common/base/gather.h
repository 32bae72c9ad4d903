/* common/base/gather.h -- lets requests that write at the same time share one statement.
 *
 * The first writes at once, by itself. Those that come while it does wait for the next batch, which
 * one of them writes for all: so nothing waits for company, and the busier it is the more share.
 *
 *	struct thing { struct gather_item item; ... };
 *	static struct gather gather = GATHER(gather, write_things);
 *	gather_write(rq, &gather, &thing.item);      // raises as write_things would for this alone
 */
#ifndef BASE_GATHER_H
#define BASE_GATHER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/fault.h"

struct coro;

struct gather_item {
	struct coro *waiter;
	enum { GATHER_WAITS, GATHER_LEADS, GATHER_DONE, GATHER_ALONE, GATHER_FAILED } state;
	struct fault fault; /* of GATHER_FAILED */
	STAILQ_ENTRY(gather_item) next;
};
STAILQ_HEAD(gather_items, gather_item);

struct gather {
	void (*write)(struct request *rq, struct gather_items *items);
	struct gather_items waiting;
	bool writing;
};
#define GATHER(name, function) \
	{ .write = (function), .waiting = STAILQ_HEAD_INITIALIZER((name).waiting) }

/* Returns once it is written. When a batch fails, each of it is written by itself, so that none
 * fails for another's sake; but all fail when it is not known whether the batch was written. The
 * request that writes a batch has been through a failed run when it writes by itself: its
 * transaction is over. Yields. */
void gather_write(struct request *rq, struct gather *gather, struct gather_item *item);

#endif
