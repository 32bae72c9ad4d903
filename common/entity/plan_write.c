/* common/entity/plan_write.c -- the SQL texts that write a record and its lines from one JSON body.
 *
 * One prepared statement per entity takes the whole body as jsonb, so a create, a patch, a batch
 * and an upsert all run the same text whatever members they carry.
 */
#include "entity/plan.h"

#include <stdlib.h>
#include <string.h>

#include "entity/write.h"
#include "event/event.h"

static bool
in_statement(const struct member *member)
{
	return member->column && member->settable;
}

/* x("name" type, ...): the record jsonb is read as. */
static void
add_record_type(struct text *out, const struct shape *shape, bool with_id)
{
	const char *comma = "";

	text_add(out, "x(");
	if (with_id) {
		text_add(out, "\"id\" bigint");
		comma = ", ";
	}
	for (int i = 0; i < shape->count; i++)
		if (in_statement(&shape->members[i])) {
			text_addf(out, "%s\"%s\" %s", comma, shape->members[i].name,
				  shape->members[i].column->sql_type);
			comma = ", ";
		}
	text_add(out, ")");
}

static void
add_names(struct text *out, const struct shape *shape)
{
	const char *comma = "";

	for (int i = 0; i < shape->count; i++)
		if (in_statement(&shape->members[i])) {
			text_addf(out, "%s\"%s\"", comma, shape->members[i].name);
			comma = ", ";
		}
}

/* NULL: as the body says. */
static const char *
inserted_sql(const struct inserted *inserted, const char *column)
{
	for (; inserted->column; inserted++)
		if (strcmp(inserted->column, column) == 0)
			return inserted->sql;
	return NULL;
}

/* What the entity makes of it, the body's value, or the column's default where the body does not
 * name it. A null for what must not be null was refused. */
static void
add_values(struct text *out, const struct shape *shape, const struct inserted *inserted,
	   const char *body)
{
	const char *comma = "";

	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];
		const char *own = inserted_sql(inserted, member->name);

		if (!in_statement(member))
			continue;
		if (own)
			text_addf(out, "%s%s", comma, own);
		else if (member->column->initial && member->not_null)
			text_addf(out, "%scoalesce(x.\"%s\", %s)", comma, member->name,
				  member->column->initial);
		else if (member->column->initial)
			text_addf(out, "%sCASE WHEN %s ? '%s' THEN x.\"%s\" ELSE %s END", comma,
				  body, member->name, member->name, member->column->initial);
		else
			text_addf(out, "%sx.\"%s\"", comma, member->name);
		comma = ", ";
	}
}

static void
add_changes(struct text *out, const struct shape *shape, const char *body, const char *alias)
{
	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];

		if (in_statement(member))
			text_addf(out,
				  "\"%s\" = CASE WHEN %s ? '%s' THEN x.\"%s\" ELSE %s.\"%s\" END, ",
				  member->name, body, member->name, member->name, alias,
				  member->name);
	}
}

/* (... OR ...): something in the body differs from the row. */
static void
add_differs(struct text *out, const struct shape *shape, const char *body, const char *alias)
{
	text_add(out, "(false");
	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];
		const char *as;

		/* The source's version and epoch alone are no change. */
		if (!in_statement(member) || strcmp(member->name, "source_version") == 0 ||
		    strcmp(member->name, "source_epoch") == 0)
			continue;
		as = strcmp(member->column->sql_type, "json") == 0 ? "::jsonb" : "";
		text_addf(out, " OR (%s ? '%s' AND x.\"%s\"%s IS DISTINCT FROM %s.\"%s\"%s)", body,
			  member->name, member->name, as, alias, member->name, as);
	}
	text_add(out, ")");
}

static void
add_columns(struct text *out, const struct table *table, const char *alias)
{
	for (int i = 0; i < table->column_count; i++)
		text_addf(out, "%s%s.\"%s\"", i ? ", " : "", alias, table->columns[i].name);
}

static void
add_returning(struct text *out, const struct entity_plan *plan, bool with_json)
{
	text_add(out, " RETURNING ");
	add_columns(out, plan->shape.table, "t");
	if (!with_json)
		return;
	text_add(out, ", ");
	plan_add_json(out, plan, 0);
	text_add(out, " AS json_");
}

/* Without the computed columns, which take their defaults: what a client's body may set. */
static struct shape
shape_sent(const struct shape *shape, const struct inserted *inserted)
{
	struct shape sent = *shape;

	sent.members = arena_array(plan_arena(), struct member, (size_t)shape->count);
	for (int i = 0; i < shape->count; i++) {
		struct member *member = &sent.members[i];

		*member = shape->members[i];
		if (member->computed && strcmp(member->name, "source_version") != 0 &&
		    strcmp(member->name, "source_epoch") != 0 &&
		    !inserted_sql(inserted, member->name))
			member->settable = false;
	}
	return sent;
}

