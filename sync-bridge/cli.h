/* sync-bridge/cli.h -- the operator's commands, spoken over HTTP to the running bridge.
 *
 * Exit status: 0 done, 1 the bridge refused or does not answer, 2 wrong usage.
 */
#ifndef BRIDGE_CLI_H
#define BRIDGE_CLI_H

int cli_run(int argc, char **argv);

#endif
