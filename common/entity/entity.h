/* common/entity/entity.h -- what C adds to a table to make it an entity of the API.
 *
 * The schema says what the columns are. An entity says what SQL cannot: its path, who may do
 * what, which columns only verbs write, its child lines, its verbs, views and hooks. From both
 * come the routes (list, read, create, merge-patch, delete, by-ref upsert, batch, timeline,
 * verbs, views), validation, SQL, JSON, events and OpenAPI. Only non-defaults are written:
 *
 *	struct entity warehouse_entity = {
 *		.name = "warehouse", .path = "warehouses", .text = "A place that holds stock.",
 *		.read = "*", .write = "warehouse",
 *	};
 *
 * Every entity's table has: id bigint identity, version bigint NOT NULL DEFAULT 1,
 * created_at, updated_at timestamptz NOT NULL DEFAULT now(). With a column external_ref (text,
 * unique) it can be upserted by reference; with source_version (bigint) it keeps the source's
 * version; a column source_epoch (bigint) goes before it in the order of versions.
 * Child line tables have id, the parent's column and position int, no version.
 *
 * Role lists are names separated by spaces, "*" for every signed-in user; administrators may do
 * everything; an entity or verb that names nobody is refused at start.
 */
#ifndef ENTITY_ENTITY_H
#define ENTITY_ENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/request.h"
#include "db/catalogue.h"
#include "db/db.h"

struct entity;
struct entity_plan;   /* entity/plan.c's: SQL and columns, made at start */

/* A record of an entity, loaded under its row lock. Lives in the request's arena. */
struct record {
	struct entity *entity;
	int64_t id;
	int64_t version;
	struct row *row;        /* all columns, as of the last load */
	const char *json;       /* full state, as of the last event (the next event's "before");
	                         * NULL in the saved hook of a new record; no restricted columns */
	int64_t announced;      /* version of its last event in this transaction; the engine's */
};

/* Parameters of a verb's body; ended by a NULL name. Unknown members are refused. */
struct param_spec {
	const char *name;
	enum column_type type;
	bool required;
	int scale;                    /* of a numeric: decimals at most; 0: 4 */
	const char *references;       /* table, for ids */
	const char *text;             /* for OpenAPI */
	const struct param_spec *items;   /* the member is an array of objects with these members */
};

struct verb {
	const char *name;         /* POST /{path}/{id}/{name} */
	const char *allow;        /* roles */
	const char *from;         /* statuses it may leave, space separated; NULL: any */
	const char *to;           /* status set after run; NULL: run sees to it, or none */
	const char *event;        /* "sales_order.confirmed"; NULL: run emits what it changes */
	const struct param_spec *params;
	/* In the transaction, the record locked, params valid. body is never NULL.
	 * May set the reply (reply_json); otherwise the record as it is now is answered. */
	void (*run)(struct request *rq, struct record *record, cJSON *body);
	const char *text;
	const char *replies;      /* for OpenAPI: the entity whose record run answers; "": another
	                           * object; NULL: this record */
};

/* GET /{path}/{id}/{name}: a statement with $1 = id that answers one row with one json column. */
struct view {
	const char *name;
	const char *allow;
	const char *sql;
	const char *text;
};

/* The value of a computed column on INSERT. */
struct inserted {
	const char *column;
	const char *sql;
};

/* A child table shown inside its document, without its parent column and position. A PATCH
 * takes the array as the new whole: lines with an id are updated, others inserted, missing ones
 * deleted. Lines of an upsert carry no ids: they are matched by column source_line when the table
 * has it, by order otherwise. (parent, position) must not be unique unless deferrable. */
struct lines {
	const char *name;         /* "lines" */
	const char *table;
	const char *parent;       /* column */
	const char *computed;     /* columns clients do not write, space separated */
	bool read_only;           /* written by verbs alone */
	struct inserted inserted[3];   /* over x, the line's body, and h, the record's row, */
	const char *joined;       /* and this, which goes behind h in FROM: " LEFT JOIN ..." */
};

/* A member of the JSON that is no column: an SQL expression over alias t. */
struct derived {
	const char *name;
	enum column_type type;
	const char *sql;
	const char *text;
};

struct restricted {
	const char *columns;      /* space separated, lines' as "lines.unit_cost"; seen only by: */
	const char *allow;
};

