/* erp-server/sales/order_verbs.c -- what can be done to a sales order. */
#include "erp.h"
#include "inventory/stock.h"
#include "order_credit.sql.h"
#include "sales/order.h"

/* Orders of one customer wait for each other only where they share a limit. */
static const char sql_lock_limited[] =
	"SELECT FROM customer WHERE id = $1 AND credit_limit IS NOT NULL FOR NO KEY UPDATE";

static const char sql_customer[] =
	"SELECT name, active, credit_status, credit_limit FROM customer WHERE id = $1";

static const char sql_lines[] =
	"SELECT count(*) AS lines, string_agg(DISTINCT i.sku, ', ') FILTER (WHERE NOT i.active) AS "
	"inactive,"
	" json_agg(DISTINCT 'item:' || i.id) FILTER (WHERE NOT i.active) AS depends_on "
	"FROM sales_order_line l JOIN item i ON i.id = l.item_id WHERE l.sales_order_id = $1";

static const char sql_components[] =
	"INSERT INTO sales_order_component (order_line_id, item_id, quantity) "
	"SELECT l.id, c.component_id, c.quantity FROM sales_order_line l "
	"JOIN item_component c ON c.item_id = l.item_id WHERE l.sales_order_id = $1 "
	"ON CONFLICT DO NOTHING";

static const char sql_confirm[] =
	"UPDATE sales_order SET confirmed_at = coalesce(confirmed_at, now()) WHERE id = $1";

static const char sql_hold[] =
	"UPDATE sales_order SET held_at = now(), hold_reason = $2 WHERE id = $1";

static const char sql_unhold[] =
	"UPDATE sales_order SET held_at = NULL, hold_reason = NULL WHERE id = $1";

static const char sql_cancel[] =
	"UPDATE sales_order SET cancelled_at = now(), held_at = NULL,"
	" revision = revision + (confirmed_at IS NOT NULL)::int WHERE id = $1";

static const char sql_close[] =
	"WITH lost AS (UPDATE sales_order_line l SET lost = greatest(l.quantity - "
	"  CASE i.type WHEN 'goods' THEN l.delivered ELSE l.invoiced END, 0) "
	"  FROM item i WHERE i.id = l.item_id AND l.sales_order_id = $1 RETURNING lost) "
	"UPDATE sales_order SET closed_at = now(), held_at = NULL, revision = revision +"
	" (EXISTS (SELECT FROM lost WHERE lost > 0))::int WHERE id = $1";

static const char sql_documents[] =
	"SELECT (SELECT min(number) FROM delivery WHERE sales_order_id = $1"
	"  AND status IN ('draft', 'picked', 'packed')) AS open_delivery,"
	" (SELECT min(number) FROM delivery WHERE sales_order_id = $1"
	"  AND status IN ('shipped', 'delivered')) AS shipped,"
	" (SELECT min(coalesce(number, 'a draft')) FROM invoice WHERE sales_order_id = $1"
	"  AND kind = 'invoice' AND status <> 'cancelled') AS invoice";

static void verb_confirm(struct request *rq, struct record *order, cJSON *body);
static void verb_hold(struct request *rq, struct record *order, cJSON *body);
static void verb_release(struct request *rq, struct record *order, cJSON *body);
static void verb_cancel(struct request *rq, struct record *order, cJSON *body);
static void verb_close(struct request *rq, struct record *order, cJSON *body);

static const struct param_spec hold_params[] = {
	{ "reason", COLUMN_TEXT, .required = true, .text = "Why it is held." },
	{ 0 },
};

static const struct param_spec delivery_line_params[] = {
	{ "order_line_id", COLUMN_INTEGER, .required = true, .text = "Line of the order." },
	{ "quantity", COLUMN_NUMERIC, .required = true, .scale = 4, .text = "How many." },
	{ 0 },
};

static const struct param_spec delivery_params[] = {
	{ "lines", COLUMN_JSON, .items = delivery_line_params,
	  .text = "What to deliver; all that is open and reserved when left out." },
	{ 0 },
};

