/* sync-bridge/cli.c -- status, messages, retry, skip, links and routes, as tables or as JSON. */
#include "cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_control.h"
#include "cli_http.h"

struct flags {
	bool json;
	const char *state, *route, *limit, *reason, *entity, *from, *to;
	const char *argument;      /* the first that is no flag */
	const char *second;
};

struct command {
	const char *name;
	const char *usage;
	int least, most;           /* arguments */
	int (*run)(const struct flags *flags);
};

static int status(const struct flags *flags);
static int messages(const struct flags *flags);
static int retry(const struct flags *flags);
static int skip(const struct flags *flags);
static int pause_it(const struct flags *flags);
static int resume_it(const struct flags *flags);
static int links(const struct flags *flags);
static int routes(const struct flags *flags);

static const struct command commands[] = {
	{ "status", "status [--json]", 0, 0, status },
	{ "messages", "messages [--state STATE] [--route ROUTE] [--limit N] [--json]", 0, 0,
	  messages },
	{ "retry", "retry ID | [--state STATE] [--route ROUTE] [--entity ENTITY] [--from ID|TIME] "
		   "[--to ID|TIME] [--limit N] [--json]", 0, 1, retry },
	{ "skip", "skip ID | [--state STATE] [--route ROUTE] ... --reason TEXT [--json]", 0, 1,
	  skip },
	{ "pause", "pause route|system NAME --reason TEXT [--json]", 2, 2, pause_it },
	{ "resume", "resume route|system NAME [--json]", 2, 2, resume_it },
	{ "links", "links REF [--json]", 1, 1, links },
	{ "routes", "routes [--json]", 0, 0, routes },
	{ 0 }
};

/* A column of a table: the member of each row, and its heading. */
struct column {
	const char *member;
	const char *heading;
};

static int
usage(void)
{
	fprintf(stderr, "usage: sync-bridge --config FILE COMMAND\n");
	for (const struct command *command = commands; command->name; command++)
		fprintf(stderr, "  %s\n", command->usage);
	return 2;
}

static bool
parse_flags(int argc, char **argv, struct flags *flags)
{
	const struct {
		const char *name;
		const char **value;
	} known[] = { { "--state", &flags->state }, { "--route", &flags->route },
		      { "--limit", &flags->limit }, { "--reason", &flags->reason },
		      { "--entity", &flags->entity }, { "--from", &flags->from },
		      { "--to", &flags->to } };

	for (int i = 1; i < argc; i++) {
		const char **value = NULL;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (strcmp(argv[i], known[k].name) == 0)
				value = known[k].value;
		if (value && i + 1 < argc)
			*value = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			flags->json = true;
		else if (argv[i][0] != '-' && !flags->argument)
			flags->argument = argv[i];
		else if (argv[i][0] != '-' && !flags->second)
			flags->second = argv[i];
		else
			return false;
	}
	return true;
}

int
cli_run(int argc, char **argv)
{
	struct flags flags = { 0 };
	int count;

	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(argv[0], command->name) != 0)
			continue;
		if (!parse_flags(argc, argv, &flags) ||
		    (count = !!flags.argument + !!flags.second) < command->least ||
		    count > command->most) {
			fprintf(stderr, "usage: sync-bridge --config FILE %s\n", command->usage);
			return 2;
		}
		return command->run(&flags);
	}
	return usage();
}

/* What a cell shows; malloced. */
static char *
cell(jv row, const char *member)
{
	jv value = jv_object_get(jv_copy(row), jv_string(member));
	char *text;

	if (jv_get_kind(value) == JV_KIND_NULL || !jv_is_valid(value)) {
		jv_free(value);
		value = jv_string("-");
	} else if (jv_get_kind(value) != JV_KIND_STRING) {
		value = jv_dump_string(value, 0);
	}
	text = strndup(jv_string_value(value), 100);
	if (!text)
		abort();
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	jv_free(value);
	return text;
}

static size_t
column_width(jv rows, const struct column *column)
{
	size_t width = strlen(column->heading);

	jv_array_foreach(rows, i, row) {
		char *text = cell(row, column->member);

		if (strlen(text) > width)
			width = strlen(text);
		free(text);
		jv_free(row);
	}
	return width;
}

