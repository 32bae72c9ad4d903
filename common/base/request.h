/* common/base/request.h -- one piece of work and everything it owns.
 *
 * An HTTP request, a message of the bridge, a job of the clock: each runs in a coroutine as a
 * struct request. Its arena, JSON, results, leased connection and open transaction hang on it,
 * so that whatever way the work ends, nothing stays behind.
 *
 *	static void work(struct request *rq, void *arg) { ... fail(rq, ...); ... }
 *
 *	struct request rq;
 *	request_init(&rq, db);
 *	if (!request_run(&rq, work, arg))
 *		log_fault(&rq, "overdue job");         // rq.fault says what happened
 *	request_release(&rq);
 *
 * From its first run until its release the request is its coroutine's current one, and cJSON
 * allocates from its arena (see base/json.h).
 */
#ifndef BASE_REQUEST_H
#define BASE_REQUEST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"

struct db;
struct db_session;
struct http_exchange;

/* Who asks. Roles are bits given out by app/roles at start. */
struct actor {
	int64_t user_id;       /* 0: the daemon itself */
	const char *name;
	const char *origin;    /* stamped on its events: "user", "bridge", "system" */
	uint64_t roles;
};

struct request {
	struct arena arena;
	struct fault fault;            /* valid after request_run answered false */
	jmp_buf *root;
	struct request *outer;         /* the request this coroutine works for otherwise */
	char trace_id[33];             /* W3C trace id, 32 hex digits */
	char traceparent[56];          /* to hand on: 00-<trace>-<new span>-01 */
	const struct actor *actor;     /* never NULL once the work runs */
	struct db *db;                 /* where its statements go */
	struct db_session *session;    /* its open transaction, or NULL; db/ owns it */
	struct http_exchange *http;    /* NULL for background work; http/ owns it */
	void *mail;                    /* event/: changes until COMMIT; db_rollback sets NULL */
	void (*committed)(struct request *rq);  /* called after a successful COMMIT, if set */
	/* db/: called when a run unwinds and at release; rolls back what is still open. */
	void (*rolled_back)(struct request *rq);
	unsigned age;                  /* the age it began in, see request_age_begin */
	bool counted;                  /* not released yet */
};

/* trace ids are made anew; request_trace continues a caller's "traceparent". */
void request_init(struct request *rq, struct db *db);
void request_release(struct request *rq);

/* false (and a new trace stays) when the header is malformed, all zeros or version ff. */
bool request_trace(struct request *rq, const char *traceparent);

/* Runs work; false when it failed, with rq->fault set and the transaction rolled back.
 * May be nested: the inner run catches what the inner work raises. Yields if work does. */
bool request_run(struct request *rq, void (*work)(struct request *rq, void *arg), void *arg);

/* The request the running coroutine works for, NULL outside. */
struct request *request_current(void);

/* What running requests may still point to is freed when the last of them has ended:
 *	publish the new; age = request_age_begin();
 *	... later ... if (request_age_over(age)) free the old;
 * begin: requests from here on belong to a new age. over: none that began before it still runs. */
unsigned request_age_begin(void);
bool request_age_over(unsigned age);

#endif
