/* common/event/event.h -- the event log: every change is one row, written in its own transaction.
 *
 * The row is at once audit trail, timeline, webhook source and replay source: who, when, what,
 * the record's new full state, the changed fields, its version, origin and trace. The order of a
 * record's events is its version, taken under the row's lock; never a sequence or a clock,
 * because sequence order is not commit order.
 *
 * Deliveries to the subscribed webhooks are rows of the same statement. After COMMIT they are
 * handed to this process's sender, if it is the one that sends (event/sender.h); otherwise a
 * notification off the write path wakes the one that is, and a sweep finds what both missed.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdint.h>

#include "base/request.h"

struct change {
	const char *entity;     /* "sales_order" */
	int64_t id;
	int64_t version;        /* the new one */
	const char *type;       /* "sales_order.confirmed" */
	const char *before;     /* JSON of the record before; NULL when it is new */
	const char *record;     /* JSON of the record now; of a deleted one, as it last was */
};

/* Inside a transaction only. Queued with the transaction's other statements, not awaited. */
void event_append(struct request *rq, const struct change *change);

#endif
