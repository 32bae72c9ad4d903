/* common/app/command.c -- makes users and tokens before anyone can sign in. */
#include "app/command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "app/password.h"
#include "app/process.h"
#include "app/settings.h"
#include "app/token.h"
#include "app/users.h"
#include "base/text.h"

static const char sql_user[] = "SELECT id FROM app_user WHERE email = $1";

static const char sql_set_roles[] = "UPDATE app_user SET roles = $2::text[] WHERE id = $1 AND "
				    "roles IS DISTINCT FROM $2::text[]";

static cJSON *
roles_array(struct request *rq)
{
	cJSON *roles = cJSON_CreateArray();
	const char *at = settings.role ? settings.role : "";

	for (at += strspn(at, " ,"); *at; at += strspn(at, " ,")) {
		size_t length = strcspn(at, " ,");
		const char *name = arena_strndup(&rq->arena, at, length);

		cJSON_AddItemToArray(roles, cJSON_CreateString(name));
		at += length;
	}
	return roles;
}

/* A program's name becomes an e-mail, which is what users are found by. */
static const char *
email_of(struct request *rq, const char *name)
{
	char *email = strchr(name, '@') ? arena_strdup(&rq->arena, name)
					: arena_printf(&rq->arena, "%s@localhost", name);

	for (char *at = email; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return email;
}

static int64_t
make_user(struct request *rq, const char *name, const char *email)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "email", email);
	json_add_string(body, "name", name);
	cJSON_AddItemToObject(body, "roles", roles_array(rq));
	return record_create(rq, &user_entity, body)->id;
}

/* The roles as a PostgreSQL array; checked, since no hook looks at them here. */
static const char *
roles_literal(struct request *rq)
{
	struct text list = text_in(&rq->arena);
	const cJSON *role;

	text_add(&list, "{");
	cJSON_ArrayForEach(role, roles_array(rq))
	{
		if (!role_bit(role->valuestring, (int)strlen(role->valuestring)))
			fail(rq, ERR_VALIDATION, .field = "roles",
			     .detail = arena_printf(
				     &rq->arena, "There is no role \"%s\"; there are: %s.",
				     role->valuestring, roles_text(&rq->arena, ROLES_ALL)));
		text_addf(&list, "%s%s", list.length > 1 ? "," : "", role->valuestring);
	}
	text_add(&list, "}");
	return text_str(&list);
}

static void
set_roles(struct request *rq, int64_t id)
{
	struct record *user = record_lock(rq, &user_entity, id);

	if (rows_affected(db_all(rq, sql_set_roles, P_ID(id), P_TEXT(roles_literal(rq)))) == 0)
		return;
	record_reload(rq, user);
	record_changed(rq, user, "user.updated");
}

static void
create_token(struct request *rq, void *arg)
{
	const char *name = settings.create_token;
	const char *email = email_of(rq, name);
	struct row *user;
	const char *token;
	int64_t id;

	db_begin(rq);
	user = db_one(rq, sql_user, P_TEXT(email));
	if (user) {
		id = row_id(user, "id");
		if (settings.role)
			set_roles(rq, id);
	} else {
		id = make_user(rq, name, email);
	}
	token = token_issue(rq, id, "made on the command line", NULL, NULL);
	db_commit(rq);
	printf("%s\n", token);
}

static const char *
read_password(struct request *rq)
{
	char line[PASSWORD_LENGTH_MAX * 4];

	if (!fgets(line, sizeof(line), stdin))
		fail(rq, ERR_VALIDATION, .field = "password",
		     .detail = "The password is expected on standard input.");
	line[strcspn(line, "\r\n")] = '\0';
	return arena_strdup(&rq->arena, line);
}

static void
create_user(struct request *rq, void *arg)
{
	const char *email = email_of(rq, settings.create_user);
	const char *password = read_password(rq);
	const char *hash;
	int64_t id;

	user_check_password(rq, password);
	hash = password_hash(rq, password);
	db_begin(rq);
	id = make_user(rq, settings.create_user, email);
	user_set_password(rq, id, hash);
	db_commit(rq);
	printf("%lld\n", (long long)id);
}

int
command_run(struct app *app, bool *handled)
{
	*handled = settings.create_token || settings.create_user;
	if (settings.create_token)
		return process_command(app, "create-token", create_token);
	if (settings.create_user)
		return process_command(app, "create-user", create_user);
	return 0;
}
