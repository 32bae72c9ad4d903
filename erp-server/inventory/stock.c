/* erp-server/inventory/stock.c -- moves, reservations, and who waits for what. */
#include <string.h>

#include "inventory/stock.h"

#include "base/text.h"
#include "erp.h"
#include "sales/order.h"
#include "stock_adjust.sql.h"
#include "stock_issue.sql.h"
#include "stock_missing.sql.h"
#include "stock_reserve.sql.h"
#include "stock_sweep.sql.h"
#include "stock_waiting.sql.h"

/* With the other components of bundles that wait for one of these items. */
static const char sql_with_company[] =
	"WITH wanted AS (SELECT item_id FROM order_demand WHERE sales_order_id = $1 "
	"  UNION SELECT $2::bigint WHERE $2 IS NOT NULL) "
	"SELECT item_id AS id FROM wanted UNION "
	"SELECT o.item_id FROM wanted w JOIN sales_order_component c ON c.item_id = w.item_id "
	"JOIN sales_order_line l ON l.id = c.order_line_id AND l.short > 0 "
	"JOIN sales_order_component o ON o.order_line_id = c.order_line_id ORDER BY id";

static const char sql_reserve_bundles[] =
	"SELECT stock_reserve_bundles($1, $2::bigint[]) AS given "
	"WHERE EXISTS (SELECT FROM sales_order_line l "
	"  JOIN sales_order_component c ON c.order_line_id = l.id WHERE l.sales_order_id = $1)";

static const char sql_unreserve[] =
	"SELECT DISTINCT id FROM stock_unreserve($1, $2) AS id ORDER BY id";

static const char sql_release[] =
	"UPDATE stock_reservation SET version = version + 1, updated_at = now(), status = "
	"  CASE WHEN consumed > 0 THEN 'consumed' ELSE 'released' END::stock_reservation_status "
	"WHERE sales_order_id = $1 AND status = 'active'";

/* ARRAY(SELECT ...) hides the array's length, so that the plan is made once and kept. */
static const char sql_levels[] =
	"SELECT item_id AS id, on_hand::numeric(18,4), reserved::numeric(18,4),"
	" available::numeric(18,4) FROM item_level "
	"WHERE item_id = ANY (ARRAY(SELECT unnest($1::bigint[]))) ORDER BY item_id";

static const char sql_bundles[] = "SELECT DISTINCT item_id AS id FROM item_component WHERE "
				  "component_id = ANY (ARRAY(SELECT unnest($1::bigint[]))) "
				  "AND item_id <> ALL ($1::bigint[]) ORDER BY id";

/* Those the order was given some of just now: of one order there is one transaction at a time. */
static const char sql_raise_reserved[] =
	"UPDATE item i SET version = version + 1, updated_at = now() "
	"WHERE i.id = ANY (ARRAY(SELECT unnest($2::bigint[]))) "
	"AND EXISTS (SELECT FROM stock_reservation r WHERE r.sales_order_id = $1 "
	"  AND r.item_id = i.id AND r.updated_at = now())";

#define CHANGED "item.availability_changed"

/* As many as stock_waiting.sql answers. */
#define WAITING_MAX 100

struct entity stock_move_entity = {
	.name = "stock_move",
	.path = "stock-moves",
	.text = "A quantity that went from one location to another.",
	.read = "*",
	.restricted = { { "value", "finance purchasing warehouse production" } },
};

struct entity stock_reservation_entity = {
	.name = "stock_reservation",
	.path = "stock-reservations",
	.text = "Stock held for a line of an order.",
	.read = "*",
};

/* ---- holding ---- */

static int64_t *ids_of(struct request *rq, struct rows *rows);
static const char *ids_text(struct request *rq, struct rows *rows);

static void
hold_rows(struct request *rq, struct stock_hold *hold, struct rows *rows)
{
	hold->count = rows_count(rows);
	hold->ids = ids_text(rq, rows);
	hold->items = ids_of(rq, rows);
	hold->before = records_lock_send(rq, &item_entity, hold->items, hold->count);
}

