/* common/event/epoch.c -- tells which history this database is in, so that a restore is noticed. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "db/db.h"
#include "event/event.h"
#include "http/http.h"

#define ASKED_MAX 50

/* A restore to a point in time begins a new timeline; another cluster has another identifier. */
static const char sql_epoch[] =
	"SELECT s.system_identifier || '-' || c.timeline_id AS epoch,"
	" (SELECT e.entity || ':' || e.record_id || ':' || e.version || ':' || e.event_id"
	"  FROM event e ORDER BY e.id DESC LIMIT 1) AS last_event,"
	" (SELECT to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
	"  FROM event e ORDER BY e.id DESC LIMIT 1) AS last_at"
	" FROM pg_control_system() s, pg_control_checkpoint() c";

/* Found by the record's version, which has an index; another event in its place is none. */
static const char sql_knows[] =
	"SELECT EXISTS (SELECT FROM event WHERE entity = $1 AND record_id = $2 AND version = $3"
	" AND event_id = $4::uuid) AS known";

struct asked {
	const char *entity, *record_id, *version, *event_id;
};

static bool
is_number(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits && digits <= 18 && !text[digits];
}

static bool
is_uuid(const char *text)
{
	return strlen(text) == 36 && strspn(text, "0123456789abcdef-") == 36 && text[8] == '-' &&
	       text[13] == '-' && text[18] == '-' && text[23] == '-' &&
	       strcspn(text, "-") == 8 && strcspn(text + 9, "-") == 4 &&
	       strcspn(text + 14, "-") == 4 && strcspn(text + 19, "-") == 4 &&
	       strcspn(text + 24, "-") == 12;
}

/* "account:42:7:<uuid>" in place. */
static bool
asked_parse(char *text, struct asked *asked)
{
	const char **parts[] = { &asked->entity, &asked->record_id, &asked->version,
				 &asked->event_id };

	for (size_t i = 0; i < 4; i++) {
		*parts[i] = strsep(&text, ":");
		if (!*parts[i] || !**parts[i])
			return false;
	}
	return !text && is_number(asked->record_id) && is_number(asked->version) &&
	       is_uuid(asked->event_id);
}

/* The JSON array of those that the log does not know. */
static const char *
unknown_events(struct request *rq, const char *query)
{
	char *rest = arena_strdup(&rq->arena, query);
	struct text out = text_in(&rq->arena);
	int count = 0, unknown = 0;
	char *each;

	text_add(&out, "[");
	while ((each = strsep(&rest, ","))) {
		const char *name = arena_strdup(&rq->arena, each);
		struct asked asked;

		if (++count > ASKED_MAX || !asked_parse(each, &asked))
			fail(rq, ERR_BAD_REQUEST, .field = "event",
			     .detail = "event must name up to 50 events as "
				       "entity:record_id:version:event_id, with commas between.");
		if (row_bool(db_one(rq, sql_knows, P_TEXT(asked.entity), P_TEXT(asked.record_id),
				    P_TEXT(asked.version), P_TEXT(asked.event_id)), "known"))
			continue;
		text_add(&out, unknown++ ? "," : "");
		text_add_json(&out, name);
	}
	text_add(&out, "]");
	return text_str(&out);
}

void
event_epoch(struct request *rq)
{
	static const char *const known[] = { "event", NULL };
	const char *query = http_query(rq, "event");
	struct text out = text_in(&rq->arena);
	const char *unknown;
	struct row *row;

	http_only_query(rq, known);
	unknown = query ? unknown_events(rq, query) : "[]";
	row = db_one(rq, sql_epoch);
	text_add(&out, "{\"epoch\":");
	text_add_json(&out, row_text(row, "epoch"));
	text_add(&out, ",\"last_event\":");
	text_add_json(&out, row_text(row, "last_event"));
	text_add(&out, ",\"last_event_at\":");
	text_add_json(&out, row_text(row, "last_at"));
	text_addf(&out, ",\"unknown\":%s}", unknown);
	reply_json_length(rq, 200, out.data, out.length);
}
