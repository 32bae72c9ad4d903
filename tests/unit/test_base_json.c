/* tests/unit/test_base_json.c -- the strict parser refuses what would be altered. */
#include "unit.h"

#include "base/json.h"
#include "base/request.h"
#include "base/text.h"

struct text_case {
	const char *text;
	size_t length;   /* 0: strlen */
	const char *reason;
};

static void
in_request(void (*work)(struct request *, void *), void *arg)
{
	struct request rq;

	request_init(&rq, NULL);
	assert_true(request_run(&rq, work, arg));
	request_release(&rq);
}

static void
expect_refusal(struct request *rq, void *arg)
{
	const struct text_case *c = arg;
	struct json_error error = { 0 };
	size_t length = c->length ? c->length : strlen(c->text);

	if (json_parse(rq, c->text, length, &error))
		unit_fail("accepted: %s", c->text);
	if (strcmp(error.reason, c->reason) != 0)
		unit_fail("%s: refused with \"%s\", expected \"%s\"", c->text, error.reason,
			 c->reason);
}

static void
what_would_be_altered_is_refused(void **state)
{
	static struct text_case cases[] = {
		{ "\"a\\u0000b\"", 0, "\\u0000 is not allowed" },
		{ "\"a\0b\"", 5, "control character in a string" },
		{ "\"a\nb\"", 0, "control character in a string" },
		{ "\xEF\xBB\xBF{}", 0, "unexpected character" },
		{ "{\"a\":1,\"a\":2}", 0, "duplicate key" },
		{ "{\"a\":1,\"\\u0061\":2}", 0, "duplicate key" },
		{ "007", 0, "leading zero" },
		{ "1.", 0, "bad number" },
		{ "+1", 0, "unexpected character" },
		{ "-", 0, "bad number" },
		{ "1e", 0, "bad number" },
		{ "1e400", 0, "number beyond 2^53; send it as a string" },
		{ "9007199254740993", 0,
		  "number with over 15 significant digits; send it as a string" },
		{ "1234567890123456789", 0,
		  "number with over 15 significant digits; send it as a string" },
		{ "1e-400", 0, "number too small" },
		{ "{} {}", 0, "bytes after the value" },
		{ "[1,]", 0, "unexpected character" },
		{ "{\"a\":1,}", 0, "expected a key" },
		{ "{\"a\" 1}", 0, "expected :" },
		{ "[1 2]", 0, "expected , or ]" },
		{ "\"\xC0\x80\"", 0, "invalid UTF-8" },
		{ "\"\xED\xA0\x80\"", 0, "invalid UTF-8" },
		{ "\"\xFF\"", 0, "invalid UTF-8" },
		{ "\"\\ud800\"", 0, "lone surrogate" },
		{ "\"\\udc00\"", 0, "lone surrogate" },
		{ "\"\\x\"", 0, "bad escape" },
		{ "\"abc", 0, "unfinished string" },
		{ "\"abc\\", 0, "unfinished string" },
		{ "[", 0, "unexpected end" },
		{ "{", 0, "expected a key" },
		{ "nul", 0, "unexpected character" },
		{ "True", 0, "unexpected character" },
		{ "NaN", 0, "unexpected character" },
		{ "", 0, "unexpected end" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		in_request(expect_refusal, &cases[i]);
}

static void
check_round_trip(struct request *rq, void *arg)
{
	char *text = arg;
	struct json_error error;
	cJSON *tree = json_parse(rq, text, strlen(text), &error);

	assert_non_null(tree);
	assert_string_equal(json_text(rq, tree), text);
}

static void
numbers_and_strings_come_back_as_they_came(void **state)
{
	in_request(check_round_trip,
		   (char[]){ "{\"a\":12.50,\"b\":[0.1,-0,1e3,900719925474099],\"c\":\"\"}" });
	in_request(check_round_trip, (char[]){ "{\"a\":\"123456789012345678901234567890.12\"}" });
	in_request(check_round_trip, (char[]){ "[true,false,null,{},[]]" });
	in_request(check_round_trip, (char[]){ "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"" });
}

static void
check_escapes(struct request *rq, void *arg)
{
	const char *text = "\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\n\"";
	struct json_error error;
	cJSON *tree = json_parse(rq, text, strlen(text), &error);

	assert_string_equal(cJSON_GetStringValue(tree), "\xC3\xA9\xF0\x9F\x98\x80\"\\/\n");
}

static void
escapes_are_decoded(void **state)
{
	in_request(check_escapes, NULL);
}

static void
check_depth(struct request *rq, void *arg)
{
	char text[2 * 33 + 1];
	struct json_error error;

	memset(text, '[', 32);
	memset(text + 32, ']', 32);
	assert_non_null(json_parse(rq, text, 64, &error));
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	assert_null(json_parse(rq, text, 66, &error));
	assert_string_equal(error.reason, "nested too deep");
}

static void
nesting_ends_at_32(void **state)
{
	in_request(check_depth, NULL);
}

static void
check_tokens(struct request *rq, void *arg)
{
	struct text text = text_in(&rq->arena);
	struct json_error error;

	text_add(&text, "[0");
	for (int i = 1; i < JSON_TOKENS_MAX; i++)
		text_add(&text, ",0");
	text_add(&text, "]");
	assert_null(json_parse(rq, text.data, text.length, &error));
	assert_string_equal(error.reason, "too many values");
	assert_int_equal(cJSON_GetArraySize(json_own(rq, text.data)), JSON_TOKENS_MAX);
}

static void
values_of_others_end_at_20000(void **state)
{
	in_request(check_tokens, NULL);
}

static void
check_members(struct request *rq, void *arg)
{
	cJSON *tree = json_own(rq, "{\"Id\":1,\"id\":900719925474099,\"n\":\"x\",\"f\":1.5}");
	int64_t value;

	assert_true(json_integer(tree, "id", &value));
	assert_int_equal(value, 900719925474099);
	assert_false(json_integer(tree, "f", &value));
	assert_false(json_integer(tree, "n", &value));
	assert_null(json_get(tree, "ID"));
	assert_string_equal(json_string(tree, "n"), "x");
	json_add_integer(tree, "big", INT64_MAX);
	assert_string_equal(json_number_text(json_get(tree, "big")), "9223372036854775807");
}

static void
members_are_found_by_exact_name_and_integers_stay_exact(void **state)
{
	in_request(check_members, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_would_be_altered_is_refused),
		cmocka_unit_test(numbers_and_strings_come_back_as_they_came),
		cmocka_unit_test(escapes_are_decoded),
		cmocka_unit_test(nesting_ends_at_32),
		cmocka_unit_test(values_of_others_end_at_20000),
		cmocka_unit_test(members_are_found_by_exact_name_and_integers_stay_exact),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
