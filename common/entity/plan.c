/* common/entity/plan.c -- checks an entity against the catalogue and lists its members. */
#include "entity/plan.h"

#include <string.h>

#include "base/log.h"
#include "base/roles.h"

/* Written by the engine, never in a statement's list of columns. */
static const char engine_columns[] = "id version created_at updated_at";

static struct arena start_arena;

/* Every planned entity, for references between them. */
static struct entity **planned;
static int planned_count, planned_room;

struct arena *
plan_arena(void)
{
	return &start_arena;
}

struct entity *
plan_entity_named(const char *name)
{
	for (int i = 0; i < planned_count; i++)
		if (strcmp(planned[i]->name, name) == 0)
			return planned[i];
	return NULL;
}

struct entity *
plan_entity_of(const char *table)
{
	for (int i = 0; i < planned_count; i++)
		if (strcmp(planned[i]->plan->shape.table->name, table) == 0)
			return planned[i];
	return NULL;
}

bool
words_have(const char *words, const char *word)
{
	size_t length = strlen(word);

	if (!words)
		return false;
	for (const char *at = words + strspn(words, " "); *at; at += strspn(at, " ")) {
		size_t span = strcspn(at, " ");

		if (span == length && memcmp(at, word, length) == 0)
			return true;
		at += span;
	}
	return false;
}

const struct member *
shape_member(const struct shape *shape, const char *name)
{
	for (int i = 0; i < shape->count; i++)
		if (strcmp(shape->members[i].name, name) == 0)
			return &shape->members[i];
	return NULL;
}

unsigned
plan_mask(const struct entity_plan *plan, const struct actor *actor)
{
	unsigned mask = 0;

	for (int i = 0; i < plan->group_count; i++)
		if (role_allowed(actor, plan->group_roles[i]))
			mask |= 1u << i;
	return mask;
}

bool
member_seen(const struct member *member, unsigned mask)
{
	return !member->secret && !member->hidden && (member->group & ~mask) == 0;
}

static const char *
type_cast(enum column_type type, const struct column *column)
{
	switch (type) {
	case COLUMN_TEXT:
		return "text";
	case COLUMN_INTEGER:
		return "bigint";
	case COLUMN_NUMERIC:
		return "numeric";
	case COLUMN_BOOLEAN:
		return "boolean";
	case COLUMN_DATE:
		return "date";
	case COLUMN_INSTANT:
		return "timestamptz";
	case COLUMN_CHOICE:
		return column ? column->sql_type : "text";
	case COLUMN_TEXTS:
		return "text[]";
	case COLUMN_JSON:
	case COLUMN_BYTES:
		break;
	}
	return NULL;
}

static void
member_expressions(struct member *member, const char *value)
{
	member->value = value;
	/* row_to_json would print a numeric as a JSON number, which readers take for a double. */
	member->shown = member->type == COLUMN_NUMERIC
				? arena_printf(&start_arena, "%s::text", value)
				: value;
	member->cast = type_cast(member->type, member->column);
}

static void
member_of_column(struct member *member, const struct column *column, const char *alias)
{
	*member = (struct member){
		.name = column->name,
		.column = column,
		.type = column->type,
		.secret = column->type == COLUMN_BYTES,
		.settable = !column->generated && !words_have(engine_columns, column->name),
		.required = column->not_null && !column->initial && !column->generated,
		.not_null = column->not_null,
	};
	member->computed = !member->settable || strcmp(column->name, "source_version") == 0 ||
			   strcmp(column->name, "source_epoch") == 0 ||
			   column->type == COLUMN_BYTES;
	member_expressions(member, arena_printf(&start_arena, "%s.\"%s\"", alias, column->name));
}

/* prefix: "" for the entity, "lines." for its lines, as the restricted lists write them. */
static void
restrict_members(const struct entity *entity, struct shape *shape, const char *prefix)
{
	for (int i = 0; i < shape->count; i++) {
		struct member *member = &shape->members[i];
		const char *name = arena_printf(&start_arena, "%s%s", prefix, member->name);

		if (words_have(entity->secret, name))
			member->secret = true;
		for (int g = 0; g < GROUPS_MAX; g++)
			if (words_have(entity->restricted[g].columns, name))
				member->group |= 1u << g;
	}
}

/* Each word must name a member of the entity, or "<lines>.<member>". */
static void
check_words(const struct entity_plan *plan, const char *what, const char *words)
{
	for (const char *at = words ? words + strspn(words, " ") : ""; *at; at += strspn(at, " ")) {
		size_t span = strcspn(at, " ");
		char *word = arena_strndup(&start_arena, at, span);
		char *dot = strchr(word, '.');
		const struct shape *shape = &plan->shape;

		if (dot) {
			*dot = '\0';
			shape = NULL;
			for (int i = 0; i < plan->line_count; i++)
				if (strcmp(plan->lines[i].lines->name, word) == 0)
					shape = &plan->lines[i].shape;
			word = dot + 1;
		}
		if (!shape || !shape_member(shape, word))
			die("entity %s: %s names \"%.*s\", which is no column", plan->entity->name,
			    what, (int)span, at);
		at += span;
	}
}

static const struct table *
table_of(const struct catalogue *catalogue, const struct entity *entity, const char *name)
{
	const struct table *table = catalogue_table(catalogue, name);

	if (!table)
		die("entity %s: there is no table \"%s\"", entity->name, name);
	return table;
}

