/* common/entity/openapi_schema.c -- what records look like, read and written, as JSON Schema. */
#include <string.h>

#include "entity/openapi.h"
#include "entity/params.h"

enum form { FORM_READ, FORM_CREATE, FORM_PATCH };

static void
write_type(struct writer *w, const char *type, bool nullable)
{
	if (!nullable) {
		w_text(w, "type", type);
		return;
	}
	w_open(w, "type", '[');
	w_text(w, NULL, type);
	w_text(w, NULL, "null");
	w_close(w, ']');
}

static void
write_decimal(struct writer *w, const struct column *column, bool nullable, bool reading)
{
	struct arena *arena = w->text.arena;

	if (reading) {
		write_type(w, "string", nullable);
		w_text(w, "pattern", "^-?[0-9]+(\\.[0-9]+)?$");
		return;
	}
	w_open(w, "type", '[');
	w_text(w, NULL, "string");
	w_text(w, NULL, "number");
	if (nullable)
		w_text(w, NULL, "null");
	w_close(w, ']');
	if (column->precision)
		w_text(w, "pattern",
		       arena_printf(arena,
				    column->scale ? "^-?[0-9]{1,%d}(\\.[0-9]{1,%d}0*)?$"
						  : "^-?[0-9]{1,%d}$",
				    column->precision - column->scale, column->scale));
}

static void
write_choices(struct writer *w, const struct column *column, bool nullable)
{
	write_type(w, "string", nullable);
	if (!column->choices)
		return;
	w_open(w, "enum", '[');
	for (int i = 0; column->choices[i]; i++)
		w_text(w, NULL, column->choices[i]);
	if (nullable)
		w_raw(w, NULL, "null");
	w_close(w, ']');
}

void
openapi_type(struct writer *w, const struct column *column, bool nullable, bool reading)
{
	switch (column->type) {
	case COLUMN_INTEGER:
		write_type(w, "integer", nullable);
		w_text(w, "format", column->bytes == 8 || !column->bytes ? "int64" : "int32");
		break;
	case COLUMN_NUMERIC:
		write_decimal(w, column, nullable, reading);
		break;
	case COLUMN_BOOLEAN:
		write_type(w, "boolean", nullable);
		break;
	case COLUMN_DATE:
		write_type(w, "string", nullable);
		w_text(w, "format", "date");
		break;
	case COLUMN_INSTANT:
		write_type(w, "string", nullable);
		w_text(w, "format", "date-time");
		break;
	case COLUMN_CHOICE:
		write_choices(w, column, nullable);
		break;
	case COLUMN_TEXTS:
		write_type(w, "array", nullable);
		w_raw(w, "items", "{\"type\":\"string\"}");
		break;
	case COLUMN_TEXT:
		write_type(w, "string", nullable);
		if (column->length_max)
			w_number(w, "maxLength", column->length_max);
		break;
	case COLUMN_JSON:
	case COLUMN_BYTES:
		break;
	}
}

/* What the column's comment says, what it refers to, who may see it. */
static void
write_words(struct writer *w, const struct entity *entity, const struct member *member)
{
	struct text words = text_in(w->text.arena);

	if (member->derived) {
		if (member->derived->text)
			text_add(&words, member->derived->text);
	} else {
		if (member->column->label && *member->column->label)
			w_text(w, "title", member->column->label);
		if (member->column->help)
			text_add(&words, member->column->help);
		if (member->column->references)
			text_addf(&words, "%sId of %s.", words.length ? " " : "",
				  member->column->references);
	}
	for (int g = 0; g < GROUPS_MAX; g++)
		if (member->group & 1u << g)
			text_addf(&words, "%sSeen and written only by: %s.",
				  words.length ? " " : "",
				  entity->restricted[g].allow ? entity->restricted[g].allow
							      : "admin");
	if (words.length)
		w_text(w, "description", text_str(&words));
}

static bool
is_in_form(const struct member *member, enum form form)
{
	if (member->hidden || (member->secret && form == FORM_READ))
		return false;
	return form == FORM_READ || (member->settable && !member->computed);
}

static void
write_member(struct writer *w, const struct entity *entity, const struct member *member,
	     enum form form)
{
	struct column derived = { .type = member->type };
	const struct column *column = member->column ? member->column : &derived;

	w_open(w, member->name, '{');
	openapi_type(w, column, !member->not_null, form == FORM_READ);
	if (form != FORM_READ && member->required && member->type == COLUMN_TEXT)
		w_number(w, "minLength", 1);
	if (form == FORM_READ && member->computed)
		w_raw(w, "readOnly", "true");
	write_words(w, entity, member);
	w_close(w, '}');
}

