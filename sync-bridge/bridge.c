/* sync-bridge/bridge.c -- the table of contents of the bridge. */
#include "app/app.h"
#include "bridge.h"
#include "cli.h"
#include "config.h"
#include "daemon.h"
#include "bulk.h"
#include "drift.h"
#include "epoch.h"
#include "explain.h"
#include "inbox.h"
#include "lane.h"
#include "links.h"
#include "match.h"
#include "messages.h"
#include "metrics.h"
#include "pause.h"
#include "prove.h"
#include "reconcile.h"
#include "reload.h"
#include "replay.h"
#include "shard.h"
#include "simulate.h"
#include "status.h"
#include "subscribe.h"
#include "sweep.h"
#include "trace.h"

extern const struct migration daemon_migrations[];

static const char *const roles[] = { "admin", "operator", "viewer", NULL };

static struct entity *const entities[] = { &message_entity, &reconciliation_entity, &drift_entity,
	&replay_entity, &held_entity, &match_entity, NULL };

static struct route routes[] = {
	{ .method = "POST", .pattern = "/api/v1/inbox/{system}", .handle = inbox_post,
	  .flags = ROUTE_PUBLIC | ROUTE_RAW_BODY | ROUTE_LARGE | ROUTE_NO_TRANSACTION,
	  .summary = "Takes in a signed change of a system." },
	{ .method = "GET", .pattern = "/api/v1/explain", .handle = explain_get, .allow = "*",
	  .summary = "Why a record did or did not cross: ?ref=crm:account:42." },
	{ .method = "GET", .pattern = "/api/v1/links", .handle = links_list, .allow = "*",
	  .summary = "What a record of one system is in the others: ?ref=crm:account:42." },
	{ .method = "POST", .pattern = "/api/v1/messages/retry", .handle = bulk_retry,
	  .allow = "operator", .body = BULK_RETRY_SCHEMA,
	  .summary = "Takes up again the messages that a filter names, dead letters by default." },
	{ .method = "POST", .pattern = "/api/v1/messages/skip", .handle = bulk_skip,
	  .allow = "operator", .body = BULK_SKIP_SCHEMA,
	  .summary = "Ends the messages that a filter names without effect, with a reason." },
	{ .method = "GET", .pattern = "/api/v1/routes", .handle = status_routes, .allow = "*",
	  .summary = "What crosses, from where to where, and by which mapping." },
	{ .method = "POST", .pattern = "/api/v1/simulations", .handle = simulate_post,
	  .allow = "operator", .flags = ROUTE_NO_TRANSACTION,
	  .summary = "What a changed mapping or condition would do with a route's last changes; "
		     "nothing is touched." },
	{ .method = "GET", .pattern = "/api/v1/proof", .handle = prove_get, .allow = "operator",
	  .summary = "Whether every change had exactly one effect, with the numbers behind it." },
	{ .method = "POST", .pattern = "/api/v1/reconciliations", .handle = reconcile_post,
	  .allow = "operator",
	  .summary = "Compares both sides now: {route?, record?, repair?, settle_seconds?}." },
	{ .method = "POST", .pattern = "/api/v1/routes/{name}/pause", .handle = pause_route,
	  .allow = "operator",
	  .summary = "Halts a route: its messages are taken in and wait as they are." },
	{ .method = "POST", .pattern = "/api/v1/routes/{name}/resume", .handle = resume_route,
	  .allow = "operator", .summary = "Lets a paused route go on." },
	{ .method = "GET", .pattern = "/api/v1/systems", .handle = status_systems, .allow = "*",
	  .summary = "The systems, how each answers, and whether one is paused." },
	{ .method = "POST", .pattern = "/api/v1/systems/{name}/pause", .handle = pause_system,
	  .allow = "operator",
	  .summary = "Halts all that goes to a system; its own changes are taken in." },
	{ .method = "POST", .pattern = "/api/v1/systems/{name}/resume", .handle = resume_system,
	  .allow = "operator", .summary = "Lets what is for a paused system go on." },
	{ .method = "GET", .pattern = "/api/v1/status", .handle = status_get, .allow = "*",
	  .summary = "Backlog and last effect of each route, and whether every queue is empty." },
	{ .method = "POST", .pattern = "/api/v1/config/reload", .handle = reload_post,
	  .allow = "operator", .flags = ROUTE_NO_TRANSACTION,
	  .summary = "Reads bridge.json, secrets and mappings anew, in every process; a wrong one "
		     "is refused whole." },
	{ .method = "GET", .pattern = "/api/v1/traces/{entity}/{id}", .handle = trace_get,
	  .allow = "operator",
	  .summary = "A deal's whole way through the systems, from any of its records." },
	{ .method = "POST", .pattern = "/api/v1/rebuild", .handle = replay_rebuild,
	  .allow = "operator",
	  .summary = "Learns all links from both ends, then carries everything again." },
	{ .method = "POST", .pattern = "/api/v1/matches", .handle = match_run,
	  .allow = "operator",
	  .summary = "Compares both sides of a route: {route, link}; link links the certain." },
	{ .method = "POST", .pattern = "/api/v1/systems/{name}/accept-restore",
	  .handle = restore_accept, .allow = "operator", .flags = ROUTE_NO_TRANSACTION,
	  .summary = "Makes both sides equal again after the system was restored from a backup." },
	{ 0 }
};

static const struct job jobs[] = {
	{ .name = "prune messages", .seconds = 3600, .run = messages_prune },
	{ .name = "reconcile", .seconds = 0, .run = reconcile_job },
	{ .name = "prune reconciliations", .seconds = 3600, .run = reconcile_prune },
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
	{ .name = "reconcile-pause", .type = OPTION_DURATION, .initial = "5min", .min = 1000,
	  .max = 86400000, .value_number = &bridge_options.reconcile_pause,
	  .text = "All that crosses is compared again this long after the last time." },
	{ .name = "reconcile-rate", .type = OPTION_COUNT, .initial = "5000", .min = 0,
	  .max = 1000000, .value_number = &bridge_options.reconcile_rate,
	  .text = "Records compared per second at most, so that live traffic is not held up; "
		  "0 is no limit." },
	{ .name = "reconcile-settle", .type = OPTION_DURATION, .initial = "30s", .min = 0,
	  .max = 3600000, .value_number = &bridge_options.reconcile_settle,
	  .text = "What changed so short a time ago is left for the next comparison." },
	{ .name = "lease", .type = OPTION_DURATION, .initial = "30s", .min = 2000,
	  .max = 3600000, .value_number = &bridge_options.lease,
	  .text = "After so long a silence another bridge process takes the work of one that is "
		  "frozen; a dead one's is taken at once." },
	{ .name = "admin-token", .type = OPTION_TEXT, .secret = true,
	  .value_text = &bridge_options.admin_token,
	  .text = "Token of the commands; the variable BRIDGE_TOKEN goes before it." },
	{ 0 }
};

static void
start(struct app *app)
{
	epoch_begin();
	bridge_config_load(bridge_options.config);
	links_start();
	epoch_start();
	sweep_start();
	shard_start();
	subscribe_start();
	reload_start();
	replay_start();
}

static void
stop(struct app *app)
{
	sweep_stop();
	shard_stop();
	subscribe_stop();
	reload_stop();
	replay_stop();
	epoch_stop();
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
	.reload = reload_signal,
	.metrics = status_metrics,
	.tick = metrics_copy,
};
