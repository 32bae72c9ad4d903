/* sync-bridge/cli.h -- the operator's commands, spoken over HTTP to the running bridge.
 *
 * A command is one row of the table in cli.c and a function in a cli_<topic>.c; its usage line
 * also says what it takes. Exit status: 0 done, 1 the bridge refused or does not answer, 2 wrong
 * usage.
 */
#ifndef BRIDGE_CLI_H
#define BRIDGE_CLI_H

#include <jv.h>
#include <stdbool.h>

#define CLI_ARGUMENTS_MAX 4
#define CLI_FLAGS_MAX 12

/* What the user gave; usage is checked before a command runs, so what is required is there. */
struct cli {
	bool json;                                    /* --json: print the bridge's reply as is */
	const char *arguments[CLI_ARGUMENTS_MAX];     /* NULL where none was given */
	int argument_count;
	struct {
		const char *name;                     /* without its dashes */
		const char *value;                    /* "" for a flag that takes none */
	} flags[CLI_FLAGS_MAX];
	int flag_count;
};

struct cli_command {
	const char *name;        /* one word or more: "status", "pause route" */
	/* What follows the name: capitals stand for arguments, --flag WORD takes a value, brackets
	 * say optional. --json is always taken. */
	const char *takes;
	int (*run)(const struct cli *cli);
};

int cli_run(int argc, char **argv);

/* The value of --name, NULL when it was not given. */
const char *cli_flag(const struct cli *cli, const char *name);

/* Calls. With --json the reply is printed, and nothing is left to print: invalid. Invalid, too,
 * after a failure, which is told on standard error. *exit_status is set. body: NULL for none. */
jv cli_ask(const struct cli *cli, const char *method, const char *path, const char *body,
	   int *exit_status);

/* POST /<path>/<first argument>/<verb>, with --reason when it was given; prints the state that what
 * (a "message") is in then, and why. Answers the exit status. */
int cli_act(const struct cli *cli, const char *path, const char *verb, const char *what);

/* The path with those of the flags that were given as its query, malloced. names: NULL-terminated;
 * path may have a query already. */
char *cli_path(const struct cli *cli, const char *path, const char *const *names);

/* The commands. */
int cli_status(const struct cli *cli);
int cli_routes(const struct cli *cli);
int cli_links(const struct cli *cli);
int cli_messages(const struct cli *cli);
int cli_retry(const struct cli *cli);
int cli_skip(const struct cli *cli);
int cli_pause(const struct cli *cli);
int cli_resume(const struct cli *cli);
/* Of all messages that the flags name; verb: "retry" or "skip". */
int cli_bulk(const struct cli *cli, const char *verb);
int cli_check_config(const struct cli *cli);
int cli_reload(const struct cli *cli);
int cli_rotate_secret(const struct cli *cli);
int cli_trace(const struct cli *cli);
int cli_explain(const struct cli *cli);
int cli_simulate(const struct cli *cli);
int cli_reconcile(const struct cli *cli);
int cli_drift(const struct cli *cli);
int cli_drift_repair(const struct cli *cli);
int cli_drift_hold(const struct cli *cli);
int cli_prove(const struct cli *cli);
int cli_replay(const struct cli *cli);
int cli_replay_cancel(const struct cli *cli);
int cli_replays(const struct cli *cli);
int cli_rebuild(const struct cli *cli);
int cli_match(const struct cli *cli);
int cli_match_accept(const struct cli *cli);
int cli_match_refuse(const struct cli *cli);
int cli_accept_restore(const struct cli *cli);
int cli_held(const struct cli *cli);

#endif
