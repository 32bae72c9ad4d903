/* common/event/event_log.c -- appends changes and, after COMMIT, hands them to the sender. */
#include "event/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/metric_list.h"
#include "base/text.h"
#include "db/db.h"
#include "event/mail.h"
#include "event/sender_private.h"
#include "event/wire.h"

#include "event_append.sql.h"

/* One appended change whose deliveries are known, or become so with the transaction's results. */
struct letter {
	struct change change;
	struct rows *rows;
	struct pending *pending;
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
		.event_id = row_text(row, "event_"),
		.type = change->type,
		.at = row_text(row, "at_"),
		.entity = change->entity,
		.id = change->id,
		.version = change->version,
		.origin = rq->actor->origin,
		.trace = rq->trace_id,
		.traceparent = rq->traceparent,
		.changed = row_text(row, "changes_"),
		.record = change->record,
	});
}

static void
letter_deliver(struct request *rq, const struct letter *letter)
{
	const struct change *change = &letter->change;
	struct rows *rows = letter->rows ? letter->rows : db_wait(rq, letter->pending);
	struct payload *payload;

	if (!rows_any(rows) || row_null(rows_at(rows, 0), "delivery_"))
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
			.id = row_id(row, "delivery_"),
			.entity = change->entity,
			.record_id = change->id,
			.version = change->version,
			.older = row_id(row, "older_"),
		};

		sender_offer(row_id(row, "webhook_"), &offer, payload);
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

static void
mail_add(struct request *rq, struct letter *letter)
{
	struct mail *mail = mail_of(rq);

	if (mail->last != NULL)
		mail->last->next = letter;
	else
		mail->first = letter;
	mail->last = letter;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Both come from the same columns in the same order: the member wanted is mostly the next one. */
static const cJSON *
member_like(const cJSON *object, const cJSON *wanted, const cJSON **next)
{
	const cJSON *found = *next;

	if (!found || strcmp(found->string, wanted->string) != 0)
		found = json_get(object, wanted->string);
	if (found)
		*next = found->next;
	return found;
}

/* Adds those of a's members that b has not, or other; with both, only those b has not. */
static int
add_differing(const char **names, const cJSON *a, const cJSON *b, bool absent_only)
{
	const cJSON *next = b ? b->child : NULL, *member;
	int count = 0;

	cJSON_ArrayForEach(member, a) {
		const cJSON *other = member_like(b, member, &next);

		if (strcmp(member->string, "version") == 0 ||
		    strcmp(member->string, "updated_at") == 0)
			continue;
		if (other ? !absent_only && !cJSON_Compare(member, other, true)
			  : !cJSON_IsNull(member))
			names[count++] = member->string;
	}
	return count;
}

/* As an array of PostgreSQL's; members are named as columns are, without quotes. */
static const char *
what_changed(struct request *rq, const struct change *change)
{
	const cJSON *now = json_own(rq, change->record);
	const cJSON *before = change->before ? json_own(rq, change->before) : NULL;
	size_t size = (size_t)cJSON_GetArraySize(now) + (size_t)cJSON_GetArraySize(before) + 1;
	const char **names = arena_array(&rq->arena, const char *, size);
	int count = add_differing(names, now, before, false);
	struct text out = text_in(&rq->arena);

	count += add_differing(names + count, before, now, true);
	qsort(names, (size_t)count, sizeof(*names), by_text);
	text_add(&out, "{");
	for (int i = 0; i < count; i++)
		text_addf(&out, "%s\"%s\"", i ? "," : "", names[i]);
	text_add(&out, "}");
	return text_str(&out);
}

void
event_append(struct request *rq, const struct change *change)
{
	struct letter *letter = arena_new(&rq->arena, struct letter);

	letter->change = *change;
	letter->pending = db_send(
		rq, sql_event_append, P_TEXT(change->entity), P_TEXT(change->type),
		P_ID(change->id), P_ID(change->version), P_TEXT(change->record),
		P_TEXT(what_changed(rq, change)),
		rq->actor->user_id ? P_ID(rq->actor->user_id) : P_NULL, P_TEXT(rq->actor->name),
		P_TEXT(rq->actor->origin), P_TEXT(rq->trace_id), P_TEXT(rq->traceparent));
	mail_add(rq, letter);
}

const char *
event_statement(struct arena *arena, const char *ctes, const char *answer)
{
	const char *appends = strstr(sql_event_append, "e AS (");
	const char *answers = strstr(appends, "d.id AS");
	const char *older = strstr(answers, "(SELECT max(");
	const char *from = strstr(older, "FROM r JOIN e");

	return arena_printf(arena, "%s, %.*s%s, %.*sNULL::bigint AS older_ %s ORDER BY r.n_", ctes,
			    (int)(answers - appends), appends, answer, (int)(older - answers),
			    answers, from);
}

void
event_add_by(struct request *rq, struct text *out)
{
	if (rq->actor->user_id)
		text_addf(out, "\"user\":%lld,", (long long)rq->actor->user_id);
	text_add(out, "\"actor\":");
	text_add_json(out, rq->actor->name);
	text_add(out, ",\"origin\":");
	text_add_json(out, rq->actor->origin);
	text_addf(out, ",\"trace\":\"%s\",\"traceparent\":\"%s\"", rq->trace_id, rq->traceparent);
}

struct row *
event_made(struct request *rq, struct rows *rows, const char *entity, const char *type)
{
	struct letter *letter = arena_new(&rq->arena, struct letter);
	struct row *row = rows_at(rows, 0);

	letter->rows = rows;
	letter->change = (struct change){
		.entity = entity, .type = type, .id = row_id(row, "id"),
		.version = row_id(row, "version"), .record = row_text(row, "json_"),
	};
	mail_add(rq, letter);
	return row;
}
