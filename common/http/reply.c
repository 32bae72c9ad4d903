/* common/http/reply.c -- sets the one reply of a request; nothing is sent here. */
#include "http/http.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"

static void
set(struct request *rq, int status, const char *type, const char *body, size_t length)
{
	struct http_reply *reply = &rq->http->reply;

	reply->status = status;
	reply->type = type;
	reply->body = body;
	reply->length = length;
}

void
reply_json(struct request *rq, int status, const char *json)
{
	set(rq, status, "application/json", json, strlen(json));
}

void
reply_json_length(struct request *rq, int status, const char *json, size_t length)
{
	set(rq, status, "application/json", json, length);
}

void
reply_tree(struct request *rq, int status, const cJSON *tree)
{
	reply_json(rq, status, json_text(rq, tree));
}

void
reply_text(struct request *rq, int status, const char *type, const char *body)
{
	set(rq, status, type, body, strlen(body));
}

void
reply_empty(struct request *rq, int status)
{
	set(rq, status, NULL, "", 0);
}

/* A name from a record may hold a line break; it must not end the header. */
static const char *
one_line(struct request *rq, const char *value)
{
	char *copy;

	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f) {
			copy = arena_strdup(&rq->arena, value);
			for (char *byte = copy; *byte; byte++)
				if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
					*byte = ' ';
			return copy;
		}
	return value;
}

void
reply_header(struct request *rq, const char *name, const char *value)
{
	struct http_reply *reply = &rq->http->reply;
	const int room = sizeof(reply->headers) / sizeof(*reply->headers);
	int i = 0;

	while (i < reply->header_count && strcasecmp(reply->headers[i].name, name) != 0)
		i++;
	if (i == room) {
		log_error("too many reply headers", "name", name, NULL);
		return;
	}
	reply->headers[i] = (struct http_pair){ .name = name, .value = one_line(rq, value) };
	if (i == reply->header_count)
		reply->header_count++;
}

void
reply_fault(struct request *rq, const struct fault *fault)
{
	struct fault shown = *fault;
	const char *document;

	/* What went wrong on our side is for the log, not for the client. */
	if (fault->code == ERR_INTERNAL)
		shown = (struct fault){ .code = ERR_INTERNAL };
	document = fault_document(rq, &shown);
	set(rq, fault_status(fault->code), "application/problem+json", document, strlen(document));
	if (fault->retry_after)
		reply_header(rq, "Retry-After", arena_printf(&rq->arena, "%d", fault->retry_after));
	if (fault_status(fault->code) == 401)
		reply_header(rq, "WWW-Authenticate", "Bearer");
}
