/* sync-bridge/compare.c -- streams both sides into buckets, and drills into those that differ. */
#include "compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/log.h"
#include "page.h"
#include "suspect.h"

#define ROWS_MAX 200000   /* rows of the source held at once while drilling: 3.2 MB */

struct held_row {
	int64_t id;
	uint64_t digest : 63, equal : 1;
};

/* One way through one side. */
struct stream {
	struct comparison_of_route *c;
	bool target;
	char cursor[CURSOR_MAX];
	const bool *only;            /* buckets, when drilling; NULL: all */
	struct held_row *rows;       /* of the source, by id, when drilling */
	int row_count, row_room;
	bool ok;
};

/* ---- what to read ---- */

/* Names in a query; those of PostgreSQL columns need no escapes. */
static void
add_fields(struct text *out, const struct shape *shape)
{
	text_add(out, "&fields=id,version,external_ref");
	for (int i = 0; i < shape->count; i++)
		if (shape->members[i].shown && !shape->members[i].left_out)
			text_addf(out, ",%s", shape->members[i].name);
}

static const char *
source_path(struct request *rq, const struct bridge_route *route)
{
	return arena_printf(&rq->arena, "/api/v1/%s?limit=%d&include=*", route->source_path,
			    PAGE_MAX);
}

static const char *
target_path(struct request *rq, const struct comparison_of_route *c)
{
	struct text out = text_in(&rq->arena);

	text_addf(&out, "/api/v1/%s?limit=%d&external_ref[like]=%s:%s:", c->route->path, PAGE_MAX,
		  c->route->from->name, c->route->entity);
	add_fields(&out, c->shape);
	return text_str(&out);
}

int64_t
compare_source_id(const struct bridge_route *route, const cJSON *record)
{
	const char *text = json_string(record, "external_ref");
	struct ref ref;

	if (!text || !ref_parse(text, &ref) || strcmp(ref.system, route->from->name) != 0 ||
	    strcmp(ref.entity, route->entity) != 0)
		return 0;
	return ref.id;
}

static void
set_error(struct comparison_of_route *c, const char *error)
{
	snprintf(c->error, sizeof(c->error), "%s: %s", c->route->name, error);
}

bool
compare_sample(struct request *rq, struct comparison_of_route *c)
{
	struct call call = {
		.method = "GET",
		.path = arena_printf(&rq->arena,
				     "/api/v1/%s?limit=1&sort=-id&external_ref[like]=%s:%s:"
				     "&include=*",
				     c->route->path, c->route->from->name, c->route->entity),
	};
	const cJSON *data;

	system_call(rq, c->route->to, &call);
	data = json_get(call.json, "data");
	if (call.result != CALL_DONE || !cJSON_IsArray(data)) {
		set_error(c, call.reason ? call.reason : "the target's answer is no list");
		return false;
	}
	c->shape->sample = data->child;
	return true;
}

/* ---- one row ---- */

static void
suspect(struct comparison_of_route *c, int64_t id)
{
	if (c->suspect_count < SUSPECTS_ROOM)
		c->suspects[c->suspect_count++] = (struct suspect){ .id = id };
}

static void
hold_row(struct stream *s, int64_t id, uint64_t digest)
{
	if (s->row_count == s->row_room) {
		struct held_row *bigger;

		s->row_room = s->row_room ? s->row_room * 2 : 4096;
		bigger = realloc(s->rows, sizeof(*s->rows) * (size_t)s->row_room);
		if (!bigger)
			die("out of memory");
		s->rows = bigger;
	}
	s->rows[s->row_count++] = (struct held_row){ .id = id, .digest = digest >> 1 };
}

static int
by_id(const void *a, const void *b)
{
	int64_t x = ((const struct held_row *)a)->id, y = ((const struct held_row *)b)->id;

	return (x > y) - (x < y);
}

static void
match_row(struct stream *s, int64_t id, uint64_t digest)
{
	const struct held_row wanted = { .id = id };
	struct held_row *row = NULL;

	if (s->row_count)
		row = bsearch(&wanted, s->rows, (size_t)s->row_count, sizeof(wanted), by_id);
	if (!row || row->equal)
		suspect(s->c, id);   /* extra, or there a second time */
	else if (row->digest == digest >> 1)
		row->equal = true;
}

static void
take_row(struct request *rq, struct stream *s, int64_t id, const cJSON *record)
{
	struct digest digest = shape_digest(rq, s->c->shape, id, record);

	if (!s->only) {
		bucket_add(s->c->buckets, id, &digest, s->target ? -1 : 1);
		if (s->target)
			s->c->target_rows++;
		else
			s->c->source_rows++;
	} else if (s->target) {
		match_row(s, id, digest.words[0]);
	} else {
		hold_row(s, id, digest.words[0]);
	}
}

/* ---- one page ---- */

