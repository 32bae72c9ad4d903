/* sync-bridge/cli.c -- the table of the operator's commands, and what is common to them. */
#include "cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_http.h"
#include "cli_table.h"

static const struct cli_command commands[] = {
	{ "status", "", cli_status },
	{ "messages", "[--state STATE] [--route ROUTE] [--limit N]", cli_messages },
	{ "retry", "[ID] [--state STATE] [--route ROUTE] [--entity ENTITY] [--from ID|TIME]"
		   " [--to ID|TIME] [--limit N]", cli_retry },
	{ "skip", "[ID] [--state STATE] [--route ROUTE] [--entity ENTITY] [--from ID|TIME]"
		  " [--to ID|TIME] [--limit N] --reason TEXT", cli_skip },
	{ "pause", "route|system NAME --reason TEXT", cli_pause },
	{ "resume", "route|system NAME", cli_resume },
	{ "links", "REF", cli_links },
	{ "routes", "", cli_routes },
	{ "check-config", "FILE", cli_check_config },
	{ "reload", "", cli_reload },
	{ "rotate-secret", "SYSTEM [--overlap HOURS] [--end]", cli_rotate_secret },
	{ "explain", "REF", cli_explain },
	{ "simulate", "ROUTE [--map FILE] [--when TEXT] [--last N] [--samples N]", cli_simulate },
	{ "trace", "ENTITY ID [--system SYSTEM]", cli_trace },
	{ "reconcile", "[--route ROUTE] [--record REF] [--dry-run]", cli_reconcile },
	{ "drift", "[--route ROUTE] [--state STATE] [--kind KIND] [--limit N]", cli_drift },
	{ "drift repair", "ID", cli_drift_repair },
	{ "drift hold", "ID --reason TEXT", cli_drift_hold },
	{ "prove", "", cli_prove },
	{ "replay", "[--ref REF] [--route ROUTE] [--from TIME] [--to TIME] [--entity ENTITY]"
		    " [--rate N] [--no-wait]", cli_replay },
	{ "replay cancel", "ID", cli_replay_cancel },
	{ "replays", "", cli_replays },
	{ "rebuild", "[--no-wait]", cli_rebuild },
	{ "match", "ROUTE [--dry-run] [--link]", cli_match },
	{ "match accept", "ID", cli_match_accept },
	{ "match refuse", "ID", cli_match_refuse },
	{ "accept-restore", "SYSTEM [--no-wait]", cli_accept_restore },
	{ "held", "", cli_held },
	{ 0 }
};

/* One word of a usage line. */
struct taken {
	char word[40];         /* without brackets */
	bool flag;             /* --word */
	bool valued;           /* a flag with a value */
	bool optional;
};

/* Steps to the next word that stands for something; false at the end. */
static bool
next_taken(const char **usage, struct taken *taken)
{
	const char *at = *usage + strspn(*usage, " ");
	size_t length;

	*taken = (struct taken){ 0 };
	if (!*at)
		return false;
	taken->optional = *at == '[';
	at += taken->optional;
	taken->flag = strncmp(at, "--", 2) == 0;
	at += taken->flag ? 2 : 0;
	length = strcspn(at, " ]");
	snprintf(taken->word, sizeof(taken->word), "%.*s", (int)length, at);
	at += length;
	if (taken->flag && at[0] == ' ' && isupper((unsigned char)at[1])) {
		taken->valued = true;
		at += 1 + strcspn(at + 1, " ]");
	}
	*usage = at + (*at == ']');
	return true;
}

static bool
find_flag(const char *usage, const char *name, struct taken *taken)
{
	while (next_taken(&usage, taken))
		if (taken->flag && strcmp(taken->word, name) == 0)
			return true;
	return false;
}

const char *
cli_flag(const struct cli *cli, const char *name)
{
	for (int i = 0; i < cli->flag_count; i++)
		if (strcmp(cli->flags[i].name, name) == 0)
			return cli->flags[i].value;
	return NULL;
}

