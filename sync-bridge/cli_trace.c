/* sync-bridge/cli_trace.c -- the command trace: a deal's way, one line for each change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_http.h"
#include "cli_table.h"

static jv
with(jv row, const char *member, char *text)
{
	row = jv_object_set(row, jv_string(member), jv_string(text));
	free(text);
	return row;
}

/* "-3.1 ms", "+40.2 ms", "+12.5 s", "+2.1 h": what a person can read at a glance. */
static char *
since(jv step)
{
	jv value = jv_object_get(jv_copy(step), jv_string("since_won_ms"));
	double ms = jv_get_kind(value) == JV_KIND_NUMBER ? jv_number_value(value) : 0;
	double size = ms < 0 ? -ms : ms;
	bool known = jv_get_kind(value) == JV_KIND_NUMBER;

	jv_free(value);
	if (!known)
		return cli_printf("-");
	if (size < 10000)
		return cli_printf("%+.1f ms", ms);
	return size < 7200000 ? cli_printf("%+.1f s", ms / 1000)
			      : cli_printf("%+.1f h", ms / 3600000);
}

/* "status packed -> shipped, balance 10.00 -> 0.00" */
static char *
changed(jv step)
{
	jv changes = jv_object_get(jv_copy(step), jv_string("changes"));
	char *out = cli_printf("%s", "");

	jv_object_foreach(changes, key, value) {
		char *from = cli_text(value, "from");
		char *to = cli_text(value, "to");
		char *change = *from ? cli_printf("%s %s -> %s", jv_string_value(key), from, to)
				     : cli_printf("%s %s", jv_string_value(key), to);
		char *longer = cli_printf("%s%s%s", out, *out ? ", " : "", change);

		free(from);
		free(to);
		free(change);
		free(out);
		out = longer;
		jv_free(key);
		jv_free(value);
	}
	jv_free(changes);
	return out;
}

/* "crm applied in 12.3 ms", of each route. */
static char *
crossed(jv step)
{
	jv list = jv_object_get(jv_copy(step), jv_string("crossed"));
	char *out = cli_printf("%s", "");

	jv_array_foreach(list, i, each) {
		char *to = cli_text(each, "to");
		char *state = cli_text(each, "state");
		char *ms = cli_text(each, "effect_ms");
		char *reason = cli_text(each, "reason");
		bool applied = strcmp(state, "applied") == 0;
		char *longer = cli_printf("%s%s%s %s%s%s%s", out, *out ? "; " : "", to, state,
					  applied ? " in " : *reason ? ": " : "",
					  applied ? ms : reason, applied ? " ms" : "");

		free(to);
		free(state);
		free(ms);
		free(reason);
		free(out);
		out = longer;
		jv_free(each);
	}
	jv_free(list);
	return out;
}

static jv
step_row(jv step)
{
	char *number = cli_text(step, "number");

	step = with(step, "since", since(step));
	step = with(step, "changed", changed(step));
	step = with(step, "how", crossed(step));
	if (*number)
		return with(step, "record", number);
	free(number);
	return with(step, "record", cli_text(step, "ref"));
}

/* "  SO-2026-00001: not shipped: 2 of 5", one line each. Takes list over. */
static void
print_list(const char *heading, jv list, const char *about, const char *otherwise, const char *text)
{
	jv_array_foreach(list, i, each) {
		char *name = cli_text(each, about);
		char *words = cli_text(each, text);

		if (i == 0)
			printf("\n%s\n", heading);
		if (!*name) {
			free(name);
			name = cli_text(each, otherwise);
		}
		printf("  %s: %s\n", name, words);
		free(name);
		free(words);
		jv_free(each);
	}
	jv_free(list);
}

static void
print_head(jv json)
{
	char *deal = cli_text(json, "deal");
	char *name = cli_text(json, "name");
	char *won_at = cli_text(json, "won_at");

	printf("%s %s\n%s%s%s\n\n", deal, name, *won_at ? "won at " : "not won", won_at,
	       *won_at ? "; times are since then" : "");
	free(deal);
	free(name);
	free(won_at);
}

int
cli_trace(const struct cli *cli)
{
	static const struct column columns[] = { { "since", "SINCE WON" }, { "system", "WHERE" },
		{ "type", "WHAT" }, { "record", "RECORD" }, { "actor", "WHO" },
		{ "changed", "CHANGED" }, { "how", "CROSSED" } };
	static const char *const names[] = { "system", NULL };
	char *entity = cli_encode(cli->arguments[0]);
	char *id = cli_encode(cli->arguments[1]);
	char *base = cli_printf("/api/v1/traces/%s/%s", entity, id);
	char *path = cli_path(cli, base, names);
	int exit_status;
	jv json = cli_ask(cli, "GET", path, NULL, &exit_status);
	jv rows = jv_array();

	free(entity);
	free(id);
	free(base);
	free(path);
	if (!jv_is_valid(json)) {
		jv_free(rows);
		return exit_status;
	}
	print_head(json);
	jv steps = jv_object_get(jv_copy(json), jv_string("steps"));
	jv_array_foreach(steps, i, step)
		rows = jv_array_append(rows, step_row(step));
	jv_free(steps);
	cli_table(rows, columns, 7);
	print_list("still missing", jv_object_get(jv_copy(json), jv_string("missing")), "number",
		   "ref", "text");
	print_list("not looked at", jv_object_get(jv_copy(json), jv_string("unavailable")),
		   "what", "system", "reason");
	jv_free(json);
	return 0;
}
