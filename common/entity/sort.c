/* common/entity/sort.c -- the order of a list, and going on behind a row of it.
 *
 * PostgreSQL puts NULLs last when ascending and first when descending; the conditions below
 * say the same, so that no page skips or repeats a row.
 */
#include <string.h>

#include "entity/list.h"
#include "entity/value.h"

static void
sort_key_read(struct list *list, char *name)
{
	struct sort_key key = { .descending = name[0] == '-' };

	name += key.descending;
	key.member = list_member(list, name);
	if (!key.member || !key.member->cast || key.member->type == COLUMN_TEXTS) {
		problems_add(&list->unknown, "sort", "unknown_field", "cannot sort by \"%s\"",
			     name);
		return;
	}
	for (int i = 0; i < list->key_count; i++)
		if (list->keys[i].member == key.member) {
			problems_add(&list->bad, "sort", "duplicate", "names \"%s\" twice", name);
			return;
		}
	if (list->key_count == SORT_KEYS_MAX - 1) {
		problems_add(&list->bad, "sort", "out_of_range", "takes at most %d fields",
			     SORT_KEYS_MAX - 1);
		return;
	}
	list->keys[list->key_count++] = key;
}

void
sort_read(struct list *list, const char *text)
{
	struct text sort = text_in(&list->rq->arena);
	char *rest = text ? arena_strdup(&list->rq->arena, text) : NULL;
	char *piece;
	bool by_id = false;

	while ((piece = list_piece(&rest)))
		sort_key_read(list, piece);
	for (int i = 0; i < list->key_count; i++)
		by_id = by_id || strcmp(list->keys[i].member->name, "id") == 0;
	/* What comes after the id decides nothing; ties are broken in the direction of the last
	 * key, so that one index serves both ways. */
	if (!by_id) {
		bool down = list->key_count && list->keys[list->key_count - 1].descending;

		list->keys[list->key_count++] = (struct sort_key){
			.member = shape_member(&list->plan->shape, "id"),
			.descending = down,
		};
	}
	for (int i = 0; i < list->key_count; i++)
		text_addf(&sort, "%s%s%s", i ? "," : "", list->keys[i].descending ? "-" : "",
			  list->keys[i].member->name);
	list->sort = text_str(&sort);
}

void
sort_add_order(const struct list *list, struct text *out)
{
	for (int i = 0; i < list->key_count; i++)
		text_addf(out, "%s%s%s", i ? ", " : " ORDER BY ", list->keys[i].member->value,
			  list->keys[i].descending ? " DESC" : "");
}

static bool
is_simple(const struct list *list)
{
	for (int i = 0; i < list->key_count; i++)
		if (!list->keys[i].member->not_null ||
		    list->keys[i].descending != list->keys[0].descending)
			return false;
	return true;
}

/* (a, b) > ($1, $2): what an index on (a, b) can start from. */
static void
after_simple(struct list *list, const char *const *values)
{
	struct text left = text_in(&list->rq->arena);
	struct text right = text_in(&list->rq->arena);

	for (int i = 0; i < list->key_count; i++) {
		const struct member *member = list->keys[i].member;

		text_addf(&left, "%s%s", i ? ", " : "", member->value);
		text_addf(&right, "%s%s::%s", i ? ", " : "", list_param(list, values[i]),
			  member->cast);
	}
	text_addf(&list->where, " AND (%s) %s (%s)", text_str(&left),
		  list->keys[0].descending ? "<" : ">", text_str(&right));
}

static void
add_after(struct text *out, const struct sort_key *key, const char *value, const char *param)
{
	const struct member *member = key->member;

	if (!value)
		text_addf(out, key->descending ? "%s IS NOT NULL" : "%s IS NULL AND false",
			  member->value);
	else if (key->descending)
		text_addf(out, "%s < %s::%s", member->value, param, member->cast);
	else if (member->not_null)
		text_addf(out, "%s > %s::%s", member->value, param, member->cast);
	else
		text_addf(out, "(%s > %s::%s OR %s IS NULL)", member->value, param, member->cast,
			  member->value);
}

/* after(a) OR (same(a) AND after(b)) OR ... */
static void
after_mixed(struct list *list, const char *const *values)
{
	struct text same = text_in(&list->rq->arena);

	text_add(&list->where, " AND (");
	for (int i = 0; i < list->key_count; i++) {
		const struct sort_key *key = &list->keys[i];
		const char *param = values[i] ? list_param(list, values[i]) : NULL;

		text_addf(&list->where, "%s(%s", i ? " OR " : "", text_str(&same));
		add_after(&list->where, key, values[i], param);
		text_add(&list->where, ")");
		if (values[i])
			text_addf(&same, "%s = %s::%s AND ", key->member->value, param,
				  key->member->cast);
		else
			text_addf(&same, "%s IS NULL AND ", key->member->value);
	}
	text_add(&list->where, ")");
}

void
sort_after(struct list *list, const char *cursor)
{
	const char *values[SORT_KEYS_MAX] = { NULL };
	bool good = cursor_read(list->rq, cursor, list->sort, values, list->key_count);

	for (int i = 0; good && i < list->key_count; i++) {
		const struct member *member = list->keys[i].member;

		if (values[i])
			good = !text_fits(&list->rq->arena, member->type, member->column, values[i])
					.code;
		else
			good = !member->not_null;
	}
	if (!good) {
		problems_add(&list->bad, "cursor", "bad_cursor",
			     "is no cursor of this list and sort");
		return;
	}
	if (is_simple(list))
		after_simple(list, values);
	else
		after_mixed(list, values);
}
