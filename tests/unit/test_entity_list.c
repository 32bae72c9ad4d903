/* tests/unit/test_entity_list.c -- query strings become conditions, cursors find their row. */
#include "unit.h"

#include "base/json.h"
#include "base/request.h"
#include "entity/list.h"
#include "entity/write.h"

static const char *choices[] = { "open", "won", NULL };
static const struct column columns[] = {
	{ .name = "id", .type = COLUMN_INTEGER },
	{ .name = "name", .type = COLUMN_TEXT },
	{ .name = "amount", .type = COLUMN_NUMERIC },
	{ .name = "status", .type = COLUMN_CHOICE, .choices = choices },
	{ .name = "tags", .type = COLUMN_TEXTS },
	{ .name = "cost", .type = COLUMN_NUMERIC },
};
static struct member members[] = {
	{ .name = "id", .column = &columns[0], .type = COLUMN_INTEGER, .value = "t.id",
	  .cast = "bigint", .not_null = true },
	{ .name = "name", .column = &columns[1], .type = COLUMN_TEXT, .value = "t.name",
	  .cast = "text", .not_null = true },
	{ .name = "amount", .column = &columns[2], .type = COLUMN_NUMERIC, .value = "t.amount",
	  .cast = "numeric" },
	{ .name = "status", .column = &columns[3], .type = COLUMN_CHOICE, .value = "t.status",
	  .cast = "deal_status" },
	{ .name = "tags", .column = &columns[4], .type = COLUMN_TEXTS, .value = "t.tags",
	  .cast = "text[]" },
	{ .name = "cost", .column = &columns[5], .type = COLUMN_NUMERIC, .value = "t.cost",
	  .cast = "numeric", .group = 1 },
};
static struct entity entity = { .name = "deal", .search = "name cost" };
static struct entity_plan plan = { .entity = &entity, .shape = { .members = members, .count = 6 } };

static struct list *
list_new(struct request *rq)
{
	struct list *list = arena_new(&rq->arena, struct list);

	list->rq = list->unknown.rq = list->bad.rq = rq;
	list->plan = &plan;
	list->where = text_in(&rq->arena);
	return list;
}

static void
in_request(void (*work)(struct request *, void *))
{
	struct request rq;

	json_init();
	request_init(&rq, NULL);
	assert_true(request_run(&rq, work, NULL));
	request_release(&rq);
}

