/* erp-server/inventory/stock.h -- the one writer of stock moves and reservations.
 *
 * Whoever changes stock first takes the items' row locks, always in order of their ids, so that
 * no piece is promised twice; stock_done then tells the world, once per item:
 *
 *	struct stock_hold hold;
 *
 *	stock_hold_order(rq, &hold, order_id);
 *	stock_reserve(rq, order_id, &hold);
 *	stock_done(rq, &hold);
 *
 * All of these run inside a transaction, yield, and fail by unwinding.
 */
#ifndef INVENTORY_STOCK_H
#define INVENTORY_STOCK_H

#include <stdbool.h>
#include <stdint.h>

struct request;
struct pending;

struct stock_hold {
	int64_t *items;
	int count;
	const char *ids;         /* the same as "{3,5}" */
	struct pending **before; /* their state once they are locked */
};

/* The items an order's lines take out of stock (a bundle's components), or the ones named. Held
 * too are the other components of bundles that wait for one of them. Queued, not awaited: what
 * follows is done under the locks. */
void stock_hold_order(struct request *rq, struct stock_hold *hold, int64_t order_id);
void stock_hold_item(struct request *rq, struct stock_hold *hold, int64_t item_id);

/* Reserves what is free for the order's open lines. Queued, not awaited. */
void stock_reserve(struct request *rq, int64_t order_id, const struct stock_hold *hold);

/* Ends an order's reservations. Queued, not awaited. */
void stock_release(struct request *rq, int64_t order_id);

/* Gives what is free of the held items to the confirmed orders that wait for them, oldest first;
 * an order that another request works on is left to the sweep. True when somebody got something. */
bool stock_give_out(struct request *rq, const struct stock_hold *hold);

/* After a loss: takes reservations back, newest order first, until what is reserved is there. */
void stock_take_back(struct request *rq, const struct stock_hold *hold, int64_t item_id,
		     int64_t warehouse_id);

/* Moves a delivery's goods to the customer and uses up their reservations. Fails with
 * ERR_NOT_IN_STOCK and the arithmetic. Answers their cost as text. */
const char *stock_issue(struct request *rq, int64_t delivery_id);

/* Moves what an adjustment says between storage and loss; answers the value as text. */
const char *stock_adjust(struct request *rq, int64_t adjustment_id);

/* The items' events: item.availability_changed. Call it last. */
void stock_done(struct request *rq, const struct stock_hold *hold);

/* The same where nothing was changed but by stock_reserve for this order: without a look between
 * lock and events, so that others wait less. */
void stock_done_reserved(struct request *rq, const struct stock_hold *hold, int64_t order_id);

#endif
