/* sync-bridge/subscribe.h -- registers the bridge at each system, until it works and from then on. */
#ifndef BRIDGE_SUBSCRIBE_H
#define BRIDGE_SUBSCRIBE_H

#include <stdbool.h>

struct bridge_system;

/* In the process that works the lanes: at once, after a failure again soon, then every 5 min. */
void subscribe_start(void);
void subscribe_stop(void);

/* Whether changes of the system reach us, as far as this process knows. */
bool subscribe_settled(const struct bridge_system *system);

#endif
