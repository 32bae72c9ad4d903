/* erp-server/sales/delivery.c -- goods leaving a warehouse for a customer. */
#include <string.h>

#include "delivery_wanted.sql.h"
#include "erp.h"
#include "finance/ledger.h"
#include "inventory/stock.h"
#include "sales/order.h"

static const char sql_ship[] =
	"UPDATE delivery SET status = 'shipped', shipped_at = now(), cost = $2,"
	" carrier = coalesce($3, carrier), tracking_number = coalesce($4, tracking_number) WHERE "
	"id = $1";

static const char sql_picked[] = "UPDATE delivery SET picked_at = now() WHERE id = $1";
static const char sql_packed[] = "UPDATE delivery SET packed_at = now() WHERE id = $1";
static const char sql_delivered[] = "UPDATE delivery SET delivered_at = now() WHERE id = $1";
static const char sql_cancelled[] = "UPDATE delivery SET cancelled_at = now() WHERE id = $1";

static void verb_pick(struct request *rq, struct record *delivery, cJSON *body);
static void verb_pack(struct request *rq, struct record *delivery, cJSON *body);
static void verb_ship(struct request *rq, struct record *delivery, cJSON *body);
static void verb_deliver(struct request *rq, struct record *delivery, cJSON *body);
static void verb_cancel(struct request *rq, struct record *delivery, cJSON *body);

static const struct param_spec ship_params[] = {
	{ "carrier", COLUMN_TEXT, .text = "Who carries it." },
	{ "tracking_number", COLUMN_TEXT, .text = "The carrier's number for it." },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "pick", "warehouse sales", .from = "draft", .to = "picked", .event = "delivery.picked",
	  .run = verb_pick, .text = "The goods were taken from their shelves." },
	{ "pack", "warehouse sales", .from = "draft picked", .to = "packed",
	  .event = "delivery.packed", .run = verb_pack, .text = "The goods are ready to leave." },
	{ "ship", "warehouse sales", .from = "draft picked packed", .event = "delivery.shipped",
	  .params = ship_params, .run = verb_ship, .text = "The goods have left the warehouse." },
	{ "deliver", "warehouse sales", .from = "shipped", .to = "delivered",
	  .event = "delivery.delivered", .run = verb_deliver,
	  .text = "The customer has the goods." },
	{ "cancel", "warehouse sales", .from = "draft picked packed", .to = "cancelled",
	  .event = "delivery.cancelled", .run = verb_cancel,
	  .text = "The goods stay where they are." },
	{ 0 },
};

struct entity delivery_entity = {
	.name = "delivery", .path = "deliveries",
	.text = "Goods leaving a warehouse for a customer.",
	.read = "*",
	.search = "number tracking_number",
	.restricted = { { "cost", "finance purchasing warehouse" } },
	.derived = {
		{ "order_ref", COLUMN_TEXT,
		  "(SELECT o.external_ref FROM sales_order o WHERE o.id = t.sales_order_id)",
		  "Order reference: the other system's name for the order." },
		{ "customer_ref", COLUMN_TEXT,
		  "(SELECT c.external_ref FROM customer c WHERE c.id = t.customer_id)",
		  "Customer reference: the other system's name for the customer." },
	},
	.lines = { { "lines", "delivery_line", "delivery_id" } },
	.verbs = verbs,
};

/* ---- made from an order ---- */

static cJSON *lines_of(struct request *rq, struct rows *wanted);

void
order_deliver(struct request *rq, struct record *order, cJSON *body)
{
	const cJSON *given = json_get(body, "lines");
	struct rows *wanted = db_all(rq, sql_delivery_wanted, P_ID(order->id),
				     P_TEXT(given ? json_text(rq, given) : NULL));
	cJSON *delivery = cJSON_CreateObject();

	if (!rows_any(wanted))
		fail(rq, ERR_RULE,
		     .detail = arena_printf(&rq->arena,
					    "Nothing of sales order %s is open, reserved and not "
					    "on a delivery yet.",
					    record_text(order, "number")),
		     .hint = "Bring in stock; it is reserved by itself.");
	json_add_integer(delivery, "sales_order_id", order->id);
	json_add_integer(delivery, "customer_id", record_id(order, "customer_id"));
	json_add_integer(delivery, "warehouse_id", record_id(order, "warehouse_id"));
	cJSON_AddItemToObject(delivery, "lines", lines_of(rq, wanted));
	record_reply(rq, record_create(rq, &delivery_entity, delivery), 201);
}