static void
source_page(struct request *rq, struct stream *s, const struct page *page)
{
	struct comparison_of_route *c = s->c;
	struct original *list = arena_array(&rq->arena, struct original, (size_t)page->count + 1);
	const char *type = arena_printf(&rq->arena, "%s.reconciled", c->route->entity);
	int count = 0;

	for (int i = 0; i < page->count; i++) {
		struct original *original = &list[count];

		if (!original_read(rq, page->records[i], type, original)) {
			set_error(c, "the source lists something that is no record");
			s->ok = false;
			return;
		}
		if (!s->only || s->only[bucket_of(original->id)])
			count++;
		pace_rows(&c->pace, 0);
	}
	originals_project(rq, c->route, list, count, &c->pace);
	for (int i = 0; i < count; i++) {
		if (!list[i].expected)
			continue;
		shape_learn(c->shape, list[i].body);
		take_row(rq, s, list[i].id, list[i].body);
		pace_rows(&c->pace, 0);
	}
}

static void
target_page(struct request *rq, struct stream *s, const struct page *page)
{
	struct comparison_of_route *c = s->c;

	for (int i = 0; i < page->count; i++) {
		struct json_error error;
		cJSON *record = json_parse(rq, page->records[i], strlen(page->records[i]), &error);
		int64_t id = record ? compare_source_id(c->route, record) : 0;

		if (id && (!s->only || s->only[bucket_of(id)]))
			take_row(rq, s, id, record);
		pace_rows(&c->pace, 1);
	}
}

static void
one_page(struct request *rq, void *arg)
{
	struct stream *s = arg;
	struct comparison_of_route *c = s->c;
	struct page *page = arena_new(&rq->arena, struct page);
	const char *error;

	s->ok = page_read(rq, s->target ? c->route->to : c->route->from,
			  s->target ? target_path(rq, c) : source_path(rq, c->route), "cursor",
			  s->cursor, page, &error);
	if (!s->ok) {
		set_error(c, error);
		return;
	}
	memcpy(s->cursor, page->next, sizeof(s->cursor));
	if (s->target)
		target_page(rq, s, page);
	else
		source_page(rq, s, page);
}

/* Each page is a request of its own, whose memory goes with it. */
static bool
run_stream(struct request *rq, struct stream *s)
{
	s->cursor[0] = '\0';
	do {
		struct request page;

		if (app_current()->draining) {
			set_error(s->c, "the bridge is stopping");
			return false;
		}
		request_init(&page, rq->db);
		if (!request_run(&page, one_page, s)) {
			set_error(s->c, page.fault.detail ? page.fault.detail
							  : fault_title(page.fault.code));
			log_fault(&page, "reconcile");
			s->ok = false;
		}
		request_release(&page);
	} while (s->ok && *s->cursor);
	return s->ok;
}

/* ---- the route ---- */

static bool
both_sides(struct request *rq, struct stream *s)
{
	s->target = false;
	if (!run_stream(rq, s))
		return false;
	if (!s->c->shape->sample)
		return true;   /* the target has none */
	s->target = true;
	return run_stream(rq, s);
}

/* Marks differing buckets from *next on, until they hold ROWS_MAX rows; false when none is left. */
static bool
choose(const struct comparison_of_route *c, int *next, bool only[BUCKETS])
{
	uint64_t rows = 0;
	bool any = false;

	memset(only, 0, BUCKETS * sizeof(bool));
	for (; *next < BUCKETS && rows <= ROWS_MAX; ++*next) {
		if (!bucket_differs(&c->buckets[*next]))
			continue;
		only[*next] = any = true;
		rows += c->buckets[*next].source_rows;
	}
	return any;
}

static bool
drill(struct request *rq, struct comparison_of_route *c)
{
	bool *only = arena_array(&rq->arena, bool, BUCKETS);
	struct stream s = { .c = c, .only = only };
	bool ok = true;
	int next = 0;

	while (ok && c->suspect_count < SUSPECTS_MAX && choose(c, &next, only)) {
		s.row_count = 0;
		ok = both_sides(rq, &s);
		for (int i = 0; ok && i < s.row_count; i++)
			if (!s.rows[i].equal)
				suspect(c, s.rows[i].id);
		ok = ok && suspects_leave_busy(rq, c);
	}
	free(s.rows);
	if (c->suspect_count > SUSPECTS_MAX)
		c->suspect_count = SUSPECTS_MAX;
	return ok;
}

bool
compare_route(struct request *rq, struct comparison_of_route *c)
{
	struct stream s = { .c = c };

	c->buckets = arena_array(&rq->arena, struct bucket, BUCKETS);
	if (!compare_sample(rq, c) || !both_sides(rq, &s))
		return false;
	for (int i = 0; i < BUCKETS; i++)
		c->differing += bucket_differs(&c->buckets[i]);
	return c->differing == 0 || drill(rq, c);
}
