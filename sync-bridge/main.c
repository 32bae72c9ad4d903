/* sync-bridge/main.c -- starts the bridge. */
#include <string.h>

#include "app/app.h"
#include "daemon.h"
#include "trial.h"

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], TRIAL_FLAG) == 0)
		return trial_child();
	return app_main(&bridge_daemon, argc, argv);
}
