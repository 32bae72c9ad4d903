/* common/entity/plan_read.c -- the SQL texts that show and lock a record. */
#include "entity/plan.h"

static void
add_lines(struct text *out, const struct line_plan *own, unsigned mask)
{
	text_add(out, "(SELECT coalesce(json_agg(r), '[]'::json) FROM (SELECT ");
	plan_add_members(out, &own->shape, mask, NULL);
	text_addf(out,
		  " FROM \"%s\" l WHERE l.\"%s\" = t.\"id\" ORDER BY l.\"position\", l.\"id\") r)",
		  own->shape.table->name, own->lines->parent);
	text_addf(out, " AS \"%s\"", own->lines->name);
}

void
plan_add_members(struct text *out, const struct shape *shape, unsigned mask, const bool *only)
{
	const char *comma = "";

	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];

		if (!member_seen(member, mask) || (only && !only[i]))
			continue;
		text_addf(out, "%s%s AS \"%s\"", comma, member->shown, member->name);
		comma = ", ";
	}
}

static void
add_all(struct text *out, const struct entity_plan *plan, unsigned mask)
{
	text_add(out, plan->sights[mask].members);
	for (int i = 0; i < plan->line_count; i++)
		text_addf(out, ", %s", plan->sights[mask].lines[i]);
}

void
plan_add_json(struct text *out, const struct entity_plan *plan, unsigned mask)
{
	text_add(out, "(SELECT row_to_json(r) FROM (SELECT ");
	add_all(out, plan, mask);
	text_add(out, ") r)");
}

static void
sight_make(struct entity_plan *plan, unsigned mask)
{
	struct sight *sight = &plan->sights[mask];
	struct text members = text_in(plan_arena());
	struct text get = text_in(plan_arena());

	plan_add_members(&members, &plan->shape, mask, NULL);
	sight->members = text_str(&members);
	for (int i = 0; i < plan->line_count; i++) {
		struct text lines = text_in(plan_arena());

		add_lines(&lines, &plan->lines[i], mask);
		sight->lines[i] = text_str(&lines);
	}
	/* The planner pulls the inner select up, so this costs no more than the bare columns. */
	text_add(&get, "SELECT r.\"version\", row_to_json(r) FROM (SELECT ");
	add_all(&get, plan, mask);
	text_addf(&get, " FROM \"%s\" t WHERE t.\"id\" = $1::bigint) r", plan->shape.table->name);
	sight->get = text_str(&get);
}

static const char *
load_make(const struct entity_plan *plan, const char *condition)
{
	struct text out = text_in(plan_arena());

	text_add(&out, "SELECT ");
	for (int i = 0; i < plan->shape.table->column_count; i++)
		text_addf(&out, "t.\"%s\", ", plan->shape.table->columns[i].name);
	plan_add_json(&out, plan, 0);
	text_addf(&out, " AS json_ FROM \"%s\" t WHERE %s", plan->shape.table->name, condition);
	return text_str(&out);
}

void
plan_read_texts(struct entity_plan *plan)
{
	static const char lock[] =
		"SELECT t.\"id\" FROM \"%s\" t WHERE t.\"%s\" = $1::%s FOR NO KEY UPDATE";
	const char *table = plan->shape.table->name;

	for (unsigned mask = 0; mask < 1u << plan->group_count; mask++)
		sight_make(plan, mask);
	/* Locking and loading are two statements: one that had to wait for the lock would read
	 * lines and sums as they were before the wait. */
	plan->lock = arena_printf(plan_arena(), lock, table, "id", "bigint");
	plan->load = load_make(plan, "t.\"id\" = $1::bigint");
	if (plan->by_ref) {
		plan->lock_ref = arena_printf(plan_arena(), lock, table, "external_ref", "text");
		plan->load_ref = load_make(plan, "t.\"external_ref\" = $1::text");
	}
}
