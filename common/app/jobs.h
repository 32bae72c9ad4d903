/* common/app/jobs.h -- runs the daemon's jobs by the clock, in one process per database. */
#ifndef APP_JOBS_H
#define APP_JOBS_H

#include "app/app.h"

void jobs_start(struct app *app);

#endif
