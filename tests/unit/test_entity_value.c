/* tests/unit/test_entity_value.c -- values fit their columns, or say what is wrong. */
#include "unit.h"

#include "base/request.h"
#include "entity/value.h"

#define AMOUNT { .type = COLUMN_NUMERIC, .precision = 18, .scale = 2 }

static const struct column amount = AMOUNT;
static const char *choices[] = { "open", "won", NULL };

struct fit {
	struct column column;
	const char *json;
	const char *code;    /* NULL: fits */
};

static const struct fit fits[] = {
	{ AMOUNT, "\"12.50\"", NULL },
	{ AMOUNT, "12.5", NULL },
	{ AMOUNT, "\"0012.500000\"", NULL },
	{ AMOUNT, "\"-0\"", NULL },
	{ AMOUNT, "1.25e1", NULL },
	{ AMOUNT, "\"9999999999999999.99\"", NULL },
	{ AMOUNT, "\"10000000000000000\"",
	  "out_of_range" },
	{ AMOUNT, "\"1e99999999999999999999\"",
	  "out_of_range" },
	{ AMOUNT, "\"1.005\"",
	  "too_many_decimals" },
	{ AMOUNT, "1e-3", "too_many_decimals" },
	{ AMOUNT, "\"NaN\"", "wrong_type" },
	{ AMOUNT, "\"1,5\"", "wrong_type" },
	{ AMOUNT, "\" 1\"", "wrong_type" },
	{ AMOUNT, "\"+1\"", "wrong_type" },
	{ AMOUNT, "\".5\"", "wrong_type" },
	{ AMOUNT, "\"\"", "wrong_type" },
	{ AMOUNT, "true", "wrong_type" },
	{ { .type = COLUMN_INTEGER, .bytes = 2 }, "32767", NULL },
	{ { .type = COLUMN_INTEGER, .bytes = 2 }, "32768", "out_of_range" },
	{ { .type = COLUMN_INTEGER, .bytes = 4 }, "-2147483649", "out_of_range" },
	{ { .type = COLUMN_INTEGER, .bytes = 8 }, "1.5", "wrong_type" },
	{ { .type = COLUMN_INTEGER, .bytes = 8 }, "\"1\"", "wrong_type" },
	{ { .type = COLUMN_BOOLEAN }, "true", NULL },
	{ { .type = COLUMN_BOOLEAN }, "1", "wrong_type" },
	{ { .type = COLUMN_DATE }, "\"2024-02-29\"", NULL },
	{ { .type = COLUMN_DATE }, "\"2023-02-29\"", "bad_date" },
	{ { .type = COLUMN_DATE }, "\"1900-02-29\"", "bad_date" },
	{ { .type = COLUMN_DATE }, "\"infinity\"", "bad_date" },
	{ { .type = COLUMN_DATE }, "20240101", "wrong_type" },
	{ { .type = COLUMN_TEXT, .length_max = 3 }, "\"\u00e4\u00f6\u00fc\"", NULL },
	{ { .type = COLUMN_TEXT, .length_max = 3 }, "\"abcd\"", "too_long" },
	{ { .type = COLUMN_TEXT }, "5", "wrong_type" },
	{ { .type = COLUMN_CHOICE, .choices = choices }, "\"won\"", NULL },
	{ { .type = COLUMN_CHOICE, .choices = choices }, "\"Won\"", "not_a_choice" },
	{ { .type = COLUMN_TEXTS }, "[\"a\",\"b\"]", NULL },
	{ { .type = COLUMN_TEXTS }, "[\"a\",null]", "wrong_type" },
	{ { .type = COLUMN_JSON }, "{\"a\":[1]}", NULL },
};

static void
check_fits(struct request *rq, void *arg)
{
	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
		struct json_error error;
		cJSON *value = json_parse(rq, fits[i].json, strlen(fits[i].json), &error);
		struct misfit misfit;

		assert_non_null(value);
		misfit = value_fits(&rq->arena, &fits[i].column, value);
		if (!fits[i].code != !misfit.code ||
		    (misfit.code && strcmp(misfit.code, fits[i].code) != 0))
			unit_fail("%s: %s", fits[i].json, misfit.code ? misfit.code : "fits");
		assert_true(!misfit.code == !misfit.message);
	}
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
each_type_takes_what_is_its_own(void **state)
{
	in_request(check_fits);
}

static void
check_choice_message(struct request *rq, void *arg)
{
	struct column column = { .type = COLUMN_CHOICE, .choices = choices };
	struct misfit misfit = value_fits(&rq->arena, &column, cJSON_CreateString("lost"));

	assert_string_equal(misfit.message, "must be one of: open, won");
	misfit = value_fits(&rq->arena, &amount, cJSON_CreateString("1.234"));
	assert_string_equal(misfit.message, "must have at most 2 decimals");
}

static void
messages_say_what_would_fit(void **state)
{
	in_request(check_choice_message);
}

static void
decimals_are_equal_whatever_their_notation(void **state)
{
	assert_true(decimal_equal("1.50", "1.5"));
	assert_true(decimal_equal("0015e-1", "1.5"));
	assert_true(decimal_equal("-0.00", "0"));
	assert_true(decimal_equal("100", "1e2"));
	assert_true(decimal_equal("0.05", "5e-2"));
	assert_false(decimal_equal("1.5", "-1.5"));
	assert_false(decimal_equal("1.5", "15"));
	assert_false(decimal_equal("10.5", "1.05"));
	assert_false(decimal_equal("x", "x"));
}

static void
instants_need_an_offset(void **state)
{
	assert_true(instant_valid("2026-01-31T23:59:59Z", false));
	assert_true(instant_valid("2026-01-31t00:00:00.123456+05:30", false));
	assert_false(instant_valid("2026-01-31T23:59:59", false));
	assert_false(instant_valid("2026-01-31T24:00:00Z", false));
	assert_false(instant_valid("2026-01-31T23:59:59.Z", false));
	assert_false(instant_valid("2026-02-30T00:00:00Z", false));
	assert_false(instant_valid("2026-01-31T00:00:00+16:00", false));
	assert_false(instant_valid("2026-01-31", false));
	assert_false(instant_valid("", false));
	assert_true(instant_valid("2026-01-31", true));
	assert_true(instant_valid("2026-01-31 03:04:05.6+00", true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_takes_what_is_its_own),
		cmocka_unit_test(messages_say_what_would_fit),
		cmocka_unit_test(decimals_are_equal_whatever_their_notation),
		cmocka_unit_test(instants_need_an_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
