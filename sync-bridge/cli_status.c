/* sync-bridge/cli_status.c -- the commands status, routes and links. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "cli_http.h"
#include "cli_table.h"

int
cli_status(const struct cli *cli)
{
	static const struct column systems[] = { { "name", "SYSTEM" }, { "breaker", "BREAKER" },
		{ "reachable", "REACHABLE" }, { "subscribed", "SUBSCRIBED" },
		{ "undelivered", "UNDELIVERED" }, { "error", "ERROR" } };
	static const struct column columns[] = { { "name", "ROUTE" }, { "pending", "PENDING" },
		{ "waiting", "WAITING" }, { "retrying", "RETRYING" }, { "rejected", "REJECTED" },
		{ "dead", "DEAD" }, { "oldest_age_seconds", "OLDEST (S)" },
		{ "last_effect_at", "LAST EFFECT" } };
	int exit_status;
	jv json = cli_ask(cli, "GET", "/api/v1/status", NULL, &exit_status);
	jv idle;

	if (!jv_is_valid(json))
		return exit_status;
	idle = jv_object_get(jv_copy(json), jv_string("idle"));
	puts(jv_get_kind(idle) == JV_KIND_TRUE ? "idle: every queue is empty\n" : "at work\n");
	cli_table(cli_named_rows(jv_object_get(jv_copy(json), jv_string("systems"))), systems, 6);
	printf("\n");
	cli_table(jv_object_get(json, jv_string("routes")), columns, 8);
	return 0;
}

int
cli_routes(const struct cli *cli)
{
	static const struct column columns[] = { { "name", "ROUTE" }, { "from", "FROM" },
		{ "entity", "ENTITY" }, { "to", "TO" }, { "target", "TARGET" },
		{ "map", "MAPPING" }, { "when", "WHEN" } };
	int exit_status;
	jv json = cli_ask(cli, "GET", "/api/v1/routes", NULL, &exit_status);

	if (jv_is_valid(json))
		cli_table(jv_object_get(json, jv_string("data")), columns, 7);
	return exit_status;
}

int
cli_links(const struct cli *cli)
{
	static const struct column columns[] = { { "left", "RECORD" }, { "right", "IS" },
		{ "route", "ROUTE" }, { "source_version", "VERSION" },
		{ "updated_at", "LAST CROSSED" } };
	char *encoded = cli_encode(cli->arguments[0]);
	char path[1024];
	int exit_status;
	jv json;

	snprintf(path, sizeof(path), "/api/v1/links?ref=%s", encoded);
	free(encoded);
	json = cli_ask(cli, "GET", path, NULL, &exit_status);
	if (jv_is_valid(json))
		cli_table(jv_object_get(json, jv_string("data")), columns, 5);
	return exit_status;
}
