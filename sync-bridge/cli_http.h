/* sync-bridge/cli_http.h -- one blocking call of a command to the running bridge. */
#ifndef BRIDGE_CLI_HTTP_H
#define BRIDGE_CLI_HTTP_H

#include <jv.h>

/* The reply's JSON, or invalid after a message on standard error. body: NULL for none. raw is set
 * to the reply's text (malloced) when it is not NULL. */
jv cli_call(const char *method, const char *path, const char *body, char **raw);

/* How long a call may take. */
extern long cli_timeout_ms;

/* Percent-encoded, malloced. */
char *cli_encode(const char *text);

#endif
