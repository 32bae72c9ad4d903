/* common/event/wire.c -- writes an event as subscribers and readers of the log get it. */
#include "event/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void
wire_add_member(struct text *out, const char *name, const char *value)
{
	text_add(out, name);
	text_add_json(out, value);
}

void
wire_add(struct text *out, const struct wire *wire)
{
	text_add(out, "{");
	if (wire->position != NULL) {
		wire_add_member(out, "\"position\":", wire->position);
		text_addf(out, ",\"id\":\"evt_%s\",", wire->event_id);
	}
	wire_add_member(out, "\"type\":", wire->type);
	wire_add_member(out, ",\"timestamp\":", wire->at);
	wire_add_member(out, ",\"data\":{\"entity\":", wire->entity);
	text_addf(out, ",\"id\":%" PRId64 ",\"version\":%" PRId64, wire->id, wire->version);
	wire_add_member(out, ",\"origin\":", wire->origin);
	wire_add_member(out, ",\"trace\":", wire->trace);
	text_add(out, ",\"changed\":");
	text_add(out, wire->changed);
	text_add(out, ",\"record\":");
	text_add(out, wire->record);
	text_add(out, "}}");
}

struct payload *
payload_make(struct arena *arena, const struct wire *wire)
{
	struct text body = text_in(arena);

	text_reserve(&body, strlen(wire->record) + 512);
	wire_add(&body, wire);

	struct payload *payload = malloc(sizeof(*payload) + body.length + 1);

	if (payload == NULL)
		die("out of memory");
	payload->references = 1;
	payload->length = body.length;
	snprintf(payload->id, sizeof(payload->id), "evt_%s", wire->event_id);
	snprintf(payload->traceparent, sizeof(payload->traceparent), "%s", wire->traceparent);
	memcpy(payload->body, body.data, body.length + 1);
	return payload;
}

struct payload *
payload_share(struct payload *payload)
{
	payload->references++;
	return payload;
}

void
payload_release(struct payload *payload)
{
	if (--payload->references == 0)
		free(payload);
}
