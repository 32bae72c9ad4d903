/* sync-bridge/bridge.c -- the table of contents of the bridge. */
#include "app/app.h"
#include "bridge.h"
#include "cli.h"
#include "config.h"
#include "daemon.h"
#include "inbox.h"
#include "lane.h"
#include "links.h"
#include "messages.h"
#include "metrics.h"
#include "status.h"
#include "subscribe.h"
#include "sweep.h"

extern const struct migration daemon_migrations[];

static const char *const roles[] = { "admin", "operator", "viewer", NULL };

static struct entity *const entities[] = { &message_entity, NULL };

static struct route routes[] = {
	{ .method = "POST", .pattern = "/api/v1/inbox/{system}", .handle = inbox_post,
	  .flags = ROUTE_PUBLIC | ROUTE_RAW_BODY | ROUTE_LARGE | ROUTE_NO_TRANSACTION,
	  .summary = "Takes in a signed change of a system." },
	{ .method = "GET", .pattern = "/api/v1/links", .handle = links_list, .allow = "*",
	  .summary = "What a record of one system is in the others: ?ref=crm:account:42." },
	{ .method = "GET", .pattern = "/api/v1/routes", .handle = status_routes, .allow = "*",
	  .summary = "What crosses, from where to where, and by which mapping." },
	{ .method = "GET", .pattern = "/api/v1/status", .handle = status_get, .allow = "*",
	  .summary = "Backlog and last effect of each route, and whether every queue is empty." },
	{ 0 }
};

static const struct job jobs[] = {
	{ .name = "prune messages", .seconds = 3600, .run = messages_prune },
	{ 0 }
};

static const struct option options[] = {
	{ .name = "bridge-config", .type = OPTION_TEXT, .initial = "bridge.json",
	  .value_text = &bridge_options.config,
	  .text = "Systems and routes; the mappings are in the folder mappings beside it." },
	{ .name = "parallel", .type = OPTION_COUNT, .initial = "64", .min = 1, .max = 1000,
	  .value_number = &bridge_options.parallel, .text = "Records worked on at once." },
	{ .name = "inbox-limit", .type = OPTION_COUNT, .initial = "100000", .min = 1,
	  .max = 10000000, .value_number = &bridge_options.inbox_limit,
	  .text = "With more unfinished messages than this, changes are answered 503 and wait at "
		  "their source." },
	{ .name = "retention-days", .type = OPTION_COUNT, .initial = "90", .min = 1, .max = 36500,
	  .value_number = &bridge_options.retention_days,
	  .text = "Messages that ended longer ago are deleted." },
	{ .name = "admin-token", .type = OPTION_TEXT, .secret = true,
	  .value_text = &bridge_options.admin_token,
	  .text = "Token of the commands (status, messages, retry, skip, links, routes); the "
		  "variable BRIDGE_TOKEN goes before it." },
	{ 0 }
};

static void
start(struct app *app)
{
	bridge_config_load(bridge_options.config);
	sweep_start();
	subscribe_start();
}

static void
stop(struct app *app)
{
	sweep_stop();
	subscribe_stop();
}

const struct daemon bridge_daemon = {
	.name = "sync-bridge",
	.env = "BRIDGE",
	.text = "Carries changes between systems, each with one effect.",
	.default_port = 8083,
	.migrations = daemon_migrations,
	.roles = roles,
	.entities = entities,
	.routes = routes,
	.jobs = jobs,
	.options = options,
	.start = start,
	.stop = stop,
	.command = cli_run,
	.metrics = status_metrics,
	.tick = metrics_copy,
};
