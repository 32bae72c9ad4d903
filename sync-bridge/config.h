/* sync-bridge/config.h -- reads bridge.json into a struct bridge. */
#ifndef BRIDGE_CONFIG_H
#define BRIDGE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

struct bridge;

#define CONFIG_ERROR_MAX 2000

/* Reads file, the secrets and the mappings it names, and checks everything. True: *out is filled,
 * its memory is out->arena. False: error says which file, which line or place, and why; nothing is
 * left behind. Blocks for some 50 ms (jq compiles) and wants a stack of megabytes, so not in a
 * coroutine; does not touch the bridge that runs. */
bool bridge_config_read(const char *file, struct bridge *out, char *error, size_t error_size);

/* At start: reads it into the one struct bridge, or dies saying why. */
void bridge_config_load(const char *file);

#endif