void
stock_hold_order(struct request *rq, struct stock_hold *hold, int64_t order_id)
{
	hold_rows(rq, hold, db_all(rq, sql_with_company, P_ID(order_id), P_NULL));
}

void
stock_hold_item(struct request *rq, struct stock_hold *hold, int64_t item_id)
{
	hold_rows(rq, hold, db_all(rq, sql_with_company, P_NULL, P_ID(item_id)));
}

static const char *
ids_text(struct request *rq, struct rows *rows)
{
	struct text text = text_in(&rq->arena);

	text_add_char(&text, '{');
	for (int i = 0; i < rows_count(rows); i++)
		text_addf(&text, "%s%s", i ? "," : "", row_text(rows_at(rows, i), "id"));
	text_add_char(&text, '}');
	return text_str(&text);
}

static int64_t *
ids_of(struct request *rq, struct rows *rows)
{
	int64_t *ids = arena_array(&rq->arena, int64_t, (size_t)rows_count(rows) + 1);

	for (int i = 0; i < rows_count(rows); i++)
		ids[i] = row_id(rows_at(rows, i), "id");
	return ids;
}

/* ---- reserving ---- */

void
stock_reserve(struct request *rq, int64_t order_id, const struct stock_hold *hold)
{
	db_do(rq, sql_stock_reserve, P_ID(order_id), P_TEXT(hold->ids));
	db_do(rq, sql_reserve_bundles, P_ID(order_id), P_TEXT(hold->ids));
}

void
stock_release(struct request *rq, int64_t order_id)
{
	db_do(rq, sql_release, P_ID(order_id));
}

static void orders_changed(struct request *rq, const int64_t *ids, int count, const char *event);

bool
stock_give_out(struct request *rq, const struct stock_hold *hold)
{
	struct pending *plain[WAITING_MAX], *bundles[WAITING_MAX];
	int64_t served[WAITING_MAX];
	struct rows *waiting;
	int count = 0;

	if (hold->count == 0)
		return false;
	waiting = db_all(rq, sql_stock_waiting, P_TEXT(hold->ids));
	for (int i = 0; i < rows_count(waiting); i++) {
		int64_t id = row_id(rows_at(waiting, i), "id");

		plain[i] = db_send(rq, sql_stock_reserve, P_ID(id), P_TEXT(hold->ids));
		bundles[i] = db_send(rq, sql_reserve_bundles, P_ID(id), P_TEXT(hold->ids));
	}
	for (int i = 0; i < rows_count(waiting); i++) {
		bool any = rows_any(db_wait(rq, plain[i]));
		struct rows *given = db_wait(rq, bundles[i]);

		if (any || (rows_any(given) && row_bool(rows_at(given, 0), "given")))
			served[count++] = row_id(rows_at(waiting, i), "id");
	}
	orders_changed(rq, served, count, "sales_order.reserved");
	return count > 0;
}

void
stock_take_back(struct request *rq, const struct stock_hold *hold, int64_t item_id,
		int64_t warehouse_id)
{
	struct rows *orders = db_all(rq, sql_unreserve, P_ID(item_id), P_ID(warehouse_id));
	int64_t *ids = ids_of(rq, orders);

	if (!rows_any(orders))
		return;
	orders_changed(rq, ids, rows_count(orders), "sales_order.reservation_lost");
	stock_give_out(rq, hold);
}

/* Orders whose reservations have just changed; their rows still show what was before. */
static void
orders_changed(struct request *rq, const int64_t *ids, int count, const char *event)
{
	struct record **orders = arena_array(&rq->arena, struct record *, (size_t)count + 1);

	records_lock(rq, &sales_order_entity, ids, count, orders);
	for (int i = 0; i < count; i++) {
		order_refresh(rq, ids[i]);
		order_promise(rq, ids[i]);
	}
	records_changed(rq, orders, count, event);
}

/* ---- moving ---- */

