/* sync-bridge/cli_truth.c -- the commands reconcile, drift and prove. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "cli_http.h"
#include "cli_table.h"

#define PROOF_MS (6L * 3600 * 1000)
#define LOOK_MS 200

static bool
text_is(jv object, const char *member, const char *value)
{
	char *text = cli_text(object, member);
	bool same = strcmp(text, value) == 0;

	free(text);
	return same;
}

static long
number(jv object, const char *member)
{
	jv value = jv_object_get(jv_copy(object), jv_string(member));
	long out = jv_get_kind(value) == JV_KIND_NUMBER ? (long)jv_number_value(value) : 0;

	jv_free(value);
	return out;
}

/* ---- reconcile ---- */

static char *
asked_body(const struct cli *cli)
{
	jv body = jv_object_set(jv_object(), jv_string("repair"),
				cli_flag(cli, "dry-run") ? jv_false() : jv_true());
	char *text;

	if (cli_flag(cli, "route"))
		body = jv_object_set(body, jv_string("route"), jv_string(cli_flag(cli, "route")));
	if (cli_flag(cli, "record"))
		body = jv_object_set(body, jv_string("record"), jv_string(cli_flag(cli, "record")));
	body = jv_dump_string(body, 0);
	text = strdup(jv_string_value(body));
	jv_free(body);
	if (!text)
		abort();
	return text;
}

/* The run once it has ended; invalid when the bridge does not answer any more. */
static jv
wait_for_run(const char *path, char **raw)
{
	static const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };

	for (;;) {
		jv run = cli_call("GET", path, NULL, raw);

		if (!jv_is_valid(run) || text_is(run, "state", "finished") ||
		    text_is(run, "state", "failed"))
			return run;
		jv_free(run);
		free(*raw);
		nanosleep(&pause, NULL);
	}
}

static void
print_run(jv run)
{
	static const struct column routes[] = { { "route", "ROUTE" }, { "source_rows", "SOURCE" },
		{ "target_rows", "TARGET" }, { "in_flight", "IN FLIGHT" }, { "missing", "MISSING" },
		{ "extra", "EXTRA" }, { "differs", "DIFFERS" }, { "repaired", "REPAIRED" },
		{ "held", "HELD" }, { "revised", "REVISED" }, { "seconds", "SECONDS" },
		{ "not_compared", "NOT COMPARED" } };
	char *state = cli_text(run, "state");
	char *seconds = cli_text(run, "seconds");
	char *reason = cli_text(run, "reason");

	cli_table(jv_object_get(jv_copy(run), jv_string("routes")), routes, 12);
	printf("\n%s: %ld rows in %s s%s%s\n", state, number(run, "rows_compared"), seconds,
	       *reason ? ": " : "", reason);
	free(state);
	free(seconds);
	free(reason);
}

int
cli_reconcile(const struct cli *cli)
{
	char *body = asked_body(cli);
	char *raw = NULL;
	char path[80];
	jv run = cli_call("POST", "/api/v1/reconciliations", body, NULL);
	bool good;

	free(body);
	if (!jv_is_valid(run))
		return 1;
	snprintf(path, sizeof(path), "/api/v1/reconciliations/%ld", number(run, "id"));
	jv_free(run);
	run = wait_for_run(path, &raw);
	if (!jv_is_valid(run))
		return 1;
	good = text_is(run, "state", "finished");
	if (cli->json)
		puts(raw);
	else
		print_run(run);
	free(raw);
	jv_free(run);
	return good ? 0 : 1;
}

/* ---- drift ---- */

int
cli_drift(const struct cli *cli)
{
	static const struct column columns[] = { { "id", "ID" }, { "route", "ROUTE" },
		{ "source_ref", "SOURCE" }, { "target_ref", "TARGET" }, { "kind", "KIND" },
		{ "field", "FIELD" }, { "source_value", "SOURCE HAS" },
		{ "target_value", "TARGET HAS" }, { "owner", "OWNER" },
		{ "age_seconds", "AGE (S)" }, { "state", "STATE" }, { "reason", "REASON" } };
	static const char *const names[] = { "route", "state", "kind", "limit", NULL };
	char *path = cli_path(cli,
			      cli_flag(cli, "state") ? "/api/v1/drift?sort=-id"
						     : "/api/v1/drift?sort=-id&state[in]=open,held",
			      names);
	int exit_status;
	jv json = cli_ask(cli, "GET", path, NULL, &exit_status);

	free(path);
	if (jv_is_valid(json))
		cli_table(jv_object_get(json, jv_string("data")), columns, 12);
	return exit_status;
}

int
cli_drift_repair(const struct cli *cli)
{
	return cli_act(cli, "drift", "repair", "drift");
}

int
cli_drift_hold(const struct cli *cli)
{
	return cli_act(cli, "drift", "hold", "drift");
}

/* ---- prove ---- */

static void
print_proof(jv proof)
{
	static const struct column routes[] = { { "route", "ROUTE" }, { "events", "EVENTS" },
		{ "applied", "APPLIED" }, { "unchanged", "UNCHANGED" },
		{ "superseded", "SUPERSEDED" }, { "skipped", "SKIPPED" }, { "covered", "COVERED" },
		{ "refused", "REFUSED" }, { "gaps", "GAPS" }, { "targets", "TARGETS" },
		{ "behind", "BEHIND" }, { "duplicates", "DUPLICATES" } };
	jv comparison = jv_object_get(jv_copy(proof), jv_string("comparison"));
	jv examples = jv_object_get(jv_copy(proof), jv_string("examples"));

	cli_table(jv_object_get(jv_copy(proof), jv_string("routes")), routes, 12);
	printf("\nevents      %ld\neffects     %ld\nduplicates  %ld\ngaps        %ld\n"
	       "drift       %ld of %ld rows compared\n",
	       number(proof, "events"), number(proof, "effects"), number(proof, "duplicates"),
	       number(proof, "gaps"), number(proof, "drift"), number(comparison, "rows_compared"));
	jv_array_foreach(examples, i, example) {
		printf("  %s\n", jv_string_value(example));
		jv_free(example);
	}
	jv_free(examples);
	jv_free(comparison);
}

int
cli_prove(const struct cli *cli)
{
	char *raw = NULL;
	jv proof, holds;
	bool good;

	cli_timeout_ms = PROOF_MS;
	proof = cli_call("GET", "/api/v1/proof", NULL, &raw);
	if (!jv_is_valid(proof))
		return 1;
	holds = jv_object_get(jv_copy(proof), jv_string("holds"));
	good = jv_get_kind(holds) == JV_KIND_TRUE;
	jv_free(holds);
	if (cli->json)
		puts(raw);
	else
		print_proof(proof);
	if (!cli->json)
		puts(good ? "\nproved: every change has had its one effect"
			  : "\nnot proved");
	free(raw);
	jv_free(proof);
	return good ? 0 : 1;
}
