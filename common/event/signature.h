/* common/event/signature.h -- Standard Webhooks signatures, made and verified.
 *
 * Signed bytes are "<id>.<timestamp>.<raw body>", HMAC-SHA256, header "v1,<base64>"; several
 * are separated by spaces (key rotation). Secrets are "whsec_" + base64 of 24-64 bytes.
 * Source: the Standard Webhooks specification.
 */
#ifndef EVENT_SIGNATURE_H
#define EVENT_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* "v1,<base64>" in the arena; NULL when the secret is malformed. */
char *signature_make(struct arena *arena, const char *secret, const char *id, const char *timestamp,
		     const char *body, size_t length);

enum signature_verdict {
	SIGNATURE_OK,
	SIGNATURE_MISSING,     /* a header is missing or malformed */
	SIGNATURE_STALE,       /* more than 5 minutes off, either way */
	SIGNATURE_WRONG,
	SIGNATURE_NO_SECRET,   /* the secret is empty or malformed */
};

/* secrets: NULL-terminated, current one first; all are tried in constant time. */
enum signature_verdict signature_verify(const char *const *secrets, const char *id,
					const char *timestamp, const char *signatures,
					const char *body, size_t length, int64_t now);
const char *signature_verdict_text(enum signature_verdict verdict);

/* A fresh "whsec_..." of 32 random bytes. */
char *signature_secret(struct arena *arena);

#endif
