/* common/app/main.c -- brings a daemon up: options, schema, routes, then one or more processes. */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "app/app.h"
#include "app/auth.h"
#include "app/command.h"
#include "app/docs.h"
#include "app/health.h"
#include "app/login.h"
#include "app/process.h"
#include "app/settings.h"
#include "app/users.h"
#include "app/webhooks.h"
#include "app/workers.h"
#include "base/log.h"
#include "base/metric.h"

/* A database that is being restarted is waited for so often. */
#define DATABASE_RETRY_MS 200

static struct entity *const own_entities[] = { &user_entity, &token_entity, &webhook_entity,
					       &webhook_delivery_entity, NULL };

static struct app app;

struct app *
app_current(void)
{
	return &app;
}

/* What is larger is a rare piece of work's own, and goes back to the system when that has ended.
 * Left to itself malloc raises its limit with the first such piece, and keeps all later ones. */
#define LARGE_BYTES (512 * 1024)

static void
memory_start(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

static void
start_log(const struct daemon *daemon)
{
	enum log_level level = LOG_INFO_;

	log_level_parse(settings.log_level, &level);
	log_init(daemon->name, level, settings.log_format);
}

static void
require_database(const struct daemon *daemon)
{
	if (settings.database && *settings.database)
		return;
	fprintf(stderr,
		"%s: option database must be set: --database URL, %s_DATABASE or the --config "
		"file\n",
		daemon->name, daemon->env);
	exit(2);
}

static void
migrate(const struct daemon *daemon)
{
	const char *error = "";
	int applied = migrate_apply(settings.database, daemon->migrations, &error);

	if (applied < 0)
		die("the schema could not be migrated: %s", error);
	log_info("schema is current", "applied", log_num(applied), NULL);
}

static int
missing_migrations(const struct daemon *daemon, const char **error)
{
	int missing = -1;

	for (long waited = 0; missing < 0 && waited <= settings.database_wait;
	     waited += DATABASE_RETRY_MS) {
		if (waited)
			usleep(DATABASE_RETRY_MS * 1000);
		missing = migrate_missing(settings.database, daemon->migrations, error);
	}
	return missing;
}

static void
check_schema(const struct daemon *daemon)
{
	const char *error = "";
	int missing = missing_migrations(daemon, &error);

	if (missing < 0)
		die("the database cannot be used: %s", error);
	if (missing > 0 && settings.auto_migrate)
		migrate(daemon);
	else if (missing > 0)
		die("the schema lacks %d migrations of this version; run %s --migrate first",
		    missing, daemon->name);
}

#define ENTITIES_MAX 200

static struct entity *const *
all_entities(const struct daemon *daemon)
{
	static struct entity *all[ENTITIES_MAX + 1];
	size_t own = sizeof(own_entities) / sizeof(own_entities[0]) - 1;
	size_t count = 0;

	while (daemon->entities && daemon->entities[count])
		count++;
	if (own + count > ENTITIES_MAX)
		die("more than %d entities", ENTITIES_MAX);
	memcpy(all, own_entities, own * sizeof(all[0]));
	if (count)
		memcpy(all + own, daemon->entities, count * sizeof(all[0]));
	return all;
}

static void
add_routes(struct router *router, struct route *routes)
{
	for (struct route *route = routes; route && route->method; route++)
		router_add(router, route);
}

static void
fill_roles(struct route *route, void *arg)
{
	if (route->flags & ROUTE_PUBLIC)
		return;
	if (!route->allow || !*route->allow)
		die("route %s %s names nobody who may use it", route->method, route->pattern);
	route->roles = roles_parse(route->allow);
}

static void
build_routes(const struct daemon *daemon)
{
	const char *error = "";

	app.catalogue = catalogue_read(settings.database, &error);
	if (!app.catalogue)
		die("the catalogue cannot be read: %s", error);
	app.router = router_new();
	webhooks_define();
	add_routes(app.router, health_routes);
	add_routes(app.router, docs_routes);
	add_routes(app.router, login_routes);
	add_routes(app.router, event_routes);
	add_routes(app.router, daemon->routes);
	entity_register(app.router, app.catalogue, all_entities(daemon));
	router_each(app.router, fill_roles, NULL);
}

/* With socket activation the socket outlives us: who connects while we are restarted waits. */
static void
take_socket(void)
{
	int count = sd_listen_fds(1);

	if (count == 0)
		return;
	if (count != 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
		die("expected one listening stream socket, was given %d sockets", count);
	settings.socket = SD_LISTEN_FDS_START;
}

int
app_main(const struct daemon *daemon, int argc, char **argv)
{
	int first = settings_load(daemon, argc, argv);
	bool handled;
	int status;

	app.daemon = daemon;
	start_log(daemon);
	memory_start();
	if (first < argc && daemon->command)
		return daemon->command(argc - first, argv + first);
	if (first < argc) {
		fprintf(stderr, "%s: unexpected argument \"%s\"; --help lists the options\n",
			daemon->name, argv[first]);
		return 2;
	}
	require_database(daemon);
	if (sodium_init() < 0)
		die("no source of random numbers");
	roles_define(daemon->roles);
	auth_share();
	if (settings.migrate) {
		migrate(daemon);
		return 0;
	}
	check_schema(daemon);
	build_routes(daemon);
	status = command_run(&app, &handled);
	if (handled)
		return status;
	take_socket();
	metric_share((int)settings.workers);
	return settings.workers > 1 ? workers_run(&app, (int)settings.workers)
				    : process_serve(&app, -1, 0);
}
