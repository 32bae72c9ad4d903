/* crm-server/main.c -- starts the CRM. */
#include "app/app.h"
#include "crm.h"

int
main(int argc, char **argv)
{
	return app_main(&crm_daemon, argc, argv);
}