struct entity {
	const char *name;         /* "sales_order": the events' entity, the schema's name */
	const char *path;         /* "sales-orders" */
	const char *table;        /* NULL: as name */
	const char *text;         /* one sentence */
	const char *read;         /* roles that list and read */
	const char *write;        /* roles that create, patch, upsert, batch; NULL: only verbs do */
	const char *remove;       /* roles that delete; NULL: cannot be deleted */
	const char *computed;     /* columns clients never write, space separated (number, totals);
	                           * always so: id, version, created_at, updated_at, source_version,
	                           * source_epoch, and status when verbs move it */
	const char *secret;       /* columns never shown anywhere; written unless also computed */
	const char *search;       /* columns that ?q= looks in */
	struct restricted restricted[3];
	struct derived derived[12];
	struct lines lines[4];
	const struct param_spec *inputs;  /* members of the body, no columns, that prepare takes */
	const char *filled;       /* required columns that prepare fills when the client does not */
	/* What computed columns are on INSERT: SQL over x, the body's record, b.j, the body itself
	 * as jsonb, and whole, another item of FROM. */
	struct inserted inserted[7];
	/* That FROM item. An entity that has it is whole once inserted: saved only checks when the
	 * record is new, and no derived member reads lines. So the rows, their JSON
	 * and the event are one statement. */
	const char *whole;
	const char *checked;      /* columns that saved reads of such a record, space separated */
	const struct verb *verbs;     /* ended by a NULL name */
	const struct view *views;     /* ended by a NULL name */

	/* Hooks, all in the transaction; any may fail.
	 * prepare: the body as the client sent it: fill defaults, take what is no column. record is
	 * NULL on create. It may collect problems with fault_field. It also runs on a body that
	 * will be refused, so that every bad field is named; then its effects are rolled back. What
	 * it adds may be computed columns; what the client sends may not.
	 * saved: rows and lines are written; compute totals (set-based SQL), check rules. Runs
	 * before the event, which carries what it wrote.
	 * settles: the body of a record that is whole once inserted leaves saved nothing to check,
	 * so that its POST may be one statement on its own.
	 * upserted: after saved, when the record came by reference from another system.
	 * deleting: before the DELETE. */
	void (*prepare)(struct request *rq, struct record *record, cJSON *body);
	void (*saved)(struct request *rq, struct record *record, bool created);
	bool (*settles)(const cJSON *body);
	void (*upserted)(struct request *rq, struct record *record, bool created);
	void (*deleting)(struct request *rq, struct record *record);

	struct entity_plan *plan;
};

/* ---- for verbs and hooks ---- */

/* Loads and locks; 404 when there is none. Opens the transaction if need be. The lock is FOR NO KEY
 * UPDATE: it holds off other writers but not inserts that refer to the record, so locking a
 * customer after inserting his order cannot deadlock with another order of his. */
struct record *record_lock(struct request *rq, struct entity *entity, int64_t id);

/* The same for some, in the order given, in one round trip. Give ids in ascending order, so that
 * two requests never wait for each other. records is an array of count. */
void records_lock(struct request *rq, struct entity *entity, const int64_t *ids, int count,
		  struct record **records);

/* The same in two steps: what is sent between them is done under the locks, and shares the round
 * trip. */
struct pending **records_lock_send(struct request *rq, struct entity *entity, const int64_t *ids,
				   int count);
void records_lock_wait(struct request *rq, struct entity *entity, const int64_t *ids, int count,
		       struct pending **sent, struct record **records);

/* Columns of the record as loaded. */
const char *record_text(const struct record *record, const char *column);
int64_t record_id(const struct record *record, const char *column);
bool record_bool(const struct record *record, const char *column);

/* Reads the row again after own statements changed it (the before-image stays). */
void record_reload(struct request *rq, struct record *record);

/* One change: version + 1, updated_at, the event with what differs from record->json.
 * Call it last, once per record and transaction where possible. */
void record_changed(struct request *rq, struct record *record, const char *type);
/* The same for some, in one round trip. */
void records_changed(struct request *rq, struct record *const *records, int count,
		     const char *type);
/* For those whose version and updated_at an own statement before the first step raised, in two
 * steps; the others of records are left alone. */
struct pending **records_raised_send(struct request *rq, struct entity *entity, const int64_t *ids,
				     int count);
void records_raised_wait(struct request *rq, struct record *const *records, int count,
			 struct pending **sent, const char *type);

/* As POST would: prepare, validate, insert, saved, event "<name>.created". Computed columns may be
 * set here. */
struct record *record_create(struct request *rq, struct entity *entity, cJSON *body);

/* Replies the record as it is now and as the actor may see it, with its ETag: for a verb that made
 * another document. A status of 201 adds Location. */
void record_reply(struct request *rq, struct record *record, int status);

/* ---- for the daemon ---- */

/* Handler of POST /api/v1/epoch {entity, id}: no id of the entity up to this one is given out any
 * more. For who knows of records that this database has lost when it was restored. Yields. */
void entity_reserve_ids(struct request *rq);

/* Checks each entity against the catalogue and makes its plan; dies naming what does not fit
 * (no such table, unknown column, nobody allowed, unknown role). */
struct router;
void entity_register(struct router *router, const struct catalogue *catalogue,
		     struct entity *const *entities);

/* The OpenAPI 3.1 document for everything in the router, as text that lives with the process. */
const char *entity_openapi(struct router *router, const char *title);

#endif
