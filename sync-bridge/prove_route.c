/* sync-bridge/prove_route.c -- holds a source's log and a target's records against the messages. */
#include "prove_route.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/log.h"
#include "base/text.h"
#include "compare.h"
#include "db/db.h"
#include "prove_events.sql.h"
#include "prove_targets.sql.h"

static void
add_example(struct route_proof *p, const char *text)
{
	if (text && p->example_count < 3)
		snprintf(p->examples[p->example_count++], sizeof(p->examples[0]), "%s: %s",
			 p->route->name, text);
}

/* Arrays in the making, as PostgreSQL reads them. */
struct columns {
	struct text text[4];
	int count;
};

static struct columns
columns_in(struct arena *arena)
{
	struct columns columns = { .count = 0 };

	for (int i = 0; i < 4; i++) {
		columns.text[i] = text_in(arena);
		text_add(&columns.text[i], "{");
	}
	return columns;
}

static void
add_id(struct columns *columns, int column, int64_t id)
{
	text_addf(&columns->text[column], "%s%" PRId64, columns->count ? "," : "", id);
}

static void
add_quoted(struct columns *columns, int column, const char *value)
{
	struct text *out = &columns->text[column];

	text_add(out, columns->count ? ",\"" : "\"");
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			text_add_char(out, '\\');
		text_add_char(out, *value);
	}
	text_add(out, "\"");
}

static const char *
closed(struct columns *columns, int column)
{
	text_add(&columns->text[column], "}");
	return text_str(&columns->text[column]);
}

/* ---- events ---- */

/* One that would come to us: of a type the route takes, not of our own doing. */
static void
add_event(struct route_proof *p, struct columns *columns, const cJSON *event)
{
	const cJSON *data = json_get(event, "data");
	const char *type = json_string(event, "type"), *id = json_string(event, "id");
	const char *origin = json_string(data, "origin");
	const char *at = json_string(event, "timestamp");
	const char *skip = p->route->from->skip_origin;
	int64_t record, version;

	if (!type || !id || !at || !bridge_route_takes(p->route, type) ||
	    (skip && origin && strcmp(origin, skip) == 0) || !json_integer(data, "id", &record) ||
	    !json_integer(data, "version", &version))
		return;
	add_quoted(columns, 0, id);
	add_id(columns, 1, record);
	add_id(columns, 2, version);
	add_quoted(columns, 3, at);
	columns->count++;
}

static void
judge_events(struct request *rq, struct route_proof *p, struct columns *columns)
{
	const struct bridge_route *route = p->route;
	struct row *row;

	if (!columns->count)
		return;
	row = db_one(rq, sql_prove_events, P_TEXT(route->from->name), P_TEXT(route->entity),
		     P_TEXT(route->name), P_TEXT(closed(columns, 0)), P_TEXT(closed(columns, 1)),
		     P_TEXT(closed(columns, 2)), P_TEXT(closed(columns, 3)),
		     P_ID(bridge_options.retention_days));
	p->events += columns->count;
	p->applied += row_id(row, "applied");
	p->unchanged += row_id(row, "unchanged");
	p->superseded += row_id(row, "superseded");
	p->skipped += row_id(row, "skipped");
	p->covered += row_id(row, "covered");
	p->expired += row_id(row, "expired");
	p->refused += row_id(row, "refused");
	p->open += row_id(row, "open");
	p->gaps += row_id(row, "gaps");
	add_example(p, row_text(row, "examples"));
}

static void
events_page(struct request *rq, struct route_proof *p, const struct page *page)
{
	struct columns columns = columns_in(&rq->arena);

	for (int i = 0; i < page->count; i++) {
		struct json_error error;

		add_event(p, &columns,
			  json_parse(rq, page->records[i], strlen(page->records[i]), &error));
		pace_rows(&p->pace, 1);
	}
	judge_events(rq, p, &columns);
}

/* ---- targets ---- */

