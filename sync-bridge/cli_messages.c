/* sync-bridge/cli_messages.c -- the commands messages, retry and skip. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "cli_http.h"
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

/* POST /messages/{id}/{verb} */
static int
act(const struct cli *cli, const char *verb, const char *body)
{
	char *encoded = cli_encode(cli->arguments[0]);
	char path[256];
	int exit_status;
	jv json;

	snprintf(path, sizeof(path), "/api/v1/messages/%s/%s", encoded, verb);
	free(encoded);
	json = cli_ask(cli, "POST", path, body, &exit_status);
	if (jv_is_valid(json)) {
		char *state = cli_cell(json, "state");

		printf("message %s: %s\n", cli->arguments[0], state);
		free(state);
		jv_free(json);
	}
	return exit_status;
}

int
cli_retry(const struct cli *cli)
{
	return act(cli, "retry", "{}");
}

int
cli_skip(const struct cli *cli)
{
	jv body = jv_object_set(jv_object(), jv_string("reason"),
				jv_string(cli_flag(cli, "reason")));
	int exit_status;

	body = jv_dump_string(body, 0);
	exit_status = act(cli, "skip", jv_string_value(body));
	jv_free(body);
	return exit_status;
}
