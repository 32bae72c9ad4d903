/* sync-bridge/system.c -- calls a system, judges its answer and keeps its breaker. */
#include "system.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/settings.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "epoch.h"
#include "event/schedule.h"
#include "http/client.h"
#include "lane.h"
#include "metrics.h"
#include "pause.h"

#define PAUSE_MS 10000
#define REPLY_MAX (1024 * 1024)
#define RAW_MAX (16 * 1024 * 1024)
#define REASON_MAX 1800
#define HELD_MS 1000

static METRIC(metric_retries, .name = "bridge_retries_total", .type = METRIC_COUNTER,
	      .label = "class", .values = "unreachable server_error throttled conflict",
	      .help = "Calls of messages that failed and are tried again.");

bool
system_ready(const struct bridge_system *system)
{
	return system_wait_ms(system) == 0;
}

uint64_t
system_wait_ms(const struct bridge_system *system)
{
	uint64_t now = clock_ms();

	if (!epoch_stands(system))
		return EPOCH_CHECK_MS;
	if (system->paused_until > now)
		return system->paused_until - now;
	if (pause_holds_system(system))
		return HELD_MS;
	if (system->breaker.state == BREAKER_PROBING)
		return 100;
	if (breaker_ready(&system->breaker, now))
		return 0;
	return system->breaker.until_ms - now;
}

bool
system_is_source(const struct bridge_system *system)
{
	for (int i = 0; i < bridge.route_count; i++)
		if (same_system(bridge.routes[i].from, system) ||
		    (same_system(bridge.routes[i].to, system) && bridge.routes[i].retry_on &&
		     *bridge.routes[i].retry_on))
			return true;
	return false;
}

const char *
system_state(const struct bridge_system *system)
{
	if (system->paused_until)
		return "paused";
	if (system->breaker.state == BREAKER_CLOSED)
		return "closed";
	return system->breaker.state == BREAKER_OPEN ? "open" : "probing";
}

static void
failed(struct bridge_system *system, bool probe, bool reached, const char *reason)
{
	bool closed = system->breaker.state == BREAKER_CLOSED;

	breaker_failed(&system->breaker, clock_ms(), probe, reached);
	snprintf(system->error, sizeof(system->error), "%s", reason);
	if (closed && system->breaker.state == BREAKER_OPEN)
		log_warn("system does not answer", "system", system->name, "error", reason, NULL);
}

static void
answered(struct bridge_system *system)
{
	bool was_away = system->breaker.state != BREAKER_CLOSED || system->paused_until;

	breaker_succeeded(&system->breaker);
	system->paused_until = 0;
	system->error[0] = '\0';
	if (was_away) {
		log_info("system answers again", "system", system->name, NULL);
		system->back++;
		lane_sweep_soon(0);
	}
}

static void
paused(struct bridge_system *system, const struct call *call)
{
	if (!system->paused_until)
		log_error("system refuses our token", "system", system->name, "reason",
			  call->reason, NULL);
	breaker_succeeded(&system->breaker);
	system->paused_until = clock_ms() + PAUSE_MS;
	snprintf(system->error, sizeof(system->error), "%d %s", call->status, call->reason);
}

/* The detail; with several bad fields, each of them after it. */
static const char *
refusal_reason(struct request *rq, const struct call *call)
{
	const char *detail = json_string(call->json, "detail");
	const cJSON *errors = json_get(call->json, "errors");
	struct text out = text_in(&rq->arena);
	const cJSON *each;

	text_add(&out, detail ? detail : json_string(call->json, "title"));
	if (cJSON_GetArraySize(errors) < 2)
		return text_str(&out);
	cJSON_ArrayForEach(each, errors) {
		const char *field = json_string(each, "field");
		const char *message = json_string(each, "message");

		if (field && message && out.length < REASON_MAX)
			text_addf(&out, "; %s %s", field, message);
	}
	return text_str(&out);
}

static void
read_problem(struct request *rq, struct call *call)
{
	call->code = json_string(call->json, "code");
	if (!call->code)
		call->code = arena_printf(&rq->arena, "http_%d", call->status);
	if (json_string(call->json, "detail") || json_string(call->json, "title"))
		call->reason = refusal_reason(rq, call);
	else
		call->reason = arena_printf(&rq->arena, "answered %d", call->status);
	call->remedy = json_string(call->json, "hint");
}

static bool
is_transient(const struct call *call)
{
	if (call->status == 409)
		return strcmp(call->code, "in_progress") == 0 || strcmp(call->code, "locked") == 0;
	return call->status == 408 || call->status == 425 || call->status == 429 ||
	       call->status >= 500;
}

