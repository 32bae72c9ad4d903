/* common/http/exchange.c -- gives a handler what came in: headers, query, path, JSON body. */
#include "http/http.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "http/connection.h"
#include "http/decode.h"

/* ---- filled before the handler runs ---- */

static const char *
method_name(struct evhttp_request *ev)
{
	switch (evhttp_request_get_command(ev)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	default:
		return "DELETE";
	}
}

static bool
fill_query(struct request *rq, char *text)
{
	struct http_exchange *http = rq->http;
	int count = 1;

	for (const char *at = text; *at; at++)
		count += *at == '&';
	http->query = arena_array(&rq->arena, struct http_pair, count);
	while (text) {
		char *name = strsep(&text, "&");
		char *value = strchr(name, '=');

		if (*name == '\0')
			continue;
		if (value)
			*value++ = '\0';
		if (!decode_percent(name, true) || (value && !decode_percent(value, true)))
			return false;
		http->query[http->query_count++] =
			(struct http_pair){ .name = name, .value = value ? value : "" };
	}
	return true;
}

/* The body in one piece with a NUL behind, without a copy where it came in one piece. */
static void
fill_body(struct http_exchange *http, struct evbuffer *input)
{
	http->body_length = evbuffer_get_length(input);
	if (http->body_length == 0) {
		http->body = "";
		return;
	}
	evbuffer_add(input, "", 1);
	http->body = (const char *)evbuffer_pullup(input, -1);
}

bool
exchange_fill(struct work *work, const char **reason)
{
	struct http_exchange *http = &work->exchange;
	struct request *rq = &work->rq;
	char *path, *query;

	http->connection = work;
	http->started_us = clock_us();
	http->peer = work->connection->peer;
	http->method = method_name(work->ev);
	http->target = arena_strdup(&rq->arena, evhttp_request_get_uri(work->ev));
	path = arena_strdup(&rq->arena, http->target);
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	*reason = "The target is not UTF-8 after percent-decoding.";
	if (!decode_percent(path, false) || (query && !fill_query(rq, query)))
		return false;
	http->path = path;
	fill_body(http, evhttp_request_get_input_buffer(work->ev));
	return true;
}

/* ---- asked for by the handler ---- */

const char *
http_header(struct request *rq, const char *name)
{
	struct work *work = rq->http->connection;
	const char *value;

	if (!work)
		return NULL;
	value = evhttp_find_header(evhttp_request_get_input_headers(work->ev), name);
	if (value && !decode_is_utf8(value, strlen(value)))
		fail(rq, ERR_BAD_REQUEST,
		     .detail = arena_printf(&rq->arena, "The header %s is not UTF-8.", name));
	return value;
}

static const char *
find_pair(const struct http_pair *pairs, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

const char *
http_query(struct request *rq, const char *name)
{
	return find_pair(rq->http->query, rq->http->query_count, name);
}

const char *
http_param(struct request *rq, const char *name)
{
	return find_pair(rq->http->params, rq->http->param_count, name);
}

int64_t
http_id(struct request *rq)
{
	const char *text = http_param(rq, "id");
	size_t length = text ? strlen(text) : 0;
	int64_t id = 0;

	if (length == 0 || length > 18 || text[0] == '0' ||
	    strspn(text, "0123456789") != length)
		fail(rq, ERR_NOT_FOUND, .detail = "The id in the path is not a positive integer.");
	for (size_t i = 0; i < length; i++)
		id = id * 10 + (text[i] - '0');
	return id;
}

static bool
is_listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

void
http_only_query(struct request *rq, const char *const *known)
{
	struct http_exchange *http = rq->http;
	struct field_fault *bad =
		arena_array(&rq->arena, struct field_fault, http->query_count + 1);
	int count = 0;

	for (int i = 0; i < http->query_count; i++) {
		const char *name = http->query[i].name;

		if (!is_listed(known, name))
			bad[count++] = (struct field_fault){ name, "unknown_parameter",
							     "is not a parameter of this path" };
		else if (find_pair(http->query, i, name))
			bad[count++] = (struct field_fault){ name, "repeated",
							     "is given more than once" };
	}
	if (count)
		fail(rq, ERR_UNKNOWN_PARAMETER, .fields = bad, .field_count = count,
		     .detail = "Some query parameters are not acceptable.");
}

/* "application/json" or "application/merge-patch+json", at most with charset=utf-8. */
static bool
is_json_type(const char *type)
{
	static const char *const names[] = { "application/json", "application/merge-patch+json" };
	static const char *const charsets[] = { "charset=utf-8", "charset=\"utf-8\"" };
	size_t length = strcspn(type, "; \t");
	bool known = false;

	for (int i = 0; i < 2; i++)
		known |= strlen(names[i]) == length && strncasecmp(type, names[i], length) == 0;
	if (!known)
		return false;
	type += length;
	type += strspn(type, " \t");
	if (*type == '\0')
		return true;
	if (*type++ != ';')
		return false;
	type += strspn(type, " \t");
	return strcasecmp(type, charsets[0]) == 0 || strcasecmp(type, charsets[1]) == 0;
}

cJSON *
http_json(struct request *rq, bool empty_ok)
{
	struct http_exchange *http = rq->http;
	struct json_error error = { 0 };
	const char *type;

	if (http->json)
		return http->json;
	if (http->body_length == 0) {
		if (!empty_ok)
			fail(rq, ERR_BAD_JSON,
			     .detail = "The body is empty; a JSON object is expected.");
		return http->json = cJSON_CreateObject();
	}
	type = http_header(rq, "Content-Type");
	if (!type || !is_json_type(type))
		fail(rq, ERR_UNSUPPORTED_TYPE,
		     .detail = type ? arena_printf(&rq->arena, "The Content-Type is %s.", type)
				    : "There is no Content-Type.",
		     .hint = "Send Content-Type: application/json.");
	http->json = json_parse(rq, http->body, http->body_length, &error);
	if (!http->json)
		fail(rq, ERR_BAD_JSON, .detail = arena_printf(&rq->arena, "%s, at byte %zu.",
							      error.reason, error.offset));
	if (!cJSON_IsObject(http->json)) {
		http->json = NULL;
		fail(rq, ERR_BAD_JSON, .detail = "The body must be a JSON object.");
	}
	return http->json;
}