/* Takes rows over. */
static void
print_table(jv rows, const struct column *columns, int count)
{
	size_t widths[12];

	for (int c = 0; c < count; c++) {
		widths[c] = column_width(rows, &columns[c]);
		printf("%-*s%s", c + 1 < count ? (int)widths[c] : 0, columns[c].heading,
		       c + 1 < count ? "  " : "\n");
	}
	jv_array_foreach(rows, i, row) {
		for (int c = 0; c < count; c++) {
			char *text = cell(row, columns[c].member);

			printf("%-*s%s", c + 1 < count ? (int)widths[c] : 0, text,
			       c + 1 < count ? "  " : "\n");
			free(text);
		}
		jv_free(row);
	}
	jv_free(rows);
}

/* Calls; prints the raw reply when that is wanted. Valid when there is something left to print. */
static jv
ask(const struct flags *flags, const char *method, const char *path, const char *body,
    int *exit_status)
{
	char *raw = NULL;
	jv json = cli_call(method, path, body, &raw);

	*exit_status = jv_is_valid(json) ? 0 : 1;
	if (jv_is_valid(json) && flags->json) {
		puts(raw);
		jv_free(json);
		json = jv_invalid();
	}
	free(raw);
	return json;
}

/* {"crm": {...}} -> [{"name": "crm", ...}] */
static jv
named_rows(jv object)
{
	jv rows = jv_array();

	jv_object_foreach(object, key, value)
		rows = jv_array_append(rows, jv_object_set(value, jv_string("name"), key));
	jv_free(object);
	return rows;
}

static int
status(const struct flags *flags)
{
	static const struct column systems[] = { { "name", "SYSTEM" }, { "breaker", "BREAKER" },
		{ "reachable", "REACHABLE" }, { "subscribed", "SUBSCRIBED" },
		{ "undelivered", "UNDELIVERED" }, { "paused", "PAUSED" },
		{ "error", "ERROR" } };
	static const struct column columns[] = { { "name", "ROUTE" }, { "pending", "PENDING" },
		{ "waiting", "WAITING" }, { "retrying", "RETRYING" }, { "rejected", "REJECTED" },
		{ "dead", "DEAD" }, { "oldest_age_seconds", "OLDEST (S)" },
		{ "last_effect_at", "LAST EFFECT" }, { "paused", "PAUSED" } };
	int exit_status;
	jv json = ask(flags, "GET", "/api/v1/status", NULL, &exit_status);
	jv idle;

	if (!jv_is_valid(json))
		return exit_status;
	idle = jv_object_get(jv_copy(json), jv_string("idle"));
	puts(jv_get_kind(idle) == JV_KIND_TRUE ? "idle: every queue is empty\n" : "at work\n");
	print_table(named_rows(jv_object_get(jv_copy(json), jv_string("systems"))), systems, 7);
	printf("\n");
	print_table(jv_object_get(json, jv_string("routes")), columns, 9);
	return 0;
}

/* "?a=b&c=d", malloced. */
static char *
messages_path(const struct flags *flags)
{
	const char *const names[] = { "state", "route", "limit" };
	const char *const values[] = { flags->state, flags->route,
				       flags->limit ? flags->limit : "50" };
	char *path = strdup("/api/v1/messages?sort=-id");

	for (int i = 0; path && i < 3; i++) {
		char *encoded, *longer;

		if (!values[i])
			continue;
		encoded = cli_encode(values[i]);
		if (asprintf(&longer, "%s&%s=%s", path, names[i], encoded) < 0)
			abort();
		free(encoded);
		free(path);
		path = longer;
	}
	if (!path)
		abort();
	return path;
}

