/* common/app/workers.h -- a parent that keeps several serving processes on one port. */
#ifndef APP_WORKERS_H
#define APP_WORKERS_H

#include "app/app.h"

/* Forks count processes, starts a dead one again (with back-off), hands signals on and speaks to
 * systemd for all. Returns in the parent when all have ended; the exit status. */
int workers_run(struct app *app, int count);

#endif