static void
write_required(struct writer *w, const struct shape *shape, const char *filled, enum form form)
{
	bool any = false;

	for (int i = 0; i < shape->count; i++) {
		const struct member *member = &shape->members[i];
		bool required = form == FORM_READ ? strcmp(member->name, "id") == 0
						  : form == FORM_CREATE && member->required &&
							    !words_have(filled, member->name);

		if (!required || !is_in_form(member, form))
			continue;
		if (!any)
			w_open(w, "required", '[');
		any = true;
		w_text(w, NULL, member->name);
	}
	if (any)
		w_close(w, ']');
}

static const char *
lines_schema(struct arena *arena, const struct entity *entity, const struct lines *lines,
	     enum form form)
{
	return arena_printf(arena, "%s_%s%s", entity->name, lines->name,
			    form == FORM_READ ? "" : "_write");
}

static void
write_inputs(struct writer *w, const struct param_spec *inputs)
{
	for (; inputs && inputs->name; inputs++) {
		struct column column = param_column(inputs);

		w_open(w, inputs->name, '{');
		if (inputs->items) {
			w_text(w, "type", "array");
			openapi_params(w, "items", inputs->items);
		} else {
			openapi_type(w, &column, !inputs->required, false);
		}
		if (inputs->text)
			w_text(w, "description", inputs->text);
		w_close(w, '}');
	}
}

static void
write_record(struct writer *w, const struct entity *entity, const char *suffix, enum form form)
{
	const struct entity_plan *plan = entity->plan;
	struct arena *arena = w->text.arena;

	w_open(w, arena_printf(arena, "%s%s", entity->name, suffix), '{');
	w_text(w, "type", "object");
	if (entity->text)
		w_text(w, "description", entity->text);
	w_open(w, "properties", '{');
	for (int i = 0; i < plan->shape.count; i++)
		if (is_in_form(&plan->shape.members[i], form) &&
		    (form == FORM_READ ||
		     !param_named(entity->inputs, plan->shape.members[i].name)))
			write_member(w, entity, &plan->shape.members[i], form);
	for (int i = 0; i < plan->line_count; i++) {
		if (form != FORM_READ && plan->lines[i].lines->read_only)
			continue;
		w_open(w, plan->lines[i].lines->name, '{');
		w_text(w, "type", "array");
		w_ref(w, "items", "schemas",
		      lines_schema(arena, entity, plan->lines[i].lines, form));
		w_close(w, '}');
	}
	if (form != FORM_READ)
		write_inputs(w, entity->inputs);
	w_close(w, '}');
	write_required(w, &plan->shape, entity->filled, form);
	if (form != FORM_READ)
		w_raw(w, "additionalProperties", "false");
	w_close(w, '}');
}

static void
write_lines(struct writer *w, const struct entity *entity, const struct line_plan *own,
	    enum form form)
{
	w_open(w, lines_schema(w->text.arena, entity, own->lines, form), '{');
	w_text(w, "type", "object");
	w_open(w, "properties", '{');
	if (form != FORM_READ)
		w_raw(w, "id",
		      "{\"type\":\"integer\",\"format\":\"int64\",\"description\":"
		      "\"In a PATCH: the line that is meant; without it the line is new.\"}");
	for (int i = 0; i < own->shape.count; i++)
		if (is_in_form(&own->shape.members[i], form))
			write_member(w, entity, &own->shape.members[i], form);
	w_close(w, '}');
	if (form == FORM_READ)
		write_required(w, &own->shape, NULL, form);
	else
		w_raw(w, "additionalProperties", "false");
	w_close(w, '}');
}

void
openapi_schemas(struct writer *w, const struct entity *entity)
{
	const struct entity_plan *plan = entity->plan;

	write_record(w, entity, "", FORM_READ);
	if (entity->write) {
		write_record(w, entity, "_create", FORM_CREATE);
		write_record(w, entity, "_patch", FORM_PATCH);
	}
	for (int i = 0; i < plan->line_count; i++) {
		write_lines(w, entity, &plan->lines[i], FORM_READ);
		if (entity->write && !plan->lines[i].lines->read_only)
			write_lines(w, entity, &plan->lines[i], FORM_PATCH);
	}
}

void
openapi_params(struct writer *w, const char *key, const struct param_spec *specs)
{
	bool any = false;

	w_open(w, key, '{');
	w_text(w, "type", "object");
	w_open(w, "properties", '{');
	write_inputs(w, specs);
	w_close(w, '}');
	for (const struct param_spec *spec = specs; spec && spec->name; spec++) {
		if (!spec->required)
			continue;
		if (!any)
			w_open(w, "required", '[');
		any = true;
		w_text(w, NULL, spec->name);
	}
	if (any)
		w_close(w, ']');
	w_raw(w, "additionalProperties", "false");
	w_close(w, '}');
}
