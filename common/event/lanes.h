/* common/event/lanes.h -- the order in which one webhook's deliveries go out; pure.
 *
 * A lane is one record (entity, id). It sends its items one after the other, by version; lanes go
 * in parallel. What is here is a bounded window of what the database holds, so each lane must be
 * a gapless beginning of the record's pending deliveries:
 *
 *	lanes_load    takes rows that were read from the start of the lane, in order of version;
 *	lanes_offer   takes an item that just was committed, only if it directly follows what is
 *	              here, or nothing older is pending at all. Refused ones are found by a load.
 *
 * The life of an item:
 *	waiting --lanes_next--> flying --lanes_delivered--> delivered --lanes_recorded--> gone
 *	                          '----lanes_failed----> gone, with what is behind it: the lane is
 *	                                                 blocked for a time, then loaded again
 *
 * A delivered item stays known by its id until it is recorded and no load that began before is
 * under way (lanes_load_begin, lanes_load_end), so that a load never brings it back.
 *
 * Items are the caller's structs that begin with a struct lane_item; release(item) gives them back.
 */
#ifndef EVENT_LANES_H
#define EVENT_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/hash.h"

struct lane;

enum lane_item_state { LANE_WAITING, LANE_FLYING, LANE_DELIVERED, LANE_RECORDED };

struct lane_item {
	int64_t id;                  /* of the delivery */
	int64_t version;             /* of the record */
	int attempts;                /* so far; 0: a fresh one */
	enum lane_item_state state;
	struct lane *lane;
	TAILQ_ENTRY(lane_item) next;
	UT_hash_handle hh;
};
TAILQ_HEAD(lane_items, lane_item);

TAILQ_HEAD(lane_list, lane);

struct lanes {
	struct lane *by_key;
	struct lane_item *by_id;
	struct lane_list ready;           /* lanes whose first item may go */
	struct lane_items recorded;       /* kept until the load under way has ended */
	int waiting, flying, delivered;   /* items by state */
	int lane_count;
	bool loading;
	void (*release)(struct lane_item *item);
};

/* Blocked lanes that are remembered, so that fresh items of theirs cause no load. */
#define LANES_REMEMBERED_MAX 4096

void lanes_init(struct lanes *lanes, void (*release)(struct lane_item *item));

/* older: the highest version of the record that was pending before this one, 0 for none. Takes the
 * item over and answers true, or leaves it to the caller. *load: the database knows more. */
bool lanes_offer(struct lanes *lanes, const char *entity, int64_t record_id, int64_t older,
		 struct lane_item *item, uint64_t now_ms, bool *load);

bool lanes_known(const struct lanes *lanes, int64_t id);
/* Takes the item over and answers true; false when it is known already or its lane is blocked. */
bool lanes_load(struct lanes *lanes, const char *entity, int64_t record_id, struct lane_item *item,
		uint64_t now_ms);
/* The database holds more of this lane than was read. */
void lanes_deeper(struct lanes *lanes, const char *entity, int64_t record_id);
void lanes_load_begin(struct lanes *lanes);
void lanes_load_end(struct lanes *lanes, uint64_t now_ms);

/* The next item to send, now flying; NULL when every lane waits. fresh_first: prefers one that was
 * never tried (a probe should not be spent on a poisoned record). */
struct lane_item *lanes_next(struct lanes *lanes, bool fresh_first);

/* Goes on with the lane; the item is kept until it is recorded. True when the lane has run out of
 * items but the database has more. */
bool lanes_delivered(struct lanes *lanes, struct lane_item *item);
/* The database says so too. The item may be gone after this. */
void lanes_recorded(struct lanes *lanes, struct lane_item *item);
/* Drops the flying item and all behind it. */
void lanes_failed(struct lanes *lanes, struct lane_item *item, uint64_t until_ms);

/* Drops what waits; what is flying or not recorded stays. */
void lanes_clear(struct lanes *lanes);
/* Everything; nothing may be flying. */
void lanes_release(struct lanes *lanes);

#endif
