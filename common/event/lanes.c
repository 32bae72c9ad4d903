/* common/event/lanes.c -- one item of a record at a time, by version; records side by side. */
#include "event/lanes.h"

#include <stdlib.h>
#include <string.h>

struct lane {
	int64_t record_id;
	int64_t last;               /* highest version here, unrecorded ones included; 0: unknown */
	struct lane_items items;    /* waiting or flying, by version */
	int unrecorded;             /* delivered ones that the database does not know of yet */
	uint64_t blocked_until_ms;  /* 0: not blocked */
	bool ready;                 /* on the list of ready lanes */
	bool deeper;                /* the database holds more */
	TAILQ_ENTRY(lane) next;
	UT_hash_handle hh;
	size_t key_length;
	char key[];                 /* the record's id in 8 bytes, then the entity's name */
};

void
lanes_init(struct lanes *lanes, void (*release)(struct lane_item *item))
{
	*lanes = (struct lanes){ .release = release };
	TAILQ_INIT(&lanes->ready);
	TAILQ_INIT(&lanes->recorded);
}

/* ---- lanes ---- */

#define KEY_MAX 256

static size_t
lane_key(char key[KEY_MAX], const char *entity, int64_t record_id)
{
	size_t length = strlen(entity);

	if (length > KEY_MAX - sizeof(record_id))
		length = KEY_MAX - sizeof(record_id);
	memcpy(key, &record_id, sizeof(record_id));
	memcpy(key + sizeof(record_id), entity, length);
	return sizeof(record_id) + length;
}

static struct lane *
lane_find(struct lanes *lanes, const char *entity, int64_t record_id)
{
	char key[KEY_MAX];
	size_t length = lane_key(key, entity, record_id);
	struct lane *lane;

	HASH_FIND(hh, lanes->by_key, key, length, lane);
	return lane;
}

static struct lane *
lane_make(struct lanes *lanes, const char *entity, int64_t record_id)
{
	char key[KEY_MAX];
	size_t length = lane_key(key, entity, record_id);
	struct lane *lane = calloc(1, sizeof(*lane) + length);

	if (lane == NULL)
		die("out of memory");
	lane->record_id = record_id;
	lane->key_length = length;
	memcpy(lane->key, key, length);
	TAILQ_INIT(&lane->items);
	HASH_ADD_KEYPTR(hh, lanes->by_key, lane->key, lane->key_length, lane);
	lanes->lane_count++;
	return lane;
}

static void
lane_remove_if_empty(struct lanes *lanes, struct lane *lane, uint64_t now_ms)
{
	if (!TAILQ_EMPTY(&lane->items) || lane->unrecorded > 0)
		return;
	if (lane->blocked_until_ms > now_ms && lanes->lane_count <= LANES_REMEMBERED_MAX)
		return;
	HASH_DELETE(hh, lanes->by_key, lane);
	lanes->lane_count--;
	free(lane);
}

/* On the ready list exactly when the first item waits. */
static void
lane_settle(struct lanes *lanes, struct lane *lane)
{
	struct lane_item *first = TAILQ_FIRST(&lane->items);
	bool ready = first != NULL && first->state == LANE_WAITING;

	if (ready == lane->ready)
		return;
	if (ready)
		TAILQ_INSERT_TAIL(&lanes->ready, lane, next);
	else
		TAILQ_REMOVE(&lanes->ready, lane, next);
	lane->ready = ready;
}

static bool
lane_blocked(struct lane *lane, uint64_t now_ms)
{
	if (lane->blocked_until_ms > now_ms)
		return true;
	lane->blocked_until_ms = 0;
	return false;
}

/* ---- items in ---- */

bool
lanes_known(const struct lanes *lanes, int64_t id)
{
	struct lane_item *item;

	HASH_FIND(hh, lanes->by_id, &id, sizeof(id), item);
	return item != NULL;
}

/* By version, but never before one that is flying. */
static void
item_insert(struct lanes *lanes, struct lane *lane, struct lane_item *item)
{
	struct lane_item *before;

	item->state = LANE_WAITING;
	item->lane = lane;
	TAILQ_FOREACH(before, &lane->items, next)
		if (before->state == LANE_WAITING && before->version > item->version)
			break;
	if (before != NULL)
		TAILQ_INSERT_BEFORE(before, item, next);
	else
		TAILQ_INSERT_TAIL(&lane->items, item, next);
	if (item->version > lane->last)
		lane->last = item->version;
	HASH_ADD(hh, lanes->by_id, id, sizeof(item->id), item);
	lanes->waiting++;
	lane_settle(lanes, lane);
}

bool
lanes_offer(struct lanes *lanes, const char *entity, int64_t record_id, int64_t older,
	    struct lane_item *item, uint64_t now_ms, bool *load)
{
	struct lane *lane = lane_find(lanes, entity, record_id);