/* False for what the command does not take. */
static bool
parse(const struct cli_command *command, int argc, char **argv, struct cli *cli)
{
	for (int i = 0; i < argc; i++) {
		struct taken taken;
		const char *value = "";

		if (argv[i][0] != '-') {
			if (cli->argument_count == CLI_ARGUMENTS_MAX)
				return false;
			cli->arguments[cli->argument_count++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--json") == 0) {
			cli->json = true;
			continue;
		}
		if (strncmp(argv[i], "--", 2) != 0 ||
		    !find_flag(command->takes, argv[i] + 2, &taken) ||
		    cli->flag_count == CLI_FLAGS_MAX || (taken.valued && i + 1 == argc))
			return false;
		cli->flags[cli->flag_count].name = argv[i] + 2;
		if (taken.valued)
			value = argv[++i];
		cli->flags[cli->flag_count++].value = value;
	}
	return true;
}

/* Neither too few nor too many. */
static bool
is_complete(const struct cli_command *command, const struct cli *cli)
{
	const char *usage = command->takes;
	struct taken taken;
	int needed = 0, possible = 0;

	while (next_taken(&usage, &taken)) {
		if (taken.flag && !taken.optional && !cli_flag(cli, taken.word))
			return false;
		possible += !taken.flag;
		needed += !taken.flag && !taken.optional;
	}
	return cli->argument_count >= needed && cli->argument_count <= possible;
}

/* How many of the words name the command; 0: another one. */
static int
words_named(const struct cli_command *command, int argc, char **argv)
{
	const char *name = command->name;
	int words = 0;

	while (*name) {
		size_t length = strcspn(name, " ");

		if (words == argc || strlen(argv[words]) != length ||
		    strncmp(argv[words], name, length) != 0)
			return 0;
		words++;
		name += length + strspn(name + length, " ");
	}
	return words;
}

static void
print_usage(const struct cli_command *command, const char *before)
{
	fprintf(stderr, "%s%s%s%s [--json]\n", before, command->name, *command->takes ? " " : "",
		command->takes);
}

int
cli_run(int argc, char **argv)
{
	const struct cli_command *command = NULL;
	struct cli cli = { 0 };
	int words = 0;

	for (const struct cli_command *each = commands; each->name; each++) {
		int named = words_named(each, argc, argv);

		if (named > words) {
			words = named;
			command = each;
		}
	}
	if (!command) {
		fprintf(stderr, "usage: sync-bridge --config FILE COMMAND\n");
		for (const struct cli_command *each = commands; each->name; each++)
			print_usage(each, "  ");
		return 2;
	}
	if (!parse(command, argc - words, argv + words, &cli) || !is_complete(command, &cli)) {
		print_usage(command, "usage: sync-bridge --config FILE ");
		return 2;
	}
	return command->run(&cli);
}

jv
cli_ask(const struct cli *cli, const char *method, const char *path, const char *body,
	int *exit_status)
{
	char *raw = NULL;
	jv json = cli_call(method, path, body, &raw);

	*exit_status = jv_is_valid(json) ? 0 : 1;
	if (jv_is_valid(json) && cli->json) {
		puts(raw);
		jv_free(json);
		json = jv_invalid();
	}
	free(raw);
	return json;
}

static void
print_state(const struct cli *cli, const char *what, jv record)
{
	char *state = cli_cell(record, "state");
	char *reason = cli_text(record, "reason");

	printf("%s %s: %s%s%s\n", what, cli->arguments[0], state, *reason ? ": " : "", reason);
	free(state);
	free(reason);
}

int
cli_act(const struct cli *cli, const char *path, const char *verb, const char *what)
{
	const char *reason = cli_flag(cli, "reason");
	char *encoded = cli_encode(cli->arguments[0]);
	char *full = cli_printf("/api/v1/%s/%s/%s", path, encoded, verb);
	jv body = jv_object();
	int exit_status;
	jv record;

	if (reason)
		body = jv_object_set(body, jv_string("reason"), jv_string(reason));
	body = jv_dump_string(body, 0);
	record = cli_ask(cli, "POST", full, jv_string_value(body), &exit_status);
	if (jv_is_valid(record))
		print_state(cli, what, record);
	jv_free(record);
	jv_free(body);
	free(encoded);
	free(full);
	return exit_status;
}

char *
cli_path(const struct cli *cli, const char *path, const char *const *names)
{
	char *out = strdup(path);

	for (int i = 0; out && names[i]; i++) {
		const char *value = cli_flag(cli, names[i]);
		char *encoded, *longer;

		if (!value)
			continue;
		encoded = cli_encode(value);
		if (asprintf(&longer, "%s%c%s=%s", out, strchr(out, '?') ? '&' : '?', names[i],
			     encoded) < 0)
			abort();
		free(encoded);
		free(out);
		out = longer;
	}
	if (!out)
		abort();
	return out;
}
