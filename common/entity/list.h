/* common/entity/list.h -- a list request on its way from query string to one SELECT. */
#ifndef ENTITY_LIST_H
#define ENTITY_LIST_H

#include "entity/plan.h"
#include "entity/problems.h"

#define LIST_PARAMS_MAX 100
#define SORT_KEYS_MAX 6

struct sort_key {
	const struct member *member;
	bool descending;
};

struct list {
	struct request *rq;
	const struct entity_plan *plan;
	unsigned mask;
	struct problems unknown; /* parameters nobody knows: 400 unknown_parameter */
	struct problems bad;     /* known ones with a bad value: 400 bad_request */

	struct text where; /* " AND ..." parts */
	struct param params[LIST_PARAMS_MAX + 1];
	int param_count;

	struct sort_key keys[SORT_KEYS_MAX]; /* the last one is unique */
	int key_count;
	const char *sort; /* as the cursor names it: "-created_at,id" */
	int64_t limit;
	bool count;

	const char *members; /* select list */
	const char *from;    /* more FROM items, "" for none */
};

/* A field the actor may know of; NULL otherwise. */
const struct member *list_member(const struct list *list, const char *name);

/* Adds a parameter and answers its "$3". "?" and a problem when there are too many. */
const char *list_param(struct list *list, const char *text);

/* filter.c: "amount[gte]" = "1000", or q; adds to where, or to the problems. */
void filter_add(struct list *list, const char *name, const char *value);
void filter_search(struct list *list, const char *words);

/* sort.c: NULL sorts by id. */
void sort_read(struct list *list, const char *text);
void sort_add_order(const struct list *list, struct text *out);
/* Goes on behind the row a cursor names. */
void sort_after(struct list *list, const char *cursor);

/* select.c: what to show. Either may be NULL. lines: show child lines unasked. */
void select_read(struct list *list, const char *fields, const char *include, bool lines);

/* cursor.c: base64url of a JSON array of the sort and the last row's keys (NULL for null). */
const char *
cursor_write(struct arena *arena, const char *sort, const char *const *values, int count);
/* false when it is no cursor of this sort with count values. */
bool cursor_read(struct request *rq, const char *cursor, const char *sort, const char **values,
		 int count);

/* Splits at commas in place; answers the next piece, NULL at the end. */
char *list_piece(char **rest);

#endif
