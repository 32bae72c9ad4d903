/* common/db/query.c -- what a request calls to run a statement and wait for its rows. */
#include <string.h>

#include "base/faultpoint.h"
#include "base/log.h"
#include "db/internal.h"

#define PARAMS_INLINE 48
#define PARAMS_MAX 65535
#define TRIES_MAX 3

/* Parameters as libpq takes them; only long lists need the arena. */
struct values {
	int count;
	const char **texts;
	char (*numbers)[24];
	const char *inline_texts[PARAMS_INLINE];
	char inline_numbers[PARAMS_INLINE][24];
};

static const char *
integer_text(int64_t value, char out[24])
{
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char *at = out + 23;

	*at = '\0';
	do {
		*--at = (char)('0' + left % 10);
	} while (left /= 10);
	if (value < 0)
		*--at = '-';
	return at;
}

static void
values_fill(struct request *rq, struct values *values, const struct param *params)
{
	int count = 0;

	while (params[count].kind != P_END_)
		count++;
	if (count > PARAMS_MAX)
		fail(rq, ERR_TOO_LARGE, .detail = "Too many values for one statement.");
	values->count = count;
	values->texts = values->inline_texts;
	values->numbers = values->inline_numbers;
	if (count > PARAMS_INLINE) {
		values->texts = arena_array(&rq->arena, const char *, (size_t)count);
		values->numbers = arena_alloc(&rq->arena, (size_t)count * sizeof *values->numbers);
	}
	for (int i = 0; i < count; i++) {
		if (params[i].kind == P_ID_)
			values->texts[i] = integer_text(params[i].id, values->numbers[i]);
		else
			values->texts[i] = params[i].kind == P_TEXT_ ? params[i].text : NULL;
	}
}

static enum phase
pending_phase(const struct pending *pending)
{
	return pending->session ? PHASE_TRANSACTION : PHASE_ALONE;
}

static _Noreturn void
pending_raise(struct request *rq, struct pending *pending)
{
	struct db_session *session = pending->session;

	if (session && session->error)
		error_raise(rq, session->error, session->error_sql, PHASE_TRANSACTION);
	if (pending->state == PENDING_FAILED && pending->result)
		error_raise(rq, pending->result, pending->sql, pending_phase(pending));
	error_raise_lost(rq, pending_phase(pending));
}

static void
submit_leased(struct request *rq, struct pending *pending, struct statement *statement,
	      const char *sql, const struct values *values)
{
	struct connection *c = session_connection(rq);

	if (!pipeline_send(c, pending, statement, sql, values->count, values->texts)) {
		connection_drop(c, PQerrorMessage(c->pg));
		error_raise_lost(rq, PHASE_TRANSACTION);
	}
}

/* Outside a transaction a statement is a batch of its own, so that no other's error touches it;
 * quick reads are one batch with those of the same turn of the loop. What did not get out is
 * sent on another connection. */
static void
submit_shared(struct request *rq, struct pending *pending, struct statement *statement,
	      const char *sql, const struct values *values)
{
	for (;;) {
		struct connection *c = pool_shared(rq, pending->quick);

		if ((pending->quick || !c->unsynced || pipeline_sync(c, NULL)) &&
		    pipeline_send(c, pending, statement, sql, values->count, values->texts)) {
			if (pending->quick)
				event_active(c->flusher, EV_WRITE, 0);
			else if (!pipeline_sync(c, pending))
				connection_drop(c, PQerrorMessage(c->pg));
			return;
		}
		pipeline_disown(c, pending);
		connection_drop(c, PQerrorMessage(c->pg));
	}
}

static void
submit(struct request *rq, struct pending *pending, const char *sql, const struct values *values,
       bool keep)
{
	struct statement *statement = keep ? statement_find(rq->db, sql) : NULL;

	if (rq->session)
		submit_leased(rq, pending, statement, sql, values);
	else
		submit_shared(rq, pending, statement, sql, values);
}

static PGresult *
await(struct request *rq, struct pending *pending)
{
	PGresult *result;

	if (pending->session && pending->state == PENDING_SENT && pending->connection->unsynced &&
	    !pipeline_sync(pending->connection, NULL))
		connection_drop(pending->connection, PQerrorMessage(pending->connection->pg));
	pending_wait(pending);
	if (pending->state != PENDING_DONE)
		return NULL;
	result = pending->result;
	pending->result = NULL;
	return result;
}

static void
result_clear(void *result)
{
	PQclear(result);
}

