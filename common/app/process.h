/* common/app/process.h -- one serving process, for the files of app/ among themselves. */
#ifndef APP_PROCESS_H
#define APP_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/app.h"

/* Runs the loop until the process is told to end and has drained; answers the exit status.
 * pipe: to the supervising parent, -1 without one; number: among its workers. */
int process_serve(struct app *app, int pipe, int number);

/* Runs work as a request on a loop of its own, for --create-token and the like; the exit status. */
int process_command(struct app *app, const char *name, void (*work)(struct request *rq, void *arg));

struct http_server *process_server(void);
int64_t process_started(void); /* unix seconds */
int background_count(void);    /* app_background work not ended yet */

#endif
