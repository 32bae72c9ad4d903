/* common/event/event.h -- the event log: every change is one row, written in its own transaction.
 *
 * The row is at once audit trail, timeline, webhook source and replay source: who, when, what,
 * the record's new full state, the changed fields, its version, origin and trace. The order of a
 * record's events is its version, taken under the row's lock; never a sequence or a clock,
 * because sequence order is not commit order.
 *
 * Deliveries to the subscribed webhooks are rows of the same statement. After COMMIT they are
 * handed to this process's sender, if it is the one that sends (event/sender.h); otherwise a
 * notification off the write path wakes the one that is, and a sweep finds what both missed.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdint.h>

#include "base/request.h"
#include "base/text.h"
#include "db/db.h"

struct change {
	const char *entity;     /* "sales_order" */
	int64_t id;
	int64_t version;        /* the new one */
	const char *type;       /* "sales_order.confirmed" */
	const char *before;     /* JSON of the record before; NULL when it is new */
	const char *record;     /* JSON of the record now; of a deleted one, as it last was */
};

/* Inside a transaction only. Queued with the transaction's other statements, not awaited. The
 * strings must live as long as the request. What changed is found here: the top-level members that
 * differ between before and record, without version and updated_at (null equals absent). */
void event_append(struct request *rq, const struct change *change);

/* ---- records that are made together with their events, in one round trip ---- */

/* A statement that makes records of an entity, $1, and appends their events of a type, $2. ctes is
 * "WITH ..." up to a CTE r that holds the records: id, version, json_, changed_ (text[]), n_, who
 * made it (EVENT_BY) and whatever else of it the answer, a select list, wants. It answers a row per
 * delivery, or one without, in order of n_. The records are new: none of their deliveries can be
 * older. The text is the arena's. */
const char *event_statement(struct arena *arena, const char *ctes, const char *answer);

/* Who makes a record, as members of a JSON object for such a statement ... */
void event_add_by(struct request *rq, struct text *out);
/* ... and as columns of its r; by is the SQL of that object. */
#define EVENT_BY(by)                                                                       \
	"(" by "->>'user')::bigint AS user_, " by "->>'actor' AS actor_, "                 \
	by "->>'origin' AS origin_, " by "->>'trace' AS trace_, "                          \
	by "->>'traceparent' AS traceparent_"

/* The row of the one record that it answered these rows for; its deliveries go to the sender after
 * COMMIT. The strings must live as long as the request. */
struct row *event_made(struct request *rq, struct rows *rows, const char *entity,
		       const char *type);

/* Handler of GET /api/v1/events?after=&entity=&record_id=&type=&from=&to=&record=&limit= : the
 * log in an order that never changes behind the reader, as {"data":[...],"next_cursor":...}.
 * Each row carries its position "<txid>-<id>"; only transactions older than every running one
 * are shown, so a reader that goes on from the last position misses nothing. from and to bound
 * the time it was written; with record=false the records' states are left out. It shows whole
 * records: administrators and programs only. Yields. */
void event_list(struct request *rq);

/* Handler of GET /api/v1/epoch?event=: which history this database is in, as {"epoch":
 * "<cluster>-<timeline>", "last_event": "<entity>:<record_id>:<version>:<event_id>",
 * "last_event_at", "unknown": [...]}. unknown: those of the events asked for (named the same way,
 * 50 at most) that the log does not hold: who has taken them knows then that it was restored from
 * a backup. Yields. */
void event_epoch(struct request *rq);

/* Replies GET /{entity}/{id}/timeline?limit=&cursor= : who did what when, newest first, with each
 * changed field's old and new value. hidden: fields to leave out, space separated, or NULL. The
 * caller has checked that the record may be read. Yields. */
void event_timeline(struct request *rq, const char *entity, int64_t id, const char *hidden);

#endif
