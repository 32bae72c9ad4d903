/* common/entity/validate.c -- holds a body against the catalogue and names every bad field at once.
 */
#include <string.h>

#include "entity/params.h"
#include "entity/value.h"
#include "entity/write.h"

static const struct line_plan *
lines_named(const struct entity_plan *plan, const char *name)
{
	for (int i = 0; i < plan->line_count; i++)
		if (strcmp(plan->lines[i].lines->name, name) == 0)
			return &plan->lines[i];
	return NULL;
}

static bool
is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

static void
unknown_field(struct problems *problems, const char *field)
{
	problems_add(problems, field, "unknown_field", "is not known here");
}

struct check {
	struct writing *w;
	struct problems *problems;
	unsigned mask;    /* what the actor may see, he may write */
	const char *path; /* "lines[2]." */
};

static const char *
field_path(const struct check *check, const char *name)
{
	return arena_printf(&check->problems->rq->arena, "%s%s", check->path, name);
}

static void
check_value(const struct check *check, const struct member *member, const cJSON *value)
{
	const char *field = field_path(check, member->name);
	struct misfit misfit;

	if (!check->w->internal && ((member->secret && member->computed) ||
				       (member->group & ~check->mask))) {
		unknown_field(check->problems, field);
		return;
	}
	if (!member->settable || (member->computed && !check->w->internal)) {
		problems_add(check->problems, field, "read_only",
			     strcmp(member->name, "status") == 0
				     ? "is changed by actions, not written"
				     : "is set by the server");
		return;
	}
	if (cJSON_IsNull(value)) {
		if (member->not_null)
			problems_add(check->problems, field, "required", "must not be null");
		return;
	}
	misfit = value_fits(&check->problems->rq->arena, member->column, value);
	if (misfit.code)
		problems_add(check->problems, field, misfit.code, "%s", misfit.message);
	else if (member->required && member->type == COLUMN_TEXT && is_blank(value->valuestring))
		problems_add(check->problems, field, "required", "must not be empty");
}

/* The values the client sent for what is a column; the rest waits for the prepare hook, which may
 * take members that are none. */
static void
check_values(const struct check *check, const struct shape *shape, const cJSON *object)
{
	const cJSON *value;

	cJSON_ArrayForEach(value, object)
	{
		const struct member *member = shape_member(shape, value->string);
		const struct param_spec *input =
			param_named(check->w->entity->inputs, value->string);

		if (input)
			params_check_one(check->problems->rq, input, value, check->problems);
		else if (member && !member->derived && !member->hidden)
			check_value(check, member, value);
	}
}

static void
check_line_id(const struct check *check, const cJSON *line)
{
	const cJSON *id = json_get(line, "id");
	int64_t value;

	if (id && !check->w->record)
		problems_add(check->problems, field_path(check, "id"), "read_only",
			     "is set by the server");
	else if (id && (!json_node_integer(id, &value) || value < 1))
		problems_add(check->problems, field_path(check, "id"), "wrong_type",
			     "must be the id of one of the record's lines");
}

static void
check_line(const struct check *check, const struct line_plan *own, const cJSON *line)
{
	const cJSON *value;

	cJSON_ArrayForEach(value, line)
	{
		const struct member *member = shape_member(&own->shape, value->string);

		if (member && !member->hidden && strcmp(member->name, "id") != 0)
			check_value(check, member, value);
	}
	check_line_id(check, line);
}

