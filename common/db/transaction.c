/* common/db/transaction.c -- begins, commits and rolls back the one transaction of a request. */
#include <string.h>

#include "base/faultpoint.h"
#include "base/log.h"
#include "db/internal.h"

static const char sql_begin[] = "BEGIN";
static const char sql_commit[] = "COMMIT";

static void
session_release(void *arg)
{
	struct db_session *session = arg;

	if (session->connection)
		connection_release(session->connection);
	PQclear(session->error);
	session->error = NULL;
}

bool
db_in_transaction(const struct request *rq)
{
	return rq->session != NULL;
}

bool
db_untouched(const struct request *rq)
{
	const struct db_session *session = rq->session;

	return session && !session->connection && !session->error && !session->lost;
}

/* The connection is leased with the first statement: a body that is refused needs none. */
void
db_begin(struct request *rq)
{
	if (rq->session)
		return;
	rq->session = arena_new(&rq->arena, struct db_session);
	rq->session->rq = rq;
	rq->rolled_back = db_rollback;
	arena_defer(&rq->arena, session_release, rq->session);
}

struct connection *
session_connection(struct request *rq)
{
	struct db_session *session = rq->session;
	struct connection *c = session->connection;

	if (session->error)
		error_raise(rq, session->error, session->error_sql, PHASE_TRANSACTION);
	if (session->lost)
		error_raise_lost(rq, PHASE_TRANSACTION);
	if (c)
		return c;
	c = pool_lease(rq);
	c->session = session;
	session->connection = c;
	if (!pipeline_send_own(c, NULL, sql_begin)) {
		connection_drop(c, PQerrorMessage(c->pg));
		error_raise_lost(rq, PHASE_TRANSACTION);
	}
	return c;
}

/* The connection may have been lost, and even be another's, by now. */
static void
session_leave(struct db_session *session)
{
	struct connection *c = session->connection;

	if (!c)
		return;
	session->connection = NULL;
	c->session = NULL;
	connection_release(c);
}

static void
session_end(struct request *rq)
{
	rq->session = NULL;
	rq->rolled_back = NULL;
}

/* COMMIT of a failed transaction is answered "ROLLBACK"; but then its error came first. Once
 * the server has said "COMMIT", whatever happens to the connection afterwards changes nothing. */
static void
session_commit(struct request *rq, struct connection *c)
{
	struct db_session *session = rq->session;
	struct pending pending = { 0 };
	bool committed;

	fault_point("db.commit.before");
	if (!pipeline_send_own(c, &pending, sql_commit)) {
		connection_drop(c, PQerrorMessage(c->pg));
		error_raise_lost(rq, PHASE_TRANSACTION);
	}
	if (!pipeline_sync(c, NULL))
		connection_drop(c, PQerrorMessage(c->pg));
	pending_wait(&pending);
	committed = pending.state == PENDING_DONE &&
		    strcmp(PQcmdStatus(pending.result), sql_commit) == 0;
	PQclear(pending.result);
	if (committed) {
		fault_point("db.commit.after");
		return;
	}
	if (session->error)
		error_raise(rq, session->error, session->error_sql,
			    session->error_sql == sql_commit || !error_is_reported(session->error)
				    ? PHASE_COMMIT
				    : PHASE_TRANSACTION);
	if (pending.state != PENDING_DONE)
		error_raise_lost(rq, PHASE_COMMIT);
	log_error("COMMIT was answered otherwise", NULL);
	fail(rq, ERR_INTERNAL);
}

/* The server commits at the end of the batch. What fails before the statement is answered is undone
 * for certain; a connection that goes later, or without a word, leaves it unknown. */
static _Noreturn void
whole_raise(struct request *rq, const struct pending *pending)
{
	const struct db_session *session = rq->session;
	bool undone = session->error && error_is_reported(session->error) &&
		      pending->state != PENDING_DONE;

	PQclear(pending->result);
	if (session->error)
		error_raise(rq, session->error, session->error_sql,
			    undone ? PHASE_TRANSACTION : PHASE_COMMIT);
	error_raise_lost(rq, PHASE_COMMIT);
}

PGresult *
session_whole(struct request *rq, const char *sql, int count, const char *const *values)
{
	struct db_session *session = rq->session;
	struct connection *c = pool_lease(rq);
	struct pending pending = { 0 }, end = { 0 };

	c->session = session;
	session->connection = c;
	fault_point("db.commit.before");
	if (!pipeline_send(c, &pending, statement_find(rq->db, sql), sql, count, values)) {
		connection_drop(c, PQerrorMessage(c->pg));
		error_raise_lost(rq, PHASE_TRANSACTION);
	}
	if (!pipeline_sync(c, &end)) {
		connection_drop(c, PQerrorMessage(c->pg));
		end.state = PENDING_LOST;
	}
	pending_wait(&end);
	if (session->error || end.state == PENDING_LOST)
		whole_raise(rq, &pending);
	fault_point("db.commit.after");
	session_leave(session);
	rq->db->stats.transactions++;
	session_end(rq);
	return pending.result;
}

void
db_commit(struct request *rq)
{
	struct db_session *session = rq->session;

	if (!session)
		return;
	/* Also raises what went wrong before. */
	if (session->connection || session->error || session->lost) {
		session_commit(rq, session_connection(rq));
		session_leave(session);
		rq->db->stats.transactions++;
	}
	session_end(rq);
	if (rq->committed)
		rq->committed(rq);
}

void
db_rollback(struct request *rq)
{
	struct db_session *session = rq->session;

	if (!session)
		return;
	if (session->connection)
		connection_release(session->connection);
	session_end(rq);
	rq->mail = NULL;
}
