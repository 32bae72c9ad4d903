/* sync-bridge/subscribe.c -- PUTs the bridge's webhook at each system that is a source. */
#include "subscribe.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/json.h"
#include "base/log.h"
#include "bridge.h"
#include "sweep.h"
#include "system.h"

#define TICK_MS 250
#define RETRY_MS 1000
#define AGAIN_MS (5 * 60 * 1000)

static struct event *timer;
static bool running;

static bool
listed(const cJSON *events, const char *name)
{
	const cJSON *each;

	cJSON_ArrayForEach(each, events)
		if (strcmp(each->valuestring, name) == 0)
			return true;
	return false;
}

static cJSON *
wanted_events(const struct bridge_system *system)
{
	cJSON *events = cJSON_CreateArray();

	for (int i = 0; i < bridge.route_count; i++)
		for (const char **event = bridge.routes[i].retry_on;
		     same_system(bridge.routes[i].to, system) && event && *event; event++)
			if (!listed(events, *event))
				cJSON_AddItemToArray(events, cJSON_CreateString(*event));
	for (int i = 0; i < bridge.route_count; i++)
		for (const char **event = bridge.routes[i].events;
		     same_system(bridge.routes[i].from, system) && *event; event++)
			if (!listed(events, *event))
				cJSON_AddItemToArray(events, cJSON_CreateString(*event));
	return events;
}

static const char *
webhook_body(struct request *rq, const struct bridge_system *system)
{
	cJSON *body = cJSON_CreateObject();
	cJSON *skip = cJSON_CreateArray();

	json_add_string(body, "name", bridge.name);
	json_add_string(body, "url",
			arena_printf(&rq->arena, "%s/api/v1/inbox/%s", bridge.public_url,
				     system->name));
	cJSON_AddItemToObject(body, "events", wanted_events(system));
	json_add_string(body, "secret", system->secret);
	if (system->skip_origin)
		cJSON_AddItemToArray(skip, cJSON_CreateString(system->skip_origin));
	cJSON_AddItemToObject(body, "skip_origin", skip);
	return json_text(rq, body);
}

static void
subscribe(struct request *rq, struct bridge_system *system)
{
	struct call call = {
		.method = "PUT",
		.path = arena_printf(&rq->arena, "/api/v1/webhooks/by-ref/bridge:%s", bridge.name),
		.body = webhook_body(rq, system),
	};

	system_call(rq, system, &call);
	system->subscribe_at = clock_ms() + (call.result == CALL_DONE ? AGAIN_MS : RETRY_MS);
	if (call.result == CALL_DONE) {
		if (!system->subscribed)
			log_info("subscribed", "system", system->name, NULL);
		system->subscribed = true;
		system->subscribe_error[0] = '\0';
		return;
	}
	if (strcmp(system->subscribe_error, call.reason) != 0)
		log_warn("cannot subscribe yet", "system", system->name, "error", call.reason,
			 NULL);
	snprintf(system->subscribe_error, sizeof(system->subscribe_error), "%s", call.reason);
}

static bool
is_source_in(const struct bridge *in, const struct bridge_system *system)
{
	for (int i = 0; i < in->route_count; i++)
		if (same_system(in->routes[i].from, system))
			return true;
	return false;
}

/* Works on a copy: how it answers is nobody's business any more. */
static void
leave(struct request *rq, struct bridge_system gone, const char *name)
{
	static const char path[] = "/api/v1/webhooks?external_ref=bridge:%s&fields=id";
	struct call find = { .method = "GET", .path = arena_printf(&rq->arena, path, name) };
	struct call end = { .method = "DELETE" };
	const cJSON *data;
	int64_t id;

	system_call(rq, &gone, &find);
	data = json_get(find.json, "data");
	if (find.result == CALL_DONE && cJSON_IsArray(data) && !data->child)
		return;
	if (find.result == CALL_DONE && data && json_integer(data->child, "id", &id)) {
		end.path = arena_printf(&rq->arena, "/api/v1/webhooks/%" PRId64, id);
		system_call(rq, &gone, &end);
	}
	if (end.result == CALL_DONE && end.status)
		log_info("subscription ended", "system", gone.name, NULL);
	else
		log_warn("a system that is no source any more keeps its webhook: delete it there",
			 "system", gone.name, "error", find.reason ? find.reason : end.reason,
			 NULL);
}

void
subscribe_leave(struct request *rq, const struct bridge *was)
{
	const struct bridge now = bridge;   /* a reload may come between two calls */

	for (int i = 0; i < was->system_count; i++)
		if (is_source_in(was, &was->systems[i]) && !is_source_in(&now, &was->systems[i]))
			leave(rq, was->systems[i], was->name);
}

static void
subscribe_due(struct request *rq, void *arg)
{
	const struct bridge all = bridge;   /* a reload may come between two calls */

	for (int i = 0; i < all.system_count; i++) {
		struct bridge_system *system = &all.systems[i];

		if (clock_ms() >= system->subscribe_at && system_is_source(system) &&
		    system_ready(system))
			subscribe(rq, system);
	}
	running = false;
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	if (running || !sweep_leading())
		return;
	for (int i = 0; i < bridge.system_count; i++) {
		if (clock_ms() < bridge.systems[i].subscribe_at ||
		    !system_is_source(&bridge.systems[i]))
			continue;
		running = true;
		app_background("subscribe", subscribe_due, NULL);
		return;
	}
}

void
subscribe_start(void)
{
	static const struct timeval period = { .tv_usec = TICK_MS * 1000 };

	timer = event_new(coro_loop(), -1, EV_PERSIST, tick, NULL);
	if (!timer)
		die("out of memory");
	event_add(timer, &period);
}

void
subscribe_stop(void)
{
	event_del(timer);
}
