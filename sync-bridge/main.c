/* sync-bridge/main.c -- starts the bridge. */
#include "app/app.h"
#include "daemon.h"

int
main(int argc, char **argv)
{
	return app_main(&bridge_daemon, argc, argv);
}
