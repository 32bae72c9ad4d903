/* common/event/attempt.c -- posts one delivery, signed, and acts on the answer. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "event/schedule.h"
#include "event/sender_private.h"
#include "event/signature.h"
#include "event/webhook.h"
#include "http/client.h"

struct attempt {
	struct delivery *delivery;
	int status;              /* 0: no answer */
	int retry_after;         /* seconds */
	char error[ERROR_MAX];
};

/* Into a text column: other systems' bytes may be anything. */
static void
attempt_set_error(struct attempt *attempt, const char *what, const char *detail)
{
	snprintf(attempt->error, sizeof(attempt->error), "%s%s%s", what, *detail ? ": " : "",
		 detail);
	for (char *c = attempt->error; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static const char *
attempt_signatures(struct request *rq, const struct webhook *webhook, const struct payload *payload,
		   const char *timestamp)
{
	char *now = signature_make(&rq->arena, webhook->secret, payload->id, timestamp,
				   payload->body, payload->length);
	char *old = *webhook->old_secret != '\0' ?
			    signature_make(&rq->arena, webhook->old_secret, payload->id, timestamp,
					   payload->body, payload->length) :
			    NULL;

	return now != NULL && old != NULL ? arena_printf(&rq->arena, "%s %s", now, old) : now;
}

static void
attempt_work(struct request *rq, void *arg)
{
	struct attempt *attempt = arg;
	struct webhook *webhook = attempt->delivery->webhook;
	struct payload *payload = attempt->delivery->payload;
	const char *timestamp = arena_printf(&rq->arena, "%" PRId64, clock_unix());
	const char *signatures = attempt_signatures(rq, webhook, payload, timestamp);

	if (signatures == NULL) {
		attempt_set_error(attempt, "the webhook's secret is malformed", "");
		return;
	}
	request_trace(rq, payload->traceparent);

	struct http_call call = {
		.method = "POST",
		.url = arena_strdup(&rq->arena, webhook->url),
		.headers = {
			{ "content-type", "application/json" },
			{ "webhook-id", payload->id },
			{ "webhook-timestamp", timestamp },
			{ "webhook-signature", signatures },
			{ "traceparent", rq->traceparent },
		},
		.body = payload->body,
		.body_length = payload->length,
		.allow_plain = sender.allow_plain,
	};

	http_call(rq, &call);
	attempt->status = call.status;
	attempt->retry_after = call.retry_after;
	if (call.status == 0)
		attempt_set_error(attempt, call.error != NULL ? call.error : "no answer", "");
	else if (call.status < 200 || call.status > 299)
		attempt_set_error(attempt, arena_printf(&rq->arena, "HTTP %d", call.status),
				  call.reply != NULL ? call.reply : "");
}

static struct result *
result_make(const struct attempt *attempt)
{
	struct result *result = calloc(1, sizeof(*result));

	if (result == NULL)
		die("out of memory");
	result->id = attempt->delivery->item.id;
	result->status = attempt->status;
	snprintf(result->error, sizeof(result->error), "%s", attempt->error);
	return result;
}

static void
attempt_succeeded(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct webhook *webhook = delivery->webhook;
	struct result *result = result_make(attempt);

	sender.attempts_ok++;
	if (webhook->breaker.state != BREAKER_CLOSED) {
		log_info("webhook answers again", "url", webhook->url, NULL);
		webhook->more = true;
	}
	breaker_succeeded(&webhook->breaker);
	if (lanes_delivered(&webhook->lanes, &delivery->item))
		webhook->more = true;
	result->delivered = delivery;
	recorder_add(result);
}

/* One bad record must not open the breaker for all: of its attempts only the first (and the
 * probe) say something of the target. That it is not there any of them says. */
static void
attempt_judge(struct attempt *attempt, uint64_t now)
{
	struct delivery *delivery = attempt->delivery;
	struct webhook *webhook = delivery->webhook;
	struct breaker *breaker = &webhook->breaker;
	bool was_closed = breaker->state == BREAKER_CLOSED;
	bool away = schedule_is_away(attempt->status);

	if (attempt->retry_after > 0 && (attempt->status == 429 || attempt->status == 503))
		breaker_hold(breaker, now, (uint64_t)attempt->retry_after * 1000);
	else if (away || delivery->item.attempts == 0 || delivery->probe)
		breaker_failed(breaker, now, delivery->probe, !away);
	if (was_closed && breaker->state == BREAKER_OPEN)
		log_warn("webhook is left alone for now", "url", webhook->url, "error",
			 attempt->error, NULL);
}

/* Nothing while the breaker is open: it says when. */
static uint64_t
attempt_delay_ms(const struct attempt *attempt, bool counted)
{
	uint64_t asked = (uint64_t)attempt->retry_after * 1000;
	uint64_t delay = counted ? schedule_retry_ms(attempt->delivery->item.attempts + 1,
						     attempt->status, randombytes_random()) : 0;

	return delay > asked ? delay : asked;
}

static void
attempt_failed(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct webhook *webhook = delivery->webhook;
	struct result *result = result_make(attempt);
	uint64_t now = clock_ms();

	sender.attempts_failed++;
	result->counted = webhook->breaker.state == BREAKER_CLOSED;
	result->delay_ms = attempt_delay_ms(attempt, result->counted);
	attempt_judge(attempt, now);
	if (attempt->status == 410) {
		webhook->active = false;
		webhook_disable(webhook->id);
	}
	lanes_failed(&webhook->lanes, &delivery->item, now + result->delay_ms);
	webhook_load_at(webhook, now + result->delay_ms + 1);
	recorder_add(result);
}

static void
attempt_run(void *arg)
{
	struct attempt attempt = { .delivery = arg };
	struct webhook *webhook = attempt.delivery->webhook;
	struct request rq;

	request_init(&rq, sender.db);
	if (!request_run(&rq, attempt_work, &attempt)) {
		log_fault(&rq, "webhook delivery");
		attempt.status = 0;
		attempt_set_error(&attempt, "internal error", "");
	}
	sender.in_flight--;
	if (attempt.status >= 200 && attempt.status <= 299)
		attempt_succeeded(&attempt);
	else
		attempt_failed(&attempt);
	request_release(&rq);
	webhook_pump(webhook);
}

void
attempt_start(struct delivery *delivery)
{
	sender.in_flight++;
	coro_start(attempt_run, delivery);
}
