/* common/app/dispatch.c -- route, token, permission, key, transaction, handler, commit, reply. */
#include "app/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "app/auth.h"
#include "app/idempotency.h"
#include "app/metrics.h"
#include "app/ratelimit.h"
#include "app/settings.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"

/* Serialization failures and deadlocks are run again; more often than this they are no accident. */
#define ATTEMPTS 3

struct call {
	struct app *app;
	const struct route *route;
	struct idempotency idempotency;
};

static struct ratelimit token_limit, anonymous_limit;

static bool
is_loopback(const char *peer)
{
	return strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 ||
	       strncmp(peer, "::ffff:127.", 11) == 0;
}

static bool
writes(const char *method)
{
	return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

/* Only refused tokens and signatures are counted: see count_refused. */
static void
check_anonymous_rate(struct request *rq)
{
	int wait;

	if (is_loopback(rq->http->peer))
		return;
	anonymous_limit.count = settings.rate_anonymous;
	anonymous_limit.burst = settings.rate_anonymous_burst;
	anonymous_limit.ms = 1000;
	wait = ratelimit_peek(&anonymous_limit, rq->http->peer, clock_ms());
	if (wait)
		fail(rq, ERR_RATE_LIMITED, .detail = "Too many refused requests from this address.",
		     .retry_after = wait);
}

static void
check_token_rate(struct request *rq)
{
	char key[24];
	int wait;

	if (settings.rate_token == 0)
		return;
	token_limit.count = settings.rate_token;
	token_limit.burst = settings.rate_token_burst;
	token_limit.ms = 1000;
	snprintf(key, sizeof(key), "%lld", (long long)rq->actor->user_id);
	wait = ratelimit_take(&token_limit, key, clock_ms());
	if (wait)
		fail(rq, ERR_RATE_LIMITED, .detail = "Too many requests of this user.",
		     .retry_after = wait);
}

/* Everything that needs no transaction. */
static void
admit(struct request *rq, void *arg)
{
	struct call *call = arg;

	call->route = router_find(call->app->router, rq);
	rq->http->route = call->route;
	check_anonymous_rate(rq);
	if (call->route->flags & ROUTE_PUBLIC)
		return;
	auth_request(rq);
	check_token_rate(rq);
	if (!role_allowed(rq->actor, call->route->roles))
		fail(rq, ERR_FORBIDDEN,
		     .detail = arena_printf(
			     &rq->arena, "This needs one of the roles: %s.",
			     roles_text(&rq->arena, call->route->roles | ROLES_ADMIN)));
	if (!writes(rq->http->method) || (call->route->flags & ROUTE_NO_TRANSACTION))
		return;
	if (strcmp(rq->http->method, "DELETE") != 0)
		idempotency_read(rq, &call->idempotency);
	/* Bad JSON is refused before a connection is leased. */
	if (rq->http->body_length > 0 && !(call->route->flags & ROUTE_RAW_BODY))
		http_json(rq, true);
}

static void
attempt(struct request *rq, void *arg)
{
	struct call *call = arg;
	const struct route *route = call->route;

	if (!writes(rq->http->method) || (route->flags & ROUTE_NO_TRANSACTION)) {
		route->handle(rq);
		return;
	}
	db_begin(rq);
	call->idempotency.claim = NULL;
	if (call->idempotency.key)
		idempotency_claim(rq, &call->idempotency);
	route->handle(rq);
	if (call->idempotency.key && !idempotency_finish(rq, &call->idempotency))
		return;
	db_commit(rq);
}

static void
reset(struct request *rq)
{
	memset(&rq->http->reply, 0, sizeof(rq->http->reply));
	/* Hooks may have filled defaults into the body. */
	rq->http->json = NULL;
}

static bool
run_attempts(struct request *rq, struct call *call)
{
	for (int i = 1; i <= ATTEMPTS; i++) {
		if (request_run(rq, attempt, call))
			return true;
		if (!rq->fault.rerun || i == ATTEMPTS)
			return false;
		metric_add(&metric_db_reruns, 0, 1);
		coro_sleep((uint64_t)(i * 5));
		reset(rq);
	}
	return false;
}

static void
count_refused(struct request *rq, enum fault_code code)
{
	if (code == ERR_RATE_LIMITED) {
		metric_add(&metric_http_rejected, REJECTED_RATE, 1);
	} else if (code == ERR_UNAUTHENTICATED || code == ERR_BAD_SIGNATURE) {
		metric_add(&metric_http_rejected, REJECTED_AUTH, 1);
		if (!is_loopback(rq->http->peer))
			ratelimit_take(&anonymous_limit, rq->http->peer, clock_ms());
	}
}

static void
refuse(struct request *rq, struct call *call)
{
	struct fault fault = rq->fault;
	bool keyed = call->idempotency.claim != NULL;

	count_refused(rq, fault.code);
	if (fault_status(fault.code) >= 500)
		log_error("request failed", "method", rq->http->method, "route",
			  call->route ? call->route->pattern : rq->http->path, "code",
			  fault_name(fault.code), "detail", fault.detail, NULL);
	/* Headers set before the refusal are about a reply that will not be. */
	if (call->route)
		reset(rq);
	reply_fault(rq, &fault);
	if (fault.code == ERR_UNAUTHENTICATED)
		reply_header(rq, "WWW-Authenticate", "Bearer");
	if (keyed)
		idempotency_refused(rq, &call->idempotency, &fault);
}

static void
note_request(struct request *rq, const struct call *call)
{
	uint64_t us = clock_us() - rq->http->started_us;
	int status = rq->http->reply.status;

	metrics_request(call->route, rq->http->method, status, us);
	log_debug("request", "method", rq->http->method, "path", rq->http->path, "status",
		  log_num(status), "duration_us", log_num((long long)us), "actor",
		  rq->actor->user_id ? rq->actor->name : NULL, NULL);
}

void
dispatch(struct request *rq, void *arg)
{
	struct call call = { .app = arg };

	if (!request_run(rq, admit, &call) || !run_attempts(rq, &call))
		refuse(rq, &call);
	note_request(rq, &call);
}
