/* common/db/pipeline.c -- sends statements without waiting and hands each answer to its owner. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric_list.h"
#include "db/internal.h"

static void
pipeline_push(struct connection *c, struct op op)
{
	if (pipeline_depth(c) == c->capacity) {
		unsigned capacity = c->capacity ? c->capacity * 2 : 32;
		struct op *ops = malloc(capacity * sizeof *ops);

		if (!ops)
			die("out of memory");
		for (unsigned i = 0, n = pipeline_depth(c); i < n; i++)
			ops[i] = c->ops[(c->head + i) & (c->capacity - 1)];
		c->tail = pipeline_depth(c);
		c->head = 0;
		free(c->ops);
		c->ops = ops;
		c->capacity = capacity;
	}
	c->ops[c->tail++ & (c->capacity - 1)] = op;
}

static struct op *
pipeline_head(struct connection *c)
{
	return &c->ops[c->head & (c->capacity - 1)];
}

bool
pipeline_send(struct connection *c, struct pending *pending, struct statement *statement,
	      const char *sql, int count, const char *const *values)
{
	char name[24];

	if (pending) {
		pending->state = PENDING_SENT;
		pending->connection = c;
		pending->session = c->session;
		pending->sql = sql;
		pending->statement = statement;
		pending->sent_us = clock_us();
	}
	if (statement) {
		statement_name(c, statement, name);
		if (!statement_prepared(c, statement)) {
			if (!PQsendPrepare(c->pg, name, statement->sql, 0, NULL))
				return false;
			statement_mark(c, statement, true);
			pipeline_push(c, (struct op){ OP_PREPARE, false, statement, pending, sql });
			c->unsynced++;
		}
		if (!PQsendQueryPrepared(c->pg, name, count, values, NULL, NULL, 0))
			return false;
	} else if (!PQsendQueryParams(c->pg, sql, count, NULL, values, NULL, NULL, 0)) {
		return false;
	}
	pipeline_push(c, (struct op){ OP_QUERY, false, statement, pending, sql });
	c->unsynced++;
	c->db->stats.statements++;
	return true;
}

bool
pipeline_send_own(struct connection *c, struct pending *pending, const char *sql)
{
	return pipeline_send(c, pending, statement_find(c->db, sql), sql, 0, NULL);
}

bool
pipeline_sync(struct connection *c, struct pending *pending)
{
	if (pipeline_depth(c) == c->unsynced)
		c->progress_ms = clock_ms();
	if (!PQpipelineSync(c->pg))
		return false;
	pipeline_push(c, (struct op){ .kind = OP_SYNC, .pending = pending });
	c->unsynced = 0;
	return pipeline_flush(c);
}

/* PQpipelineSync has tried already; what the socket did not take waits until it does. */
bool
pipeline_flush(struct connection *c)
{
	int left = PQflush(c->pg);

	if (left > 0)
		event_add(c->writable, NULL);
	return left >= 0;
}

static void
pending_finish(struct pending *pending, enum pending_state state)
{
	pending->state = state;
	if (state == PENDING_DONE && pending->statement)
		metric_observe(&metric_db_query, pending->statement->times,
			       clock_us() - pending->sent_us);
	if (pending->done)
		pending->done(pending);
	else if (pending->waiter)
		coro_wake(pending->waiter);
}

/* The first error of a transaction is the one to tell; of a single statement it is its own,
 * or that of its PREPARE, after which the statement itself is only "aborted". */
static void
pipeline_keep_error(struct connection *c, const struct op *op, PGresult *result)
{
	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED) {
		PQclear(result);
	} else if (c->session) {
		if (c->session->error) {
			PQclear(result);
			return;
		}
		c->session->error = result;
		c->session->error_sql = op->sql;
	} else if (op->pending && !op->pending->result) {
		op->pending->result = result;
	} else {
		PQclear(result);
	}
}

static bool
result_is_fine(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
	       status == PGRES_EMPTY_QUERY;
}

static void
pipeline_answer(struct connection *c, struct op *op, PGresult *result)
{
	bool fine = result_is_fine(result);
	struct pending *pending = op->pending;

	op->answered = true;
	if (!fine) {
		if (op->kind == OP_PREPARE)
			statement_mark(c, op->statement, false);
		else if (error_is_stale(result))
			statements_forget(c);
		/* The commit of a statement on its own failed: its rows count for nothing. */
		if (op->kind == OP_SYNC && pending) {
			PQclear(pending->result);
			pending->result = NULL;
		}
		pipeline_keep_error(c, op, result);
	} else if (op->kind == OP_QUERY && pending) {
		pending->result = result;
	} else {
		PQclear(result);
	}
	if (op->kind == OP_QUERY && pending && (pending->session || pending->quick)) {
		op->pending = NULL;
		pending_finish(pending, fine ? PENDING_DONE : PENDING_FAILED);
	}
}

static void
pipeline_synced(struct op *op)
{
	struct pending *pending = op->pending;

	if (!pending)
		return;
	op->pending = NULL;
	pending_finish(pending, pending->result && result_is_fine(pending->result)
					? PENDING_DONE
					: PENDING_FAILED);
}

void
pipeline_read(struct connection *c)
{
	bool any = false;

	while (pipeline_depth(c) && !PQisBusy(c->pg)) {
		PGresult *result = PQgetResult(c->pg);
		struct op *op = pipeline_head(c);

		any = true;
		if (!result) {
			/* NULL ends an answer; without one the connection is gone. */
			if (!op->answered)
				break;
			op->answered = false;
			c->head += op->kind != OP_SYNC;
		} else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			c->head++;
			pipeline_synced(op);
		} else {
			pipeline_answer(c, op, result);
		}
	}
	if (any)
		c->progress_ms = clock_ms();
}

void
pipeline_abandon(struct connection *c)
{
	for (unsigned i = c->head; i != c->tail; i++) {
		struct op *op = &c->ops[i & (c->capacity - 1)];

		if (op->pending)
			op->pending->state = PENDING_LOST;
		op->pending = NULL;
		op->sql = NULL;
	}
}

void
pipeline_disown(struct connection *c, const struct pending *pending)
{
	for (unsigned i = c->head; i != c->tail; i++) {
		struct op *op = &c->ops[i & (c->capacity - 1)];

		if (op->pending == pending)
			op->pending = NULL;
	}
}

void
pending_abandon(struct pending *pending)
{
	if (pending->state == PENDING_SENT && pending->connection) {
		pipeline_disown(pending->connection, pending);
		pending->state = PENDING_LOST;
	}
	PQclear(pending->result);
	pending->result = NULL;
}

void
pipeline_lose(struct connection *c)
{
	c->unsynced = 0;
	while (pipeline_depth(c)) {
		struct op op = *pipeline_head(c);

		c->head++;
		/* A PREPARE's owner is the statement's that follows, if that was sent. */
		if (op.pending && op.pending->state == PENDING_SENT)
			pending_finish(op.pending, PENDING_LOST);
	}
	if (c->session) {
		c->session->lost = true;
		c->session->connection = NULL;
		c->session = NULL;
	}
}

void
pending_wait(struct pending *pending)
{
	while (pending->state == PENDING_SENT) {
		pending->waiter = coro_self();
		coro_park();
	}
	pending->waiter = NULL;
}
