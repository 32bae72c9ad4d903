/* sync-bridge/cli_recovery.c -- the commands for replays, rebuild, first load and restores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "cli_http.h"
#include "cli_table.h"

#define LOOK_US 300000

static double
number(jv object, const char *member)
{
	jv value = jv_object_get(jv_copy(object), jv_string(member));
	double out = jv_get_kind(value) == JV_KIND_NUMBER ? jv_number_value(value) : 0;

	jv_free(value);
	return out;
}

static long
seconds_now(void)
{
	return (long)time(NULL);
}

/* "part 2 of 5: 300 of 1200 records, 480/s, 2 s to go" */
static void
print_progress(jv job, double begun_at, long begun)
{
	double done = number(job, "done"), total = number(job, "total");
	long spent = seconds_now() - begun;
	double rate = spent > 0 ? (done - begun_at) / (double)spent : 0;
	char *reason = cli_text(job, "reason");

	fprintf(stderr, "part %.0f of %.0f: %.0f of %.0f records",
		number(job, "step") + 1, number(job, "steps"), done, total);
	if (rate > 0)
		fprintf(stderr, ", %.0f/s, about %.0f s to go", rate,
			total > done ? (total - done) / rate : 0);
	fprintf(stderr, "%s%s\n", *reason ? ": " : "", reason);
	free(reason);
}

/* Looks at the job until it ends; the job, or invalid. Takes job over. */
static jv
follow(jv job)
{
	double id = number(job, "id"), begun_at = number(job, "done");
	long begun = seconds_now(), told = begun;
	char path[80];

	snprintf(path, sizeof(path), "/api/v1/replays/%.0f", id);
	while (jv_is_valid(job)) {
		char *state = cli_text(job, "state");
		bool running = strcmp(state, "running") == 0;

		free(state);
		if (!running)
			break;
		if (seconds_now() > told) {
			told = seconds_now();
			print_progress(job, begun_at, begun);
		}
		usleep(LOOK_US);
		jv_free(job);
		job = cli_call("GET", path, NULL, NULL);
	}
	return job;
}

/* How it ended, in a line; its exit status. */
static int
print_end(jv job)
{
	char *state = cli_text(job, "state"), *reason = cli_text(job, "reason");
	int status = strcmp(state, "done") == 0 ? 0 : 1;

	printf("replay %.0f: %s, %.0f of %.0f records%s%s\n", number(job, "id"), state,
	       number(job, "done"), number(job, "total"), *reason ? ": " : "", reason);
	free(state);
	free(reason);
	return status;
}

/* Takes body over; the job's end, or invalid with *exit_status set. */
static jv
run(const struct cli *cli, const char *path, jv body, bool wait, int *exit_status)
{
	jv job;

	body = jv_dump_string(body, 0);
	if (!wait) {
		job = cli_ask(cli, "POST", path, jv_string_value(body), exit_status);
		jv_free(body);
		return job;
	}
	job = cli_call("POST", path, jv_string_value(body), NULL);
	jv_free(body);
	if (jv_is_valid(job))
		job = follow(job);
	*exit_status = jv_is_valid(job) ? 0 : 1;
	if (!jv_is_valid(job) || !cli->json)
		return job;
	job = jv_dump_string(job, 0);
	puts(jv_string_value(job));
	jv_free(job);
	return jv_invalid();
}

static int
run_and_tell(const struct cli *cli, const char *path, jv body)
{
	bool wait = !cli_flag(cli, "no-wait");
	int status;
	jv job = run(cli, path, body, wait, &status);

	if (!jv_is_valid(job))
		return status;
	status = print_end(job);
	jv_free(job);
	return wait ? status : 0;
}

int
cli_replay(const struct cli *cli)
{
	static const char *const names[] = { "ref", "route", "from", "to", "entity", NULL };
	jv body = jv_object();

	for (int i = 0; names[i]; i++)
		if (cli_flag(cli, names[i]))
			body = jv_object_set(body, jv_string(names[i]),
					     jv_string(cli_flag(cli, names[i])));
	if (cli_flag(cli, "rate"))
		body = jv_object_set(body, jv_string("rate"),
				     jv_number(strtol(cli_flag(cli, "rate"), NULL, 10)));
	return run_and_tell(cli, "/api/v1/replays", body);
}