const char *
stock_issue(struct request *rq, int64_t delivery_id)
{
	struct row *missing = db_one(rq, sql_stock_missing, P_ID(delivery_id));

	if (!row_null(missing, "lines")) {
		cJSON *members = cJSON_CreateObject();

		cJSON_AddItemToObject(members, "lines", json_own(rq, row_text(missing, "lines")));
		fail(rq, ERR_NOT_IN_STOCK, .members = members,
		     .detail = "What is on hand, less what is reserved for other orders, does not "
			       "cover the delivery.",
		     .hint = "Receive or transfer stock, or make a smaller delivery.");
	}
	return row_text(db_one(rq, sql_stock_issue, P_ID(delivery_id)), "cost");
}

const char *
stock_adjust(struct request *rq, int64_t adjustment_id)
{
	return row_text(db_one(rq, sql_stock_adjust, P_ID(adjustment_id)), "value");
}

/* ---- telling ---- */

static bool is_other(struct request *rq, const struct record *item, const struct row *now);
static void bundles_changed(struct request *rq, struct rows *bundles);

/* As they were when they were locked. */
static struct record **
held_items(struct request *rq, const struct stock_hold *hold)
{
	struct record **items =
		arena_array(&rq->arena, struct record *, (size_t)hold->count + 1);

	records_lock_wait(rq, &item_entity, hold->items, hold->count, hold->before, items);
	return items;
}

void
stock_done(struct request *rq, const struct stock_hold *hold)
{
	struct record **items, **changed;
	struct pending *bundles, *levels;
	struct rows *now;
	int count = 0;

	if (hold->count == 0)
		return;
	bundles = db_send(rq, sql_bundles, P_TEXT(hold->ids));
	levels = db_send(rq, sql_levels, P_TEXT(hold->ids));
	items = held_items(rq, hold);
	changed = arena_array(&rq->arena, struct record *, (size_t)hold->count + 1);
	now = db_wait(rq, levels);
	bundles_changed(rq, db_wait(rq, bundles));
	for (int i = 0; i < hold->count; i++)
		if (is_other(rq, items[i], rows_at(now, i)))
			changed[count++] = items[i];
	records_changed(rq, changed, count, CHANGED);
}

void
stock_done_reserved(struct request *rq, const struct stock_hold *hold, int64_t order_id)
{
	struct pending *bundles, **now;
	struct record **items;

	if (hold->count == 0)
		return;
	db_do(rq, sql_raise_reserved, P_ID(order_id), P_TEXT(hold->ids));
	bundles = db_send(rq, sql_bundles, P_TEXT(hold->ids));
	now = records_raised_send(rq, &item_entity, hold->items, hold->count);
	items = held_items(rq, hold);
	bundles_changed(rq, db_wait(rq, bundles));
	records_raised_wait(rq, items, hold->count, now, CHANGED);
}

/* Of a bundle there are as many as its components allow. */
static void
bundles_changed(struct request *rq, struct rows *bundles)
{
	int count = rows_count(bundles);
	struct record **records = arena_array(&rq->arena, struct record *, (size_t)count + 1);

	records_lock(rq, &item_entity, ids_of(rq, bundles), count, records);
	records_changed(rq, records, count, CHANGED);
}

/* Held for a bundle's sake only, an item may be as it was. */
static bool
is_other(struct request *rq, const struct record *item, const struct row *now)
{
	static const char *const levels[] = { "on_hand", "reserved", "available" };
	const cJSON *before = json_own(rq, item->json);

	for (int i = 0; i < 3; i++)
		if (strcmp(json_string(before, levels[i]), row_text(now, levels[i])) != 0)
			return true;
	return false;
}

/* Back orders that no arrival served: their order was being worked on, or there were too many. */
void
stock_sweep(struct request *rq)
{
	struct rows *items = db_all(rq, sql_stock_sweep);

	for (int i = 0; i < rows_count(items); i++) {
		struct stock_hold hold;

		db_begin(rq);
		stock_hold_item(rq, &hold, row_id(rows_at(items, i), "item_id"));
		if (stock_give_out(rq, &hold))
			stock_done(rq, &hold);
		db_commit(rq);
	}
}
