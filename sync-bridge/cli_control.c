/* sync-bridge/cli_control.c -- pause, resume, and retry or skip of many, over HTTP. */
#include "cli_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_http.h"

/* Calls with a body that it takes over. Valid when there is something left to print. */
static jv
post(const char *path, jv body, bool raw_wanted, int *exit_status)
{
	jv text = jv_dump_string(body, 0);
	char *raw = NULL;
	jv json = cli_call("POST", path, jv_string_value(text), &raw);

	jv_free(text);
	*exit_status = jv_is_valid(json) ? 0 : 1;
	if (jv_is_valid(json) && raw_wanted) {
		puts(raw);
		jv_free(json);
		json = jv_invalid();
	}
	free(raw);
	return json;
}

int
cli_pause(const char *kind, const char *name, const char *reason, bool json)
{
	bool route = strcmp(kind, "route") == 0;
	jv body = jv_object();
	char path[512];
	char *encoded;
	int exit_status;
	jv reply;

	if (!route && strcmp(kind, "system") != 0) {
		fprintf(stderr, "sync-bridge: \"%s\" is neither route nor system\n", kind);
		jv_free(body);
		return 2;
	}
	if (reason)
		body = jv_object_set(body, jv_string("reason"), jv_string(reason));
	encoded = cli_encode(name);
	snprintf(path, sizeof(path), "/api/v1/%ss/%s/%s", kind, encoded,
		 reason ? "pause" : "resume");
	free(encoded);
	reply = post(path, body, json, &exit_status);
	if (jv_is_valid(reply))
		printf("%s %s: %s\n", kind, name, reason ? "paused" : "goes on");
	jv_free(reply);
	return exit_status;
}

static jv
with(jv object, const char *key, jv value)
{
	return jv_object_set(object, jv_string(key), value);
}

/* A number when it is one: an id, and not a time. */
static jv
number_or_text(const char *text)
{
	return strspn(text, "0123456789") == strlen(text) ? jv_number(strtod(text, NULL))
							  : jv_string(text);
}

int
cli_bulk(const char *verb, const struct cli_filter *filter, const char *reason, bool json)
{
	jv named = jv_object();
	jv body = jv_object();
	char path[64];
	int exit_status;
	jv reply;

	if (filter->state)
		named = with(named, "state", jv_string_split(jv_string(filter->state),
							      jv_string(",")));
	if (filter->route)
		named = with(named, "route", jv_string(filter->route));
	if (filter->entity)
		named = with(named, "entity", jv_string(filter->entity));
	if (filter->from)
		named = with(named, "from", number_or_text(filter->from));
	if (filter->to)
		named = with(named, "to", number_or_text(filter->to));
	body = with(body, "filter", named);
	if (filter->limit)
		body = with(body, "limit", number_or_text(filter->limit));
	if (reason)
		body = with(body, "reason", jv_string(reason));
	snprintf(path, sizeof(path), "/api/v1/messages/%s", verb);
	reply = post(path, body, json, &exit_status);
	if (jv_is_valid(reply)) {
		jv count = jv_object_get(jv_copy(reply), jv_string("messages"));
		jv more = jv_object_get(jv_copy(reply), jv_string("more"));

		printf("%s: %.0f messages%s\n", verb, jv_number_value(count),
		       jv_get_kind(more) == JV_KIND_TRUE ? ", and there are more" : "");
		jv_free(count);
		jv_free(more);
	}
	jv_free(reply);
	return exit_status;
}