int
cli_rebuild(const struct cli *cli)
{
	return run_and_tell(cli, "/api/v1/rebuild", jv_object());
}

int
cli_replays(const struct cli *cli)
{
	static const struct column columns[] = { { "id", "ID" }, { "kind", "KIND" },
		{ "state", "STATE" }, { "ref", "RECORD" }, { "route", "ROUTE" },
		{ "system", "SYSTEM" }, { "done", "DONE" }, { "total", "OF" },
		{ "actor", "BY" }, { "created_at", "ASKED AT" }, { "reason", "REASON" } };
	int exit_status;
	jv json = cli_ask(cli, "GET", "/api/v1/replays?sort=-id&limit=50", NULL, &exit_status);

	if (jv_is_valid(json))
		cli_table(jv_object_get(json, jv_string("data")), columns, 11);
	return exit_status;
}

int
cli_replay_cancel(const struct cli *cli)
{
	return cli_act(cli, "replays", "cancel", "replay");
}

int
cli_match_accept(const struct cli *cli)
{
	return cli_act(cli, "matches", "accept", "match");
}

int
cli_match_refuse(const struct cli *cli)
{
	return cli_act(cli, "matches", "refuse", "match");
}

static void
print_pairs(const char *route, const char *state)
{
	static const struct column columns[] = { { "id", "ID" }, { "left_ref", "LEFT" },
		{ "left_name", "NAME" }, { "right_ref", "RIGHT" }, { "right_name", "NAME" },
		{ "rule", "RULE" }, { "key", "KEY" }, { "reason", "WHY" } };
	char *encoded = cli_encode(route);
	char path[400];
	jv json, rows;

	snprintf(path, sizeof(path), "/api/v1/matches?route=%.200s&state=%s&limit=200", encoded,
		 state);
	free(encoded);
	json = cli_call("GET", path, NULL, NULL);
	if (!jv_is_valid(json))
		return;
	rows = jv_object_get(json, jv_string("data"));
	if (jv_array_length(jv_copy(rows)) == 0) {
		jv_free(rows);
		return;
	}
	printf("\n%s:\n", state);
	cli_table(rows, columns, 8);
}

int
cli_match(const struct cli *cli)
{
	bool link = cli_flag(cli, "link");
	jv body = jv_object_set(jv_object(), jv_string("route"), jv_string(cli->arguments[0]));
	int status;
	jv job;

	if (link && cli_flag(cli, "dry-run")) {
		fprintf(stderr, "sync-bridge: --link and --dry-run exclude each other\n");
		jv_free(body);
		return 2;
	}
	body = jv_object_set(body, jv_string("link"), link ? jv_true() : jv_false());
	job = run(cli, "/api/v1/matches", body, true, &status);
	if (!jv_is_valid(job))
		return status;
	status = print_end(job);
	job = jv_dump_string(jv_object_get(job, jv_string("report")), JV_PRINT_INDENT_FLAGS(2) |
			     JV_PRINT_PRETTY);
	puts(jv_string_value(job));
	jv_free(job);
	print_pairs(cli->arguments[0], link ? "linked" : "proposed");
	print_pairs(cli->arguments[0], "ambiguous");
	return status;
}

int
cli_accept_restore(const struct cli *cli)
{
	char *encoded = cli_encode(cli->arguments[0]);
	char path[300];
	int status;

	snprintf(path, sizeof(path), "/api/v1/systems/%.200s/accept-restore", encoded);
	free(encoded);
	status = run_and_tell(cli, path, jv_object());
	if (status == 0 && !cli->json)
		puts("Records whose source was lost are kept and listed: sync-bridge held");
	return status;
}

int
cli_held(const struct cli *cli)
{
	static const struct column columns[] = { { "id", "ID" }, { "ref", "RECORD" },
		{ "source_ref", "SOURCE" }, { "reason", "WHY" }, { "created_at", "SINCE" } };
	int exit_status;
	jv json = cli_ask(cli, "GET", "/api/v1/held?limit=200", NULL, &exit_status);

	if (jv_is_valid(json))
		cli_table(jv_object_get(json, jv_string("data")), columns, 5);
	return exit_status;
}
