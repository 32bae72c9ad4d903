/* sync-bridge/cli_explain.c -- the command explain: a sentence for each route. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "cli_http.h"
#include "cli_table.h"

/* "  label  text" unless the text is empty. Takes label's object over. */
static void
print_member(jv object, const char *label, const char *member)
{
	char *text = cli_text(object, member);

	if (*text)
		printf("  %-14s %s\n", label, text);
	free(text);
	jv_free(object);
}

static jv
part(jv object, const char *member)
{
	return jv_object_get(jv_copy(object), jv_string(member));
}

static void
print_route(jv route)
{
	char *name = cli_text(route, "route");
	char *verdict = cli_text(route, "verdict");

	printf("\n%s: %s\n", name, verdict);
	print_member(part(route, "message"), "message", "id");
	print_member(part(route, "message"), "remedy", "remedy");
	print_member(part(route, "message"), "attempts", "attempts");
	print_member(part(route, "message"), "next try", "next_at");
	print_member(part(route, "target"), "is", "ref");
	print_member(part(route, "when"), "when", "text");
	print_member(part(route, "when"), "holds now", "holds");
	free(name);
	free(verdict);
	jv_free(route);
}

static void
print_origin(jv origin)
{
	char *ref = cli_text(origin, "ref");
	char *route = cli_text(origin, "route");
	char *version = cli_text(origin, "crossed_version");
	char *at = cli_text(origin, "crossed_at");

	printf("\ncame from %s by %s: version %s at %s\n", ref, route, version, at);
	free(ref);
	free(route);
	free(version);
	free(at);
	jv_free(origin);
}

int
cli_explain(const struct cli *cli)
{
	char *encoded = cli_encode(cli->arguments[0]);
	char *path = cli_printf("/api/v1/explain?ref=%s", encoded);
	int exit_status;
	jv json = cli_ask(cli, "GET", path, NULL, &exit_status);
	char *version, *away;

	free(encoded);
	free(path);
	if (!jv_is_valid(json))
		return exit_status;
	version = cli_text(json, "version");
	away = cli_text(json, "away");
	printf("%s %s%s\n", cli->arguments[0],
	       *away ? "cannot be looked at: " : *version ? "version " : "is not there any more",
	       *away ? away : version);
	free(version);
	free(away);
	jv routes = part(json, "routes");
	jv_array_foreach(routes, i, route)
		print_route(route);
	jv_free(routes);
	jv origins = part(json, "came_from");
	jv_array_foreach(origins, k, origin)
		print_origin(origin);
	jv_free(origins);
	jv_free(json);
	return 0;
}
