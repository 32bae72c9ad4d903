/* common/app/auth.c -- verifies bearer tokens and remembers them for a second. */
#include "app/auth.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "app/token.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

#define VALID_MS 1000
#define REMEMBERED_MAX 10000
#define CHANNEL "auth"

static const char sql_token[] =
	"SELECT encode(t.secret_hash, 'hex') AS hash, u.id, u.name, u.roles::text AS roles, "
	"u.active,"
	" t.expires_at <= now() AS expired, t.revoked_at IS NOT NULL AS revoked"
	" FROM api_token t JOIN app_user u ON u.id = t.user_id WHERE t.id = $1";

static const char sql_session[] =
	"SELECT encode(s.secret_hash, 'hex') AS hash, u.id, u.name, u.roles::text AS roles, "
	"u.active,"
	" s.expires_at <= now() AS expired, false AS revoked"
	" FROM session s JOIN app_user u ON u.id = s.user_id WHERE s.id = $1";

static const char sql_used[] =
	"UPDATE api_token SET last_used_at = now() WHERE id = ANY ($1::bigint[])";

/* A verified token, found by the hash of its whole text: the text itself is not kept. */
struct remembered {
	unsigned char digest[crypto_hash_sha256_BYTES];
	uint64_t until_ms;
	unsigned long changes; /* as many as there were before it was read */
	int64_t user_id;
	uint64_t roles;
	UT_hash_handle hh;
	char name[];
};

/* An API token used since the last minute. */
struct used {
	int64_t id;
	UT_hash_handle hh;
};

static struct remembered *remembered;
static struct used *used;
static struct event *timer;
static uint64_t role_bridge;

/* How often users or tokens changed. Shared by the workers of this machine, so that a change is
 * in force everywhere before its reply goes out; other machines are notified. */
static _Atomic unsigned long *changes;

static void
forget_all(void *arg)
{
	(*changes)++;
}

static void
make_room(void)
{
	struct remembered *entry, *next;

	if (HASH_COUNT(remembered) < REMEMBERED_MAX)
		return;
	HASH_ITER(hh, remembered, entry, next)
	{
		HASH_DEL(remembered, entry);
		free(entry);
	}
}

static void
note_use(int64_t id)
{
	struct used *entry;

	HASH_FIND(hh, used, &id, sizeof(id), entry);
	if (entry)
		return;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		die("out of memory");
	entry->id = id;
	HASH_ADD(hh, used, id, sizeof(entry->id), entry);
}

static void
write_uses(struct request *rq, void *arg)
{
	struct text ids = text_in(&rq->arena);
	struct used *entry, *next;

	text_add(&ids, "{");
	HASH_ITER(hh, used, entry, next)
	{
		text_addf(&ids, "%s%lld", ids.length > 1 ? "," : "", (long long)entry->id);
		HASH_DEL(used, entry);
		free(entry);
	}
	text_add(&ids, "}");
	db_all(rq, sql_used, P_TEXT(text_str(&ids)));
}

static void
minute_passed(evutil_socket_t fd, short what, void *arg)
{
	if (used)
		app_background("note tokens' use", write_uses, NULL);
}

void
auth_share(void)
{
	changes = mmap(NULL, sizeof(*changes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (changes == MAP_FAILED)
		die("out of memory");
}

void
auth_start(struct app *app)
{
	static const struct timeval minute = { .tv_sec = 60 };

	timer = event_new(coro_loop(), -1, EV_PERSIST, minute_passed, NULL);
	if (!timer)
		die("out of memory");
	event_add(timer, &minute);
	role_bridge = role_bit("bridge", 6);
	db_listen(app->db, CHANNEL, forget_all, NULL);
}

static void
set_actor(struct request *rq, const struct remembered *entry)
{
	struct actor *actor = arena_new(&rq->arena, struct actor);
	bool bridge = (entry->roles & role_bridge) && !(entry->roles & ROLES_ADMIN);

	actor->user_id = entry->user_id;
	actor->name = arena_strdup(&rq->arena, entry->name);
	actor->roles = entry->roles;
	actor->origin = bridge ? "bridge" : "user";
	rq->actor = actor;
}

static struct remembered *
remember(const unsigned char *digest, const struct row *row, unsigned long as_of)
{
	const char *name = row_text(row, "name");
	size_t size = strlen(name) + 1;
	struct remembered *entry;

	HASH_FIND(hh, remembered, digest, sizeof(entry->digest), entry);
	if (entry) {
		HASH_DEL(remembered, entry);
		free(entry);
	}
	make_room();
	entry = calloc(1, sizeof(*entry) + size);
	if (!entry)
		die("out of memory");
	memcpy(entry->digest, digest, sizeof(entry->digest));
	memcpy(entry->name, name, size);
	entry->user_id = row_id(row, "id");
	entry->roles = roles_from_array(row_text(row, "roles"));
	entry->until_ms = clock_ms() + VALID_MS;
	entry->changes = as_of;
	HASH_ADD(hh, remembered, digest, sizeof(entry->digest), entry);
	return entry;
}

static void
verify(struct request *rq, const struct token *token, const struct row *row)
{
	char hash[TOKEN_HASH_LENGTH + 1];

	token_hash(token->secret, hash);
	if (!row || sodium_memcmp(hash, row_text(row, "hash"), TOKEN_HASH_LENGTH) != 0)
		fail(rq, ERR_UNAUTHENTICATED, .detail = "The token is unknown.");
	if (row_bool(row, "revoked"))
		fail(rq, ERR_UNAUTHENTICATED, .detail = "The token is revoked.");
	if (row_bool(row, "expired"))
		fail(rq, ERR_UNAUTHENTICATED, .detail = "The token is expired.",
		     .hint = token->kind == TOKEN_SESSION ? "Sign in again." : "Make a new token.");
	if (!row_bool(row, "active"))
		fail(rq, ERR_UNAUTHENTICATED, .detail = "The token's user is not active.");
}

void
auth_request(struct request *rq)
{
	const char *authorization = http_header(rq, "Authorization");
	unsigned char digest[crypto_hash_sha256_BYTES];
	struct remembered *entry;
	struct token token;
	const struct row *row;

	if (!authorization)
		fail(rq, ERR_UNAUTHENTICATED, .detail = "The token is missing.",
		     .hint = "Send \"Authorization: Bearer <token>\".");
	if (!token_parse(authorization, &token))
		fail(rq, ERR_UNAUTHENTICATED, .detail = "The token is malformed.");
	crypto_hash_sha256(digest, (const unsigned char *)authorization, strlen(authorization));
	HASH_FIND(hh, remembered, digest, sizeof(digest), entry);
	if (!entry || entry->changes != *changes || entry->until_ms <= clock_ms()) {
		/* What is read before a change must not outlive it. */
		unsigned long as_of = *changes;

		row = db_get(rq, token.kind == TOKEN_API ? sql_token : sql_session, P_ID(token.id));
		verify(rq, &token, row);
		entry = remember(digest, row, as_of);
		if (token.kind == TOKEN_API)
			note_use(token.id);
	}
	set_actor(rq, entry);
}

static void
changed(void *arg)
{
	forget_all(NULL);
	db_notify(app_current()->db, CHANNEL);
}

void
auth_changed(struct request *rq)
{
	/* At the request's end, so after COMMIT: forgotten before it, the old rights could be
	 * remembered anew by another request. */
	arena_defer(&rq->arena, changed, NULL);
}