static const struct param_spec invoice_params[] = {
	{ "lines", COLUMN_JSON, .items = delivery_line_params,
	  .text = "What to invoice; all that is delivered and not invoiced when left out." },
	{ "invoice_date", COLUMN_DATE, .text = "Today when left out." },
	{ "due_date", COLUMN_DATE, .text = "From the payment terms when left out." },
	{ 0 },
};

const struct verb sales_order_verbs[] = {
	{ "confirm", "sales bridge", .from = "draft confirmed partially_delivered",
	  .event = "sales_order.confirmed", .run = verb_confirm,
	  .text = "Checks customer and credit and reserves what is in stock." },
	{ "hold", "sales finance bridge", .from = "draft confirmed partially_delivered",
	  .event = "sales_order.held", .params = hold_params, .run = verb_hold,
	  .text = "Nothing is shipped until it is released." },
	{ "release", "sales finance bridge", .from = "on_hold", .event = "sales_order.released",
	  .run = verb_release, .text = "Goes on after a hold." },
	{ "cancel", "sales bridge", .from = "draft confirmed on_hold",
	  .event = "sales_order.cancelled", .run = verb_cancel,
	  .text = "Gives it up; not once something was delivered or invoiced." },
	{ "close", "sales", .from = "confirmed partially_delivered delivered on_hold",
	  .event = "sales_order.closed", .run = verb_close,
	  .text = "What was not delivered is lost; its reservations are released." },
	{ "amend", "sales", .params = order_amend_params, .run = order_amend,
	  .text = "Changes what is not delivered, on its way or invoiced yet." },
	{ "deliveries", "sales warehouse", .from = "confirmed partially_delivered",
	  .params = delivery_params, .run = order_deliver, .text = "Makes a draft delivery.",
	  .replies = "delivery" },
	{ "invoices", "sales finance", .from = "confirmed partially_delivered delivered closed",
	  .params = invoice_params, .run = order_invoice, .text = "Makes a draft invoice.",
	  .replies = "invoice" },
	{ 0 },
};

/* ---- confirm ---- */

static void check_lines(struct request *rq, const struct row *lines);
static void check_customer(struct request *rq, struct record *order, const struct row *customer);

static void
verb_confirm(struct request *rq, struct record *order, cJSON *body)
{
	order_confirm(rq, order);
}

void
order_confirm(struct request *rq, struct record *order)
{
	bool first = record_text(order, "confirmed_at") == NULL;
	struct pending *lines = db_send(rq, sql_lines, P_ID(order->id));
	struct pending *customer = NULL;
	struct stock_hold hold;

	if (first) {
		order_lock_customer(rq, order);
		customer = db_send(rq, sql_customer, P_ID(record_id(order, "customer_id")));
		db_do(rq, sql_components, P_ID(order->id));
	}
	db_do(rq, sql_confirm, P_ID(order->id));
	stock_hold_order(rq, &hold, order->id);
	check_lines(rq, rows_at(db_wait(rq, lines), 0));
	if (first)
		check_customer(rq, order, rows_at(db_wait(rq, customer), 0));
	stock_reserve(rq, order->id, &hold);
	order_refresh(rq, order->id);
	order_promise(rq, order->id);
	stock_done_reserved(rq, &hold, order->id);
}

void
order_lock_customer(struct request *rq, const struct record *order)
{
	db_do(rq, sql_lock_limited, P_ID(record_id(order, "customer_id")));
}

void
order_check_customer(struct request *rq, struct record *order)
{
	check_customer(rq, order, db_one(rq, sql_customer, P_ID(record_id(order, "customer_id"))));
}

static void
check_lines(struct request *rq, const struct row *lines)
{
	if (row_id(lines, "lines") == 0)
		fault_field(rq, "lines", "required", "an order needs at least one line");
	fault_raise_collected(rq);
	if (!row_null(lines, "inactive")) {
		cJSON *members = cJSON_CreateObject();

		cJSON_AddItemToObject(members, "depends_on",
				      json_own(rq, row_text(lines, "depends_on")));
		fail(rq, ERR_INACTIVE, .field = "lines", .members = members,
		     .detail = arena_printf(&rq->arena, "These items are not active: %s.",
					    row_text(lines, "inactive")),
		     .hint = "Activate them or take them off the order.");
	}
}

