/* sync-bridge/subscribe.h -- registers the bridge at each system, until it works and after. */
#ifndef BRIDGE_SUBSCRIBE_H
#define BRIDGE_SUBSCRIBE_H

/* In the leading process: at once, after a failure again soon, then every 5 min. */
void subscribe_start(void);
void subscribe_stop(void);

#endif
