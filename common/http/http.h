/* common/http/http.h -- a request as it came in and the reply that will go out.
 *
 * A handler reads with the http_ functions and sets the one reply with the reply_ functions;
 * nothing is sent before the dispatcher says so (after COMMIT). Strings live as long as the
 * request. Functions that find bad input fail by unwinding with the right 4xx.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/request.h"

struct http_pair {
	const char *name;
	const char *value;
};

struct http_reply {
	int status;                 /* 0 until set */
	const char *type;           /* Content-Type */
	const char *body;
	size_t length;
	struct http_pair headers[16];
	int header_count;
};

struct http_exchange {
	const char *method;         /* "GET" */
	const char *target;         /* as received, for logs and idempotency */
	const char *path;           /* decoded, without the query */
	struct http_pair *query;    /* decoded, in order */
	int query_count;
	struct http_pair *params;   /* what the route's {names} matched */
	int param_count;
	const char *body;           /* NUL-terminated after body_length bytes */
	size_t body_length;
	const char *peer;           /* address */
	const struct route *route;
	uint64_t started_us;
	struct http_reply reply;
	cJSON *json;                /* parsed body, see http_json */
	void *connection;           /* http/server.c's own */
};

/* ---- what came ---- */
const char *http_header(struct request *rq, const char *name);   /* NULL when absent */
const char *http_query(struct request *rq, const char *name);    /* NULL when absent */
const char *http_param(struct request *rq, const char *name);    /* of the path */
int64_t http_id(struct request *rq);          /* {id}; 404 when it is not a positive integer */
/* Fails with 400 naming every query parameter that is not in the NULL-terminated list or is
 * given twice. */
void http_only_query(struct request *rq, const char *const *known);
/* The body as a JSON object (strict); 415, 400 otherwise. An empty body is an empty object
 * when empty_ok. */
cJSON *http_json(struct request *rq, bool empty_ok);

/* ---- what goes ---- */
void reply_json(struct request *rq, int status, const char *json);
void reply_json_length(struct request *rq, int status, const char *json, size_t length);
void reply_tree(struct request *rq, int status, const cJSON *tree);
void reply_text(struct request *rq, int status, const char *type, const char *body);
void reply_empty(struct request *rq, int status);
/* Replaces one of the same name. Control bytes in the value become spaces. */
void reply_header(struct request *rq, const char *name, const char *value);
/* Sets the reply to the fault's problem document (and Retry-After, WWW-Authenticate). Headers
 * set before stay. What an internal fault says is not shown. */
void reply_fault(struct request *rq, const struct fault *fault);

/* ---- routes ---- */
enum route_flags {
	ROUTE_PUBLIC = 1,        /* no token needed: health, docs, login, webhook receiver */
	ROUTE_RAW_BODY = 2,      /* the handler reads the body itself (signatures, CSV) */
	ROUTE_LARGE = 4,         /* body up to 1 MiB instead of 256 KiB */
	ROUTE_NO_TRANSACTION = 8,/* a writing method that opens its own transactions */
};

struct route {
	const char *method;
	const char *pattern;             /* "/api/v1/accounts/{id}" */
	void (*handle)(struct request *rq);
	const char *allow;               /* role names, space separated; "*": any role */
	unsigned flags;
	const void *arg;                 /* the handler's own: rq->http->route->arg */
	const char *summary;             /* one sentence, for OpenAPI */
	const char *body;                /* a JSON schema, for OpenAPI; NULL: any object */
	uint64_t roles;                  /* filled at start from allow */
};

struct router;
struct router *router_new(void);
/* The route must live as long as the router. A duplicate is a bug: die. */
void router_add(struct router *router, struct route *route);
/* Finds the route and fills the exchange's params. Fails: 404, 405 with Allow, or 413 when the
 * body is larger than the route takes. */
const struct route *router_find(struct router *router, struct request *rq);
/* Calls each(route, arg) in order of registration. */
void router_each(struct router *router, void (*each)(struct route *route, void *arg), void *arg);

#endif
