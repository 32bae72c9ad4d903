/* tests/unit/test_entity_canon.c -- equal values have one canonical text, others do not. */
#include "unit.h"

#include "base/request.h"
#include "entity/canon.h"

struct pair {
	const char *a, *b;
	bool equal;
};

static const struct pair pairs[] = {
	{ "\"5\"", "\"5.0000\"", true },
	{ "5", "\"5.00\"", true },
	{ "\"-0.00\"", "0", true },
	{ "\"100\"", "\"100.0\"", true },
	{ "\"100\"", "\"10\"", false },
	{ "\"-5\"", "\"5\"", false },
	{ "\"0.10\"", "\"0.1\"", true },
	{ "\"007\"", "\"7\"", false },
	{ "\"1e3\"", "\"1000\"", false },
	{ "\"1.\"", "\"1\"", false },
	{ "\"12\"", "\"12 \"", false },
	{ "\"2026-01-02T03:04:05.500+01:00\"", "\"2026-01-02T02:04:05.5Z\"", true },
	{ "\"2026-01-02T03:04:05+00:00\"", "\"2026-01-02T03:04:05Z\"", true },
	{ "\"2026-01-02T03:04:05Z\"", "\"2026-01-02T03:04:06Z\"", false },
	{ "\"2026-01-02T03:04:05-05:30\"", "\"2026-01-02T08:34:05Z\"", true },
	{ "\"2026-01-02\"", "\"2026-01-02T00:00:00Z\"", false },
	{ "null", "\"\"", false },
	{ "true", "\"true\"", false },
	{ "true", "1", false },
	{ "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\",\"a\":\"1.0\"}", true },
	{ "{\"a\":1,\"b\":null}", "{\"a\":1}", true },
	{ "[1,2]", "[2,1]", false },
	{ "[12]", "[1,2]", false },
	{ "[[1],2]", "[[1,2]]", false },
	{ "\"abc\"", "\"ABC\"", false },
};

static void
compare(struct request *rq, void *arg)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct json_error error;
		cJSON *a = json_parse(rq, pairs[i].a, strlen(pairs[i].a), &error);
		cJSON *b = json_parse(rq, pairs[i].b, strlen(pairs[i].b), &error);

		if (canon_equal(&rq->arena, a, b) != pairs[i].equal)
			unit_fail("%s and %s\n", pairs[i].a, pairs[i].b);
	}
}

static void
test_notation_does_not_matter_and_everything_else_does(void **state)
{
	struct request rq;

	json_init();
	request_init(&rq, NULL);
	assert_true(request_run(&rq, compare, NULL));
	request_release(&rq);
}

static void
missing(struct request *rq, void *arg)
{
	assert_true(canon_equal(&rq->arena, NULL, cJSON_CreateNull()));
	assert_false(canon_equal(&rq->arena, NULL, cJSON_CreateString("")));
}

static void
test_what_is_missing_is_null(void **state)
{
	struct request rq;

	json_init();
	request_init(&rq, NULL);
	assert_true(request_run(&rq, missing, NULL));
	request_release(&rq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notation_does_not_matter_and_everything_else_does),
		cmocka_unit_test(test_what_is_missing_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
