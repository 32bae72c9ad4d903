/* common/entity/write.h -- one record on its way into the database, whoever brings it.
 *
 * A create, a merge-patch, each record of a batch and an upsert are all a struct writing:
 *
 *	struct writing w = { .entity = entity, .body = body, .record = record_or_null };
 *	write_validate(rq, &w, &problems);      // runs the entity's prepare hook
 *	problems_raise(&problems, ERR_VALIDATION);
 *	write_apply(rq, &w);                    // rows, lines, hooks, event
 */
#ifndef ENTITY_WRITE_H
#define ENTITY_WRITE_H

#include "entity/plan.h"
#include "entity/problems.h"

enum write_result { WRITE_CREATED, WRITE_UPDATED, WRITE_UNCHANGED, WRITE_SUPERSEDED };

struct writing {
	struct entity *entity;
	cJSON *body;
	struct record *record;  /* NULL: it will be created */
	const char *prefix;     /* of its fields in problems; NULL for none */
	bool last;              /* nothing is written after it in its transaction */
	bool internal;          /* from a verb or hook: computed columns may be set */
	const char *ref;        /* external_ref it came by, NULL */
	int64_t source_version; /* 0: not given */
	bool compared;          /* If-Match says what is overwritten, not the version */
	int64_t source_epoch;   /* raised when the source was restored from a backup; 1 at first */
	enum write_result result;
};

/* validate.c: collects every bad field; fills defaults by the prepare hook. */
void write_validate(struct request *rq, struct writing *w, struct problems *problems);

/* write.c */
void write_apply(struct request *rq, struct writing *w);
/* The same for some, with every reference to nothing named, and fields prefixed. */
void write_apply_all(struct request *rq, struct writing *all, int count);

/* create.c: makes a record of a client's body that is whole once inserted, with its event: the
 * columns that saved reads, and json_. alone: nothing else is written in its untouched transaction,
 * which is committed when this returns; those that come meanwhile share the next statement. */
struct row *create_whole(struct request *rq, struct writing *w, const char *type, bool alone);
/* What entity_plan.together does; items are create.c's. */
void create_together(struct request *rq, struct gather_items *items);

/* lines.c: gives the lines of an upsert the ids of the lines they replace. */
void lines_match(struct request *rq, struct writing *w);
/* Adds a problem for each line id that is not the record's. */
void lines_check_ids(struct request *rq, struct writing *w, struct problems *problems);
/* Sends the statements that make the lines as the body says. */
struct lines_pending {
	struct pending *pending[3 * LINES_MAX];
	int count;
};
void
lines_send(struct request *rq, struct writing *w, const char *body, struct lines_pending *sent);
/* True when any line changed. */
bool lines_wait(struct request *rq, struct lines_pending *sent);

/* upsert.c: locks or creates by reference; superseded and repeated versions change nothing.
 * Answers false when there is nothing left to write. */
bool upsert_begin(struct request *rq, struct writing *w);
void upsert_end(struct request *rq, struct writing *w);
/* Sent, not awaited: the record has the source's version from now on. */
void upsert_advance(struct request *rq, struct writing *w);

/* record.c */
struct record *record_of(struct request *rq, struct entity *entity, struct row *row);
/* Both answer NULL when there is none. */
struct record *record_lock_any(struct request *rq, struct entity *entity, int64_t id);
struct record *record_lock_ref(struct request *rq, struct entity *entity, const char *ref);
/* Appends the event for the state in row, which holds columns and json_. */
void record_announce(struct request *rq, struct record *record, struct row *row, const char *type);
/* The JSON the actor may see. */
const char *record_shown(struct request *rq, const struct record *record);
void record_etag(struct request *rq, int64_t version);

/* etag.c: 412 when the request's If-Match does not name the record's version. */
void etag_require(struct request *rq, const struct record *record, const cJSON *body);
/* Does the header value name the version? -1: malformed. */
int etag_names(const char *header, int64_t version);

#endif
