/* common/app/command.h -- what a daemon does from the command line instead of serving. */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include "app/app.h"

/* --create-token and --create-user. Answers the exit status; *handled is false without either. */
int command_run(struct app *app, bool *handled);

#endif
