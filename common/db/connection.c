/* common/db/connection.c -- opens one connection to PostgreSQL, watches it, and closes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/internal.h"

/* How long an answer may be overdue before the server counts as dead. */
#define GRACE_MS 2000

static const char sql_settings[] =
	"SELECT current_schema(),"
	" set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),"
	" set_config('idle_in_transaction_session_timeout', '10s', false),"
	" set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO', false),"
	" set_config('client_min_messages', 'warning', false)";
static const char sql_rollback[] = "ROLLBACK";

/* What one attempt needs on the thread. */
struct attempt {
	const struct db_options *options;
	PGconn *pg;
	char *schema;
	char error[256];
};

void
connection_init(struct connection *c, struct db *db, enum connection_kind kind)
{
	c->db = db;
	c->kind = kind;
}

static void
notice_ignore(void *arg, const PGresult *result)
{
}

/* The URL comes last, so what it says wins. */
static PGconn *
attempt_connect(const struct db_options *options)
{
	const char *const names[] = { "application_name", "client_encoding", "connect_timeout",
				      "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
				      "keepalives_count", "dbname",          NULL };
	const char *const values[] = { options->service, "UTF8", "5", "5000", "5", "2", "3",
				       options->url,     NULL };

	return PQconnectdbParams(names, values, 1);
}

static PGresult *
attempt_settings(PGconn *pg, const struct db_options *options)
{
	char statement[16], lock[16];
	const char *const values[] = { statement, lock };

	snprintf(statement, sizeof statement, "%d", options->statement_timeout_ms);
	snprintf(lock, sizeof lock, "%d", options->lock_timeout_ms);
	return PQexecParams(pg, sql_settings, 2, NULL, values, NULL, NULL, 0);
}

static void
attempt_run(void *arg)
{
	struct attempt *attempt = arg;
	PGconn *pg = attempt_connect(attempt->options);
	PGresult *result;

	if (PQstatus(pg) == CONNECTION_OK) {
		PQsetNoticeReceiver(pg, notice_ignore, NULL);
		result = attempt_settings(pg, attempt->options);
		if (PQresultStatus(result) == PGRES_TUPLES_OK && PQsetnonblocking(pg, 1) == 0 &&
		    PQenterPipelineMode(pg)) {
			attempt->schema = strdup(PQgetvalue(result, 0, 0));
			attempt->pg = pg;
		}
		PQclear(result);
	}
	if (!attempt->pg) {
		snprintf(attempt->error, sizeof attempt->error, "%s", PQerrorMessage(pg));
		attempt->error[strcspn(attempt->error, "\n")] = '\0';
		PQfinish(pg);
	}
}

static void
connection_drained(struct connection *c)
{
	if (c->state != CONNECTION_RETURNING || pipeline_depth(c))
		return;
	if (PQtransactionStatus(c->pg) == PQTRANS_IDLE)
		pool_returned(c);
	else
		connection_drop(c, "left in a transaction");
}

/* A write that failed has read what was there; it is looked at before the end is. */
static void
connection_event(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	pipeline_read(c);
	if (!c->pg)
		return;
	if (!PQconsumeInput(c->pg)) {
		connection_drop(c, PQerrorMessage(c->pg));
		return;
	}
	pipeline_read(c);
	if (!c->pg)
		return;
	if (PQstatus(c->pg) == CONNECTION_BAD || ((what & EV_WRITE) && !pipeline_flush(c))) {
		connection_drop(c, PQerrorMessage(c->pg));
		return;
	}
	if (c->kind == CONNECTION_SIDE)
		side_notified(c->db);
	connection_drained(c);
}

static void
connection_flush(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	if (c->unsynced && !pipeline_sync(c, NULL))
		connection_drop(c, PQerrorMessage(c->pg));
}

static void
connection_opened(struct connection *c, struct attempt *attempt)
{
	int fd = PQsocket(attempt->pg);

	c->pg = attempt->pg;
	c->schema = attempt->schema;
	c->readable = event_new(coro_loop(), fd, EV_READ | EV_PERSIST, connection_event, c);
	c->writable = event_new(coro_loop(), fd, EV_WRITE, connection_event, c);
	c->flusher = event_new(coro_loop(), -1, 0, connection_flush, c);
	if (!c->readable || !c->writable || !c->flusher || event_add(c->readable, NULL) != 0)
		die("out of memory");
	memset(c->prepared, 0, sizeof c->prepared);
	c->generation = 0;
	c->unsynced = 0;
	c->up_ms = clock_ms();
	c->state = CONNECTION_IDLE;
	if (c->db->unreachable)
		log_info("database is reachable again", NULL);
	c->db->unreachable = false;
}

bool
connection_open(struct connection *c)
{
	struct db *db = c->db;
	struct attempt attempt = { .options = &db->options };

	c->state = CONNECTION_OPENING;
	if (!coro_on_thread(attempt_run, &attempt))
		snprintf(attempt.error, sizeof attempt.error, "all threads are busy");
	if (attempt.pg && !db->closing) {
		connection_opened(c, &attempt);
		return true;
	}
	c->state = CONNECTION_CLOSED;
	PQfinish(attempt.pg);
	free(attempt.schema);
	if (!db->unreachable && !db->closing)
		log_warn("database is not reachable", "reason", attempt.error, NULL);
	db->unreachable = true;
	return false;
}

void
connection_drop(struct connection *c, const char *reason)
{
	char text[256];

	if (!c->pg)
		return;
	snprintf(text, sizeof text, "%s", reason);
	text[strcspn(text, "\n")] = '\0';
	if (!c->db->closing)
		log_warn("database connection lost", "reason", text, NULL);
	event_free(c->readable);
	event_free(c->writable);
	event_free(c->flusher);
	PQfinish(c->pg);
	free(c->schema);
	c->readable = c->writable = c->flusher = NULL;
	c->pg = NULL;
	c->schema = NULL;
	pipeline_lose(c);
	pool_lost(c);
}

/* What the session left behind may still be running, or have failed: a failed batch skips
 * everything up to its sync, so the ROLLBACK needs one in front of it. */
void
connection_release(struct connection *c)
{
	c->state = CONNECTION_RETURNING;
	if (c->session) {
		c->session->connection = NULL;
		c->session = NULL;
		pipeline_abandon(c);
		if ((c->unsynced && !pipeline_sync(c, NULL)) ||
		    !pipeline_send_own(c, NULL, sql_rollback) || !pipeline_sync(c, NULL)) {
			connection_drop(c, PQerrorMessage(c->pg));
			return;
		}
	}
	connection_drained(c);
}

void
connection_check(struct connection *c, uint64_t now_ms)
{
	int limit = c->db->options.statement_timeout_ms;

	if (c->pg && limit && pipeline_depth(c) > c->unsynced &&
	    now_ms > c->progress_ms + (uint64_t)limit + GRACE_MS)
		connection_drop(c, "no answer in time");
}

void
connection_free(struct connection *c)
{
	free(c->ops);
}