static void
need_column(const struct entity *entity, const struct table *table, const char *name)
{
	if (!table_column(table, name))
		die("entity %s: table %s has no column \"%s\"", entity->name, table->name, name);
}

static void
shape_of_entity(struct entity_plan *plan)
{
	struct entity *entity = plan->entity;
	struct shape *shape = &plan->shape;
	const struct table *table = shape->table;
	bool moves = false;

	for (const struct verb *verb = entity->verbs; verb && verb->name; verb++)
		moves = moves || verb->from || verb->to;
	while (plan->derived_count < (int)(sizeof(entity->derived) / sizeof(entity->derived[0])) &&
	       entity->derived[plan->derived_count].name)
		plan->derived_count++;
	shape->members = arena_array(&start_arena, struct member,
				     (size_t)(table->column_count + plan->derived_count));
	for (int i = 0; i < table->column_count; i++) {
		struct member *member = &shape->members[shape->count++];

		member_of_column(member, &table->columns[i], "t");
		/* A status that verbs move is theirs alone. */
		if (words_have(entity->computed, member->name) ||
		    (moves && strcmp(member->name, "status") == 0))
			member->computed = true;
	}
	for (int i = 0; i < plan->derived_count; i++) {
		struct member *member = &shape->members[shape->count++];
		const struct derived *derived = &entity->derived[i];

		if (table_column(table, derived->name))
			die("entity %s: derived \"%s\" is also a column", entity->name,
			    derived->name);
		*member = (struct member){
			.name = derived->name,
			.derived = derived,
			.type = derived->type,
			.computed = true,
		};
		member_expressions(member, arena_printf(&start_arena, "(%s)", derived->sql));
	}
	restrict_members(entity, shape, "");
}

static void
shape_of_lines(struct entity_plan *plan, const struct catalogue *catalogue,
	       const struct lines *lines)
{
	struct line_plan *own = &plan->lines[plan->line_count++];
	const struct table *table = table_of(catalogue, plan->entity, lines->table);

	need_column(plan->entity, table, "id");
	need_column(plan->entity, table, "position");
	need_column(plan->entity, table, lines->parent);
	if (table_column(plan->shape.table, lines->name))
		die("entity %s: lines \"%s\" is also a column", plan->entity->name, lines->name);
	own->lines = lines;
	own->by_source_line = table_column(table, "source_line") != NULL;
	own->shape.table = table;
	own->shape.members = arena_array(&start_arena, struct member, (size_t)table->column_count);
	for (int i = 0; i < table->column_count; i++) {
		struct member *member = &own->shape.members[own->shape.count++];

		member_of_column(member, &table->columns[i], "l");
		if (words_have(lines->computed, member->name))
			member->computed = true;
		if (strcmp(member->name, "position") == 0 ||
		    strcmp(member->name, lines->parent) == 0) {
			member->hidden = member->computed = true;
			member->settable = member->required = false;
		}
	}
	restrict_members(plan->entity, &own->shape, arena_printf(&start_arena, "%s.", lines->name));
}

static void
plan_groups(struct entity_plan *plan)
{
	for (int g = 0; g < GROUPS_MAX && plan->entity->restricted[g].columns; g++) {
		const struct restricted *restricted = &plan->entity->restricted[g];

		check_words(plan, "restricted", restricted->columns);
		plan->group_roles[plan->group_count++] = roles_parse(restricted->allow);
	}
}

struct entity_plan *
plan_make(const struct catalogue *catalogue, struct entity *entity)
{
	struct entity_plan *plan = arena_new(&start_arena, struct entity_plan);
	const char *table = entity->table ? entity->table : entity->name;
	const struct column *ref;

	plan->entity = entity;
	entity->plan = plan;
	plan->shape.table = table_of(catalogue, entity, table);
	need_column(entity, plan->shape.table, "id");
	need_column(entity, plan->shape.table, "version");
	need_column(entity, plan->shape.table, "created_at");
	need_column(entity, plan->shape.table, "updated_at");
	shape_of_entity(plan);
	for (int i = 0; i < LINES_MAX && entity->lines[i].name; i++)
		shape_of_lines(plan, catalogue, &entity->lines[i]);
	plan_groups(plan);
	check_words(plan, "computed", entity->computed);
	check_words(plan, "secret", entity->secret);
	check_words(plan, "search", entity->search);
	check_words(plan, "filled", entity->filled);
	check_words(plan, "checked", entity->checked);
	plan->read_roles = roles_parse(entity->read);
	plan->status = shape_member(&plan->shape, "status");
	ref = table_column(plan->shape.table, "external_ref");
	if (ref && !ref->unique)
		die("entity %s: external_ref is not unique", entity->name);
	plan->by_ref = ref != NULL;
	plan->by_source_version = ref && table_column(plan->shape.table, "source_version");
	plan->by_source_epoch =
		plan->by_source_version && table_column(plan->shape.table, "source_epoch");
	plan->direct = !plan->line_count && !entity->saved && !entity->upserted;
	if (planned_count == planned_room) {
		struct entity **larger;

		planned_room = planned_room ? 2 * planned_room : 32;
		larger = arena_array(&start_arena, struct entity *, (size_t)planned_room);
		if (planned_count)
			memcpy(larger, planned, sizeof(*planned) * (size_t)planned_count);
		planned = larger;
	}
	planned[planned_count++] = entity;
	plan_read_texts(plan);
	plan_write_texts(plan);
	return plan;
}
