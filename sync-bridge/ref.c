/* sync-bridge/ref.c -- names of records across systems (crm:account:42), and what routes take. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "bridge.h"

static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

/* Copies the name before the colon and steps over it. */
static bool
take_name(const char **text, char *out, size_t size)
{
	size_t length = strspn(*text, name_bytes);

	if (!length || length >= size || (*text)[length] != ':')
		return false;
	memcpy(out, *text, length);
	out[length] = '\0';
	*text += length + 1;
	return true;
}

bool
ref_parse(const char *text, struct ref *ref)
{
	size_t digits;

	if (!take_name(&text, ref->system, sizeof(ref->system)) ||
	    !take_name(&text, ref->entity, sizeof(ref->entity)))
		return false;
	digits = strspn(text, "0123456789");
	if (!digits || digits > 18 || text[digits] || *text == '0')
		return false;
	ref->id = strtoll(text, NULL, 10);
	return true;
}

void
message_ref(const struct message *message, char out[REF_MAX])
{
	snprintf(out, REF_MAX, "%s:%s:%" PRId64, message->route->from->name, message->route->entity,
		 message->source_id);
}

bool
same_system(const struct bridge_system *a, const struct bridge_system *b)
{
	return strcmp(a->name, b->name) == 0;
}

bool
bridge_route_takes(const struct bridge_route *route, const char *type)
{
	for (const char **event = route->events; *event; event++)
		if (fnmatch(*event, type, 0) == 0)
			return true;
	return false;
}

static bool
is_read(const struct bridge_route *route, const char *field)
{
	for (const char **each = route->reads; *each; each++)
		if (strcmp(*each, field) == 0)
			return true;
	return false;
}

bool
bridge_route_reads(const struct bridge_route *route, const char *type, const cJSON *changed)
{
	const char *verb = strrchr(type, '.');
	const cJSON *each;

	if (!route->reads || !verb || strcmp(verb, ".updated") != 0 || !changed ||
	    !changed->child)
		return true;
	cJSON_ArrayForEach(each, changed) {
		const char *field = each->string ? each->string : each->valuestring;

		if (!field || is_read(route, field))
			return true;
	}
	return false;
}

bool
bridge_route_takes_all(const struct bridge_route *route)
{
	for (const char **event = route->events; *event; event++)
		if (strchr(*event, '*'))
			return true;
	return false;
}

bool
bridge_routes_meet(const struct bridge_route *a, const struct bridge_route *b)
{
	return same_system(a->from, b->from) && same_system(a->to, b->to) &&
	       strcmp(a->entity, b->entity) == 0 && strcmp(a->target, b->target) == 0;
}
