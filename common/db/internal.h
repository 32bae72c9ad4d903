/* common/db/internal.h -- what the files of db/ share: connections, commands in flight, sessions.
 *
 * Every connection is in libpq's pipeline mode and non-blocking. What was sent and is not
 * answered stands in the connection's ring, in libpq's order; an answer finds its owner there.
 * A pending may vanish while its answer is still to come: then its place in the ring is NULL
 * and the answer is thrown away. Nothing here runs a waiting coroutine directly; it is woken.
 */
#ifndef DB_INTERNAL_H
#define DB_INTERNAL_H

#include <event2/event.h>
#include <libpq-fe.h>
#include <sys/queue.h>

#include "base/coro.h"
#include "base/hash.h"
#include "db/db.h"

#define STATEMENTS_MAX 1024        /* prepared per connection; later texts are parsed each time */
#define STATEMENT_CACHE 1024       /* pointers, direct-mapped */

/* One SQL text that is kept prepared. */
struct statement {
	const char *sql;
	int number;
	uint64_t *times;                        /* of its metric */
	UT_hash_handle hh;
};

enum pending_state {
	PENDING_SENT,
	PENDING_DONE,      /* result holds rows */
	PENDING_FAILED,    /* result holds the error, if it is its own */
	PENDING_LOST,      /* the connection went, or the transaction was abandoned */
};

/* A statement somebody waits for. */
struct pending {
	enum pending_state state;
	struct connection *connection;
	struct db_session *session;             /* NULL: on a shared connection */
	PGresult *result;
	const char *sql;
	struct statement *statement;            /* NULL: not kept */
	uint64_t sent_us;
	bool quick;                             /* a read: its rows count before its sync */
	struct coro *waiter;
	void (*done)(struct pending *pending);  /* on the loop, instead of a waiter */
	void *arg;
};

enum op_kind { OP_PREPARE, OP_QUERY, OP_SYNC };

/* A command in flight. */
struct op {
	enum op_kind kind;
	bool answered;
	struct statement *statement;
	struct pending *pending;
	const char *sql;
};

enum connection_kind { CONNECTION_SHARED, CONNECTION_LEASED, CONNECTION_SIDE };

enum connection_state {
	CONNECTION_CLOSED,
	CONNECTION_OPENING,
	CONNECTION_IDLE,         /* shared: open; leased: free */
	CONNECTION_TAKEN,        /* leased to a session, or given to one that is not awake yet */
	CONNECTION_RETURNING,    /* rolling back or draining */
};

struct connection {
	struct db *db;
	enum connection_kind kind;
	enum connection_state state;
	PGconn *pg;
	struct event *readable;
	struct event *writable;
	struct event *flusher;        /* ends the batch of quick reads */
	struct op *ops;               /* ring, a power of two */
	unsigned head, tail, capacity;
	unsigned unsynced;            /* newest ops without a sync behind them */
	uint64_t progress_ms;         /* last answer, or first unanswered sync */
	uint64_t prepared[STATEMENTS_MAX / 64];
	unsigned generation;          /* part of the names of prepared statements */
	struct db_session *session;
	struct waiter *taker;         /* given to it, which has not woken up yet */
	char *schema;
	uint64_t up_ms;
	SLIST_ENTRY(connection) idle;
};

/* A request that waits for a connection. */
struct waiter {
	struct coro *coro;
	struct connection *given;
	TAILQ_ENTRY(waiter) link;
};
TAILQ_HEAD(waiters, waiter);

/* An open transaction; in its request's arena. */
struct db_session {
	struct request *rq;
	struct connection *connection;   /* NULL before the first statement and after a loss */
	PGresult *error;                 /* the first one; later ones are its consequences */
	const char *error_sql;
	bool lost;
};

struct db {
	struct db_options options;
	struct connection *connections;  /* shared, then leased, then the side connection */
	int connection_count;
	struct waiters shared_waiters;
	struct waiters lease_waiters;
	SLIST_HEAD(, connection) idle;
	struct statement *statements;    /* by text */
	int statement_count;
	struct {
		const char *sql;
		struct statement *statement;
	} cache[STATEMENT_CACHE];
	struct event *tick;
	struct side *side;               /* NULL until something listens, notifies or is elected */
	struct db_stats stats;
	bool opening;                    /* the one coroutine that opens connections is at work */
	struct coro *sleeper;            /* that one, between two attempts */
	unsigned delay_ms;               /* before its next attempt */
	bool unreachable;                /* the last attempt failed; said once */
	bool closing;
};

