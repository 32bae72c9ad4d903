/* common/entity/lines.c -- child lines: matched, checked and replaced as one array. */
#include <stdlib.h>
#include <string.h>

#include "entity/write.h"

static struct rows *
lines_ids(struct request *rq, const struct writing *w, const struct line_plan *own)
{
	return db_all(rq, own->ids, P_ID(w->record->id));
}

/* The record's own line ids, in order, and which of them the body has named. */
struct own_ids {
	int64_t *ids;
	bool *named;
	size_t count;
};

static int
id_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
own_ids_read(struct request *rq, const struct writing *w, const struct line_plan *own,
	     struct own_ids *known)
{
	struct rows *rows = lines_ids(rq, w, own);

	known->count = (size_t)rows_count(rows);
	known->ids = arena_array(&rq->arena, int64_t, known->count + 1);
	known->named = arena_array(&rq->arena, bool, known->count + 1);
	for (size_t i = 0; i < known->count; i++)
		known->ids[i] = row_id(rows_at(rows, (int)i), "id");
	qsort(known->ids, known->count, sizeof(*known->ids), id_compare);
}

static void
check_id(struct own_ids *known, int64_t id, const char *field, struct problems *problems)
{
	int64_t *found = bsearch(&id, known->ids, known->count, sizeof(id), id_compare);

	if (!found)
		problems_add(problems, field, "unknown_reference", "is no line of this record");
	else if (known->named[found - known->ids])
		problems_add(problems, field, "duplicate", "is given twice");
	else
		known->named[found - known->ids] = true;
}

void
lines_check_ids(struct request *rq, struct writing *w, struct problems *problems)
{
	struct entity_plan *plan = w->entity->plan;

	for (int i = 0; i < plan->line_count; i++) {
		const struct line_plan *own = &plan->lines[i];
		struct own_ids known = { .ids = NULL };
		const cJSON *line;
		int64_t id;
		int n = -1;

		cJSON_ArrayForEach(line, json_get(w->body, own->lines->name))
		{
			n++;
			if (!json_integer(line, "id", &id))
				continue;
			if (!known.ids)
				own_ids_read(rq, w, own, &known);
			check_id(&known, id,
				 arena_printf(&rq->arena, "%s[%d].id", own->lines->name, n),
				 problems);
		}
	}
}

/* The row that the line of the source stands for, -1 for none. */
static int
line_find(struct rows *ids, const struct line_plan *own, const cJSON *line, int n)
{
	const cJSON *source = json_get(line, "source_line");
	const char *name =
		source ? cJSON_IsString(source) ? source->valuestring : json_number_text(source)
		       : NULL;

	if (!own->by_source_line || !name)
		return n < rows_count(ids) ? n : -1;
	for (int i = 0; i < rows_count(ids); i++) {
		const char *known = row_at(rows_at(ids, i), 1);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	return -1;
}

void
lines_match(struct request *rq, struct writing *w)
{
	struct entity_plan *plan = w->entity->plan;

	for (int i = 0; i < plan->line_count; i++) {
		const struct line_plan *own = &plan->lines[i];
		cJSON *array = json_get(w->body, own->lines->name);
		cJSON *line;
		struct rows *ids;
		bool *taken;
		int n = 0;

		if (!cJSON_IsArray(array) || !array->child)
			continue;
		ids = lines_ids(rq, w, own);
		taken = arena_array(&rq->arena, bool, (size_t)rows_count(ids) + 1);
		cJSON_ArrayForEach(line, array)
		{
			int at = line_find(ids, own, line, n++);

			cJSON_DeleteItemFromObjectCaseSensitive(line, "id");
			if (at < 0 || taken[at])
				continue;
			taken[at] = true;
			json_add_integer(line, "id", row_id(rows_at(ids, at), "id"));
		}
	}
}

void
lines_send(struct request *rq, struct writing *w, const char *body, struct lines_pending *sent)
{
	struct entity_plan *plan = w->entity->plan;

	for (int i = 0; i < plan->line_count; i++) {
		const struct line_plan *own = &plan->lines[i];
		const char *texts[] = { own->remove, own->update, own->insert };

		if (!json_get(w->body, own->lines->name))
			continue;
		for (int k = 0; k < 3; k++)
			sent->pending[sent->count++] =
				db_send(rq, texts[k], P_ID(w->record->id), P_TEXT(body));
	}
}

bool
lines_wait(struct request *rq, struct lines_pending *sent)
{
	bool changed = false;

	for (int i = 0; i < sent->count; i++)
		if (rows_affected(db_wait(rq, sent->pending[i])) > 0)
			changed = true;
	return changed;
}
