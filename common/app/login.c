/* common/app/login.c -- signing in, signing out, and who am I. */
#include "app/login.h"

#include <ctype.h>
#include <string.h>

#include "app/auth.h"
#include "app/password.h"
#include "app/ratelimit.h"
#include "app/settings.h"
#include "app/token.h"
#include "app/users.h"
#include "base/clock.h"

#define EMAIL_LENGTH_MAX 254

static const char sql_account[] =
	"SELECT id, CASE WHEN active THEN password_hash END AS hash FROM app_user WHERE email = $1";

static const char sql_me[] = "SELECT json_build_object('id', id, 'email', email, 'name', name, "
			     "'roles', roles)::text AS me,"
			     " password_hash FROM app_user WHERE id = $1";

static const char sql_log_out[] = "DELETE FROM session WHERE id = $1";

static void login(struct request *rq);
static void logout(struct request *rq);
static void me(struct request *rq);
static void change_password(struct request *rq);

struct route login_routes[] = {
	{ .method = "POST",
	  .pattern = "/api/v1/login",
	  .handle = login,
	  .flags = ROUTE_PUBLIC | ROUTE_NO_TRANSACTION,
	  .summary = "Sign in with {email, password}; answers a session token." },
	{ .method = "POST",
	  .pattern = "/api/v1/logout",
	  .handle = logout,
	  .allow = "*",
	  .flags = ROUTE_NO_TRANSACTION,
	  .summary = "End the session of the token in use." },
	{ .method = "GET",
	  .pattern = "/api/v1/me",
	  .handle = me,
	  .allow = "*",
	  .summary = "The user whose token is in use." },
	{ .method = "POST",
	  .pattern = "/api/v1/me/password",
	  .handle = change_password,
	  .allow = "*",
	  .flags = ROUTE_NO_TRANSACTION,
	  .summary = "Change the own password with {current_password, password}." },
	{ 0 }
};

static struct ratelimit account_limit, address_limit;

static void
require_strings(struct request *rq, const cJSON *body, const char *first, const char *second)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, body)
	{
		if (strcmp(member->string, first) != 0 && strcmp(member->string, second) != 0)
			fault_field(rq, member->string, "unknown_field",
				    "is not a field of this request");
		else if (!cJSON_IsString(member))
			fault_field(rq, member->string, "wrong_type", "must be text");
	}
	if (!json_get(body, first))
		fault_field(rq, first, "required", "is required");
	if (!json_get(body, second))
		fault_field(rq, second, "required", "is required");
	fault_raise_collected(rq);
}

/* Attempts are counted before the password is known to be right, else many at once would all
 * pass; a right one is given back. */
static void
count_attempt(struct request *rq, const char *email)
{
	uint64_t now = clock_ms();
	int wait;

	account_limit.burst = account_limit.count = settings.login_per_account;
	address_limit.burst = address_limit.count = settings.login_per_address;
	account_limit.ms = address_limit.ms = 60000;
	wait = ratelimit_take(&address_limit, rq->http->peer, now);
	if (!wait)
		wait = ratelimit_take(&account_limit, email, now);
	if (wait)
		fail(rq, ERR_RATE_LIMITED, .detail = "Too many failed logins.",
		     .retry_after = wait);
}

static void
reply_session(struct request *rq, int64_t user_id)
{
	const char *expires_at;
	const char *token = token_issue_session(rq, user_id, &expires_at);
	struct row *row = db_one(rq, sql_me, P_ID(user_id));
	cJSON *reply = cJSON_CreateObject();

	json_add_string(reply, "token", token);
	json_add_string(reply, "expires_at", expires_at);
	cJSON_AddItemToObject(reply, "user", json_own(rq, row_text(row, "me")));
	reply_tree(rq, 200, reply);
	reply_header(rq, "Cache-Control", "no-store");
}

static void
login(struct request *rq)
{
	cJSON *body = http_json(rq, false);
	struct row *account;
	char *email;

	require_strings(rq, body, "email", "password");
	email = arena_strdup(&rq->arena, json_string(body, "email"));
	for (char *at = email; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	if (strlen(email) > EMAIL_LENGTH_MAX)
		fail(rq, ERR_VALIDATION, .field = "email", .detail = "The e-mail is too long.");
	count_attempt(rq, email);
	account = db_one(rq, sql_account, P_TEXT(email));
	if (!password_verify(rq, account ? row_text(account, "hash") : NULL,
			     json_string(body, "password")))
		fail(rq, ERR_UNAUTHENTICATED, .detail = "The e-mail or the password is wrong.");
	ratelimit_return(&account_limit, email);
	ratelimit_return(&address_limit, rq->http->peer);
	reply_session(rq, row_id(account, "id"));
}

static void
logout(struct request *rq)
{
	struct token token;

	if (!token_parse(http_header(rq, "Authorization"), &token) || token.kind != TOKEN_SESSION)
		fail(rq, ERR_RULE, .detail = "This is an API token, not a session.",
		     .hint = "Revoke it with POST /api/v1/tokens/{id}/revoke.");
	db_all(rq, sql_log_out, P_ID(token.id));
	auth_changed(rq);
	reply_empty(rq, 204);
}

static void
me(struct request *rq)
{
	reply_json(rq, 200, row_text(db_one(rq, sql_me, P_ID(rq->actor->user_id)), "me"));
}

static void
change_password(struct request *rq)
{
	cJSON *body = http_json(rq, false);
	const char *password, *own;
	struct row *row;

	require_strings(rq, body, "current_password", "password");
	password = json_string(body, "password");
	user_check_password(rq, password);
	own = arena_printf(&rq->arena, "#%lld", (long long)rq->actor->user_id);
	count_attempt(rq, own);
	row = db_one(rq, sql_me, P_ID(rq->actor->user_id));
	if (!password_verify(rq, row_text(row, "password_hash"),
			     json_string(body, "current_password")))
		fail(rq, ERR_VALIDATION, .field = "current_password",
		     .detail = "The password is wrong.");
	ratelimit_return(&account_limit, own);
	ratelimit_return(&address_limit, rq->http->peer);
	db_begin(rq);
	user_set_password(rq, rq->actor->user_id, password_hash(rq, password));
	record_changed(rq, record_lock(rq, &user_entity, rq->actor->user_id),
		       "user.password_changed");
	db_commit(rq);
	reply_empty(rq, 204);
}
