/* common/db/listen.c -- notifications and elections, on one side connection of the process.
 *
 * A channel's name on the wire carries the schema, so that two daemons on one database do not
 * wake each other. A process does not hear its own notifications: it knows what it did. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/internal.h"

#define NOTIFY_MS 10

static const char sql_notify[] = "SELECT pg_notify(current_schema() || '.' || $1, '')";
static const char sql_elect[] =
	"SELECT pg_try_advisory_lock($1::bigint # (hashtext(current_schema())::bigint << 32))";

struct listener {
	char *channel;
	void (*heard)(void *arg);
	void *arg;
	struct pending pending; /* of its LISTEN */
	SLIST_ENTRY(listener) link;
};

struct notice {
	char *channel;
	bool due;
	SLIST_ENTRY(notice) link;
};

struct election {
	struct db *db;
	int64_t key;
	void (*taken)(void *arg, bool held);
	void *arg;
	bool held;
	struct pending pending; /* of the try that is under way */
	SLIST_ENTRY(election) link;
};

struct side {
	struct connection *connection;
	SLIST_HEAD(, listener) listeners;
	SLIST_HEAD(, notice) notices;
	SLIST_HEAD(, election) elections;
	struct event *timer; /* sends the notices that are due */
	uint64_t notified_ms;
	void (*changed)(void *arg, bool open);
	void *changed_arg;
};

static void
side_send(struct side *side, struct pending *pending, struct statement *statement, const char *sql,
	  const char *value)
{
	struct connection *c = side->connection;

	if (c->state == CONNECTION_IDLE &&
	    (!pipeline_send(c, pending, statement, sql, value ? 1 : 0, &value) ||
	     !pipeline_sync(c, pending)))
		connection_drop(c, PQerrorMessage(c->pg));
}

static void
notices_send(struct db *db)
{
	struct side *side = db->side;
	struct notice *notice;

	if (side->connection->state != CONNECTION_IDLE)
		return;
	side->notified_ms = clock_ms();
	SLIST_FOREACH(notice, &side->notices, link)
	{
		if (!notice->due)
			continue;
		notice->due = false;
		side_send(side, NULL, statement_find(db, sql_notify), sql_notify, notice->channel);
	}
}

static void
notices_timer(evutil_socket_t fd, short what, void *arg)
{
	notices_send(arg);
}

static struct side *
side_of(struct db *db)
{
	if (db->side)
		return db->side;
	db->side = calloc(1, sizeof *db->side);
	if (!db->side)
		die("out of memory");
	db->side->connection = &db->connections[db->connection_count - 1];
	db->side->timer = evtimer_new(coro_loop(), notices_timer, db);
	if (!db->side->timer)
		die("out of memory");
	pool_open(db);
	return db->side;
}

static void *
side_alloc(size_t size, const char *channel, char **copy)
{
	void *memory = calloc(1, size);

	if (!memory || (copy && !(*copy = strdup(channel))))
		die("out of memory");
	return memory;
}

/* Heard after LISTEN is in force: what came before is found by whoever looks now. */
static void
listener_ready(struct pending *pending)
{
	struct listener *listener = pending->arg;

	if (pending->state == PENDING_FAILED)
		log_warn("LISTEN failed", "channel", listener->channel, NULL);
	PQclear(pending->result);
	pending->result = NULL;
	if (pending->state == PENDING_DONE)
		listener->heard(listener->arg);
}

static void
listener_start(struct side *side, struct listener *listener)
{
	struct connection *c = side->connection;
	char name[160], sql[200];
	char *quoted;

	if (c->state != CONNECTION_IDLE)
		return;
	snprintf(name, sizeof name, "%s.%s", c->schema, listener->channel);
	quoted = PQescapeIdentifier(c->pg, name, strlen(name));
	if (!quoted)
		return;
	snprintf(sql, sizeof sql, "LISTEN %s", quoted);
	PQfreemem(quoted);
	listener->pending = (struct pending){ .done = listener_ready, .arg = listener };
	side_send(side, &listener->pending, NULL, sql, NULL);
}

void
db_listen(struct db *db, const char *channel, void (*heard)(void *arg), void *arg)
{
	struct side *side = side_of(db);
	struct listener *listener;
	char *copy;

	listener = side_alloc(sizeof *listener, channel, &copy);
	listener->channel = copy;
	listener->heard = heard;
	listener->arg = arg;
	SLIST_INSERT_HEAD(&side->listeners, listener, link);
	listener_start(side, listener);
}

