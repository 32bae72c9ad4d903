/* common/db/db.h -- SQL from a request: statements, transactions, rows.
 *
 * Outside a transaction a statement goes to one of a few shared connections in pipeline mode:
 * each statement is its own transaction, many requests are in flight on one connection.
 * db_begin leases a connection; from then on the request's statements go there, pipelined,
 * until db_commit or the unwinding rolls back. Statements are prepared once per connection.
 *
 *	db_begin(rq);
 *	db_do(rq, "UPDATE item SET active = false WHERE id = $1", P_ID(id));     // not awaited
 *	struct rows *left = db_all(rq, sql_left, P_ID(id));                       // awaits both
 *	db_commit(rq);
 *
 * Every function that talks to PostgreSQL yields, and fails by unwinding:
 *	no connection within db_wait          ERR_UNAVAILABLE (503)
 *	serialization failure, deadlock       the fault has .rerun set: the work runs again
 *	lock timeout                          ERR_LOCKED (409)
 *	unique violation                      ERR_DUPLICATE (409), field from the constraint's name
 *	foreign key                           ERR_VALIDATION (422); on delete ERR_IN_USE (409)
 *	check, not null, range, bad text      ERR_VALIDATION (422), field from the constraint's name
 *	raise_exception (P0001)               ERR_RULE (422) with its message and hint
 *	anything else                         ERR_INTERNAL (500), logged with the statement
 * Constraints keep PostgreSQL's default names <table>_<column>_{key,fkey,check}; that is how the
 * field is found.
 *
 * SQL texts must outlive the pool (literals, or entity/'s start-up strings): the pointer's text
 * is the key of the prepared statement. A text built for one request is sent with db_all_once.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/request.h"

struct db;
struct rows;
struct pending;

struct db_options {
	const char *url;             /* libpq conninfo or URI; several hosts allowed */
	const char *service;         /* application_name */
	int shared;                  /* pipelined connections for single statements */
	int leased;                  /* connections for transactions, at most */
	int wait_ms;                 /* for a connection, before 503 */
	int statement_timeout_ms;
	int lock_timeout_ms;
};

/* Starts connecting on the coroutine loop and returns at once; lost connections are reopened
 * with back-off (50 ms doubling to 2 s, with jitter). */
struct db *db_open(const struct db_options *options);
void db_close(struct db *db);

/* True when a connection answers now. Yields for 1 s at most. */
bool db_ready(struct db *db);

/* ---- parameters: text format, the server casts by the statement ---- */
struct param {
	enum { P_END_ = 0, P_TEXT_, P_ID_, P_NULL_ } kind;
	union {
		const char *text;
		int64_t id;
	};
};
#define P_TEXT(s) ((struct param){ .kind = P_TEXT_, .text = (s) })   /* NULL is SQL NULL */
#define P_ID(n) ((struct param){ .kind = P_ID_, .id = (n) })
#define P_NULL ((struct param){ .kind = P_NULL_ })
#define P_BOOL(b) P_TEXT((b) ? "t" : "f")
#define DB_PARAMS(...) ((const struct param[]){ __VA_ARGS__ __VA_OPT__(, ) { .kind = P_END_ } })

/* All rows (never NULL, maybe none). */
#define db_all(rq, sql, ...) db_all_params((rq), (sql), DB_PARAMS(__VA_ARGS__))
/* The first row, NULL when there is none. */
#define db_one(rq, sql, ...) db_one_params((rq), (sql), DB_PARAMS(__VA_ARGS__))
/* As db_one, for a read by key that changes nothing (no function with an effect) and takes no
 * time: all that are asked in one turn of the loop travel as one batch, at up to twice the rate.
 * A slow one would hold up the others of its batch. */
#define db_get(rq, sql, ...) db_get_params((rq), (sql), DB_PARAMS(__VA_ARGS__))
/* Sent, not awaited; its failure surfaces at the next awaiting call or at db_commit.
 * Inside a transaction only. */
