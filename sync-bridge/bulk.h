/* sync-bridge/bulk.h -- retries or skips all messages that a filter names. */
#ifndef BRIDGE_BULK_H
#define BRIDGE_BULK_H

#include "base/request.h"

/* POST /api/v1/messages/retry {filter, limit} and /api/v1/messages/skip {filter, reason, limit}.
 * filter: state (one or an array; rejected and dead by default), route, source, entity, from and
 * to (both ids, or both times of receipt, inclusive). In one transaction, the oldest first, each
 * noted as one message's would be. Answers {"messages": how many, "more": some were left}. */
void bulk_retry(struct request *rq);
void bulk_skip(struct request *rq);

#endif
