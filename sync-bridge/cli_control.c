/* sync-bridge/cli_control.c -- the commands pause and resume, and retry and skip of many. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_http.h"
#include "cli_table.h"

/* Takes body over. Valid when there is something left to print. */
static jv
post(const struct cli *cli, const char *path, jv body, int *exit_status)
{
	jv text = jv_dump_string(body, 0);
	jv json = cli_ask(cli, "POST", path, jv_string_value(text), exit_status);

	jv_free(text);
	return json;
}

static jv
with_text(jv object, const struct cli *cli, const char *flag)
{
	const char *value = cli_flag(cli, flag);

	return value ? jv_object_set(object, jv_string(flag), jv_string(value)) : object;
}

/* A number when it is one: an id, and not a time. */
static jv
with_number(jv object, const struct cli *cli, const char *flag)
{
	const char *value = cli_flag(cli, flag);

	if (value && strspn(value, "0123456789") == strlen(value))
		return jv_object_set(object, jv_string(flag), jv_number(strtod(value, NULL)));
	return with_text(object, cli, flag);
}

static int
halt(const struct cli *cli, const char *verb, const char *done)
{
	const char *kind = cli->arguments[0], *name = cli->arguments[1];
	char path[512];
	char *encoded;
	int exit_status;
	jv reply;

	if (strcmp(kind, "route") != 0 && strcmp(kind, "system") != 0) {
		fprintf(stderr, "sync-bridge: \"%s\" is neither route nor system\n", kind);
		return 2;
	}
	encoded = cli_encode(name);
	snprintf(path, sizeof(path), "/api/v1/%ss/%s/%s", kind, encoded, verb);
	free(encoded);
	reply = post(cli, path, with_text(jv_object(), cli, "reason"), &exit_status);
	if (jv_is_valid(reply))
		printf("%s %s: %s\n", kind, name, done);
	jv_free(reply);
	return exit_status;
}

int
cli_pause(const struct cli *cli)
{
	return halt(cli, "pause", "paused");
}

int
cli_resume(const struct cli *cli)
{
	return halt(cli, "resume", "goes on");
}

static jv
filter(const struct cli *cli)
{
	const char *state = cli_flag(cli, "state");
	jv named = jv_object();

	if (state)
		named = jv_object_set(named, jv_string("state"),
				      jv_string_split(jv_string(state), jv_string(",")));
	named = with_text(named, cli, "route");
	named = with_text(named, cli, "entity");
	named = with_number(named, cli, "from");
	return with_number(named, cli, "to");
}

int
cli_bulk(const struct cli *cli, const char *verb)
{
	jv named = filter(cli);
	jv body = jv_object();
	char path[64];
	int exit_status;
	jv reply;

	if (jv_object_length(jv_copy(named)) == 0) {
		fprintf(stderr, "sync-bridge: %s needs an ID, or flags that say which\n", verb);
		jv_free(named);
		jv_free(body);
		return 2;
	}
	body = jv_object_set(body, jv_string("filter"), named);
	body = with_text(with_number(body, cli, "limit"), cli, "reason");
	snprintf(path, sizeof(path), "/api/v1/messages/%s", verb);
	reply = post(cli, path, body, &exit_status);
	if (jv_is_valid(reply)) {
		char *count = cli_cell(reply, "messages");
		char *more = cli_cell(reply, "more");

		printf("%s: %s messages%s\n", verb, count,
		       strcmp(more, "true") == 0 ? ", and there are more" : "");
		free(count);
		free(more);
	}
	jv_free(reply);
	return exit_status;
}