/* ---- statement.c: which SQL texts are prepared ---- */
/* NULL when there are too many: send it unprepared. */
struct statement *statement_find(struct db *db, const char *sql);
void statements_free(struct db *db);
bool statement_prepared(const struct connection *c, const struct statement *statement);
void statement_mark(struct connection *c, const struct statement *statement, bool prepared);
void statement_name(const struct connection *c, const struct statement *statement, char out[24]);
/* After a change of schema the server's plans do not fit any more: new names from now on. */
void statements_forget(struct connection *c);

/* ---- pipeline.c: commands out, answers in ---- */
/* Queued, not flushed; false: the connection is no good, and nothing was committed. */
bool pipeline_send(struct connection *c, struct pending *pending, struct statement *statement,
	const char *sql, int count, const char *const *values);
/* As pipeline_send for a text of ours without parameters. */
bool pipeline_send_own(struct connection *c, struct pending *pending, const char *sql);
/* Ends the batch and flushes it. The pending is finished with the sync, because a statement on
 * its own is committed by it; NULL: with its rows. */
bool pipeline_sync(struct connection *c, struct pending *pending);
/* False: the connection is gone. */
bool pipeline_flush(struct connection *c);
/* Hands out the answers that have arrived. Not after libpq has found the connection closed: it
 * forgets then what was asked, and takes the answers still unread for others. */
void pipeline_read(struct connection *c);
/* Nobody waits for what is in flight any more. */
void pipeline_abandon(struct connection *c);
/* The pending is going to be sent on another connection. */
void pipeline_disown(struct connection *c, const struct pending *pending);
/* This one does not wait any more. */
void pending_abandon(struct pending *pending);
/* All that is in flight is lost. */
void pipeline_lose(struct connection *c);
/* Parks until the pending is answered. */
void pending_wait(struct pending *pending);

static inline unsigned
pipeline_depth(const struct connection *c)
{
	return c->tail - c->head;
}

/* ---- connection.c: opens, watches and reopens one connection ---- */
void connection_init(struct connection *c, struct db *db, enum connection_kind kind);
/* One attempt, on a thread because names are looked up; yields. */
bool connection_open(struct connection *c);
/* Closes it at once; what was in flight is lost. */
void connection_drop(struct connection *c, const char *reason);
/* A leased connection goes back once it is drained and outside a transaction. */
void connection_release(struct connection *c);
/* Drops it when an answer is overdue. */
void connection_check(struct connection *c, uint64_t now_ms);
void connection_free(struct connection *c);

/* ---- pool.c ---- */
/* Yields; unwinds with ERR_UNAVAILABLE when there is none in time. */
struct connection *pool_shared(struct request *rq, bool quick);
struct connection *pool_lease(struct request *rq);
/* The one to send the next statement on; NULL when none is open. */
struct connection *pool_pick(struct db *db, bool quick);
/* Sees to it that the connections that are wanted get opened. */
void pool_open(struct db *db);
void pool_returned(struct connection *c);
void pool_lost(struct connection *c);

/* ---- transaction.c ---- */
/* The connection of the open transaction, BEGIN queued before its first statement. */
struct connection *session_connection(struct request *rq);
/* The statement is the transaction: sent, awaited and committed. */
PGresult *session_whole(struct request *rq, const char *sql, int count, const char *const *values);

/* ---- errors.c ---- */
/* What the fault must say of the transaction around the statement. */
enum phase { PHASE_ALONE, PHASE_TRANSACTION, PHASE_COMMIT };
_Noreturn void error_raise(struct request *rq, const PGresult *result, const char *sql,
	enum phase phase);
_Noreturn void error_raise_lost(struct request *rq, enum phase phase);
/* The server said it; otherwise libpq did, of the connection. */
bool error_is_reported(const PGresult *result);
/* The prepared plan does not fit the schema any more, or is gone; nothing was executed. */
bool error_is_stale(const PGresult *result);

/* ---- rows.c ---- */
/* Takes the result over. */
struct rows *rows_new(struct request *rq, PGresult *result);

/* ---- listen.c ---- */
/* NULL while it is away. */
struct connection *side_connection(struct db *db);
void side_opened(struct db *db);
void side_lost(struct db *db);
void side_notified(struct db *db);
void side_tick(struct db *db);
void side_free(struct db *db);

#endif