static void
check_customer(struct request *rq, struct record *order, const struct row *customer)
{
	struct row *credit;
	cJSON *members;
	bool held = row_text(customer, "credit_status")[0] == 'h';

	members = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(members, "depends_on"),
			     cJSON_CreateString(arena_printf(&rq->arena, "customer:%s",
							     record_text(order, "customer_id"))));
	if (!row_bool(customer, "active"))
		fail(rq, ERR_INACTIVE, .field = "customer_id", .members = members,
		     .detail = arena_printf(&rq->arena, "Customer %s is not active.",
					    row_text(customer, "name")));
	if (!held && row_null(customer, "credit_limit"))
		return;
	credit = db_one(rq, sql_order_credit, P_ID(order->id));
	json_add_string(members, "open_balance", row_text(credit, "open_balance"));
	json_add_string(members, "open_orders", row_text(credit, "open_orders"));
	json_add_string(members, "order_total", row_text(credit, "order_total"));
	json_add_string(members, "limit", row_text(credit, "credit_limit"));
	if (held)
		fail(rq, ERR_CREDIT_HOLD, .members = members,
		     .detail = arena_printf(&rq->arena, "Customer %s is on credit hold.",
					    row_text(customer, "name")),
		     .hint = "Finance can set the customer's credit status to ok.");
	if (row_bool(credit, "too_much"))
		fail(rq, ERR_CREDIT_LIMIT, .members = members,
		     .detail = arena_printf(
			     &rq->arena,
			     "Open balance %s, open orders %s and this order's %s exceed the limit "
			     "of %s.",
			     row_text(credit, "open_balance"), row_text(credit, "open_orders"),
			     row_text(credit, "order_total"), row_text(credit, "credit_limit")),
		     .hint = "Take a payment or let finance raise the limit.");
}

/* ---- hold, release ---- */

static void
verb_hold(struct request *rq, struct record *order, cJSON *body)
{
	db_do(rq, sql_hold, P_ID(order->id), P_TEXT(json_string(body, "reason")));
	order_refresh(rq, order->id);
}

static void
verb_release(struct request *rq, struct record *order, cJSON *body)
{
	db_do(rq, sql_unhold, P_ID(order->id));
	if (record_text(order, "confirmed_at") != NULL)
		order_confirm(rq, order);
	else
		order_refresh(rq, order->id);
}

/* ---- cancel, close ---- */

static void give_up(struct request *rq, struct record *order, const char *sql);

static void
verb_cancel(struct request *rq, struct record *order, cJSON *body)
{
	struct row *has = db_one(rq, sql_documents, P_ID(order->id));
	const char *what = row_text(has, "shipped");

	if (what == NULL)
		what = row_text(has, "open_delivery");
	if (what == NULL)
		what = row_text(has, "invoice");
	if (what != NULL)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Sales order %s has documents: %s.",
					    record_text(order, "number"), what),
		     .hint = "Cancel its drafts first; what was delivered or invoiced stays: close "
			     "the order.");
	give_up(rq, order, sql_cancel);
}

void
order_cancel(struct request *rq, struct record *order)
{
	give_up(rq, order, sql_cancel);
}

static void
verb_close(struct request *rq, struct record *order, cJSON *body)
{
	struct row *has = db_one(rq, sql_documents, P_ID(order->id));

	if (!row_null(has, "open_delivery"))
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Delivery %s is not shipped yet.",
					    row_text(has, "open_delivery")),
		     .hint = "Ship it or cancel it first.");
	give_up(rq, order, sql_close);
}

/* What was reserved goes to those who wait for it. */
static void
give_up(struct request *rq, struct record *order, const char *sql)
{
	struct stock_hold hold;

	stock_hold_order(rq, &hold, order->id);
	stock_release(rq, order->id);
	db_do(rq, sql, P_ID(order->id));
	order_refresh(rq, order->id);
	stock_give_out(rq, &hold);
	stock_done(rq, &hold);
}
