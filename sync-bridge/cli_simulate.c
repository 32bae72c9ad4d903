/* sync-bridge/cli_simulate.c -- the command simulate: what a changed mapping would do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cli_http.h"
#include "cli_table.h"

#define FILE_MAX (64 * 1024)

/* The whole file, malloced; NULL after a message. */
static char *
file_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(FILE_MAX + 1);
	size_t length;

	if (!text)
		abort();
	if (!file) {
		fprintf(stderr, "sync-bridge: %s: cannot be read\n", path);
		free(text);
		return NULL;
	}
	length = fread(text, 1, FILE_MAX, file);
	fclose(file);
	text[length] = '\0';
	return text;
}

/* A whole number as one, so that the bridge can judge it; anything else as it is. */
static jv
number_or_text(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	return *text && !*end ? jv_number(value) : jv_string(text);
}

/* Invalid after a message. */
static jv
question(const struct cli *cli)
{
	static const char *const counts[] = { "last", "samples" };
	const char *map = cli_flag(cli, "map"), *when = cli_flag(cli, "when");
	jv body = jv_object_set(jv_object(), jv_string("route"), jv_string(cli->arguments[0]));

	if (map) {
		char *text = file_text(map);

		if (!text) {
			jv_free(body);
			return jv_invalid();
		}
		body = jv_object_set(body, jv_string("map"), jv_string(text));
		free(text);
	}
	if (when)
		body = jv_object_set(body, jv_string("when"), jv_string(when));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (cli_flag(cli, counts[i]))
			body = jv_object_set(body, jv_string(counts[i]),
					     number_or_text(cli_flag(cli, counts[i])));
	return body;
}

static void
print_counts(jv json)
{
	jv counts = jv_object_get(jv_copy(json), jv_string("counts"));
	char *records = cli_text(json, "records");
	char *events = cli_text(json, "events");
	char *differing = cli_text(json, "differing");

	printf("%s records of the last %s changes; %s come out otherwise than today\n", records,
	       events, differing);
	jv_object_foreach(counts, key, value) {
		printf("  %-13s %.0f\n", jv_string_value(key), jv_number_value(value));
		jv_free(key);
		jv_free(value);
	}
	jv_free(counts);
	free(records);
	free(events);
	free(differing);
}

/* "    name  today "Acme"  then "ACME"  target "Acme"" */
static void
print_list(jv sample, const char *member, const char *const *shown)
{
	jv list = jv_object_get(jv_copy(sample), jv_string(member));

	if (jv_get_kind(list) != JV_KIND_ARRAY) {
		jv_free(list);
		return;
	}
	jv_array_foreach(list, i, each) {
		char *field = cli_text(each, "field");

		printf("    %s", field);
		free(field);
		for (int s = 0; shown[s]; s++) {
			char *text = cli_cell(each, shown[s]);

			printf("  %s: %s", shown[s], text);
			free(text);
		}
		printf("\n");
		jv_free(each);
	}
	jv_free(list);
}

static void
print_sample(jv sample)
{
	static const char *const diff[] = { "old", "new", "target", NULL };
	static const char *const errors[] = { "code", "message", NULL };
	char *outcome = cli_text(sample, "outcome");
	char *ref = cli_text(sample, "ref");
	char *version = cli_text(sample, "version");
	char *reason = cli_text(sample, "reason");

	printf("\n%s %s version %s%s%s\n", outcome, ref, version, *reason ? ": " : "", reason);
	print_list(sample, "diff", diff);
	print_list(sample, "errors", errors);
	free(outcome);
	free(ref);
	free(version);
	free(reason);
	jv_free(sample);
}

static void
print_note(jv json, const char *member, const char *text)
{
	char *note = cli_text(json, member);

	if (*note)
		printf("%s: %s\n", text, note);
	free(note);
}

int
cli_simulate(const struct cli *cli)
{
	jv body = question(cli);
	int exit_status;
	jv json;

	if (!jv_is_valid(body)) {
		jv_free(body);
		return 1;
	}
	body = jv_dump_string(body, 0);
	json = cli_ask(cli, "POST", "/api/v1/simulations", jv_string_value(body), &exit_status);
	jv_free(body);
	if (!jv_is_valid(json))
		return exit_status;
	print_counts(json);
	print_note(json, "cut", "not all were looked at");
	print_note(json, "unchecked", "not checked against the target's fields");
	print_note(json, "target_away", "not compared with the target");
	jv samples = jv_object_get(jv_copy(json), jv_string("samples"));
	jv_array_foreach(samples, i, sample)
		print_sample(sample);
	jv_free(samples);
	jv_free(json);
	return 0;
}
