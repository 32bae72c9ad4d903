/* common/entity/select.c -- what fields= and include= make of the select list. */
#include <string.h>

#include "base/roles.h"
#include "entity/list.h"

struct choice {
	bool *fields; /* of the shape's members; NULL: all */
	bool lines[LINES_MAX];
	struct text more; /* embedded records */
	struct text from;
	int embedded;
};

static int
lines_index(const struct entity_plan *plan, const char *name)
{
	for (int i = 0; i < plan->line_count; i++)
		if (strcmp(plan->lines[i].lines->name, name) == 0)
			return i;
	return -1;
}

/* The id always comes along: a record nobody can name is of no use. */
static void
fields_read(struct list *list, struct choice *choice, const char *text)
{
	const struct shape *shape = &list->plan->shape;
	char *rest = arena_strdup(&list->rq->arena, text);
	char *piece;

	choice->fields = arena_array(&list->rq->arena, bool, (size_t)shape->count);
	choice->fields[shape_member(shape, "id") - shape->members] = true;
	memset(choice->lines, 0, sizeof(choice->lines));
	while ((piece = list_piece(&rest))) {
		const struct member *member = list_member(list, piece);
		int lines = lines_index(list->plan, piece);

		if (member)
			choice->fields[member - shape->members] = true;
		else if (lines >= 0)
			choice->lines[lines] = true;
		else
			problems_add(&list->unknown, "fields", "unknown_field",
				     "\"%s\" is not a field here", piece);
	}
}

/* "account" names the record behind account_id. */
static const struct member *
reference_named(const struct list *list, const char *name)
{
	const char *column = arena_printf(&list->rq->arena, "%s_id", name);
	const struct member *member = list_member(list, column);

	return member && member->column && member->column->references ? member : NULL;
}

static bool
embed(struct list *list, struct choice *choice, const char *name)
{
	const struct member *reference = reference_named(list, name);
	struct entity *other = reference ? plan_entity_of(reference->column->references) : NULL;
	int n = choice->embedded;

	if (!other || !role_allowed(list->rq->actor, other->plan->read_roles) ||
	    shape_member(&list->plan->shape, name))
		return false;
	/* Alias t means another table inside, so the key is handed in as o<n>.k. */
	text_addf(&choice->from, ", LATERAL (SELECT %s AS k) o%d", reference->value, n);
	text_addf(
		&choice->more,
		", (SELECT row_to_json(r) FROM (SELECT %s FROM \"%s\" t WHERE t.\"id\" = o%d.k) r)"
		" AS \"%s\"",
		other->plan->sights[plan_mask(other->plan, list->rq->actor)].members,
		other->plan->shape.table->name, n, name);
	choice->embedded++;
	return true;
}

static void
include_read(struct list *list, struct choice *choice, const char *text)
{
	char *rest = arena_strdup(&list->rq->arena, text);
	char *seen[8];
	int count = 0;
	char *piece;

	while ((piece = list_piece(&rest))) {
		int lines = lines_index(list->plan, piece);
		bool repeated = false;

		if (strcmp(piece, "*") == 0) {
			for (int i = 0; i < list->plan->line_count; i++)
				choice->lines[i] = true;
			continue;
		}

		for (int i = 0; i < count; i++)
			repeated = repeated || strcmp(seen[i], piece) == 0;
		if (repeated || count == 8)
			problems_add(&list->bad, "include", "duplicate",
				     "names too much, or \"%s\" twice", piece);
		else if (lines >= 0)
			choice->lines[lines] = true;
		else if (!embed(list, choice, piece))
			problems_add(&list->unknown, "include", "unknown_field",
				     "\"%s\" cannot be included here", piece);
		if (count < 8)
			seen[count++] = piece;
	}
}

void
select_read(struct list *list, const char *fields, const char *include, bool lines)
{
	const struct sight *sight = &list->plan->sights[list->mask];
	struct arena *arena = &list->rq->arena;
	struct choice choice = { .more = text_in(arena), .from = text_in(arena) };
	struct text members = text_in(arena);

	for (int i = 0; i < list->plan->line_count; i++)
		choice.lines[i] = lines;
	if (fields)
		fields_read(list, &choice, fields);
	if (include)
		include_read(list, &choice, include);
	if (choice.fields)
		plan_add_members(&members, &list->plan->shape, list->mask, choice.fields);
	else
		text_add(&members, sight->members);
	for (int i = 0; i < list->plan->line_count; i++)
		if (choice.lines[i])
			text_addf(&members, ", %s", sight->lines[i]);
	text_add(&members, text_str(&choice.more));
	list->members = text_str(&members);
	list->from = text_str(&choice.from);
}
