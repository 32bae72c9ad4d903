/* common/event/webhook.c -- replays deliveries, rotates secrets, disables what is gone. */
#include "event/webhook.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/coro.h"
#include "base/log.h"
#include "db/db.h"
#include "event/event.h"
#include "event/sender.h"
#include "event/sender_private.h"
#include "event/signature.h"

#define DISABLE_TRIES 5

static const char sql_replay[] =
	"UPDATE webhook_delivery SET status = 'pending', attempts = 0, next_at = now(),"
	" delivered_at = NULL, updated_at = now(), version = version + 1"
	" WHERE id = ANY ($1::bigint[])";

static const char sql_replay_since[] =
	"INSERT INTO webhook_delivery (webhook_id, event_id, entity, record_id, record_version)"
	" SELECT w.id, e.id, e.entity, e.record_id, e.version FROM webhook w, event e"
	" WHERE w.id = $1 AND e.at >= $2::timestamptz AND e.origin <> ALL (w.skip_origin)"
	"  AND EXISTS (SELECT FROM unnest(w.events) p"
	"   WHERE e.type LIKE replace(replace(p, '_', '\\_'), '*', '%'))"
	" ORDER BY e.id"
	" ON CONFLICT (webhook_id, event_id) DO UPDATE SET status = 'pending', attempts = 0,"
	"  next_at = now(), delivered_at = NULL, updated_at = now(),"
	"  version = webhook_delivery.version + 1";

static const char sql_rotate[] =
	"UPDATE webhook SET old_secret = secret, old_secret_until = now() + interval '24 hours',"
	" secret = $2 WHERE id = $1 RETURNING id";

static const char sql_disable[] =
	"WITH old AS (SELECT * FROM webhook WHERE id = $1 AND status <> 'disabled' FOR UPDATE)"
	" UPDATE webhook w SET status = 'disabled', version = w.version + 1, updated_at = now()"
	" FROM old WHERE w.id = old.id"
	" RETURNING w.version,"
	" to_jsonb(old) - 'secret' - 'old_secret' AS before,"
	" to_jsonb(w) - 'secret' - 'old_secret' AS record";

int
sender_replay(struct request *rq, const int64_t *ids, int count)
{
	struct text list = text_in(&rq->arena);

	for (int i = 0; i < count; i++)
		text_addf(&list, "%s%" PRId64, i == 0 ? "{" : ",", ids[i]);
	text_add(&list, count == 0 ? "{}" : "}");
	sender_wake(rq);
	return rows_affected(db_all(rq, sql_replay, P_TEXT(list.data)));
}

int
sender_replay_since(struct request *rq, int64_t webhook_id, const char *since)
{
	sender_wake(rq);
	return rows_affected(db_all(rq, sql_replay_since, P_ID(webhook_id), P_TEXT(since)));
}

char *
sender_rotate(struct request *rq, int64_t webhook_id)
{
	char *secret = signature_secret(&rq->arena);

	sender_wake(rq);
	return db_one(rq, sql_rotate, P_ID(webhook_id), P_TEXT(secret)) != NULL ? secret : NULL;
}

static void
disable_work(struct request *rq, void *arg)
{
	int64_t id = *(const int64_t *)arg;

	db_begin(rq);

	struct row *row = db_one(rq, sql_disable, P_ID(id));

	if (row != NULL)
		event_append(rq, &(struct change){
			.entity = "webhook", .id = id, .version = row_id(row, "version"),
			.type = "webhook.disabled", .before = row_text(row, "before"),
			.record = row_text(row, "record") });
	db_commit(rq);
	if (row != NULL)
		log_warn("webhook disabled: its target says 410 Gone", "webhook", log_num(id),
			 NULL);
}

static void
disable_run(void *arg)
{
	bool done = false;

	/* Tried again with the next delivery's 410 if the database is away for longer. */
	for (int i = 0; i < DISABLE_TRIES && !done; i++) {
		struct request rq;

		request_init(&rq, sender.db);
		done = request_run(&rq, disable_work, arg);
		if (!done)
			log_fault(&rq, "webhook could not be disabled");
		request_release(&rq);
		if (!done)
			coro_sleep(500);
	}
	free(arg);
	sender.running--;
}

void
webhook_disable(int64_t id)
{
	int64_t *arg = malloc(sizeof(*arg));

	if (arg == NULL)
		die("out of memory");
	*arg = id;
	sender.running++;
	coro_start(disable_run, arg);
}
