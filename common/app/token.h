/* common/app/token.h -- bearer tokens of programs and of people.
 *
 * "crm_live_<id>_<secret>" is a program's, "crm_session_<id>_<secret>" comes from a login.
 * The secret is 256 random bits in base64url. Only its SHA-256 is stored: a fast hash is right
 * for a key nobody can guess. The id finds the row, the hash is compared in constant time.
 */
#ifndef APP_TOKEN_H
#define APP_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/request.h"

enum token_kind { TOKEN_API, TOKEN_SESSION };

struct token {
	enum token_kind kind;
	int64_t id;
	const char *secret; /* into the text that was parsed */
};

#define TOKEN_SECRET_LENGTH 43 /* of 32 bytes in base64url, unpadded */
#define TOKEN_HASH_LENGTH 64   /* hex */

/* The token in an Authorization header's value, or false when it has not the form of one. */
bool token_parse(const char *authorization, struct token *token);

/* SHA-256 of a secret in hex, with its NUL. */
void token_hash(const char *secret, char hex[TOKEN_HASH_LENGTH + 1]);

/* A new row in api_token, in the open transaction or one of its own; answers the token, which
 * is never seen again. expires_at may be NULL. id may be NULL. Yields. */
const char *token_issue(struct request *rq, int64_t user_id, const char *name,
			const char *expires_at, int64_t *id);

/* The same for a session; *expires_at is told. Yields. */
const char *token_issue_session(struct request *rq, int64_t user_id, const char **expires_at);

#endif