void
db_notify(struct db *db, const char *channel)
{
	struct side *side = side_of(db);
	struct notice *notice;
	uint64_t now = clock_ms();
	char *copy;

	SLIST_FOREACH(notice, &side->notices, link)
	if (strcmp(notice->channel, channel) == 0)
		break;
	if (!notice) {
		notice = side_alloc(sizeof *notice, channel, &copy);
		notice->channel = copy;
		SLIST_INSERT_HEAD(&side->notices, notice, link);
	}
	if (notice->due)
		return;
	notice->due = true;
	if (now >= side->notified_ms + NOTIFY_MS)
		notices_send(db);
	else
		evtimer_add(side->timer,
			    &(struct timeval){
				    .tv_usec = (suseconds_t)(side->notified_ms + NOTIFY_MS - now) *
					       1000 });
}

struct connection *
side_connection(struct db *db)
{
	struct side *side = side_of(db);

	return side->connection->state == CONNECTION_IDLE ? side->connection : NULL;
}

void
db_side_watch(struct db *db, void (*changed)(void *arg, bool open), void *arg)
{
	struct side *side = side_of(db);

	side->changed = changed;
	side->changed_arg = arg;
	if (side_connection(db))
		changed(arg, true);
}

static void
election_answered(struct pending *pending)
{
	struct election *election = pending->arg;
	bool held = pending->state == PENDING_DONE && PQgetvalue(pending->result, 0, 0)[0] == 't';

	if (pending->state == PENDING_FAILED)
		log_warn("election failed", "key", log_num(election->key), NULL);
	PQclear(pending->result);
	*pending = (struct pending){ .state = PENDING_LOST };
	if (!held)
		return;
	election->held = true;
	election->taken(election->arg, true);
}

static void
election_try(struct side *side, struct election *election)
{
	struct db *db = election->db;
	struct connection *c = side->connection;
	char key[24];
	const char *value = key;

	if (election->held || election->pending.state == PENDING_SENT ||
	    c->state != CONNECTION_IDLE)
		return;
	snprintf(key, sizeof key, "%lld", (long long)election->key);
	election->pending = (struct pending){ .done = election_answered, .arg = election };
	side_send(side, &election->pending, statement_find(db, sql_elect), sql_elect, value);
	if (!election->pending.connection)
		election->pending.state = PENDING_LOST;
}

void
db_elect(struct db *db, int64_t key, void (*taken)(void *arg, bool held), void *arg)
{
	struct side *side = side_of(db);
	struct election *election = side_alloc(sizeof *election, NULL, NULL);

	election->db = db;
	election->key = key;
	election->taken = taken;
	election->arg = arg;
	election->pending.state = PENDING_LOST;
	SLIST_INSERT_HEAD(&side->elections, election, link);
	election_try(side, election);
}

void
side_opened(struct db *db)
{
	struct listener *listener;

	SLIST_FOREACH(listener, &db->side->listeners, link)
	listener_start(db->side, listener);
	side_tick(db);
	notices_send(db);
	if (db->side->changed)
		db->side->changed(db->side->changed_arg, true);
}

void
side_lost(struct db *db)
{
	struct election *election;

	if (db->side->changed)
		db->side->changed(db->side->changed_arg, false);
	SLIST_FOREACH(election, &db->side->elections, link)
	{
		if (!election->held)
			continue;
		election->held = false;
		election->taken(election->arg, false);
	}
}

void
side_notified(struct db *db)
{
	struct connection *c = db->side->connection;
	size_t prefix = strlen(c->schema) + 1;
	struct listener *listener;
	PGnotify *notify;

	while (c->pg && (notify = PQnotifies(c->pg))) {
		if (notify->be_pid != PQbackendPID(c->pg) && strlen(notify->relname) > prefix)
			SLIST_FOREACH(listener, &db->side->listeners, link)
		if (strcmp(listener->channel, notify->relname + prefix) == 0)
			listener->heard(listener->arg);
		PQfreemem(notify);
	}
}

void
side_tick(struct db *db)
{
	struct election *election;

	SLIST_FOREACH(election, &db->side->elections, link)
	election_try(db->side, election);
}

void
side_free(struct db *db)
{
	struct side *side = db->side;
	struct listener *listener;
	struct notice *notice;
	struct election *election;

	if (!side)
		return;
	while ((listener = SLIST_FIRST(&side->listeners))) {
		SLIST_REMOVE_HEAD(&side->listeners, link);
		free(listener->channel);
		free(listener);
	}
	while ((notice = SLIST_FIRST(&side->notices))) {
		SLIST_REMOVE_HEAD(&side->notices, link);
		free(notice->channel);
		free(notice);
	}
	while ((election = SLIST_FIRST(&side->elections))) {
		SLIST_REMOVE_HEAD(&side->elections, link);
		free(election);
	}
	event_free(side->timer);
	free(side);
}
