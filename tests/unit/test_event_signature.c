/* tests/unit/test_event_signature.c -- known vectors, and what must not verify. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "event/signature.h"

struct vector {
	const char *secret, *id, *timestamp, *body, *signature;
	int64_t now;
};

static const struct vector vectors[] = {
	{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
	  "{\"test\": 2432232314}", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330 },
	{ "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", "1649367553",
	  "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
	  "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=", 1649367553 },
};

#define GOOD "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
#define MAC "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* The first vector with one thing changed; NULL members are as in the vector. */
struct variation {
	const char *what;
	const char *secrets[3];
	const char *id, *timestamp, *signatures, *body;
	int64_t offset;
	enum signature_verdict verdict;
};

static const char absent[] = "";

static const struct variation variations[] = {
	{ "as it is", .verdict = SIGNATURE_OK },
	{ "no id", .id = absent, .verdict = SIGNATURE_MISSING },
	{ "no timestamp", .timestamp = absent, .verdict = SIGNATURE_MISSING },
	{ "no signature", .signatures = absent, .verdict = SIGNATURE_MISSING },
	{ "an id with a dot", .id = "msg.1", .verdict = SIGNATURE_MISSING },
	{ "another id", .id = "msg_1", .verdict = SIGNATURE_WRONG },
	{ "another body", .body = "{\"test\": 2432232315}", .verdict = SIGNATURE_WRONG },
	{ "an empty body", .body = "", .verdict = SIGNATURE_WRONG },
	{ "a wrong signature", .signatures = OTHER, .verdict = SIGNATURE_WRONG },
	{ "an empty signature", .signatures = "v1,", .verdict = SIGNATURE_WRONG },
	{ "a token without a comma", .signatures = "v1", .verdict = SIGNATURE_WRONG },
	{ "only spaces", .signatures = "   ", .verdict = SIGNATURE_WRONG },
	{ "a truncated signature", .signatures = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O",
	  .verdict = SIGNATURE_WRONG },
	{ "a signature without padding",
	  .signatures = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE",
	  .verdict = SIGNATURE_WRONG },
	{ "stray bits in the last digit",
	  .signatures = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=",
	  .verdict = SIGNATURE_WRONG },
	{ "url-safe base64", .signatures = "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	  .verdict = SIGNATURE_WRONG },
	{ "a line feed after it", .signatures = GOOD "\n", .verdict = SIGNATURE_WRONG },
	{ "an unknown version alone", .signatures = "v2," MAC,
	  .verdict = SIGNATURE_WRONG },
	{ "the asymmetric version",
	  .signatures = "v1a," MAC, .verdict = SIGNATURE_WRONG },
	{ "the version in capitals", .signatures = "V1," MAC,
	  .verdict = SIGNATURE_WRONG },
	{ "a good one among bad ones", .signatures = OTHER " v2,abc nonsense v1, " GOOD,
	  .verdict = SIGNATURE_OK },
	{ "a good one, twice the space", .signatures = OTHER "  " GOOD " ",
	  .verdict = SIGNATURE_OK },
	{ "the eighth signature is good",
	  .signatures = "v2,a v2,a v2,a v2,a v2,a v2,a v2,a " GOOD, .verdict = SIGNATURE_OK },
	{ "nine signatures", .signatures = "v2,a v2,a v2,a v2,a v2,a v2,a v2,a v2,a " GOOD,
	  .verdict = SIGNATURE_MISSING },
	{ "5 minutes old", .offset = 300, .verdict = SIGNATURE_OK },
	{ "5 minutes ahead", .offset = -300, .verdict = SIGNATURE_OK },
	{ "too old", .offset = 301, .verdict = SIGNATURE_STALE },
	{ "too new", .offset = -301, .verdict = SIGNATURE_STALE },
	{ "a timestamp that is no number", .timestamp = "hello", .verdict = SIGNATURE_MISSING },
	{ "a timestamp with a sign", .timestamp = "+1614265330", .verdict = SIGNATURE_MISSING },
	{ "a negative timestamp", .timestamp = "-1614265330", .verdict = SIGNATURE_MISSING },
	{ "a timestamp with a space", .timestamp = " 1614265330", .verdict = SIGNATURE_MISSING },
	{ "a timestamp with a fraction", .timestamp = "1614265330.0",
	  .verdict = SIGNATURE_MISSING },
	{ "a timestamp in hexadecimal", .timestamp = "0x6037b972", .verdict = SIGNATURE_MISSING },
	{ "a timestamp of 13 digits", .timestamp = "1614265330000", .verdict = SIGNATURE_MISSING },
	{ "a leading zero is signed too", .timestamp = "01614265330", .verdict = SIGNATURE_WRONG },
	{ "an empty secret", .secrets = { "" }, .verdict = SIGNATURE_NO_SECRET },
	{ "a bare prefix", .secrets = { "whsec_" }, .verdict = SIGNATURE_NO_SECRET },
	{ "a short secret", .secrets = { "whsec_MfKQ9r8GKYqrTwjU" },
	  .verdict = SIGNATURE_NO_SECRET },
	{ "a secret that is no base64", .secrets = { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w" },
	  .verdict = SIGNATURE_NO_SECRET },
	{ "another secret", .secrets = { "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" },
	  .verdict = SIGNATURE_WRONG },
	{ "a secret without its prefix", .secrets = { "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
	  .verdict = SIGNATURE_OK },
	{ "the old secret of a rotation",
	  .secrets = { "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SECRET },
	  .verdict = SIGNATURE_OK },
};

static enum signature_verdict
verify(const struct variation *v)
{
	static const char *const usual[] = { SECRET, NULL };
	const struct vector *base = &vectors[0];
	const char *body = v->body ? v->body : base->body;
	const char *id = v->id ? v->id : base->id;
	const char *timestamp = v->timestamp ? v->timestamp : base->timestamp;
	const char *signatures = v->signatures ? v->signatures : base->signature;

	return signature_verify(v->secrets[0] ? v->secrets : usual, id == absent ? NULL : id,
				timestamp == absent ? NULL : timestamp,
				signatures == absent ? NULL : signatures, body, strlen(body),
				base->now + v->offset);
}

static void
known_vectors_are_made_and_verified(void **state)
{
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		const char *secrets[] = { v->secret, NULL };

		assert_string_equal(signature_make(&arena, v->secret, v->id, v->timestamp, v->body,
						   strlen(v->body)), v->signature);
		assert_int_equal(signature_verify(secrets, v->id, v->timestamp, v->signature,
						  v->body, strlen(v->body), v->now), SIGNATURE_OK);
	}
	arena_release(&arena);
}

static void
each_variation_gets_its_verdict(void **state)
{
	for (size_t i = 0; i < sizeof(variations) / sizeof(variations[0]); i++) {
		enum signature_verdict verdict = verify(&variations[i]);

		if (verdict != variations[i].verdict)
			fail_msg("%s: %s", variations[i].what, signature_verdict_text(verdict));
	}
}

static void
a_header_over_1_KiB_is_malformed(void **state)
{
	static char header[2048];

	memset(header, 'x', 1100);
	memcpy(header, GOOD " ", sizeof(GOOD));
	assert_int_equal(verify(&(struct variation){ .signatures = header }), SIGNATURE_MISSING);
}

static void
a_flipped_bit_anywhere_is_seen(void **state)
{
	char body[64];
	size_t length = strlen(vectors[0].body);

	for (size_t i = 0; i < length; i++) {
		snprintf(body, sizeof(body), "%s", vectors[0].body);
		body[i] ^= 1;
		assert_int_equal(verify(&(struct variation){ .body = body }), SIGNATURE_WRONG);
	}
}

static void
fresh_secrets_differ_and_work(void **state)
{
	struct arena arena = { 0 };
	char *one = signature_secret(&arena), *two = signature_secret(&arena);
	const char *secrets[] = { two, one, NULL };
	char *made = signature_make(&arena, one, "evt_1", "5", "x", 1);

	assert_string_not_equal(one, two);
	assert_memory_equal(one, "whsec_", 6);
	assert_int_equal(signature_verify(secrets, "evt_1", "5", made, "x", 1, 5), SIGNATURE_OK);
	assert_null(signature_make(&arena, "", "evt_1", "5", "x", 1));
	assert_null(signature_make(&arena, "whsec_", "evt_1", "5", "x", 1));
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_vectors_are_made_and_verified),
		cmocka_unit_test(each_variation_gets_its_verdict),
		cmocka_unit_test(a_header_over_1_KiB_is_malformed),
		cmocka_unit_test(a_flipped_bit_anywhere_is_seen),
		cmocka_unit_test(fresh_secrets_differ_and_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
