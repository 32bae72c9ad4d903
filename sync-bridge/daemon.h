/* sync-bridge/daemon.h -- the bridge as a daemon, for main. */
#ifndef BRIDGE_DAEMON_H
#define BRIDGE_DAEMON_H

#include "app/app.h"

extern const struct daemon bridge_daemon;

#endif
