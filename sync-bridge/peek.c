/* sync-bridge/peek.c -- one GET to a system that leaves its breaker alone. */
#include "peek.h"

#include <string.h>

#include "app/settings.h"
#include "http/client.h"

#define WAIT_MS 3000
#define REPLY_MAX (4 * 1024 * 1024)

static void
get(struct request *rq, const struct bridge_system *system, struct http_call *http,
    const char *path)
{
	http->method = "GET";
	http->url = arena_printf(&rq->arena, "%s%s", system->url, path);
	http->timeout_ms = WAIT_MS;
	http->reply_max = REPLY_MAX;
	http->allow_plain = settings.allow_plain_http;
	http->headers[0] = (struct http_pair){ "Authorization",
		arena_printf(&rq->arena, "Bearer %s", system->token) };
	http->headers[1] = (struct http_pair){ "traceparent", rq->traceparent };
	http_call(rq, http);
}

static const char *
refusal(struct request *rq, const struct bridge_system *system, const struct http_call *http,
	const cJSON *problem)
{
	const char *detail = json_string(problem, "detail");

	if (http->status == 0)
		return arena_printf(&rq->arena, "%s does not answer: %s", system->name,
				    http->error ? http->error : "no answer");
	return arena_printf(&rq->arena, "%s answers %d%s%s", system->name, http->status,
			    detail ? ": " : "", detail ? detail : "");
}

void
peek(struct request *rq, const struct bridge_system *system, struct peek *peek, const char *path)
{
	struct http_call http = { 0 };
	struct json_error error;
	cJSON *json = NULL;

	*peek = (struct peek){ .result = PEEK_REFUSED };
	get(rq, system, &http, path);
	if (http.reply && http.reply_length)
		json = json_parse(rq, http.reply, http.reply_length, &error);
	if (!cJSON_IsObject(json))
		json = NULL;
	if (http.status == 0)
		peek->result = PEEK_AWAY;
	if (http.status == 404)
		peek->result = PEEK_ABSENT;
	else if (http.status != 200)
		peek->reason = refusal(rq, system, &http, json);
	else if (!json)
		peek->reason = arena_printf(&rq->arena, "%s answers no JSON object", system->name);
	else
		*peek = (struct peek){ .result = PEEK_FOUND, .json = json };
}

const char *
peek_text(struct request *rq, const struct bridge_system *system, const char *path,
	  const char **reason)
{
	struct http_call http = { 0 };

	get(rq, system, &http, path);
	if (http.status == 200 && http.reply && http.reply_length)
		return http.reply;
	*reason = refusal(rq, system, &http, NULL);
	return NULL;
}