	*load = false;
	if (lanes_known(lanes, item->id))
		return false;
	if (older != 0) {
		if (lane == NULL) {
			*load = true;
			return false;
		}
		if (lane_blocked(lane, now_ms))
			return false;
		if (lane->last != older) {
			*load = !lane->deeper;
			return false;
		}
	}
	if (lane == NULL)
		lane = lane_make(lanes, entity, record_id);
	item_insert(lanes, lane, item);
	return true;
}

bool
lanes_load(struct lanes *lanes, const char *entity, int64_t record_id, struct lane_item *item,
	   uint64_t now_ms)
{
	struct lane *lane = lane_find(lanes, entity, record_id);

	if (lanes_known(lanes, item->id))
		return false;
	if (lane != NULL && lane_blocked(lane, now_ms))
		return false;
	if (lane == NULL)
		lane = lane_make(lanes, entity, record_id);
	lane->deeper = false;
	item_insert(lanes, lane, item);
	return true;
}

void
lanes_deeper(struct lanes *lanes, const char *entity, int64_t record_id)
{
	struct lane *lane = lane_find(lanes, entity, record_id);

	if (lane != NULL)
		lane->deeper = true;
}

/* ---- items out ---- */

static void
item_free(struct lanes *lanes, struct lane_item *item)
{
	HASH_DELETE(hh, lanes->by_id, item);
	lanes->release(item);
}

void
lanes_load_begin(struct lanes *lanes)
{
	lanes->loading = true;
}

void
lanes_load_end(struct lanes *lanes, uint64_t now_ms)
{
	struct lane_item *item;
	struct lane *lane, *following;

	lanes->loading = false;
	while ((item = TAILQ_FIRST(&lanes->recorded)) != NULL) {
		TAILQ_REMOVE(&lanes->recorded, item, next);
		item_free(lanes, item);
	}
	HASH_ITER(hh, lanes->by_key, lane, following)
		lane_remove_if_empty(lanes, lane, now_ms);
}

struct lane_item *
lanes_next(struct lanes *lanes, bool fresh_first)
{
	struct lane *lane = TAILQ_FIRST(&lanes->ready);

	if (lane == NULL)
		return NULL;
	if (fresh_first) {
		struct lane *other;

		TAILQ_FOREACH(other, &lanes->ready, next)
			if (TAILQ_FIRST(&other->items)->attempts == 0)
				break;
		if (other != NULL)
			lane = other;
	}

	struct lane_item *item = TAILQ_FIRST(&lane->items);

	item->state = LANE_FLYING;
	lanes->waiting--;
	lanes->flying++;
	lane_settle(lanes, lane);
	return item;
}

bool
lanes_delivered(struct lanes *lanes, struct lane_item *item)
{
	struct lane *lane = item->lane;

	TAILQ_REMOVE(&lane->items, item, next);
	item->state = LANE_DELIVERED;
	lane->unrecorded++;
	lanes->flying--;
	lanes->delivered++;
	lane_settle(lanes, lane);
	return lane->deeper && TAILQ_EMPTY(&lane->items);
}

void
lanes_recorded(struct lanes *lanes, struct lane_item *item)
{
	struct lane *lane = item->lane;

	item->state = LANE_RECORDED;
	item->lane = NULL;
	lane->unrecorded--;
	lanes->delivered--;
	lane_remove_if_empty(lanes, lane, 0);
	if (lanes->loading)
		TAILQ_INSERT_TAIL(&lanes->recorded, item, next);
	else
		item_free(lanes, item);
}

static void
lane_drop_waiting(struct lanes *lanes, struct lane *lane)
{
	struct lane_item *item, *following;

	for (item = TAILQ_FIRST(&lane->items); item != NULL; item = following) {
		following = TAILQ_NEXT(item, next);
		if (item->state != LANE_WAITING)
			continue;
		TAILQ_REMOVE(&lane->items, item, next);
		lanes->waiting--;
		item_free(lanes, item);
	}
	lane->last = 0;
	lane->deeper = false;
	lane_settle(lanes, lane);
}

void
lanes_failed(struct lanes *lanes, struct lane_item *item, uint64_t until_ms)
{
	struct lane *lane = item->lane;

	TAILQ_REMOVE(&lane->items, item, next);
	lanes->flying--;
	item_free(lanes, item);
	lane->blocked_until_ms = until_ms;
	lane_drop_waiting(lanes, lane);
	lane_remove_if_empty(lanes, lane, 0);
}

void
lanes_clear(struct lanes *lanes)
{
	struct lane *lane, *following;

	HASH_ITER(hh, lanes->by_key, lane, following) {
		lane_drop_waiting(lanes, lane);
		lane->blocked_until_ms = 0;
		lane_remove_if_empty(lanes, lane, 0);
	}
}

void
lanes_release(struct lanes *lanes)
{
	lanes_clear(lanes);
	lanes_load_end(lanes, UINT64_MAX);
}