#define db_do(rq, sql, ...) db_do_params((rq), (sql), DB_PARAMS(__VA_ARGS__))
/* Sent now, awaited later with db_wait; lets two statements share a round trip. */
#define db_send(rq, sql, ...) db_send_params((rq), (sql), DB_PARAMS(__VA_ARGS__))
/* As db_all for a text built for this request: parsed each time, not kept. */
#define db_all_once(rq, sql, ...) db_all_once_params((rq), (sql), DB_PARAMS(__VA_ARGS__))

struct rows *db_all_params(struct request *rq, const char *sql, const struct param *params);
struct row *db_one_params(struct request *rq, const char *sql, const struct param *params);
struct row *db_get_params(struct request *rq, const char *sql, const struct param *params);
void db_do_params(struct request *rq, const char *sql, const struct param *params);
struct pending *db_send_params(struct request *rq, const char *sql, const struct param *params);
struct rows *db_all_once_params(struct request *rq, const char *sql, const struct param *params);
struct rows *db_wait(struct request *rq, struct pending *pending);

/* ---- transactions ---- */
void db_begin(struct request *rq);      /* no-op when one is open */
void db_commit(struct request *rq);     /* awaits everything; then rq->committed is called */
void db_rollback(struct request *rq);   /* no-op without one; never fails */
bool db_in_transaction(const struct request *rq);
/* True while nothing was sent in the open transaction. */
bool db_untouched(const struct request *rq);
/* As db_all, for a statement that is the whole of an untouched transaction: without BEGIN and
 * COMMIT, in one round trip. It is committed when this returns; calling rq->committed is left to
 * the caller. */
#define db_whole(rq, sql, ...) db_whole_params((rq), (sql), DB_PARAMS(__VA_ARGS__))
struct rows *db_whole_params(struct request *rq, const char *sql, const struct param *params);

/* ---- rows: values are text, owned by the request's arena ---- */
struct row {
	struct rows *rows;
	int index;
};
int rows_count(const struct rows *rows);
bool rows_any(const struct rows *rows);
struct row *rows_at(struct rows *rows, int index);
int rows_affected(const struct rows *rows);
/* A copy of some in the arena of another request, which outlives the one they were answered to. */
struct rows *rows_copy(struct request *rq, const struct rows *rows, int first, int count);

/* A column that is not there is a bug: ERR_INTERNAL. NULL for SQL NULL. */
const char *row_text(const struct row *row, const char *column);
bool row_null(const struct row *row, const char *column);
int64_t row_id(const struct row *row, const char *column);    /* 0 for SQL NULL */
bool row_bool(const struct row *row, const char *column);     /* false for SQL NULL */
/* By position, for hot paths. */
const char *row_at(const struct row *row, int column);
int row_length(const struct row *row, int column);

/* ---- notifications (wake-up only; never rely on one) ---- */
/* LISTENs on the process's side connection and calls heard(arg) on the loop for each notification
 * of another process, and once after every (re)connect. Channels are the schema's own. */
void db_listen(struct db *db, const char *channel, void (*heard)(void *arg), void *arg);
/* Sends NOTIFY off the write path, at most once per 10 ms. Never call it for a write's sake. */
void db_notify(struct db *db, const char *channel);

/* A session lock of the schema, held on the side connection; taken(arg, true) when it is got and
 * taken(arg, false) when the connection is lost, after which it is tried again each second.
 * For work that one process at a time does. */
void db_elect(struct db *db, int64_t key, void (*taken)(void *arg, bool held), void *arg);

/* A statement on the side connection: its session holds this process's locks, and ends with it.
 * Without that connection ERR_UNAVAILABLE. Never one that waits: notifications would wait too. */
#define db_side_all(rq, sql, ...) db_side_all_params((rq), (sql), DB_PARAMS(__VA_ARGS__))
struct rows *db_side_all_params(struct request *rq, const char *sql, const struct param *params);
/* Calls changed(arg, true) on the loop when the side connection has opened, changed(arg, false)
 * when it and all session locks are lost. One watcher per process. */
void db_side_watch(struct db *db, void (*changed)(void *arg, bool open), void *arg);

/* Numbers for /metrics. */
struct db_stats {
	int shared_up, leased_up, leased_busy, waiting;
	unsigned long reconnects, statements, transactions, reruns;
};
void db_stats(struct db *db, struct db_stats *stats);

#endif
