/* sync-bridge/subscribe.h -- registers the bridge at each system, until it works and after. */
#ifndef BRIDGE_SUBSCRIBE_H
#define BRIDGE_SUBSCRIBE_H

struct bridge;
struct request;

/* In the leading process: at once, after a failure again soon, then every 5 min. */
void subscribe_start(void);
void subscribe_stop(void);

/* After a reload: deletes the webhook at systems that were a source before and are none now. What
 * cannot be deleted is logged. Yields. */
void subscribe_leave(struct request *rq, const struct bridge *was);

#endif
