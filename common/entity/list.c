/* common/entity/list.c -- GET of many: filters, order, pages, counts. */
#include "entity/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "entity/handlers.h"
#include "http/http.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200

/* Lists are asked for in few shapes; their texts are kept so that they stay prepared. */
#define KEPT_MAX 128

struct kept {
	char *sql;
	UT_hash_handle hh;
};

static struct kept *kept_texts;

/* A text that lives as long as the process, NULL when enough are kept. */
static const char *
keep(const char *sql)
{
	struct kept *kept;

	HASH_FIND_STR(kept_texts, sql, kept);
	if (!kept) {
		if (HASH_COUNT(kept_texts) >= KEPT_MAX)
			return NULL;
		kept = arena_new(plan_arena(), struct kept);
		kept->sql = arena_strdup(plan_arena(), sql);
		HASH_ADD_KEYPTR(hh, kept_texts, kept->sql, strlen(kept->sql), kept);
	}
	return kept->sql;
}

static struct rows *
list_query(struct list *list, const char *sql)
{
	const char *kept = keep(sql);

	return kept ? db_all_params(list->rq, kept, list->params)
		    : db_all_once_params(list->rq, sql, list->params);
}

static int64_t
limit_read(struct list *list, const char *text)
{
	char *end;
	long limit;

	if (!text)
		return LIMIT_DEFAULT;
	limit = strtol(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || limit < 1 || limit > LIMIT_MAX)
		problems_add(&list->bad, "limit", "out_of_range", "must be between 1 and %d",
			     LIMIT_MAX);
	return limit;
}

static bool
count_read(struct list *list, const char *text)
{
	if (!text || strcmp(text, "false") == 0)
		return false;
	if (strcmp(text, "true") != 0)
		problems_add(&list->bad, "count", "wrong_type", "must be true or false");
	return true;
}

static bool
is_own_parameter(const char *name)
{
	static const char words[] = "q sort limit cursor fields include count";

	return words_have(words, name);
}

static void
filters_read(struct list *list)
{
	const struct http_exchange *http = list->rq->http;

	for (int i = 0; i < http->query_count; i++) {
		const char *name = http->query[i].name;

		if (!is_own_parameter(name)) {
			filter_add(list, name, http->query[i].value);
			continue;
		}
		for (int k = 0; k < i; k++)
			if (strcmp(http->query[k].name, name) == 0)
				problems_add(&list->bad, name, "duplicate", "is given twice");
	}
	if (http_query(list->rq, "q"))
		filter_search(list, http_query(list->rq, "q"));
}

static void
list_check(struct list *list)
{
	for (int i = 0; i < list->bad.count && list->unknown.count; i++)
		problems_add(&list->unknown, list->bad.fields[i].field, list->bad.fields[i].code,
			     "%s", list->bad.fields[i].message);
	problems_raise(&list->unknown, ERR_UNKNOWN_PARAMETER);
	problems_raise(&list->bad, ERR_BAD_REQUEST);
}

static const char *
list_sql(struct list *list)
{
	struct text out = text_in(&list->rq->arena);

	text_addf(&out, "SELECT (SELECT row_to_json(r) FROM (SELECT %s) r)", list->members);
	for (int i = 0; i < list->key_count; i++)
		text_addf(&out, ", %s::text", list->keys[i].member->value);
	text_addf(&out, " FROM \"%s\" t%s WHERE true%s", list->plan->shape.table->name, list->from,
		  text_str(&list->where));
	sort_add_order(list, &out);
	/* One more than asked for tells whether there is a next page. */
	text_addf(&out, " LIMIT %s::bigint",
		  list_param(list,
			     arena_printf(&list->rq->arena, "%lld", (long long)list->limit + 1)));
	return text_str(&out);
}

static const char *
list_count(struct list *list)
{
	const char *sql =
		arena_printf(&list->rq->arena, "SELECT count(*) FROM \"%s\" t WHERE true%s",
			     list->plan->shape.table->name, text_str(&list->where));

	return row_at(rows_at(list_query(list, sql), 0), 0);
}

static void
list_reply(struct list *list, struct rows *rows, const char *count)
{
	struct text out = text_in(&list->rq->arena);
	const char *values[SORT_KEYS_MAX];
	int shown = rows_count(rows);

	if (shown > list->limit)
		shown = (int)list->limit;
	text_add(&out, "{\"data\":[");
	for (int i = 0; i < shown; i++) {
		struct row *row = rows_at(rows, i);

		if (i)
			text_add(&out, ",");
		text_add_bytes(&out, row_at(row, 0), (size_t)row_length(row, 0));
	}
	text_add(&out, "],\"next_cursor\":");
	if (rows_count(rows) > shown) {
		for (int i = 0; i < list->key_count; i++)
			values[i] = row_at(rows_at(rows, shown - 1), i + 1);
		text_add_json(&out,
			      cursor_write(&list->rq->arena, list->sort, values, list->key_count));
	} else {
		text_add(&out, "null");
	}
	if (count)
		text_addf(&out, ",\"count\":%s", count);
	text_add(&out, "}");
	reply_json_length(list->rq, 200, out.data, out.length);
}

void
entity_list(struct request *rq)
{
	struct list *list = arena_new(&rq->arena, struct list);
	const struct entity *entity = rq->http->route->arg;
	const char *count = NULL;
	struct rows *rows;

	list->rq = list->unknown.rq = list->bad.rq = rq;
	list->plan = entity->plan;
	list->mask = plan_mask(entity->plan, rq->actor);
	list->where = text_in(&rq->arena);
	filters_read(list);
	sort_read(list, http_query(rq, "sort"));
	select_read(list, http_query(rq, "fields"), http_query(rq, "include"), false);
	list->limit = limit_read(list, http_query(rq, "limit"));
	list->count = count_read(list, http_query(rq, "count"));
	list_check(list);
	if (list->count)
		count = list_count(list);
	if (http_query(rq, "cursor"))
		sort_after(list, http_query(rq, "cursor"));
	list_check(list);
	rows = list_query(list, list_sql(list));
	list_check(list);
	list_reply(list, rows, count);
}
