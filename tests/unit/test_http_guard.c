/* tests/unit/test_http_guard.c -- the guard takes only requests of one meaning. */
#include "unit.h"

#include <stdlib.h>

#include "http/decode.h"
#include "http/guard.h"

#define GET "GET /x HTTP/1.1\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: a\r\n"

struct probe {
	const char *bytes;
	enum fault_code refusal;
	unsigned long complete;
};

static const struct probe probes[] = {
	{ GET "Host: a\r\n\r\n", ERR_NONE, 1 },
	{ "GET /x HTTP/1.0\r\nHost: a\r\n\r\n", ERR_NONE, 1 },
	{ GET "Host: a\r\n\r\n" GET "Host: b\r\n\r\n", ERR_NONE, 2 },
	{ POST "Content-Length: 3\r\n\r\nabc", ERR_NONE, 1 },
	{ POST "content-LENGTH:   003  \r\n\r\nabc", ERR_NONE, 1 },
	{ POST "Content-Length: 0\r\n\r\n", ERR_NONE, 1 },
	{ POST "Content-Length: 3\r\n\r\nab", ERR_NONE, 0 },
	{ POST "Content-Length: 3\r\n\r\nabc" GET "Host: a\r\n\r\n", ERR_NONE, 2 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
	  ERR_NONE, 1 },
	{ POST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n" GET "Host: a\r\n\r\n", ERR_NONE, 2 },
	{ GET "Host: a\r\nX-Odd: caf\xc3\xa9\t tab\r\nEmpty:\r\n\r\n", ERR_NONE, 1 },
	{ "GET /a%20b?x[gte]=1|2 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_NONE, 1 },
	{ POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na", ERR_NONE, 1 },

	{ POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: +3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: -3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: 3,3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: 0x3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: \t3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: 3 4\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length:\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: 0000000003\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: 0                                x\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length : 3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length\t: 3\r\n\r\nabc", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: identity\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: \tchunked\r\n\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked                               x\r\n\r\n",
	  ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	  ERR_BAD_REQUEST, 0 },
	{ POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  ERR_BAD_REQUEST, 0 },
	{ GET "\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\n\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x HTTP/1.1\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\n folded\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET " Host: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\nX: a\rb\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\nX: \x01\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\nX: \x7f\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\n: x\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\nno colon\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\nExpect: more\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET //x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET * HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x%00 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x%0g HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x% HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x  HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x HTTP/2.0\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x HTTP/1.10\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "GET /x\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "get /x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ "\x16\x03\x01\x02", ERR_BAD_REQUEST, 0 },
	{ "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_METHOD_NOT_ALLOWED, 0 },
	{ "OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_METHOD_NOT_ALLOWED, 0 },
	{ "TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_METHOD_NOT_ALLOWED, 0 },
	{ POST "Content-Length: 1048577\r\n\r\n", ERR_TOO_LARGE, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n100001\r\n", ERR_TOO_LARGE, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n1000001\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n\r\n3\r\nabc\r\n", ERR_BAD_REQUEST, 0 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", ERR_BAD_REQUEST, 0 },
	{ GET "Host: a\r\n\r\n" "junk\r\n\r\n", ERR_BAD_REQUEST, 1 },
};

static void
check_probe(const struct probe *probe, size_t step)
{
	struct guard guard = { 0 };
	size_t length = strlen(probe->bytes);

	for (size_t at = 0; at < length && guard.refusal == ERR_NONE; at += step) {
		/* A copy of the exact size, so that a read beyond it is seen. */
		size_t part = length - at < step ? length - at : step;
		char *bytes = malloc(part);

		memcpy(bytes, probe->bytes + at, part);
		guard_feed(&guard, bytes, part);
		free(bytes);
	}
	if (guard.refusal != probe->refusal || guard.complete != probe->complete)
		unit_fail("in steps of %zu: %s\nrefusal %d (%s), complete %lu\n", step,
			  probe->bytes, (int)guard.refusal, guard.reason ? guard.reason : "",
			  guard.complete);
}

static void
every_probe_is_judged_alike_however_it_is_cut(void **state)
{
	const size_t steps[] = { 1, 2, 3, 7, 16, 4096 };

	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++)
		for (size_t j = 0; j < sizeof(steps) / sizeof(*steps); j++)
			check_probe(&probes[i], steps[j]);
}

static void
feed_text(struct guard *guard, const char *text)
{
	guard_feed(guard, text, strlen(text));
}

static void
a_nul_byte_in_a_header_is_refused(void **state)
{
	static const char bytes[] = GET "Host: a\0b\r\n\r\n";
	struct guard guard = { 0 };

	assert_false(guard_feed(&guard, bytes, sizeof(bytes) - 1));
	assert_int_equal(guard.refusal, ERR_BAD_REQUEST);
}

static void
headers_are_limited_in_number_and_size(void **state)
{
	struct guard guard = { 0 };

	feed_text(&guard, GET "Host: a\r\n");
	for (int i = 0; i < 63; i++)
		feed_text(&guard, "X: y\r\n");
	assert_int_equal(guard.refusal, ERR_NONE);
	feed_text(&guard, "X: y\r\n");
	assert_int_equal(guard.refusal, ERR_BAD_REQUEST);

	guard = (struct guard){ 0 };
	feed_text(&guard, GET "Host: a\r\nX: ");
	for (int i = 0; i < GUARD_HEAD_MAX / 16 - 3; i++)
		feed_text(&guard, "0123456789abcdef");
	assert_int_equal(guard.refusal, ERR_NONE);
	feed_text(&guard, "0123456789abcdef0123456789abcdef");
	assert_int_equal(guard.refusal, ERR_BAD_REQUEST);
}

static void
the_place_in_the_stream_is_known(void **state)
{
	struct guard guard = { 0 };

	assert_int_equal(guard_place(&guard), GUARD_BETWEEN);
	feed_text(&guard, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r");
	assert_int_equal(guard_place(&guard), GUARD_HEAD);
	feed_text(&guard, "\n");
	assert_int_equal(guard_place(&guard), GUARD_BODY);
	feed_text(&guard, "abc");
	assert_int_equal(guard_place(&guard), GUARD_BETWEEN);
	feed_text(&guard, POST "Transfer-Encoding: chunked\r\n\r\n3\r");
	assert_int_equal(guard_place(&guard), GUARD_BODY);
	feed_text(&guard, "\nabc\r\n0\r\n\r");
	assert_int_equal(guard_place(&guard), GUARD_BODY);
	feed_text(&guard, "\n");
	assert_int_equal(guard_place(&guard), GUARD_BETWEEN);
	assert_int_equal(guard.complete, 2);
}

static void
percent_decoding_is_strict(void **state)
{
	char good[] = "a%20b+c%2Fd%C3%a9";
	char plus[] = "a+b%2B";
	char nul[] = "a%00", cut[] = "a%2", odd[] = "%zz", latin[] = "%e9",
	     surrogate[] = "%ed%a0%80";
	char overlong[] = "%c0%af";

	assert_true(decode_percent(good, false));
	assert_string_equal(good, "a b+c/d\xc3\xa9");
	assert_true(decode_percent(plus, true));
	assert_string_equal(plus, "a b+");
	assert_false(decode_percent(nul, false));
	assert_false(decode_percent(cut, false));
	assert_false(decode_percent(odd, false));
	assert_false(decode_percent(latin, false));
	assert_false(decode_percent(surrogate, false));
	assert_false(decode_percent(overlong, false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_probe_is_judged_alike_however_it_is_cut),
		cmocka_unit_test(a_nul_byte_in_a_header_is_refused),
		cmocka_unit_test(headers_are_limited_in_number_and_size),
		cmocka_unit_test(the_place_in_the_stream_is_known),
		cmocka_unit_test(percent_decoding_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
