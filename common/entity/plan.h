/* common/entity/plan.h -- what the engine knows of each entity after start: members and SQL texts.
 *
 * Everything here is made once, before the loop runs, and lives as long as the process; the
 * texts' addresses are the keys of prepared statements. In all texts alias t is the entity's
 * table and l a line table.
 */
#ifndef ENTITY_PLAN_H
#define ENTITY_PLAN_H

#include "base/gather.h"
#include "base/text.h"
#include "entity/entity.h"

#define GROUPS_MAX 3
#define LINES_MAX 4

/* A member of the JSON: a column or a derived expression. */
struct member {
	const char *name;
	const struct column *column; /* NULL: derived */
	const struct derived *derived;
	enum column_type type;
	const char *value; /* SQL, for filters and sorting */
	const char *shown; /* SQL, as JSON shows it */
	const char *cast;  /* type of a parameter compared with it; NULL: not comparable */
	unsigned group;    /* bit of the restricted group it belongs to; 0: for all readers */
	bool secret;       /* in no JSON */
	bool hidden;       /* a line's parent and position: not shown, not secret */
	bool settable;     /* part of INSERT and UPDATE */
	bool computed;     /* clients never write it */
	bool required;     /* NOT NULL without a default */
	bool not_null;     /* never NULL, so keyset pages need no care */
};

struct shape {
	const struct table *table;
	struct member *members;
	int count;
};

struct line_plan {
	const struct lines *lines;
	struct shape shape;
	bool by_source_line;
	const char *ids;    /* $1 parent: id and source_line, in order */
	const char *remove; /* $1 parent, $2 body: those the body does not name */
	const char *update; /* $1 parent, $2 body: those it names by id */
	const char *insert; /* $1 parent, $2 body: those without id */
	const char *clear;  /* $1 parent: all */
};

/* What an actor who may see a set of restricted groups gets. */
struct sight {
	const char *members;          /* select list without lines */
	const char *lines[LINES_MAX]; /* select item of each */
	const char *get;              /* $1 id: version, json */
};

struct entity_plan {
	struct entity *entity;
	struct shape shape;
	struct line_plan lines[LINES_MAX];
	int line_count;
	int derived_count;
	uint64_t read_roles;
	uint64_t group_roles[GROUPS_MAX];
	int group_count;
	struct sight sights[1 << GROUPS_MAX]; /* by mask of groups; 0 is what events carry */
	bool by_ref, by_source_version, by_source_epoch;
	const struct member *status; /* NULL: no such column */
	bool direct; /* no lines, no hooks after writing: INSERT and UPDATE answer json_ */

	const char *lock;     /* $1 id */
	const char *load;     /* $1 id: columns, json_ */
	const char *lock_ref; /* $1 external_ref */
	const char *load_ref;
	const char *insert;     /* $1 body: columns (and json_ when direct) */
	const char *insert_ref; /* the same, no row when the reference is taken */
	const char *create;     /* an event_statement, $3 an array of {who made it, "body"}: what
				 * saved reads and json_; NULL: not whole */
	struct gather together; /* creates that share a statement */
	const char *patch;      /* $1 id, $2 body: as insert; no row when nothing differs */
	const char *touch;      /* $1 id: version + 1; columns, json_ */
	const char *set_status; /* $1 id, $2 status: the same */
	const char *advance;    /* $1 id, $2 source_version, $3 source_epoch when it is kept */
	const char *remove;     /* $1 id */
	const char
		*bad_references; /* $1 body: field of each reference to nothing; NULL: has none */
};

/* Dies naming what does not fit. */
struct entity_plan *plan_make(const struct catalogue *catalogue, struct entity *entity);
void plan_write_texts(struct entity_plan *plan); /* plan_write.c */
void plan_read_texts(struct entity_plan *plan);  /* plan_read.c */

/* Memory that lives as long as the process. */
struct arena *plan_arena(void);

/* The entity of that name, NULL for none. */
struct entity *plan_entity_named(const char *name);
/* The entity whose table it is, NULL for none. */
struct entity *plan_entity_of(const char *table);

unsigned plan_mask(const struct entity_plan *plan, const struct actor *actor);
bool member_seen(const struct member *member, unsigned mask);
const struct member *shape_member(const struct shape *shape, const char *name);

/* Adds `"name", ...` of what the mask may see; only: NULL or which members. */
void plan_add_members(struct text *out, const struct shape *shape, unsigned mask, const bool *only);

/* Adds the scalar subselect that makes one JSON object of the mask's view of row t. */
void plan_add_json(struct text *out, const struct entity_plan *plan, unsigned mask);

/* True when the space separated words hold the word. */
bool words_have(const char *words, const char *word);

#endif
