/* common/entity/filter.c -- field[operator]=value as conditions with typed parameters. */
#include <string.h>

#include "entity/list.h"
#include "entity/value.h"

#define SEARCH_WORDS_MAX 8

enum filter_kind { FILTER_COMPARE, FILTER_LIKE, FILTER_IN, FILTER_NULL };

static const struct operator
{
	const char *name;
	const char *sql;
	enum filter_kind kind;
	bool ordered; /* makes no sense for booleans and arrays */
}
operators[] = {
	{ "eq", "=", FILTER_COMPARE },       { "ne", "IS DISTINCT FROM", FILTER_COMPARE },
	{ "gt", ">", FILTER_COMPARE, true }, { "gte", ">=", FILTER_COMPARE, true },
	{ "lt", "<", FILTER_COMPARE, true }, { "lte", "<=", FILTER_COMPARE, true },
	{ "like", NULL, FILTER_LIKE },       { "in", NULL, FILTER_IN },
	{ "null", NULL, FILTER_NULL },
};

static const struct operator* operator_named(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strlen(operators[i].name) == length &&
		    memcmp(operators[i].name, name, length) == 0)
			return &operators[i];
	return NULL;
}

char *
list_piece(char **rest)
{
	return *rest ? strsep(rest, ",") : NULL;
}

const struct member *
list_member(const struct list *list, const char *name)
{
	const struct member *member = shape_member(&list->plan->shape, name);

	return member && member_seen(member, list->mask) ? member : NULL;
}

const char *
list_param(struct list *list, const char *text)
{
	if (list->param_count == LIST_PARAMS_MAX) {
		problems_add(&list->bad, "filter", "out_of_range", "takes at most %d values",
			     LIST_PARAMS_MAX);
		return "?";
	}
	list->params[list->param_count++] = P_TEXT(text);
	return arena_printf(&list->rq->arena, "$%d", list->param_count);
}

/* Contains the text, whatever its case; a "%" of the client's own is kept as a wildcard. */
static const char *
like_pattern(struct arena *arena, const char *text, bool wildcards)
{
	struct text out = text_in(arena);
	bool open = !wildcards || !strchr(text, '%');

	text_add(&out, open ? "%" : "");
	for (; *text; text++) {
		if (*text == '\\' || *text == '_' || (*text == '%' && !wildcards))
			text_add_char(&out, '\\');
		text_add_char(&out, *text);
	}
	text_add(&out, open ? "%" : "");
	return text_str(&out);
}

/* {"a","b"}: a PostgreSQL array of the pieces; NULL and a problem when one does not fit. */
static const char *
array_of(struct list *list, const char *name, const struct member *member, const char *value)
{
	char *rest = arena_strdup(&list->rq->arena, value);
	struct text out = text_in(&list->rq->arena);
	const char *comma = "";
	char *piece;

	text_add(&out, "{");
	while ((piece = list_piece(&rest))) {
		struct misfit misfit =
			text_fits(&list->rq->arena, member->type, member->column, piece);

		if (misfit.code) {
			problems_add(&list->bad, name, misfit.code, "%s", misfit.message);
			return NULL;
		}
		text_addf(&out, "%s\"", comma);
		for (; *piece; piece++) {
			if (*piece == '"' || *piece == '\\')
				text_add_char(&out, '\\');
			text_add_char(&out, *piece);
		}
		text_add(&out, "\"");
		comma = ",";
	}
	text_add(&out, "}");
	return text_str(&out);
}

static void
filter_compare(struct list *list, const char *name, const struct member *member,
	       const struct operator* operator, const char * value)
{
	struct misfit misfit;

	if (member->type == COLUMN_TEXTS) {
		text_addf(&list->where,
			  " AND %s%s::text = ANY (%s)", operator->sql[0] == '=' ? "" : "NOT ",
			  list_param(list, value), member->value);
		return;
	}
	misfit = text_fits(&list->rq->arena, member->type, member->column, value);
	if (misfit.code)
		problems_add(&list->bad, name, misfit.code, "%s", misfit.message);
	else
		text_addf(&list->where, " AND %s %s %s::%s", member->value, operator->sql,
			  list_param(list, value), member->cast);
}

static bool
operator_suits(const struct operator* operator, const struct member * member)
{
	if (operator->kind == FILTER_NULL)
		return true;
	if (!member->cast)
		return false;
	if (operator->kind == FILTER_LIKE)
		return member->type == COLUMN_TEXT;
	if (member->type == COLUMN_TEXTS)
		return operator->kind == FILTER_COMPARE && !operator->ordered;
	return !operator->ordered || member->type != COLUMN_BOOLEAN;
}

static void
filter_apply(struct list *list, const char *name, const struct member *member,
	     const struct operator* operator, const char * value)
{
	const char *text;

	switch (operator->kind) {
	case FILTER_COMPARE:
		filter_compare(list, name, member, operator, value);
		break;
	case FILTER_LIKE:
		text = like_pattern(&list->rq->arena, value, true);
		text_addf(&list->where, " AND %s ILIKE %s::text", member->value,
			  list_param(list, text));
		break;
	case FILTER_IN:
		text = array_of(list, name, member, value);
		if (text)
			text_addf(&list->where, " AND %s = ANY (%s::%s[])", member->value,
				  list_param(list, text), member->cast);
		break;
	case FILTER_NULL:
		if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
			text_addf(&list->where, " AND %s IS %sNULL", member->value,
				  value[0] == 't' ? "" : "NOT ");
		else
			problems_add(&list->bad, name, "wrong_type", "must be true or false");
		break;
	}
}

void
filter_add(struct list *list, const char *name, const char *value)
{
	size_t field = strcspn(name, "[");
	size_t length = strlen(name);
	const struct member *member =
		list_member(list, arena_strndup(&list->rq->arena, name, field));
	const struct operator* operator= & operators[0];

	if (name[field] == '[')
		operator= name[length - 1] == ']'
			? operator_named(name + field + 1, length - field - 2)
			: NULL;
	if (!member)
		problems_add(&list->unknown, name, "unknown_parameter",
			     "is not a field or parameter here");
	else if (!operator)
		problems_add(&list->unknown, name, "unknown_operator",
			     "must use one of: eq, ne, gt, gte, lt, lte, like, in, null");
	else if (!operator_suits(operator, member))
		problems_add(&list->unknown, name, "unknown_operator",
			     "does not suit this field's type");
	else
		filter_apply(list, name, member, operator, value);
}

/* Each word must be in one of the columns. */
void
filter_search(struct list *list, const char *words)
{
	const char *search = list->plan->entity->search;
	char *rest = arena_strdup(&list->rq->arena, words);
	const char *word;
	int count = 0;

	if (!search) {
		problems_add(&list->unknown, "q", "unknown_parameter", "this list has no search");
		return;
	}
	while ((word = strsep(&rest, " \t"))) {
		const char *param, * or = "";

		if (*word == '\0')
			continue;
		if (++count > SEARCH_WORDS_MAX) {
			problems_add(&list->bad, "q", "out_of_range", "takes at most %d words",
				     SEARCH_WORDS_MAX);
			return;
		}
		param = list_param(list, like_pattern(&list->rq->arena, word, false));
		text_add(&list->where, " AND (");
		for (int i = 0; i < list->plan->shape.count; i++) {
			const struct member *member = &list->plan->shape.members[i];

			if (!member_seen(member, list->mask) || !words_have(search, member->name))
				continue;
			text_addf(&list->where, "%s%s::text ILIKE %s::text", or, member->value,
				  param);
			or = " OR ";
		}
		text_add(&list->where, * or ? ")" : "false)");
	}
}
