/* common/entity/handlers.h -- the handlers behind an entity's routes; route->arg says whose.
 * All read top to bottom and yield in db_ calls; those that write run in the dispatcher's
 * transaction. */
#ifndef ENTITY_HANDLERS_H
#define ENTITY_HANDLERS_H

#include "entity/entity.h"

struct request;

/* arg of verb and view routes */
struct action {
	struct entity *entity;
	const struct verb *verb;
	const struct view *view;
};

/* arg: struct entity */
void entity_list(struct request *rq); /* list.c */
void entity_get(struct request *rq);  /* read.c */
void entity_post(struct request *rq); /* mutate.c */
void entity_patch(struct request *rq);
void entity_delete(struct request *rq);
void entity_upsert(struct request *rq);   /* upsert.c */
void entity_batch(struct request *rq);    /* batch.c */
void entity_timeline(struct request *rq); /* read.c */
/* arg: struct action */
void entity_verb(struct request *rq); /* verb.c */
void entity_view(struct request *rq); /* read.c */

#endif
