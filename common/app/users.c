/* common/app/users.c -- what administrators do with users and tokens. */
#include "app/users.h"

#include <ctype.h>
#include <string.h>

#include "app/auth.h"
#include "app/password.h"
#include "app/token.h"
#include "http/http.h"

static const char sql_set_password[] = "UPDATE app_user SET password_hash = $2 WHERE id = $1";

static const char sql_end_sessions[] = "DELETE FROM session WHERE user_id = $1";

static const char sql_revoke[] =
	"UPDATE api_token SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1";

static void user_prepare(struct request *rq, struct record *record, cJSON *body);
static void user_saved(struct request *rq, struct record *record, bool created);
static void set_password(struct request *rq, struct record *record, cJSON *body);
static void add_token(struct request *rq, struct record *record, cJSON *body);
static void revoke(struct request *rq, struct record *record, cJSON *body);

static const struct param_spec set_password_params[] = { { .name = "password",
							   .type = COLUMN_TEXT,
							   .required = true,
							   .text = "8 to 200 characters." },
							 { 0 } };

static const struct param_spec add_token_params[] = {
	{ .name = "name", .type = COLUMN_TEXT, .required = true, .text = "What the token is for." },
	{ .name = "expires_at", .type = COLUMN_INSTANT, .text = "Refused from then on." },
	{ 0 }
};

static const struct verb user_verbs[] = {
	{ .name = "set-password",
	  .allow = "admin",
	  .event = "user.password_set",
	  .params = set_password_params,
	  .run = set_password,
	  .text = "Sets the password and ends the user's sessions." },
	{ .name = "tokens",
	  .allow = "admin",
	  .event = "user.token_added",
	  .params = add_token_params,
	  .run = add_token,
	  .replies = "",
	  .text = "Makes an API token; the answer is the only time it is shown." },
	{ 0 }
};

static const struct verb token_verbs[] = { { .name = "revoke",
					     .allow = "admin",
					     .event = "token.revoked",
					     .run = revoke,
					     .text = "Refuses the token from now on." },
					   { 0 } };

struct entity user_entity = {
	.name = "user",
	.path = "users",
	.table = "app_user",
	.text = "A person or a program that signs in.",
	.read = "admin",
	.write = "admin",
	.computed = "password_hash",
	.secret = "password_hash",
	.search = "email name",
	.verbs = user_verbs,
	.prepare = user_prepare,
	.saved = user_saved,
};

struct entity token_entity = {
	.name = "token",
	.path = "tokens",
	.table = "api_token",
	.text = "Lets a program act as a user.",
	.read = "admin",
	.computed = "secret_hash revoked_at last_used_at",
	.secret = "secret_hash",
	.search = "name",
	.verbs = token_verbs,
};

static void
check_roles(struct request *rq, const cJSON *roles)
{
	const cJSON *role;
	int index = 0;

	cJSON_ArrayForEach(role, roles)
	{
		if (cJSON_IsString(role) &&
		    !role_bit(role->valuestring, (int)strlen(role->valuestring)))
			fault_field(rq, arena_printf(&rq->arena, "roles[%d]", index),
				    "unknown_role", "there is no role \"%s\"; there are: %s",
				    role->valuestring, roles_text(&rq->arena, ROLES_ALL));
		index++;
	}
}

static void
user_prepare(struct request *rq, struct record *record, cJSON *body)
{
	const cJSON *email = json_get(body, "email");
	const cJSON *roles = json_get(body, "roles");

	if (cJSON_IsString(email))
		for (char *at = email->valuestring; *at; at++)
			*at = (char)tolower((unsigned char)*at);
	if (cJSON_IsArray(roles))
		check_roles(rq, roles);
}

static void
user_saved(struct request *rq, struct record *record, bool created)
{
	auth_changed(rq);
}

void
user_check_password(struct request *rq, const char *password)
{
	const char *problem = password_problem(password);

	if (problem)
		fault_field(rq, "password", "weak_password", "%s", problem);
	fault_raise_collected(rq);
}

void
user_set_password(struct request *rq, int64_t user_id, const char *hash)
{
	db_do(rq, sql_set_password, P_ID(user_id), P_TEXT(hash));
	db_do(rq, sql_end_sessions, P_ID(user_id));
	auth_changed(rq);
}

static void
set_password(struct request *rq, struct record *record, cJSON *body)
{
	const char *password = json_string(body, "password");

	user_check_password(rq, password);
	user_set_password(rq, record->id, password_hash(rq, password));
}

static void
add_token(struct request *rq, struct record *record, cJSON *body)
{
	const char *name = json_string(body, "name");
	const char *expires_at = json_string(body, "expires_at");
	cJSON *reply = cJSON_CreateObject();
	int64_t id;
	const char *token = token_issue(rq, record->id, name, expires_at, &id);

	json_add_integer(reply, "id", id);
	json_add_string(reply, "token", token);
	json_add_string(reply, "name", name);
	json_add_string(reply, "expires_at", expires_at);
	reply_tree(rq, 201, reply);
	reply_header(rq, "Cache-Control", "no-store");
}

static void
revoke(struct request *rq, struct record *record, cJSON *body)
{
	db_do(rq, sql_revoke, P_ID(record->id));
	auth_changed(rq);
}
