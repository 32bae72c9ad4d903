/* common/entity/lines.c -- child lines: matched, checked and replaced as one array. */
#include <string.h>

#include "entity/write.h"

static struct rows *
lines_ids(struct request *rq, const struct writing *w, const struct line_plan *own)
{
	return db_all(rq, own->ids, P_ID(w->record->id));
}

static bool
ids_have(const struct rows *rows, int64_t id)
{
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at((struct rows *)rows, i);

		if (row_id(row, "id") == id)
			return true;
	}
	return false;
}

void
lines_check_ids(struct request *rq, struct writing *w, struct problems *problems)
{
	struct entity_plan *plan = w->entity->plan;

	for (int i = 0; i < plan->line_count; i++) {
		const struct line_plan *own = &plan->lines[i];
		const cJSON *line;
		struct rows *ids = NULL;
		int n = -1;

		cJSON_ArrayForEach(line, json_get(w->body, own->lines->name))
		{
			const cJSON *earlier;
			const char *code = NULL;
			int64_t id, other;

			n++;
			if (!json_integer(line, "id", &id))
				continue;
			if (!ids)
				ids = lines_ids(rq, w, own);
			if (!ids_have(ids, id))
				code = "unknown_reference";
			for (earlier = json_get(w->body, own->lines->name)->child; earlier != line;
			     earlier = earlier->next)
				if (json_integer(earlier, "id", &other) && other == id)
					code = "duplicate";
			if (code)
				problems_add(
					problems,
					arena_printf(&rq->arena, "%s[%d].id", own->lines->name, n),
					code,
					code[0] == 'd' ? "is given twice"
						       : "is no line of this record");
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
		const char *known = row_text(rows_at(ids, i), "source_line");

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
