/* erp-server/main.c -- starts the ERP. */
#include "erp.h"

int
main(int argc, char **argv)
{
	return app_main(&erp_daemon, argc, argv);
}
