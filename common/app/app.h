/* common/app/app.h -- what makes a daemon out of a list of entities, routes, options and jobs. */
#ifndef APP_APP_H
#define APP_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "app/config.h"
#include "base/roles.h"
#include "db/db.h"
#include "db/migrate.h"
#include "entity/entity.h"
#include "http/http.h"

struct app;
struct text;

/* Work by the clock; one process per database runs it (db_elect). Starts again every
 * seconds after the last run ended; yields; may fail (logged, tried again next time). */
struct job {
	const char *name;
	int seconds;
	void (*run)(struct request *rq);
};

struct daemon {
	const char *name; /* "crm-server": log service, application_name */
	const char *env;  /* "CRM": prefix of environment variables */
	const char *text; /* one sentence for --help and OpenAPI */
	int default_port;
	const struct migration *migrations;
	const char *const *roles;       /* NULL-terminated, "admin" first; at most 64 */
	struct entity *const *entities; /* NULL-terminated */
	struct route *routes;           /* ended by a NULL method */
	const struct job *jobs;         /* ended by a NULL name */
	const struct option *options;   /* the daemon's own, ended by a NULL name */
	/* After the pool and before the server: the bridge reads bridge.json here. Dies on error.
	 * stop runs when draining begins: take no new work; app_background work is waited for. */
	void (*start)(struct app *app);
	void (*stop)(struct app *app);
	/* Own commands: "sync-bridge status ..."; NULL: none. Answers the exit status. */
	int (*command)(int argc, char **argv);
	/* On SIGHUP, on the loop: reread files. NULL: nothing. */
	void (*reload)(struct app *app);
	/* Before a page of /metrics: asks for its gauges; lines it adds come last. Yields; may
	 * fail. NULL: none. */
	void (*metrics)(struct request *rq, struct text *out);
	/* Twice a second, on the loop: sets the gauges of this process. NULL: none. */
	void (*tick)(void);
};

struct app {
	const struct daemon *daemon;
	struct db *db;
	struct router *router;
	const struct catalogue *catalogue;
	bool draining;
};

/* The one of this process. */
struct app *app_current(void);

/* Runs work as a request of the daemon itself (actor "system") in a new coroutine; work frees
 * its own arg. A failure is logged with the name. */
void app_background(const char *name, void (*work)(struct request *rq, void *arg), void *arg);

/* Whole life of the process. */
int app_main(const struct daemon *daemon, int argc, char **argv);

#endif
