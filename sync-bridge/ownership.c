/* sync-bridge/ownership.c -- one owner for each field of each record that crosses. */
#include "ownership.h"

#include <string.h>

#include "bridge.h"
#include "config_reader.h"

static bool
owns(const struct bridge_route *route, const char *field)
{
	if (!route->owns)
		return true;
	for (const char **each = route->owns; *each; each++)
		if (strcmp(*each, field) == 0)
			return true;
	return false;
}

/* A field of both, "" when both own all; NULL when they share none. */
static const char *
shared_field(const struct bridge_route *a, const struct bridge_route *b)
{
	const char **fields = a->owns ? a->owns : b->owns;

	if (!fields)
		return "";
	for (; *fields; fields++)
		if (owns(a, *fields) && owns(b, *fields))
			return *fields;
	return NULL;
}

static void
check_pair(struct config_reader *reader, const struct bridge_route *a,
	   const struct bridge_route *b)
{
	const char *field = bridge_routes_meet(a, b) ? shared_field(a, b) : NULL;

	if (!field)
		return;
	if (!*field)
		config_refuse(reader, "routes", "\"%s\" and \"%s\" both own every field of %s %s: "
			      "say in \"owns\" what each may write", a->name, b->name,
			      a->to->name, a->target);
	config_refuse(reader, "routes", "\"%s\" and \"%s\" both own the field \"%s\" of %s %s%s",
		      a->name, b->name, field, a->to->name, a->target,
		      a->owns && b->owns ? "" : " (a route without \"owns\" owns all)");
}

void
ownership_check(struct config_reader *reader)
{
	const struct bridge *in = reader->bridge;

	for (int i = 0; i < in->route_count; i++)
		for (int k = i + 1; k < in->route_count; k++)
			check_pair(reader, &in->routes[i], &in->routes[k]);
}

const char *
ownership_problem(struct request *rq, const struct bridge_route *route, const cJSON *body)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, body)
		if (!owns(route, member->string))
			return arena_printf(&rq->arena, "%s gives the field \"%s\", which route %s"
					    " does not own", route->map_file, member->string,
					    route->name);
	return NULL;
}