static void
check_conditions(struct request *rq, void *arg)
{
	static const struct {
		const char *name, *value, *where, *param;
	} cases[] = {
		{ "name", "acme", " AND t.name = $1::text", "acme" },
		{ "name[ne]", "acme", " AND t.name IS DISTINCT FROM $1::text", "acme" },
		{ "name[like]", "a_c", " AND t.name ILIKE $1::text", "%a\\_c%" },
		{ "name[like]", "ac%", " AND t.name ILIKE $1::text", "ac%" },
		{ "amount[gte]", "10.5", " AND t.amount >= $1::numeric", "10.5" },
		{ "status[in]", "open,won", " AND t.status = ANY ($1::deal_status[])",
		  "{\"open\",\"won\"}" },
		{ "name[in]", "a\"b,c\\", " AND t.name = ANY ($1::text[])",
		  "{\"a\\\"b\",\"c\\\\\"}" },
		{ "amount[null]", "true", " AND t.amount IS NULL", NULL },
		{ "tags", "x", " AND $1::text = ANY (t.tags)", "x" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct list *list = list_new(rq);

		filter_add(list, cases[i].name, cases[i].value);
		assert_int_equal(list->unknown.count + list->bad.count, 0);
		assert_string_equal(text_str(&list->where), cases[i].where);
		assert_int_equal(list->param_count, cases[i].param != NULL);
		if (cases[i].param)
			assert_string_equal(list->params[0].text, cases[i].param);
	}
}

static void
filters_become_typed_conditions(void **state)
{
	in_request(check_conditions);
}

static void
check_refusals(struct request *rq, void *arg)
{
	static const struct {
		const char *name, *value, *code;
		bool unknown;
	} cases[] = {
		{ "nope", "1", "unknown_parameter", true },
		{ "cost", "1", "unknown_parameter", true },
		{ "name[", "1", "unknown_operator", true },
		{ "name[x]", "1", "unknown_operator", true },
		{ "amount[like]", "1", "unknown_operator", true },
		{ "tags[in]", "1", "unknown_operator", true },
		{ "amount", "1,5", "wrong_type", false },
		{ "id", "9999999999999999999", "wrong_type", false },
		{ "status", "lost", "not_a_choice", false },
		{ "status[in]", "open,lost", "not_a_choice", false },
		{ "name[null]", "yes", "wrong_type", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct list *list = list_new(rq);
		struct problems *where = cases[i].unknown ? &list->unknown : &list->bad;

		filter_add(list, cases[i].name, cases[i].value);
		assert_int_equal(list->unknown.count + list->bad.count, 1);
		assert_int_equal(where->count, 1);
		assert_string_equal(where->fields[0].field, cases[i].name);
		assert_string_equal(where->fields[0].code, cases[i].code);
	}
}

static void
what_is_hidden_or_wrong_is_named(void **state)
{
	in_request(check_refusals);
}

static void
check_search(struct request *rq, void *arg)
{
	struct list *list = list_new(rq);

	filter_search(list, "  50%  acme ");
	assert_string_equal(text_str(&list->where), " AND (t.name::text ILIKE $1::text)"
						    " AND (t.name::text ILIKE $2::text)");
	assert_string_equal(list->params[0].text, "%50\\%%");
}

static void
search_leaves_hidden_columns_out(void **state)
{
	in_request(check_search);
}

static void
check_pages(struct request *rq, void *arg)
{
	const char *values[3] = { "12.50", "Acme \"x\"", "7" }, *back[3];
	const char *nulls[2] = { NULL, "7" };
	struct list *list = list_new(rq);
	struct text order = text_in(&rq->arena);
	const char *cursor;

	sort_read(list, "-amount,name");
	assert_string_equal(list->sort, "-amount,name,id");
	sort_add_order(list, &order);
	assert_string_equal(text_str(&order), " ORDER BY t.amount DESC, t.name, t.id");

	cursor = cursor_write(&rq->arena, list->sort, values, 3);
	assert_int_equal(strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-_"),
			 strlen(cursor));
	assert_true(cursor_read(rq, cursor, list->sort, back, 3));
	for (int i = 0; i < 3; i++)
		assert_string_equal(values[i], back[i]);
	assert_false(cursor_read(rq, cursor, "name,id", back, 3));
	assert_false(cursor_read(rq, "", list->sort, back, 3));
	assert_false(cursor_read(rq, "!", list->sort, back, 3));
	assert_false(cursor_read(rq, "AAAA", list->sort, back, 3));

	list = list_new(rq);
	sort_read(list, "-amount");
	sort_after(list, cursor_write(&rq->arena, list->sort, nulls, 2));
	assert_int_equal(list->bad.count, 0);
	assert_string_equal(text_str(&list->where),
			    " AND ((t.amount IS NOT NULL)"
			    " OR (t.amount IS NULL AND t.id < $1::bigint))");
}

static void
cursors_come_back_as_they_were(void **state)
{
	in_request(check_pages);
}

static void
check_bad_sorts(struct request *rq, void *arg)
{
	struct list *list = list_new(rq);

	sort_read(list, "name,cost,-name,tags,");
	assert_int_equal(list->unknown.count, 3);
	assert_int_equal(list->bad.count, 1);
}

static void
sorting_by_hidden_or_unordered_fields_is_refused(void **state)
{
	in_request(check_bad_sorts);
}

static void
etags_are_read_as_http_writes_them(void **state)
{
	assert_int_equal(etag_names("\"7\"", 7), 1);
	assert_int_equal(etag_names("*", 7), 1);
	assert_int_equal(etag_names("W/\"7\"", 7), 1);
	assert_int_equal(etag_names("\"1\" , \"7\"", 7), 1);
	assert_int_equal(etag_names("\"70\"", 7), 0);
	assert_int_equal(etag_names("\"abc\"", 7), 0);
	assert_int_equal(etag_names("7", 7), -1);
	assert_int_equal(etag_names("\"7", 7), -1);
	assert_int_equal(etag_names("\"7\",", 7), -1);
	assert_int_equal(etag_names("", 7), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_become_typed_conditions),
		cmocka_unit_test(what_is_hidden_or_wrong_is_named),
		cmocka_unit_test(search_leaves_hidden_columns_out),
		cmocka_unit_test(cursors_come_back_as_they_were),
		cmocka_unit_test(sorting_by_hidden_or_unordered_fields_is_refused),
		cmocka_unit_test(etags_are_read_as_http_writes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
