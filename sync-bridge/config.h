/* sync-bridge/config.h -- reads bridge.json into the one struct bridge. */
#ifndef BRIDGE_CONFIG_H
#define BRIDGE_CONFIG_H

/* Checks everything and dies naming the file, the place and the reason. Blocking; at start. */
void bridge_config_load(const char *file);

#endif
