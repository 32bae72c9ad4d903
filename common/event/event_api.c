/* common/event/event_api.c -- the log as readers get it: all of it, or one record's timeline. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/db.h"
#include "event/event.h"
#include "event/wire.h"
#include "http/http.h"

#include "event_list.sql.h"
#include "event_timeline.sql.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200
#define DIGITS_MAX 18

/* A positive decimal number of at most 18 digits that ends at the given character. */
static bool
number_parse(const char *text, char end, int64_t *value)
{
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > DIGITS_MAX || text[digits] != end)
		return false;
	*value = strtoll(text, NULL, 10);
	return true;
}

static int64_t
query_limit(struct request *rq)
{
	const char *text = http_query(rq, "limit");
	int64_t limit = LIMIT_DEFAULT;

	if (text != NULL && (!number_parse(text, '\0', &limit) || limit < 1 || limit > LIMIT_MAX))
		fail(rq, ERR_BAD_REQUEST, .field = "limit", .detail = "limit must be 1 to 200.");
	return limit;
}

/* ---- GET /events ---- */

struct position {
	const char *txid;
	int64_t id;
};

static struct position
query_after(struct request *rq)
{
	const char *text = http_query(rq, "after");
	int64_t txid, id;
	const char *dash;

	if (text == NULL)
		return (struct position){ .txid = "0" };
	dash = strchr(text, '-');
	if (dash == NULL || !number_parse(text, '-', &txid) || !number_parse(dash + 1, '\0', &id))
		fail(rq, ERR_BAD_REQUEST, .field = "after",
		     .detail = "after must be the position of an event, such as 1234-56.");
	return (struct position){
		.txid = arena_strndup(&rq->arena, text, (size_t)(dash - text)), .id = id };
}

static struct param
query_record_id(struct request *rq)
{
	const char *text = http_query(rq, "record_id");
	int64_t id;

	if (text == NULL)
		return P_NULL;
	if (!number_parse(text, '\0', &id))
		fail(rq, ERR_BAD_REQUEST, .field = "record_id",
		     .detail = "record_id must be an id.");
	return P_ID(id);
}

