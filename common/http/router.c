/* common/http/router.c -- finds the route of a method and path in a tree of segments. */
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "http/decode.h"
#include "http/guard.h"

#define PARAMS_MAX 8
#define SEGMENTS_MAX 32
#define BODY_MAX (256 * 1024)

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
#define METHODS (int)(sizeof(methods) / sizeof(*methods))

struct leaf {
	struct route *route;
	const char *names[PARAMS_MAX];
	int count;
};

struct node {
	char *text;                 /* the segment, for a literal */
	struct node *literals;
	struct node *any;           /* {name} */
	struct leaf *leaves[METHODS];
	UT_hash_handle hh;
};

struct router {
	struct node root;
	struct route **routes;
	int count;
};

struct search {
	char *segments[SEGMENTS_MAX];
	int count;
	int method;
	const char *values[PARAMS_MAX];
	unsigned allowed;           /* methods the path takes */
};

static void *
allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		die("out of memory");
	return memory;
}

static int
method_index(const char *name)
{
	for (int i = 0; i < METHODS; i++)
		if (strcmp(methods[i], name) == 0)
			return i;
	return -1;
}

struct router *
router_new(void)
{
	return allocate(sizeof(struct router));
}

static struct node *
literal_child(struct node *parent, const char *text)
{
	struct node *node;

	HASH_FIND_STR(parent->literals, text, node);
	if (!node) {
		node = allocate(sizeof(*node));
		node->text = strdup(text);
		HASH_ADD_KEYPTR(hh, parent->literals, node->text, strlen(node->text), node);
	}
	return node;
}

static struct node *
param_child(struct node *parent, struct leaf *leaf, const char *segment)
{
	if (leaf->count == PARAMS_MAX)
		die("route %s has more than %d parameters", leaf->route->pattern, PARAMS_MAX);
	leaf->names[leaf->count++] = strndup(segment + 1, strlen(segment) - 2);
	if (!parent->any)
		parent->any = allocate(sizeof(struct node));
	return parent->any;
}

void
router_add(struct router *router, struct route *route)
{
	struct leaf *leaf = allocate(sizeof(*leaf));
	struct node *node = &router->root;
	int method = method_index(route->method);
	char *pattern = strdup(route->pattern);
	char *rest = pattern;
	char *segment;

	if (!pattern || *pattern != '/' || method < 0)
		die("route %s %s is malformed", route->method, route->pattern);
	leaf->route = route;
	rest++;
	while ((segment = strsep(&rest, "/")))
		node = *segment == '{' ? param_child(node, leaf, segment)
				       : literal_child(node, segment);
	if (node->leaves[method])
		die("route %s %s is there twice", route->method, route->pattern);
	node->leaves[method] = leaf;
	free(pattern);
	router->routes = realloc(router->routes, (size_t)(router->count + 1) * sizeof(route));
	if (!router->routes)
		die("out of memory");
	router->routes[router->count++] = route;
}

/* Literals first; where they lead nowhere, what {name} matches is tried. */
static const struct leaf *
descend(struct search *search, struct node *node, int at, int params)
{
	const struct leaf *leaf = NULL;
	struct node *child;

	if (at == search->count) {
		for (int i = 0; i < METHODS; i++)
			if (node->leaves[i])
				search->allowed |= 1u << i;
		return search->method < 0 ? NULL : node->leaves[search->method];
	}
	HASH_FIND_STR(node->literals, search->segments[at], child);
	if (child)
		leaf = descend(search, child, at + 1, params);
	if (!leaf && node->any && params < PARAMS_MAX && *search->segments[at] != '\0') {
		search->values[params] = search->segments[at];
		leaf = descend(search, node->any, at + 1, params + 1);
	}
	return leaf;
}

/* Splits before decoding, so that %2F stays inside its segment. */
static bool
split(struct request *rq, struct search *search)
{
	const char *target = rq->http->target;
	char *rest = arena_strndup(&rq->arena, target, strcspn(target, "?"));
	char *segment;

	rest++;
	while ((segment = strsep(&rest, "/"))) {
		if (search->count == SEGMENTS_MAX || !decode_percent(segment, false))
			return false;
		search->segments[search->count++] = segment;
	}
	return true;
}

static const char *
allowed_text(struct request *rq, unsigned allowed)
{
	const char *text = "";

	for (int i = 0; i < METHODS; i++)
		if (allowed & 1u << i)
			text = arena_printf(&rq->arena, "%s%s%s", text, *text ? ", " : "",
					    methods[i]);
	return text;
}

static void
check_size(struct request *rq, const struct route *route)
{
	size_t most = route->flags & ROUTE_LARGE ? GUARD_BODY_MAX : BODY_MAX;

	if (rq->http->body_length > most)
		fail(rq, ERR_TOO_LARGE,
		     .detail = arena_printf(&rq->arena,
					    "The body has %zu bytes; %zu are allowed here.",
					    rq->http->body_length, most));
}

const struct route *
router_find(struct router *router, struct request *rq)
{
	struct search search = { .method = method_index(rq->http->method) };
	struct http_exchange *http = rq->http;
	const struct leaf *leaf;

	leaf = split(rq, &search) ? descend(&search, &router->root, 0, 0) : NULL;
	if (!leaf && search.allowed) {
		reply_header(rq, "Allow", allowed_text(rq, search.allowed));
		fail(rq, ERR_METHOD_NOT_ALLOWED,
		     .detail = arena_printf(&rq->arena, "The path takes %s.",
					    allowed_text(rq, search.allowed)));
	}
	if (!leaf)
		fail(rq, ERR_NOT_FOUND, .detail = "There is no such path.");
	http->route = leaf->route;
	http->params = arena_array(&rq->arena, struct http_pair, leaf->count + 1);
	http->param_count = leaf->count;
	for (int i = 0; i < leaf->count; i++)
		http->params[i] = (struct http_pair){ leaf->names[i], search.values[i] };
	check_size(rq, leaf->route);
	return leaf->route;
}

void
router_each(struct router *router, void (*each)(struct route *route, void *arg), void *arg)
{
	for (int i = 0; i < router->count; i++)
		each(router->routes[i], arg);
}
