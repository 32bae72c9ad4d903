/* common/entity/verb.c -- POST /{path}/{id}/{verb}: the record locked, its status right, run, told.
 */
#include <string.h>

#include "base/text.h"
#include "entity/handlers.h"
#include "entity/params.h"
#include "entity/write.h"
#include "http/http.h"

/* "packed or picked" and ["packed", "picked"] */
static const char *
words_or(struct request *rq, const char *words, cJSON *array)
{
	char *rest = arena_strdup(&rq->arena, words);
	struct text out = text_in(&rq->arena);
	char *word;

	while ((word = strsep(&rest, " "))) {
		if (*word == '\0')
			continue;
		text_addf(&out, "%s%s", out.length ? " or " : "", word);
		cJSON_AddItemToArray(array, cJSON_CreateString(word));
	}
	return text_str(&out);
}

static void
require_status(struct request *rq, const struct record *record, const struct verb *verb)
{
	const char *status;
	const char *allowed;
	cJSON *members;

	if (!verb->from)
		return;
	status = record_text(record, "status");
	if (words_have(verb->from, status))
		return;
	members = cJSON_CreateObject();
	cJSON_AddStringToObject(members, "current_status", status);
	allowed = words_or(rq, verb->from, cJSON_AddArrayToObject(members, "allowed_from"));
	fail(rq, ERR_INVALID_STATE,
	     .detail = arena_printf(&rq->arena, "status is %s; %s needs %s", status, verb->name,
				    allowed),
	     .members = members);
}

/* The status and the event of the verb, in one statement where it has both. */
static void
conclude(struct request *rq, struct record *record, const struct verb *verb)
{
	const struct entity *entity = record->entity;
	const char *event = verb->event;

	if (!verb->to) {
		if (event)
			record_changed(rq, record, event);
		return;
	}
	if (!event)
		event = arena_printf(&rq->arena, "%s.%s", entity->name, verb->to);
	record_announce(rq, record,
			db_one(rq, entity->plan->set_status, P_ID(record->id), P_TEXT(verb->to)),
			event);
}

void
entity_verb(struct request *rq)
{
	static const char *const no_query[] = { NULL };
	const struct action *action = rq->http->route->arg;
	const struct verb *verb = action->verb;
	struct problems problems = { .rq = rq };
	struct record *record;
	cJSON *body;

	http_only_query(rq, no_query);
	body = http_json(rq, true);
	record = record_lock(rq, action->entity, http_id(rq));
	etag_require(rq, record, body);
	require_status(rq, record, verb);
	params_check(rq, verb->params, body, &problems);
	problems_raise(&problems, ERR_VALIDATION);
	if (verb->run)
		verb->run(rq, record, body);
	conclude(rq, record, verb);
	if (!rq->http->reply.status)
		record_reply(rq, record, 200);
}