/* header: what the record's row, h, is read from. */
static void
add_line_insert(struct text *out, const struct line_plan *own, const struct shape *shape,
		const char *header, const char *body, const char *condition)
{
	text_addf(out, "INSERT INTO \"%s\" AS l (\"%s\", \"position\", ", own->shape.table->name,
		  own->lines->parent);
	add_names(out, shape);
	text_add(out, ") SELECT h.\"id\", e.n::int, ");
	add_values(out, shape, own->lines->inserted, "e.j");
	text_addf(out,
		  " FROM %s%s, jsonb_array_elements(coalesce(%s->'%s', '[]'))"
		  " WITH ORDINALITY AS e(j, n), jsonb_to_record(e.j) AS ",
		  header, own->lines->joined ? own->lines->joined : "", body, own->lines->name);
	add_record_type(out, shape, false);
	text_add(out, condition);
}

/* INSERT of records; bodies: the FROM item b of their JSON, j, and of their ids if numbered. */
static void
add_record_insert(struct text *out, const struct entity_plan *plan, const struct shape *shape,
		  const char *bodies, bool numbered)
{
	const struct entity *entity = plan->entity;

	text_addf(out, "INSERT INTO \"%s\" AS t (%s", plan->shape.table->name,
		  numbered ? "\"id\", " : "");
	add_names(out, shape);
	text_addf(out, ") %s", numbered ? "OVERRIDING SYSTEM VALUE SELECT b.id, " : "SELECT ");
	add_values(out, shape, entity->inserted, "b.j");
	text_addf(out, " FROM %s, jsonb_to_record(b.j) AS ", bodies);
	add_record_type(out, shape, false);
	if (entity->whole)
		text_addf(out, ", %s", entity->whole);
}

