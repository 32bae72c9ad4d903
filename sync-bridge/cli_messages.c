/* sync-bridge/cli_messages.c -- the commands messages, retry and skip. */
#include <stdlib.h>

#include "cli.h"
#include "cli_table.h"

int
cli_messages(const struct cli *cli)
{
	static const struct column columns[] = { { "id", "ID" }, { "route", "ROUTE" },
		{ "source", "FROM" }, { "entity", "ENTITY" }, { "source_id", "RECORD" },
		{ "version", "VERSION" }, { "state", "STATE" }, { "attempts", "TRIES" },
		{ "received_at", "RECEIVED" }, { "reason", "REASON" } };
	static const char *const names[] = { "state", "route", "limit", NULL };
	char *path = cli_path(cli,
			      cli_flag(cli, "limit") ? "/api/v1/messages?sort=-id"
						     : "/api/v1/messages?sort=-id&limit=50",
			      names);
	int exit_status;
	jv json = cli_ask(cli, "GET", path, NULL, &exit_status);

	free(path);
	if (jv_is_valid(json))
		cli_table(jv_object_get(json, jv_string("data")), columns, 10);
	return exit_status;
}

int
cli_retry(const struct cli *cli)
{
	if (!cli->argument_count)
		return cli_bulk(cli, "retry");
	return cli_act(cli, "messages", "retry", "message");
}

int
cli_skip(const struct cli *cli)
{
	if (!cli->argument_count)
		return cli_bulk(cli, "skip");
	return cli_act(cli, "messages", "skip", "message");
}
