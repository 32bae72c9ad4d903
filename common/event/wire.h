/* common/event/wire.h -- the one form in which an event leaves the system. */
#ifndef EVENT_WIRE_H
#define EVENT_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct wire {
	const char *event_id;      /* uuid */
	const char *type;
	const char *at;            /* RFC 3339 */
	const char *entity;
	int64_t id, version;
	const char *origin;
	const char *trace;
	const char *traceparent;
	const char *changed;       /* JSON array */
	const char *record;        /* JSON object */
	const char *position;      /* in the log, or NULL */
};

/* {"type":...,"timestamp":...,"data":{...}}; with a position, that and the id come first. */
void wire_add(struct text *out, const struct wire *wire);

/* What is posted: shared by the deliveries of one event. On the heap. */
struct payload {
	int references;
	size_t length;
	char id[48];               /* webhook-id: "evt_<uuid>" */
	char traceparent[56];
	char body[];
};

/* The caller has the one reference. Builds in the arena, copies to the heap. */
struct payload *payload_make(struct arena *arena, const struct wire *wire);
struct payload *payload_share(struct payload *payload);
void payload_release(struct payload *payload);

#endif
