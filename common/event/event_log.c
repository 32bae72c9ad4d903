/* common/event/event_log.c -- appends changes and, after COMMIT, hands them to the sender. */
#include "event/event.h"

#include "base/metric_list.h"
#include "db/db.h"
#include "event/mail.h"
#include "event/sender_private.h"
#include "event/wire.h"

#include "event_append.sql.h"

/* One appended change whose deliveries become known with the transaction's results. */
struct letter {
	struct change change;
	struct pending *deliveries;
	struct letter *next;
};

/* What waits for COMMIT. On the request; a rollback forgets it. */
struct mail {
	struct letter *first;
	struct letter *last;
	bool wake;
};

static struct payload *
letter_payload(struct request *rq, const struct change *change, const struct row *row)
{
	return payload_make(&rq->arena, &(struct wire){
		.event_id = row_text(row, "event_id"),
		.type = change->type,
		.at = row_text(row, "at"),
		.entity = change->entity,
		.id = change->id,
		.version = change->version,
		.origin = rq->actor->origin,
		.trace = rq->trace_id,
		.traceparent = rq->traceparent,
		.changed = row_text(row, "changed"),
		.record = change->record,
	});
}

static void
letter_deliver(struct request *rq, const struct letter *letter)
{
	const struct change *change = &letter->change;
	struct rows *rows = db_wait(rq, letter->deliveries);
	struct payload *payload;

	if (!rows_any(rows))
		return;
	metric_add(&metric_outbox_inserted, 0, (uint64_t)rows_count(rows));
	if (!sender_takes()) {
		sender_tell_others(rq->db);
		return;
	}
	payload = letter_payload(rq, change, rows_at(rows, 0));
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);
		struct offer offer = {
			.id = row_id(row, "id"),
			.entity = change->entity,
			.record_id = change->id,
			.version = change->version,
			.older = row_id(row, "older"),
		};

		sender_offer(row_id(row, "webhook_id"), &offer, payload);
	}
	payload_release(payload);
}

static void
mail_deliver(struct request *rq)
{
	struct mail *mail = rq->mail;

	rq->mail = NULL;
	rq->committed = NULL;
	if (mail == NULL)
		return;
	for (struct letter *letter = mail->first; letter != NULL; letter = letter->next)
		letter_deliver(rq, letter);
	if (mail->wake)
		sender_look(rq->db);
}

static struct mail *
mail_of(struct request *rq)
{
	if (rq->mail == NULL)
		rq->mail = arena_new(&rq->arena, struct mail);
	rq->committed = mail_deliver;
	return rq->mail;
}

void
mail_wake(struct request *rq)
{
	mail_of(rq)->wake = true;
}

void
event_append(struct request *rq, const struct change *change)
{
	struct letter *letter = arena_new(&rq->arena, struct letter);
	struct mail *mail = mail_of(rq);

	letter->change = *change;
	letter->deliveries = db_send(rq, sql_event_append, P_TEXT(change->entity), P_ID(change->id),
		P_ID(change->version), P_TEXT(change->type),
		rq->actor->user_id != 0 ? P_ID(rq->actor->user_id) : P_NULL,
		P_TEXT(rq->actor->name), P_TEXT(rq->actor->origin), P_TEXT(rq->trace_id),
		P_TEXT(rq->traceparent), P_TEXT(change->before), P_TEXT(change->record));
	if (mail->last != NULL)
		mail->last->next = letter;
	else
		mail->first = letter;
	mail->last = letter;
}
