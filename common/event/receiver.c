/* common/event/receiver.c -- verifies a webhook's headers and signature, then reads its body. */
#include "event/receiver.h"

#include "base/clock.h"
#include "base/metric_list.h"
#include "event/signature.h"
#include "http/http.h"

#include <stdlib.h>

static cJSON *
receive_json(struct request *rq)
{
	struct json_error error;
	cJSON *json = json_parse(rq, rq->http->body, rq->http->body_length, &error);

	if (json == NULL)
		fail(rq, ERR_BAD_JSON,
		     .detail = arena_printf(&rq->arena, "%s at byte %zu", error.reason,
					    error.offset));
	if (!cJSON_IsObject(json))
		fail(rq, ERR_BAD_JSON, .detail = "The body must be an object.");
	return json;
}

static const char *
receive_string(struct request *rq, const cJSON *json, const char *name)
{
	const char *value = json_string(json, name);

	if (value == NULL || *value == '\0')
		fail(rq, ERR_BAD_JSON, .field = name,
		     .detail = arena_printf(&rq->arena, "The member %s must be a text.", name));
	return value;
}

void
webhook_receive(struct request *rq, const char *const *secrets, struct webhook_message *message)
{
	const char *id = http_header(rq, "webhook-id");
	const char *timestamp = http_header(rq, "webhook-timestamp");
	enum signature_verdict verdict =
		signature_verify(secrets, id, timestamp, http_header(rq, "webhook-signature"),
				 rq->http->body, rq->http->body_length, clock_unix());

	if (verdict != SIGNATURE_OK) {
		metric_add(&metric_verify_failures, (int)verdict - SIGNATURE_MISSING, 1);
		fail(rq, ERR_BAD_SIGNATURE, .detail = signature_verdict_text(verdict));
	}

	*message = (struct webhook_message){ .id = id, .sent_at = strtoll(timestamp, NULL, 10) };
	message->json = receive_json(rq);
	message->type = receive_string(rq, message->json, "type");
	message->timestamp = receive_string(rq, message->json, "timestamp");
	message->data = json_get(message->json, "data");
	if (!cJSON_IsObject(message->data))
		fail(rq, ERR_BAD_JSON, .field = "data",
		     .detail = "The member data must be an object.");

	const char *traceparent = http_header(rq, "traceparent");

	if (traceparent != NULL)
		request_trace(rq, traceparent);
}