static int
messages(const struct flags *flags)
{
	static const struct column columns[] = { { "id", "ID" }, { "route", "ROUTE" },
		{ "source", "FROM" }, { "entity", "ENTITY" }, { "source_id", "RECORD" },
		{ "version", "VERSION" }, { "state", "STATE" }, { "attempts", "TRIES" },
		{ "received_at", "RECEIVED" }, { "reason", "REASON" } };
	char *path = messages_path(flags);
	int exit_status;
	jv json = ask(flags, "GET", path, NULL, &exit_status);

	free(path);
	if (jv_is_valid(json))
		print_table(jv_object_get(json, jv_string("data")), columns, 10);
	return exit_status;
}

/* POST /messages/{id}/{verb} */
static int
act(const struct flags *flags, const char *verb, const char *body)
{
	char *encoded = cli_encode(flags->argument);
	char path[256];
	int exit_status;
	jv json;

	snprintf(path, sizeof(path), "/api/v1/messages/%s/%s", encoded, verb);
	free(encoded);
	json = ask(flags, "POST", path, body, &exit_status);
	if (jv_is_valid(json)) {
		char *state = cell(json, "state");

		printf("message %s: %s\n", flags->argument, state);
		free(state);
		jv_free(json);
	}
	return exit_status;
}

static int
act_on_many(const struct flags *flags, const char *verb)
{
	const struct cli_filter filter = { .state = flags->state, .route = flags->route,
		.entity = flags->entity, .from = flags->from, .to = flags->to,
		.limit = flags->limit };

	return cli_bulk(verb, &filter, flags->reason, flags->json);
}

/* All dead letters at once would be a slip of the hand: something must say which. */
static bool
names_many(const struct flags *flags)
{
	return flags->state || flags->route || flags->entity || flags->from || flags->to;
}

static int
retry(const struct flags *flags)
{
	if (!flags->argument && !names_many(flags)) {
		fprintf(stderr, "sync-bridge: retry needs an ID, or flags that say which\n");
		return 2;
	}
	if (!flags->argument)
		return act_on_many(flags, "retry");
	return act(flags, "retry", "{}");
}

static int
skip(const struct flags *flags)
{
	jv body;
	int exit_status;

	if (!flags->reason) {
		fprintf(stderr, "sync-bridge: skip needs --reason TEXT\n");
		return 2;
	}
	if (!flags->argument && !names_many(flags)) {
		fprintf(stderr, "sync-bridge: skip needs an ID, or flags that say which\n");
		return 2;
	}
	if (!flags->argument)
		return act_on_many(flags, "skip");
	body = jv_object_set(jv_object(), jv_string("reason"), jv_string(flags->reason));
	body = jv_dump_string(body, 0);
	exit_status = act(flags, "skip", jv_string_value(body));
	jv_free(body);
	return exit_status;
}

static int
pause_it(const struct flags *flags)
{
	if (!flags->reason) {
		fprintf(stderr, "sync-bridge: pause needs --reason TEXT\n");
		return 2;
	}
	return cli_pause(flags->argument, flags->second, flags->reason, flags->json);
}

static int
resume_it(const struct flags *flags)
{
	return cli_pause(flags->argument, flags->second, NULL, flags->json);
}

static int
links(const struct flags *flags)
{
	static const struct column columns[] = { { "left", "RECORD" }, { "right", "IS" },
		{ "route", "ROUTE" }, { "source_version", "VERSION" },
		{ "updated_at", "LAST CROSSED" } };
	char *encoded = cli_encode(flags->argument);
	char path[1024];
	int exit_status;
	jv json;

	snprintf(path, sizeof(path), "/api/v1/links?ref=%s", encoded);
	free(encoded);
	json = ask(flags, "GET", path, NULL, &exit_status);
	if (jv_is_valid(json))
		print_table(jv_object_get(json, jv_string("data")), columns, 5);
	return exit_status;
}

static int
routes(const struct flags *flags)
{
	static const struct column columns[] = { { "name", "ROUTE" }, { "from", "FROM" },
		{ "entity", "ENTITY" }, { "to", "TO" }, { "target", "TARGET" },
		{ "map", "MAPPING" }, { "when", "WHEN" } };
	int exit_status;
	jv json = ask(flags, "GET", "/api/v1/routes", NULL, &exit_status);

	if (jv_is_valid(json))
		print_table(jv_object_get(json, jv_string("data")), columns, 7);
	return exit_status;
}