static void
check_lines_values(const struct check *check, const struct line_plan *own)
{
	struct arena *arena = &check->problems->rq->arena;
	const cJSON *array = json_get(check->w->body, own->lines->name);
	const cJSON *line;
	int i = 0;

	if (!array)
		return;
	if (own->lines->read_only && !check->w->internal) {
		problems_add(check->problems, own->lines->name, "read_only",
			     "is set by the server");
		return;
	}
	if (!cJSON_IsArray(array)) {
		problems_add(check->problems, own->lines->name, "wrong_type",
			     "must be an array of objects");
		return;
	}
	cJSON_ArrayForEach(line, array)
	{
		struct check inner = *check;

		inner.path = arena_printf(arena, "%s[%d].", own->lines->name, i);
		if (cJSON_IsObject(line))
			check_line(&inner, own, line);
		else
			problems_add(check->problems,
				     arena_printf(arena, "%s[%d]", own->lines->name, i),
				     "wrong_type", "must be an object");
		i++;
	}
}

static void
check_names(const struct check *check, const struct shape *shape, const cJSON *object,
	    const struct entity_plan *plan)
{
	const cJSON *value;

	cJSON_ArrayForEach(value, object)
	{
		const struct member *member = shape_member(shape, value->string);

		if (plan && (lines_named(plan, value->string) ||
			     param_named(plan->entity->inputs, value->string)))
			continue;
		if (!member || member->hidden ||
		    (member->derived && (member->group & ~check->mask)))
			unknown_field(check->problems, field_path(check, value->string));
		else if (member->derived)
			problems_add(check->problems, field_path(check, member->name), "read_only",
				     "is set by the server");
	}
}

static void
check_required(const struct check *check, const struct shape *shape, const cJSON *object)
{
	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];

		if (member->required && member->settable && !json_get(object, member->name))
			problems_add(check->problems, field_path(check, member->name), "required",
				     "must be given");
	}
}

static void
check_names_and_required(const struct check *check, const struct entity_plan *plan)
{
	check_names(check, &plan->shape, check->w->body, plan);
	if (!check->w->record)
		check_required(check, &plan->shape, check->w->body);
	for (int i = 0; i < plan->line_count; i++) {
		const struct line_plan *own = &plan->lines[i];
		const cJSON *array = json_get(check->w->body, own->lines->name);
		const cJSON *line;
		int n = 0;

		if (!cJSON_IsArray(array))
			continue;
		cJSON_ArrayForEach(line, array)
		{
			struct check inner = *check;

			inner.path = arena_printf(&check->problems->rq->arena, "%s[%d].",
						  own->lines->name, n++);
			if (!cJSON_IsObject(line))
				continue;
			check_names(&inner, &own->shape, line, NULL);
			if (!check->w->record || !json_get(line, "id"))
				check_required(&inner, &own->shape, line);
		}
	}
}

static void
run_prepare(struct request *rq, void *arg)
{
	struct writing *w = arg;

	w->entity->prepare(rq, w->record, w->body);
}

/* A hook may raise, or collect with fault_field. Where the body is refused anyway, what it raises
 * only adds to the list; false: it did not come to its end. */
static bool
prepare(struct request *rq, struct writing *w, struct problems *problems, bool refused)
{
	bool done = true;

	if (!w->entity->prepare)
		return true;
	rq->fault = (struct fault){ 0 };
	if (refused)
		done = request_run(rq, run_prepare, w);
	else
		run_prepare(rq, w);
	problems_take(problems, &rq->fault);
	rq->fault = (struct fault){ 0 };
	return done;
}

void
write_validate(struct request *rq, struct writing *w, struct problems *problems)
{
	const struct entity_plan *plan = w->entity->plan;
	struct check check = {
		.w = w,
		.problems = problems,
		.mask = w->internal ? ~0u : plan_mask(plan, rq->actor),
		.path = "",
	};
	int before = problems->count;

	problems->prefix = w->prefix;
	check_values(&check, &plan->shape, w->body);
	for (int i = 0; i < plan->line_count; i++)
		check_lines_values(&check, &plan->lines[i]);
	if (problems->count == before && w->record) {
		if (w->ref)
			lines_match(rq, w);
		else
			lines_check_ids(rq, w, problems);
	}
	if (prepare(rq, w, problems, problems->count > before))
		check_names_and_required(&check, plan);
}