static void
add_target(struct request *rq, struct route_proof *p, struct columns *columns, const cJSON *record)
{
	const struct bridge_route *route = p->route;
	const char *ref = json_string(record, "external_ref");
	int64_t source = record ? compare_source_id(route, record) : 0;
	int64_t id = 0, version = 0;

	if (!source || !json_integer(record, "id", &id))
		return;
	json_integer(record, "source_version", &version);
	p->targets++;
	if (strcmp(ref, p->last_ref) == 0) {
		p->duplicates++;
		add_example(p, arena_printf(&rq->arena, "%s is at %s twice", ref, route->to->name));
	}
	snprintf(p->last_ref, sizeof(p->last_ref), "%s", ref);
	add_id(columns, 0, source);
	add_quoted(columns, 1,
		   arena_printf(&rq->arena, "%s:%s:%" PRId64, route->to->name, route->target, id));
	add_id(columns, 2, version);
	columns->count++;
}

static void
targets_page(struct request *rq, struct route_proof *p, const struct page *page)
{
	struct columns columns = columns_in(&rq->arena);
	struct row *row;

	for (int i = 0; i < page->count; i++) {
		struct json_error error;

		add_target(rq, p, &columns,
			   json_parse(rq, page->records[i], strlen(page->records[i]), &error));
		pace_rows(&p->pace, 1);
	}
	if (!columns.count)
		return;
	row = db_one(rq, sql_prove_targets, P_TEXT(p->route->from->name), P_TEXT(p->route->entity),
		     P_TEXT(p->route->name), P_TEXT(closed(&columns, 0)),
		     P_TEXT(closed(&columns, 1)), P_TEXT(closed(&columns, 2)));
	p->behind += row_id(row, "behind");
	p->unlinked += row_id(row, "unlinked");
	add_example(p, row_text(row, "examples"));
}

/* ---- all pages ---- */

static void
one_events_page(struct request *rq, void *arg)
{
	struct route_proof *p = arg;
	struct page *page = arena_new(&rq->arena, struct page);
	const char *error;

	p->ok = page_read(rq, p->route->from,
			  arena_printf(&rq->arena, "/api/v1/events?limit=%d&entity=%s", PAGE_MAX,
				       p->route->entity),
			  "after", p->cursor, page, &error);
	if (!p->ok) {
		snprintf(p->error, sizeof(p->error), "%s", error);
		return;
	}
	memcpy(p->cursor, page->next, sizeof(p->cursor));
	events_page(rq, p, page);
}

static void
one_targets_page(struct request *rq, void *arg)
{
	struct route_proof *p = arg;
	struct page *page = arena_new(&rq->arena, struct page);
	const char *error;

	p->ok = page_read(rq, p->route->to,
			  arena_printf(&rq->arena,
				       "/api/v1/%s?limit=%d&external_ref[like]=%s:%s:"
				       "&sort=external_ref&fields=external_ref,source_version",
				       p->route->path, PAGE_MAX, p->route->from->name,
				       p->route->entity),
			  "cursor", p->cursor, page, &error);
	if (!p->ok) {
		snprintf(p->error, sizeof(p->error), "%s", error);
		return;
	}
	memcpy(p->cursor, page->next, sizeof(p->cursor));
	targets_page(rq, p, page);
}

static bool
all_pages(struct request *rq, struct route_proof *p, void (*work)(struct request *rq, void *arg))
{
	p->cursor[0] = '\0';
	do {
		struct request page;

		if (app_current()->draining) {
			snprintf(p->error, sizeof(p->error), "the bridge is stopping");
			return false;
		}
		request_init(&page, rq->db);
		if (!request_run(&page, work, p)) {
			snprintf(p->error, sizeof(p->error), "%s",
				 page.fault.detail ? page.fault.detail
						   : fault_title(page.fault.code));
			log_fault(&page, "proof");
			p->ok = false;
		}
		request_release(&page);
	} while (p->ok && *p->cursor);
	return p->ok;
}

bool
prove_route(struct request *rq, struct route_proof *proof)
{
	proof->pace.rate = bridge_options.reconcile_rate;
	return all_pages(rq, proof, one_events_page) && all_pages(rq, proof, one_targets_page);
}
