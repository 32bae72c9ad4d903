/* common/entity/create.c -- makes records that are whole once inserted, some by one statement. */
#include "entity/write.h"

#include <string.h>

#include "event/event.h"

/* Larger bodies are written by themselves: nobody waits for them. */
#define TOGETHER_BYTES 65536

struct creation {
	struct gather_item item;
	struct request *rq;
	const struct entity *entity;
	const char *type;
	const char *text;   /* {who makes it, "body": the record} */
	struct rows *rows;  /* what was answered of it */
};

static const char *
creation_text(struct request *rq, const char *body)
{
	struct text out = text_in(&rq->arena);

	text_add(&out, "{");
	event_add_by(rq, &out);
	text_add(&out, ",\"body\":");
	text_add(&out, body);
	text_add(&out, "}");
	return text_str(&out);
}

static const char *
array_of(struct request *rq, struct gather_items *items)
{
	struct text out = text_in(&rq->arena);
	const char *comma = "[";
	struct gather_item *item;

	STAILQ_FOREACH(item, items, next) {
		text_add(&out, comma);
		text_add(&out, ((struct creation *)item)->text);
		comma = ",";
	}
	text_add(&out, "]");
	return text_str(&out);
}

void
create_together(struct request *rq, struct gather_items *items)
{
	struct creation *first = (struct creation *)STAILQ_FIRST(items);
	struct gather_item *item;
	struct rows *rows;
	int at = 0, number = 0;

	db_begin(rq);
	rows = db_whole(rq, first->entity->plan->create, P_TEXT(first->entity->name),
			P_TEXT(first->type), P_TEXT(array_of(rq, items)));
	STAILQ_FOREACH(item, items, next) {
		struct creation *creation = (struct creation *)item;
		int from = at;

		number++;
		while (at < rows_count(rows) && row_id(rows_at(rows, at), "n_") == number)
			at++;
		creation->rows = rows_copy(creation->rq, rows, from, at - from);
	}
}

/* Nothing was sent in the transactions of those that another has written for. */
static void
commit(struct request *rq)
{
	db_commit(rq);
	if (rq->committed)
		rq->committed(rq);
}

struct row *
create_whole(struct request *rq, struct writing *w, const char *type, bool alone)
{
	const struct entity *entity = w->entity;
	struct creation creation = { .rq = rq, .entity = entity, .type = type };
	struct gather_items only = STAILQ_HEAD_INITIALIZER(only);
	struct row *row;

	creation.text = creation_text(rq, json_text(rq, w->body));
	STAILQ_INSERT_TAIL(&only, &creation.item, next);
	if (!alone)
		creation.rows = db_all(rq, entity->plan->create, P_TEXT(entity->name), P_TEXT(type),
				       P_TEXT(array_of(rq, &only)));
	else if (strlen(creation.text) > TOGETHER_BYTES)
		create_together(rq, &only);
	else
		gather_write(rq, &entity->plan->together, &creation.item);
	row = event_made(rq, creation.rows, entity->name, type);
	if (alone)
		commit(rq);
	return row;
}