/* "sales_order.*" as a LIKE pattern. */
static const char *
query_type(struct request *rq)
{
	const char *text = http_query(rq, "type");
	struct text pattern = text_in(&rq->arena);

	if (text == NULL)
		return NULL;
	if (*text == '\0' || text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.*")] != '\0')
		fail(rq, ERR_BAD_REQUEST, .field = "type",
		     .detail = "type must be an event type; * stands for any part.");
	for (; *text != '\0'; text++) {
		if (*text == '_')
			text_add_char(&pattern, '\\');
		text_add_char(&pattern, *text == '*' ? '%' : *text);
	}
	return pattern.data;
}

/* An instant as RFC 3339 writes it; what looks like one and is none is PostgreSQL's to refuse. */
static const char *
query_instant(struct request *rq, const char *name)
{
	static const char shape[] = "0000-00-00T00:00:00";
	const char *text = http_query(rq, name);
	bool fits = text && strlen(text) >= sizeof(shape);

	for (size_t i = 0; fits && i < sizeof(shape) - 1; i++)
		fits = shape[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i];
	if (text && (!fits || strlen(text) > 40))
		fail(rq, ERR_BAD_REQUEST, .field = name,
		     .detail = arena_printf(&rq->arena,
					    "%s must be an instant such as 2026-03-01T10:00:00Z.",
					    name));
	return text;
}

static bool
query_records(struct request *rq)
{
	const char *text = http_query(rq, "record");

	if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		fail(rq, ERR_BAD_REQUEST, .field = "record",
		     .detail = "record must be true or false.");
	return !text || strcmp(text, "true") == 0;
}

static void
event_list_add(struct text *out, const struct row *row)
{
	wire_add(out, &(struct wire){
		.position = row_text(row, "position"), .event_id = row_text(row, "event_id"),
		.type = row_text(row, "type"), .at = row_text(row, "at"),
		.entity = row_text(row, "entity"), .id = row_id(row, "record_id"),
		.version = row_id(row, "version"), .origin = row_text(row, "origin"),
		.trace = row_text(row, "trace"), .changed = row_text(row, "changed"),
		.record = row_text(row, "record") });
}

void
event_list(struct request *rq)
{
	static const char *const known[] = { "after", "entity", "record_id", "type", "limit",
					     "from",  "to",     "record",    NULL };
	struct text out = text_in(&rq->arena);
	const char *next = NULL;

	http_only_query(rq, known);

	int64_t limit = query_limit(rq);
	struct position after = query_after(rq);
	struct rows *rows = db_all(rq, sql_event_list, P_TEXT(after.txid), P_ID(after.id),
				   P_TEXT(http_query(rq, "entity")), query_record_id(rq),
				   P_TEXT(query_type(rq)), P_ID(limit + 1),
				   P_TEXT(query_instant(rq, "from")),
				   P_TEXT(query_instant(rq, "to")), P_BOOL(query_records(rq)));

	text_add(&out, "{\"data\":[");
	for (int i = 0; i < rows_count(rows) && i < limit; i++) {
		if (i > 0)
			text_add(&out, ",");
		event_list_add(&out, rows_at(rows, i));
	}
	if (rows_count(rows) > limit)
		next = row_text(rows_at(rows, (int)limit - 1), "position");
	text_add(&out, "],\"next_cursor\":");
	text_add_json(&out, next);
	text_add(&out, "}");
	reply_json_length(rq, 200, out.data, out.length);
}

/* ---- GET /{entity}/{id}/timeline ---- */

static void
event_timeline_add(struct text *out, const struct row *row)
{
	text_addf(out, "{\"version\":%" PRId64 ",\"type\":", row_id(row, "version"));
	text_add_json(out, row_text(row, "type"));
	text_add(out, ",\"timestamp\":");
	text_add_json(out, row_text(row, "at"));
	text_addf(out, ",\"user_id\":%s,\"actor\":",
		  row_null(row, "user_id") ? "null" : row_text(row, "user_id"));
	text_add_json(out, row_text(row, "actor"));
	text_add(out, ",\"origin\":");
	text_add_json(out, row_text(row, "origin"));
	text_add(out, ",\"trace\":");
	text_add_json(out, row_text(row, "trace"));
	text_add(out, ",\"changes\":");
	text_add(out, row_text(row, "changes"));
	text_add(out, "}");
}

void
event_timeline(struct request *rq, const char *entity, int64_t id, const char *hidden)
{
	static const char *const known[] = { "limit", "cursor", NULL };
	const char *cursor = http_query(rq, "cursor");
	struct text out = text_in(&rq->arena);
	int64_t under = INT64_MAX;

	http_only_query(rq, known);

	int64_t limit = query_limit(rq);

	if (cursor != NULL && !number_parse(cursor, '\0', &under))
		fail(rq, ERR_BAD_REQUEST, .field = "cursor",
		     .detail = "cursor must be a next_cursor.");

	struct rows *rows = db_all(rq, sql_event_timeline, P_TEXT(entity), P_ID(id), P_ID(under),
				   P_TEXT(hidden != NULL ? hidden : ""), P_ID(limit + 1));

	text_add(&out, "{\"data\":[");
	for (int i = 0; i < rows_count(rows) && i < limit; i++) {
		if (i > 0)
			text_add(&out, ",");
		event_timeline_add(&out, rows_at(rows, i));
	}
	text_add(&out, "],\"next_cursor\":");
	if (rows_count(rows) > limit)
		text_addf(&out, "\"%s\"}", row_text(rows_at(rows, (int)limit - 1), "version"));
	else
		text_add(&out, "null}");
	reply_json_length(rq, 200, out.data, out.length);
}