static cJSON *arithmetic_of(struct request *rq, struct rows *wanted, const char *flag);

static cJSON *
lines_of(struct request *rq, struct rows *wanted)
{
	cJSON *lines = cJSON_CreateArray();
	bool too_much = false, shortage = false;

	for (int i = 0; i < rows_count(wanted); i++) {
		struct row *row = rows_at(wanted, i);
		const char *line = arena_printf(&rq->arena, "lines[%d]", i);
		cJSON *item = cJSON_CreateObject();

		if (row_bool(row, "unknown"))
			fault_field(rq, arena_printf(&rq->arena, "%s.order_line_id", line),
				    "unknown_reference", "is no line of this order");
		else if (!row_bool(row, "goods"))
			fault_field(rq, arena_printf(&rq->arena, "%s.order_line_id", line),
				    "not_stocked", "%s is a service and needs no delivery",
				    row_text(row, "sku"));
		if (row_bool(row, "nothing"))
			fault_field(rq, arena_printf(&rq->arena, "%s.quantity", line),
				    "out_of_range", "must be more than 0");
		too_much = too_much || row_bool(row, "too_much");
		shortage = shortage || row_bool(row, "short");
		json_add_integer(item, "order_line_id", row_id(row, "order_line_id"));
		json_add_integer(item, "item_id", row_id(row, "item_id"));
		json_add_string(item, "quantity", row_text(row, "quantity"));
		cJSON_AddItemToArray(lines, item);
	}
	fault_raise_collected(rq);
	if (too_much)
		fail(rq, ERR_RULE, .members = arithmetic_of(rq, wanted, "too_much"),
		     .detail = "More is to be delivered than is ordered and still open.",
		     .hint = "Deliver what is open, or make another order.");
	if (shortage)
		fail(rq, ERR_NOT_IN_STOCK, .members = arithmetic_of(rq, wanted, "short"),
		     .detail = "More is to be delivered than is reserved for this order.",
		     .hint = "Bring in stock; it is reserved by itself.");
	return lines;
}

static cJSON *
arithmetic_of(struct request *rq, struct rows *wanted, const char *flag)
{
	cJSON *members = cJSON_CreateObject();
	cJSON *lines = cJSON_AddArrayToObject(members, "lines");

	for (int i = 0; i < rows_count(wanted); i++) {
		struct row *row = rows_at(wanted, i);

		if (row_bool(row, flag))
			cJSON_AddItemToArray(lines, json_own(rq, row_text(row, "arithmetic")));
	}
	return members;
}

/* ---- on its way ---- */

static void
verb_pick(struct request *rq, struct record *delivery, cJSON *body)
{
	db_do(rq, sql_picked, P_ID(delivery->id));
}

static void
verb_pack(struct request *rq, struct record *delivery, cJSON *body)
{
	db_do(rq, sql_packed, P_ID(delivery->id));
}

static void
verb_ship(struct request *rq, struct record *delivery, cJSON *body)
{
	struct record *order =
		record_lock(rq, &sales_order_entity, record_id(delivery, "sales_order_id"));
	struct stock_hold hold;
	const char *cost;

	if (strcmp(record_text(order, "status"), "on_hold") == 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Sales order %s is on hold: %s.",
					    record_text(order, "number"),
					    record_text(order, "hold_reason")),
		     .hint = "Release the order first.");
	stock_hold_order(rq, &hold, order->id);
	cost = stock_issue(rq, delivery->id);
	db_do(rq, sql_ship, P_ID(delivery->id), P_TEXT(cost), P_TEXT(json_string(body, "carrier")),
	      P_TEXT(json_string(body, "tracking_number")));
	ledger_post(rq, &(struct posting){
				.document = "delivery",
				.entity = "delivery",
				.id = delivery->id,
				.memo = record_text(delivery, "number"),
				.amounts = { { "cost", cost } },
			});
	order_refresh(rq, order->id);
	record_changed(rq, order, "sales_order.shipped");
	stock_done(rq, &hold);
}

static void
verb_deliver(struct request *rq, struct record *delivery, cJSON *body)
{
	db_do(rq, sql_delivered, P_ID(delivery->id));
}

/* What it would have taken stays reserved for the order and may go on another delivery. */
static void
verb_cancel(struct request *rq, struct record *delivery, cJSON *body)
{
	db_do(rq, sql_cancelled, P_ID(delivery->id));
}