static const char *
insert_make(const struct entity_plan *plan, const char *conflict)
{
	struct text out = text_in(plan_arena());

	if (plan->line_count)
		text_add(&out, "WITH h AS (");
	add_record_insert(&out, plan, &plan->shape, "(SELECT $1::jsonb) b (j)", false);
	text_add(&out, conflict);
	add_returning(&out, plan, plan->direct);
	if (!plan->line_count)
		return text_str(&out);
	text_add(&out, ")");
	for (int i = 0; i < plan->line_count; i++) {
		text_addf(&out, ", l%d AS (", i);
		add_line_insert(&out, &plan->lines[i], &plan->lines[i].shape, "h", "$1::jsonb",
				"");
		text_add(&out, ")");
	}
	text_add(&out, " SELECT ");
	add_columns(&out, plan->shape.table, "h");
	text_add(&out, " FROM h");
	return text_str(&out);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The members of a new record that are not null, by name, as its event calls them changed. Most are
 * so by their columns. */
static void
add_present(struct text *out, const struct entity_plan *plan)
{
	int count = plan->shape.count + plan->line_count, n = 0;
	const char **names = arena_array(plan_arena(), const char *, (size_t)count);

	for (int i = 0; i < plan->shape.count; i++)
		if (member_seen(&plan->shape.members[i], 0))
			names[n++] = plan->shape.members[i].name;
	for (int i = 0; i < plan->line_count; i++)
		names[n++] = plan->lines[i].lines->name;
	qsort(names, (size_t)n, sizeof(*names), by_text);
	text_add(out, "array_remove(ARRAY[");
	for (int i = 0; i < n; i++) {
		const struct member *member = shape_member(&plan->shape, names[i]);

		if (strcmp(names[i], "version") == 0 || strcmp(names[i], "updated_at") == 0)
			continue;
		if (member && !member->not_null)
			text_addf(out, "CASE WHEN t.\"%s\" IS NOT NULL THEN '%s' END, ", names[i],
				  names[i]);
		else
			text_addf(out, "'%s', ", names[i]);
	}
	text_add(out, "NULL]::text[], NULL) AS changed_");
}

/* A derived member is made where the row is, and has its name from there. */
static void
add_made(struct text *out, const struct entity_plan *plan)
{
	const char *comma = "";

	for (int i = 0; i < plan->shape.count; i++) {
		const struct member *member = &plan->shape.members[i];

		if (!member_seen(member, 0))
			continue;
		if (member->derived)
			text_addf(out, "%st.\"%s\"%s AS \"%s\"", comma, member->name,
				  member->type == COLUMN_NUMERIC ? "::text" : "", member->name);
		else
			text_addf(out, "%s%s AS \"%s\"", comma, member->shown, member->name);
		comma = ", ";
	}
	for (int i = 0; i < plan->line_count; i++)
		text_addf(out,
			  ", (SELECT coalesce(json_agg(l.json_ ORDER BY l.\"position\", l.\"id\"),"
			  " '[]') FROM l%d l WHERE l.parent_ = t.\"id\") AS \"%s\"",
			  i, plan->lines[i].lines->name);
}

/* The ids are known before, so that the lines find their record. */
static void
add_made_records(struct text *out, const struct entity_plan *plan)
{
	struct shape sent = shape_sent(&plan->shape, plan->entity->inserted);

	text_addf(out,
		  "WITH b AS MATERIALIZED (SELECT e.n, e.j AS by, e.j->'body' AS j,"
		  " nextval((SELECT pg_get_serial_sequence('\"%s\"', 'id'))::regclass) AS id"
		  " FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS e(j, n)), h AS (",
		  plan->shape.table->name);
	add_record_insert(out, plan, &sent, "b", true);
	add_returning(out, plan, false);
	for (int i = 0; i < plan->shape.count; i++) {
		const struct member *member = &plan->shape.members[i];

		if (member->derived)
			text_addf(out, ", %s AS \"%s\"", member->value, member->name);
	}
}

/* Each line leaves as its JSON. */
static void
add_made_lines(struct text *out, const struct line_plan *own)
{
	struct shape sent = shape_sent(&own->shape, own->lines->inserted);

	add_line_insert(out, own, &sent, "b JOIN h ON h.id = b.id", "b.j", "");
	text_addf(out,
		  " RETURNING l.\"%s\" AS parent_, l.\"position\", l.\"id\","
		  " (SELECT row_to_json(r) FROM (SELECT ",
		  own->lines->parent);
	plan_add_members(out, &own->shape, 0, NULL);
	text_add(out, ") r) AS json_");
}

/* The rows of any number of records, their JSON and their events in one. Of the columns only what
 * saved reads is answered: each costs its way out of the server. */
static const char *
create_make(const struct entity_plan *plan)
{
	struct text out = text_in(plan_arena());
	struct text answer = text_in(plan_arena());

	add_made_records(&out, plan);
	for (int i = 0; i < plan->line_count; i++) {
		text_addf(&out, "), l%d AS (", i);
		add_made_lines(&out, &plan->lines[i]);
	}
	text_add(&out, "), r AS (SELECT ");
	add_present(&out, plan);
	text_add(&answer, "r.n_, r.\"id\", r.\"version\", r.json_");
	text_add(&out, ", b.n AS n_, " EVENT_BY("b.by") ", t.\"id\", t.\"version\"");
	for (int i = 0; i < plan->shape.count; i++) {
		const char *name = plan->shape.members[i].name;

		if (!words_have(plan->entity->checked, name))
			continue;
		text_addf(&out, ", t.\"%s\"", name);
		text_addf(&answer, ", r.\"%s\"", name);
	}
	text_add(&out, ", (SELECT row_to_json(r) FROM (SELECT ");
	add_made(&out, plan);
	text_add(&out, ") r) AS json_ FROM h t JOIN b ON b.id = t.id)");
	return event_statement(plan_arena(), text_str(&out), text_str(&answer));
}

static const char *
patch_make(const struct entity_plan *plan)
{
	struct text out = text_in(plan_arena());

	text_addf(&out, "UPDATE \"%s\" AS t SET ", plan->shape.table->name);
	add_changes(&out, &plan->shape, "$2::jsonb", "t");
	text_add(&out, "\"version\" = t.\"version\" + 1, \"updated_at\" = now()"
		       " FROM jsonb_to_record($2::jsonb) AS ");
	add_record_type(&out, &plan->shape, false);
	text_add(&out, " WHERE t.\"id\" = $1::bigint AND ");
	add_differs(&out, &plan->shape, "$2::jsonb", "t");
	add_returning(&out, plan, plan->direct);
	return text_str(&out);
}

/* set: "" or more assignments, each ending in a comma. */
static const char *
touch_make(const struct entity_plan *plan, const char *set)
{
	struct text out = text_in(plan_arena());

	text_addf(&out,
		  "UPDATE \"%s\" AS t SET %s\"version\" = t.\"version\" + 1, \"updated_at\" = now()"
		  " WHERE t.\"id\" = $1::bigint",
		  plan->shape.table->name, set);
	add_returning(&out, plan, true);
	return text_str(&out);
}

static void
line_texts(struct line_plan *own, const char *header)
{
	const char *table = own->shape.table->name;
	const char *parent = own->lines->parent;
	struct text update = text_in(plan_arena());
	struct text insert = text_in(plan_arena());

	own->ids = arena_printf(plan_arena(),
				"SELECT \"id\"%s FROM \"%s\" WHERE \"%s\" = $1::bigint"
				" ORDER BY \"position\", \"id\"",
				own->by_source_line ? ", \"source_line\"" : "", table, parent);
	own->clear = arena_printf(plan_arena(), "DELETE FROM \"%s\" WHERE \"%s\" = $1::bigint",
				  table, parent);
	own->remove = arena_printf(
		plan_arena(),
		"DELETE FROM \"%s\" WHERE \"%s\" = $1::bigint AND \"id\" <> ALL (ARRAY("
		"SELECT (e.j->>'id')::bigint FROM jsonb_array_elements($2::jsonb->'%s') e(j)"
		" WHERE e.j ? 'id'))",
		table, parent, own->lines->name);
	text_addf(&update, "UPDATE \"%s\" AS l SET ", table);
	add_changes(&update, &own->shape, "e.j", "l");
	text_addf(&update,
		  "\"position\" = e.n::int FROM jsonb_array_elements($2::jsonb->'%s')"
		  " WITH ORDINALITY AS e(j, n), jsonb_to_record(e.j) AS ",
		  own->lines->name);
	add_record_type(&update, &own->shape, true);
	text_addf(&update,
		  " WHERE l.\"id\" = x.\"id\" AND l.\"%s\" = $1::bigint AND (l.\"position\" <> e.n "
		  "OR ",
		  parent);
	add_differs(&update, &own->shape, "e.j", "l");
	text_add(&update, ")");
	own->update = text_str(&update);
	add_line_insert(&insert, own, &own->shape,
			arena_printf(plan_arena(), "\"%s\" h", header), "$2::jsonb",
			" WHERE h.\"id\" = $1::bigint AND NOT e.j ? 'id'");
	own->insert = text_str(&insert);
}

/* One select per reference, so that all that point to nothing are named at once. */
static void
add_references(struct text *out, const struct shape *shape, const struct lines *lines)
{
	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];

		if (!in_statement(member) || !member->column->references ||
		    member->type != COLUMN_INTEGER)
			continue;
		if (out->length)
			text_add(out, " UNION ALL ");
		if (lines)
			text_addf(
				out,
				"SELECT '%s[' || e.n - 1 || '].%s', e.j->>'%s' FROM "
				"jsonb_array_elements("
				"coalesce($1::jsonb->'%s', '[]')) WITH ORDINALITY AS e(j, n)"
				" WHERE e.j->>'%s' IS NOT NULL AND NOT EXISTS (SELECT FROM \"%s\" r"
				" WHERE r.\"id\" = (e.j->>'%s')::bigint)",
				lines->name, member->name, member->name, lines->name, member->name,
				member->column->references, member->name);
		else
			text_addf(out,
				  "SELECT '%s', $1::jsonb->>'%s' WHERE $1::jsonb->>'%s' IS NOT NULL"
				  " AND NOT EXISTS (SELECT FROM \"%s\" r"
				  " WHERE r.\"id\" = ($1::jsonb->>'%s')::bigint)",
				  member->name, member->name, member->name,
				  member->column->references, member->name);
	}
}

