/* common/event/signature.c -- HMAC-SHA256 over id, time and raw body, compared in constant time. */
#include "event/signature.h"

#include <sodium.h>
#include <string.h>

#include "base/arena.h"

#define KEY_MIN 24
#define KEY_MAX 64
#define TOLERANCE_S 300
#define HEADER_MAX 1024
#define SIGNATURES_MAX 8
#define ID_MAX 256
#define TIMESTAMP_DIGITS_MAX 12

#define MAC_BYTES crypto_auth_hmacsha256_BYTES
#define MAC_BASE64 sodium_base64_ENCODED_LEN(MAC_BYTES, sodium_base64_VARIANT_ORIGINAL)

struct key {
	unsigned char bytes[KEY_MAX];
	size_t length;
};

static bool
key_parse(struct key *key, const char *secret)
{
	static const char prefix[] = "whsec_";

	if (secret == NULL)
		return false;
	if (strncmp(secret, prefix, sizeof(prefix) - 1) == 0)
		secret += sizeof(prefix) - 1;
	return sodium_base642bin(key->bytes, sizeof(key->bytes), secret, strlen(secret), NULL,
				 &key->length, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       key->length >= KEY_MIN;
}

static void
key_sign(const struct key *key, const char *id, const char *timestamp, const char *body,
	 size_t length, unsigned char mac[MAC_BYTES])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key->bytes, key->length);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)id, strlen(id));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)".", 1);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)timestamp, strlen(timestamp));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)".", 1);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)body, length);
	crypto_auth_hmacsha256_final(&state, mac);
}

char *
signature_make(struct arena *arena, const char *secret, const char *id, const char *timestamp,
	       const char *body, size_t length)
{
	unsigned char mac[MAC_BYTES];
	char base64[MAC_BASE64];
	struct key key;

	if (!key_parse(&key, secret))
		return NULL;
	key_sign(&key, id, timestamp, body, length, mac);
	sodium_memzero(&key, sizeof(key));
	sodium_bin2base64(base64, sizeof(base64), mac, sizeof(mac), sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(arena, "v1,%s", base64);
}

/* ^[0-9]{1,12}$, so that it always fits and is signed exactly as it is read. */
static bool
timestamp_parse(const char *timestamp, int64_t *seconds)
{
	size_t length = strlen(timestamp);

	*seconds = 0;
	if (length < 1 || length > TIMESTAMP_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (timestamp[i] < '0' || timestamp[i] > '9')
			return false;
		*seconds = *seconds * 10 + (timestamp[i] - '0');
	}
	return true;
}

static bool
id_ok(const char *id)
{
	size_t length = strlen(id);

	return length > 0 && length <= ID_MAX && strchr(id, '.') == NULL;
}

/* Decodes the v1 signatures of the header; other versions and malformed ones are passed over.
 * Answers how many, -1 when there are too many of any kind. */
static int
signatures_parse(const char *header, unsigned char macs[SIGNATURES_MAX][MAC_BYTES])
{
	int tokens = 0, count = 0;

	while (*header != '\0') {
		size_t length = strcspn(header, " ");
		size_t decoded;

		if (length > 0 && ++tokens > SIGNATURES_MAX)
			return -1;
		if (length > 3 && strncmp(header, "v1,", 3) == 0 &&
		    sodium_base642bin(macs[count], MAC_BYTES, header + 3, length - 3, NULL,
				      &decoded, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
		    decoded == MAC_BYTES)
			count++;
		header += length;
		header += strspn(header, " ");
	}
	return count;
}

enum signature_verdict
signature_verify(const char *const *secrets, const char *id, const char *timestamp,
		 const char *signatures, const char *body, size_t length, int64_t now)
{
	unsigned char macs[SIGNATURES_MAX][MAC_BYTES], expected[MAC_BYTES];
	int64_t sent;
	int count, usable = 0, matches = 0;
	struct key key;

	if (id == NULL || timestamp == NULL || signatures == NULL || *signatures == '\0' ||
	    strlen(signatures) > HEADER_MAX || !id_ok(id) || !timestamp_parse(timestamp, &sent))
		return SIGNATURE_MISSING;
	count = signatures_parse(signatures, macs);
	if (count < 0)
		return SIGNATURE_MISSING;
	if (sent < now - TOLERANCE_S || sent > now + TOLERANCE_S)
		return SIGNATURE_STALE;

	/* Every pair is compared, so that time does not tell which one fits. */
	for (; *secrets != NULL; secrets++) {
		if (!key_parse(&key, *secrets))
			continue;
		usable++;
		key_sign(&key, id, timestamp, body, length, expected);
		for (int i = 0; i < count; i++)
			matches += sodium_memcmp(macs[i], expected, MAC_BYTES) == 0;
	}
	sodium_memzero(&key, sizeof(key));
	if (usable == 0)
		return SIGNATURE_NO_SECRET;
	return matches > 0 ? SIGNATURE_OK : SIGNATURE_WRONG;
}

const char *
signature_verdict_text(enum signature_verdict verdict)
{
	switch (verdict) {
	case SIGNATURE_OK:
		return "The signature is good.";
	case SIGNATURE_MISSING:
		return "webhook-id, webhook-timestamp or webhook-signature is missing or "
		       "malformed.";
	case SIGNATURE_STALE:
		return "webhook-timestamp is more than 5 minutes off.";
	case SIGNATURE_WRONG:
		return "No signature in webhook-signature fits the body.";
	case SIGNATURE_NO_SECRET:
		return "No usable secret is configured for this sender.";
	}
	return "";
}

char *
signature_secret(struct arena *arena)
{
	unsigned char bytes[32];
	char base64[sodium_base64_ENCODED_LEN(sizeof(bytes), sodium_base64_VARIANT_ORIGINAL)];

	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2base64(base64, sizeof(base64), bytes, sizeof(bytes),
			  sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(arena, "whsec_%s", base64);
}
