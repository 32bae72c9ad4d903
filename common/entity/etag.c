/* common/entity/etag.c -- If-Match: a change is refused when its maker has not seen the last one.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "entity/value.h"
#include "entity/write.h"
#include "http/http.h"

int
etag_names(const char *header, int64_t version)
{
	const char *at = header + strspn(header, " \t");
	bool found = false;

	if (strcmp(at, "*") == 0)
		return 1;
	for (;;) {
		char *end;

		if (strncmp(at, "W/", 2) == 0)
			at += 2;
		if (*at++ != '"')
			return -1;
		if (isdigit((unsigned char)*at) && strtoll(at, &end, 10) == version && *end == '"')
			found = true;
		at += strcspn(at, "\"");
		if (*at++ != '"')
			return -1;
		at += strspn(at, " \t");
		if (*at == '\0')
			return found;
		if (*at++ != ',')
			return -1;
		at += strspn(at, " \t");
	}
}

/* Lines are compared as far as the body writes them. */
static bool
lines_equal(struct request *rq, const struct line_plan *own, const cJSON *now, const cJSON *mine)
{
	const cJSON *theirs = now ? now->child : NULL;
	const cJSON *line, *value;

	cJSON_ArrayForEach(line, mine)
	{
		if (!theirs)
			return false;
		cJSON_ArrayForEach(value, line)
		{
			const struct member *member =
				value->string ? shape_member(&own->shape, value->string) : NULL;
			const cJSON *other = value->string ? json_get(theirs, value->string) : NULL;

			if (!member || !other || !value_equal(rq, member->type, other, value))
				return false;
		}
		theirs = theirs->next;
	}
	return theirs == NULL;
}

static bool
differs(struct request *rq, const struct entity_plan *plan, const cJSON *now, const cJSON *mine)
{
	const struct member *member = shape_member(&plan->shape, mine->string);

	if (member)
		return !value_equal(rq, member->type, now, mine);
	for (int i = 0; i < plan->line_count; i++)
		if (strcmp(plan->lines[i].lines->name, mine->string) == 0)
			return !lines_equal(rq, &plan->lines[i], now, mine);
	return false;
}

/* {"name": {"current": ..., "yours": ...}} for what the body would change. */
static cJSON *
differing(struct request *rq, const struct record *record, const cJSON *body)
{
	cJSON *all = cJSON_CreateObject();
	cJSON *current = json_own(rq, record_shown(rq, record));
	const cJSON *mine;

	cJSON_ArrayForEach(mine, body)
	{
		const cJSON *now = json_get(current, mine->string);
		cJSON *pair;

		if (!now || !differs(rq, record->entity->plan, now, mine))
			continue;
		pair = cJSON_AddObjectToObject(all, mine->string);
		cJSON_AddItemToObject(pair, "current", cJSON_Duplicate(now, true));
		cJSON_AddItemToObject(pair, "yours", cJSON_Duplicate(mine, true));
	}
	return all;
}

void
etag_require(struct request *rq, const struct record *record, const cJSON *body)
{
	const char *header = http_header(rq, "If-Match");
	cJSON *members;
	int named;

	if (!header)
		return;
	named = etag_names(header, record->version);
	if (named > 0)
		return;
	if (named < 0)
		fail(rq, ERR_BAD_REQUEST, .detail = "If-Match must be an ETag such as \"7\".");
	members = cJSON_CreateObject();
	json_add_integer(members, "current_version", record->version);
	cJSON_AddItemToObject(members, "differing", differing(rq, record, body));
	fail(rq, ERR_VERSION_MISMATCH,
	     .detail = arena_printf(&rq->arena, "The record is at version %lld; If-Match names %s.",
				    (long long)record->version, header),
	     .hint = "Read the record again and decide about the differing fields.",
	     .members = members);
}
