/* common/app/token.c -- makes and takes apart bearer tokens. */
#include "app/token.h"

#include <ctype.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/app.h"
#include "app/settings.h"

static const char sql_add_token[] = "INSERT INTO api_token (user_id, name, secret_hash, expires_at)"
				    " VALUES ($1, $2, decode($3, 'hex'), $4) RETURNING id";

static const char sql_add_session[] =
	"INSERT INTO session (user_id, secret_hash, expires_at)"
	" VALUES ($1, decode($2, 'hex'), now() + $3 * interval '1 millisecond')"
	" RETURNING id, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
	"AS expires_at";

static const char *const kind_names[] = { [TOKEN_API] = "live", [TOKEN_SESSION] = "session" };

static char
lower(char c)
{
	return (char)tolower((unsigned char)c);
}

/* Steps over the daemon's prefix, its environment prefix in lower case. */
static const char *
skip_prefix(const char *text)
{
	const char *prefix = app_current()->daemon->env;

	while (*prefix && *text == lower(*prefix)) {
		prefix++;
		text++;
	}
	return *prefix == '\0' && *text == '_' ? text + 1 : NULL;
}

static const char *
skip_kind(const char *text, enum token_kind *kind)
{
	for (*kind = TOKEN_API; *kind <= TOKEN_SESSION; (*kind)++) {
		size_t length = strlen(kind_names[*kind]);

		if (strncmp(text, kind_names[*kind], length) == 0 && text[length] == '_')
			return text + length + 1;
	}
	return NULL;
}

bool
token_parse(const char *authorization, struct token *token)
{
	const char *at = authorization;
	size_t digits;

	if (strncasecmp(at, "Bearer ", 7) != 0)
		return false;
	at = skip_prefix(at + 7 + strspn(at + 7, " "));
	at = at ? skip_kind(at, &token->kind) : NULL;
	if (!at)
		return false;
	digits = strspn(at, "0123456789");
	if (digits == 0 || digits > 18 || at[digits] != '_')
		return false;
	token->id = strtoll(at, NULL, 10);
	token->secret = at + digits + 1;
	return strlen(token->secret) == TOKEN_SECRET_LENGTH;
}

void
token_hash(const char *secret, char hex[TOKEN_HASH_LENGTH + 1])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)secret, strlen(secret));
	sodium_bin2hex(hex, TOKEN_HASH_LENGTH + 1, hash, sizeof(hash));
}

static const char *
secret_new(struct request *rq)
{
	unsigned char bytes[32];
	size_t size =
		sodium_base64_ENCODED_LEN(sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *secret = arena_alloc(&rq->arena, size);

	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2base64(secret, size, bytes, sizeof(bytes),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return secret;
}

static const char *
token_text(struct request *rq, enum token_kind kind, int64_t id, const char *secret)
{
	char *token = arena_printf(&rq->arena, "%s_%s_%lld_%s", app_current()->daemon->env,
				   kind_names[kind], (long long)id, secret);

	for (char *at = token; *at != '_'; at++)
		*at = lower(*at);
	return token;
}

const char *
token_issue(struct request *rq, int64_t user_id, const char *name, const char *expires_at,
	    int64_t *id)
{
	const char *secret = secret_new(rq);
	char hash[TOKEN_HASH_LENGTH + 1];
	struct row *row;

	token_hash(secret, hash);
	row = db_one(rq, sql_add_token, P_ID(user_id), P_TEXT(name), P_TEXT(hash),
		     P_TEXT(expires_at));
	if (id)
		*id = row_id(row, "id");
	return token_text(rq, TOKEN_API, row_id(row, "id"), secret);
}

const char *
token_issue_session(struct request *rq, int64_t user_id, const char **expires_at)
{
	const char *secret = secret_new(rq);
	char hash[TOKEN_HASH_LENGTH + 1];
	struct row *row;

	token_hash(secret, hash);
	row = db_one(rq, sql_add_session, P_ID(user_id), P_TEXT(hash),
		     P_ID(settings.session_lifetime));
	*expires_at = row_text(row, "expires_at");
	return token_text(rq, TOKEN_SESSION, row_id(row, "id"), secret);
}