void
plan_write_texts(struct entity_plan *plan)
{
	static const char on_conflict[] = " ON CONFLICT (\"external_ref\") DO NOTHING";
	const struct entity *entity = plan->entity;
	const char *table = plan->shape.table->name;
	struct text references = text_in(plan_arena());

	plan->insert = insert_make(plan, "");
	plan->insert_ref = plan->by_ref
				   ? insert_make(plan, on_conflict)
				   : NULL;
	if (entity->whole) {
		plan->create = create_make(plan);
		plan->together = (struct gather)GATHER(plan->together, create_together);
	}
	plan->patch = patch_make(plan);
	plan->touch = touch_make(plan, "");
	if (plan->status)
		plan->set_status =
			touch_make(plan, arena_printf(plan_arena(), "\"status\" = $2::%s, ",
						      plan->status->cast));
	if (plan->by_source_version)
		plan->advance = arena_printf(plan_arena(),
					     "UPDATE \"%s\" SET \"source_version\" = $2::bigint%s"
					     " WHERE \"id\" = $1::bigint",
					     table, plan->by_source_epoch ?
					     ", \"source_epoch\" = $3::bigint" : "");
	plan->remove =
		arena_printf(plan_arena(), "DELETE FROM \"%s\" WHERE \"id\" = $1::bigint", table);
	add_references(&references, &plan->shape, NULL);
	for (int i = 0; i < plan->line_count; i++) {
		line_texts(&plan->lines[i], table);
		add_references(&references, &plan->lines[i].shape, plan->lines[i].lines);
	}
	plan->bad_references = references.length ? text_str(&references) : NULL;
}