/* Not executed: the plan was stale, or an earlier one of the batch failed. */
static bool
worth_another_try(const struct pending *pending)
{
	if (pending->session || pending->state != PENDING_FAILED)
		return false;
	return !pending->result || error_is_stale(pending->result);
}

/* A statement on its own that writes is a commit; what reads begins with SELECT. */
static bool
commits(const struct request *rq, const char *sql)
{
	return !rq->session && strncmp(sql, "SELECT", 6) != 0;
}

enum query_kind { QUERY_KEPT, QUERY_ONCE, QUERY_QUICK };

static PGresult *
query(struct request *rq, const char *sql, const struct param *params, enum query_kind kind)
{
	struct values values;
	PGresult *result;

	values_fill(rq, &values, params);
	if (commits(rq, sql))
		fault_point("db.alone.before");
	for (int tries = 1;; tries++) {
		struct pending pending = { .quick = kind == QUERY_QUICK && tries == 1 };

		submit(rq, &pending, sql, &values, kind != QUERY_ONCE);
		if ((result = await(rq, &pending))) {
			if (commits(rq, sql))
				fault_point("db.alone.after");
			return result;
		}
		if (tries < TRIES_MAX && worth_another_try(&pending)) {
			PQclear(pending.result);
			continue;
		}
		if (pending.result)
			arena_defer(&rq->arena, result_clear, pending.result);
		pending_raise(rq, &pending);
	}
}

struct rows *
db_all_params(struct request *rq, const char *sql, const struct param *params)
{
	return rows_new(rq, query(rq, sql, params, QUERY_KEPT));
}

struct rows *
db_whole_params(struct request *rq, const char *sql, const struct param *params)
{
	struct values values;

	if (!db_untouched(rq)) {
		log_error("db_whole after another statement", "sql", sql, NULL);
		fail(rq, ERR_INTERNAL);
	}
	values_fill(rq, &values, params);
	return rows_new(rq, session_whole(rq, sql, values.count, values.texts));
}

struct rows *
db_side_all_params(struct request *rq, const char *sql, const struct param *params)
{
	struct connection *c = side_connection(rq->db);
	struct pending pending = { 0 };
	struct values values;
	PGresult *result;

	if (!c)
		fail(rq, ERR_UNAVAILABLE, .detail = "The side connection is not open.");
	values_fill(rq, &values, params);
	if (!pipeline_send(c, &pending, statement_find(rq->db, sql), sql, values.count,
			   values.texts) ||
	    !pipeline_sync(c, &pending)) {
		pipeline_disown(c, &pending);
		connection_drop(c, PQerrorMessage(c->pg));
		fail(rq, ERR_UNAVAILABLE, .detail = "The side connection is lost.");
	}
	result = await(rq, &pending);
	if (result)
		return rows_new(rq, result);
	if (pending.result)
		arena_defer(&rq->arena, result_clear, pending.result);
	pending_raise(rq, &pending);
}

struct row *
db_one_params(struct request *rq, const char *sql, const struct param *params)
{
	struct rows *rows = rows_new(rq, query(rq, sql, params, QUERY_KEPT));

	return rows_any(rows) ? rows_at(rows, 0) : NULL;
}

struct row *
db_get_params(struct request *rq, const char *sql, const struct param *params)
{
	struct rows *rows = rows_new(rq, query(rq, sql, params, QUERY_QUICK));

	return rows_any(rows) ? rows_at(rows, 0) : NULL;
}

struct rows *
db_all_once_params(struct request *rq, const char *sql, const struct param *params)
{
	return rows_new(rq, query(rq, sql, params, QUERY_ONCE));
}

void
db_do_params(struct request *rq, const char *sql, const struct param *params)
{
	struct values values;

	if (!rq->session) {
		log_error("db_do outside a transaction", "sql", sql, NULL);
		fail(rq, ERR_INTERNAL);
	}
	values_fill(rq, &values, params);
	submit(rq, NULL, sql, &values, true);
}

static void
pending_release(void *pending)
{
	pending_abandon(pending);
}

struct pending *
db_send_params(struct request *rq, const char *sql, const struct param *params)
{
	struct pending *pending = arena_new(&rq->arena, struct pending);
	struct values values;

	values_fill(rq, &values, params);
	arena_defer(&rq->arena, pending_release, pending);
	submit(rq, pending, sql, &values, true);
	return pending;
}

struct rows *
db_wait(struct request *rq, struct pending *pending)
{
	PGresult *result = await(rq, pending);

	if (!result)
		pending_raise(rq, pending);
	return rows_new(rq, result);
}