static void
judge(struct request *rq, struct bridge_system *system, struct call *call, bool probe)
{
	if (call->status >= 200 && call->status < 300) {
		call->result = CALL_DONE;
		if (!call->apart)
			answered(system);
		return;
	}
	read_problem(rq, call);
	if (call->apart) {
		call->result = is_transient(call) ? CALL_LATER : CALL_REFUSED;
		return;
	}
	if (call->status == 401 || call->status == 403) {
		call->result = CALL_BLOCKED;
		paused(system, call);
	} else if (is_transient(call)) {
		call->result = CALL_LATER;
		if (call->status >= 500 || call->status == 429)
			failed(system, probe, !schedule_is_away(call->status), call->reason);
		else
			answered(system);
	} else {
		call->result = CALL_REFUSED;
		answered(system);
	}
}

static void
send_call(struct request *rq, struct bridge_system *system, struct call *call,
	  struct http_call *http)
{
	int n = 0;

	http->method = call->method;
	http->url = arena_printf(&rq->arena, "%s%s", system->url, call->path);
	http->reply_max = call->raw ? RAW_MAX : REPLY_MAX;
	http->headers[n++] = (struct http_pair){ "Authorization",
		arena_printf(&rq->arena, "Bearer %s", system->token) };
	http->headers[n++] = (struct http_pair){ "traceparent", rq->traceparent };
	if (call->body) {
		http->headers[n++] = (struct http_pair){ "Content-Type", "application/json" };
		http->body = call->body;
		http->body_length = strlen(call->body);
	}
	if (call->key)
		http->headers[n++] = (struct http_pair){ "Idempotency-Key", call->key };
	if (call->source_version)
		http->headers[n++] = (struct http_pair){ "Source-Version",
			arena_printf(&rq->arena, "%" PRId64, call->source_version) };
	if (call->match_version)
		http->headers[n++] = (struct http_pair){ "If-Match",
			arena_printf(&rq->arena, "\"%" PRId64 "\"", call->match_version) };
	if (call->source_version && call->source_epoch)
		http->headers[n++] = (struct http_pair){ "Source-Epoch",
			arena_printf(&rq->arena, "%" PRId64, call->source_epoch) };
	http->allow_plain = settings.allow_plain_http;
	http_call(rq, http);
}

static void
block(struct call *call, const char *code, const char *reason)
{
	call->result = CALL_BLOCKED;
	call->code = code;
	call->reason = reason;
}

/* The breaker is asked last: its yes may make this call the one probe. */
static bool
may_go(struct request *rq, struct bridge_system *system, struct call *call, bool *probe)
{
	uint64_t now = clock_ms();

	if (!epoch_stands(system)) {
		block(call, "restored",
		      arena_printf(&rq->arena, "%s was restored from a backup", system->name));
		return false;
	}
	if (!call->look && pause_holds_system(system)) {
		block(call, "paused", arena_printf(&rq->arena, "%s is paused", system->name));
		return false;
	}
	if (call->retry && !budget_left(&system->budget, now)) {
		block(call, "retry_budget",
		      arena_printf(&rq->arena, "%s gets no more retries for now", system->name));
		return false;
	}
	if (system->paused_until > now || !breaker_allows(&system->breaker, now, probe)) {
		block(call, "unavailable",
		      arena_printf(&rq->arena, "%s is away: %s", system->name, system->error));
		return false;
	}
	if (call->retry)
		budget_spend(&system->budget, now);
	else
		budget_earn(&system->budget, now);
	return true;
}

void
system_count_retry(const struct call *call)
{
	enum { UNREACHABLE, SERVER_ERROR, THROTTLED, CONFLICT };
	int class = CONFLICT;

	if (call->status == 0)
		class = UNREACHABLE;
	else if (call->status == 429)
		class = THROTTLED;
	else if (call->status >= 500)
		class = SERVER_ERROR;
	metric_add(&metric_retries, class, 1);
}

void
system_call(struct request *rq, struct bridge_system *system, struct call *call)
{
	struct http_call http = { 0 };
	struct json_error error;
	bool probe = false;

	if (!call->apart && !may_go(rq, system, call, &probe))
		return;
	if (system->paused_until && !call->apart)
		system->paused_until = clock_ms() + PAUSE_MS;   /* this call is the one probe */
	send_call(rq, system, call, &http);
	call->status = http.status;
	call->retry_after = http.retry_after;
	call->replayed = http.replayed;
	metrics_peer_clock(system->name, http.date);
	if (http.status == 0) {
		call->result = CALL_LATER;
		call->code = "unavailable";
		call->reason = arena_printf(&rq->arena, "%s does not answer: %s", system->name,
					    http.error ? http.error : "no answer");
		if (!call->apart)
			failed(system, probe, false, call->reason);
		return;
	}
	if (call->raw && http.status >= 200 && http.status < 300)
		call->text = http.reply ? http.reply : "";
	else if (http.reply && http.reply_length)
		call->json = json_parse(rq, http.reply, http.reply_length, &error);
	if (!cJSON_IsObject(call->json))
		call->json = NULL;
	judge(rq, system, call, probe);
	if (call->retry && call->result == CALL_DONE)
		budget_return(&system->budget);
}
