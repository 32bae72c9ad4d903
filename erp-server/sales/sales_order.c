/* erp-server/sales/sales_order.c -- sales orders: what is asked when one is written. */
#include <string.h>

#include "base/text.h"
#include "erp.h"
#include "finance/ledger.h"
#include "order_check.sql.h"
#include "order_prices.sql.h"
#include "order_refresh.sql.h"
#include "order_same.sql.h"
#include "order_totals.sql.h"
#include "sales/order.h"

static const char sql_promise[] =
	"UPDATE sales_order o SET promised_date = greatest(o.requested_date, current_date + ("
	"  SELECT coalesce(max(i.lead_time_days), 0) FROM sales_order_line l JOIN item i"
	"  ON i.id = l.item_id WHERE l.sales_order_id = o.id AND l.short > 0)) "
	"WHERE o.id = $1";

/* Joined: with a sub-select among its arguments PostgreSQL does not inline line_tax. */
#define MINOR_UNIT "coalesce(m.minor_unit, 2)"
#define LINE_AMOUNT \
	"line_amount(x.quantity, x.unit_price, coalesce(x.discount_percent, 0), " MINOR_UNIT ")"

static void order_prepare(struct request *rq, struct record *order, cJSON *body);
static void order_saved(struct request *rq, struct record *order, bool created);
static bool order_settles(const cJSON *body);
static void order_upserted(struct request *rq, struct record *order, bool created);

static const struct view views[] = {
	{ "availability", "*", sql_order_check,
	  "What is reserved for each line, what is short, and what else is available." },
	{ 0 },
};

struct entity sales_order_entity = {
	.name = "sales_order", .path = "sales-orders",
	.text = "What a customer has ordered, and how far it is.",
	.read = "*", .write = "sales bridge",
	.computed = "number status delivery_status invoice_status amount tax_amount total"
		    " invoiced_total promised_date hold_reason confirmed_at held_at closed_at"
		    " cancelled_at revision",
	.search = "number customer_reference",
	.derived = {
		{ "customer_ref", COLUMN_TEXT,
		  "(SELECT c.external_ref FROM customer c WHERE c.id = t.customer_id)",
		  "Customer reference: the other system's name for the customer." },
	},
	.lines = {
		{ "lines", "sales_order_line", "sales_order_id",
		  "amount tax_amount reserved delivered invoiced lost short",
		  .inserted = { { "amount", LINE_AMOUNT },
			{ "tax_amount", "line_tax(h.tax_mode, " LINE_AMOUNT ","
			  " coalesce(x.tax_percent, 0), " MINOR_UNIT ")" } },
		  .joined = " LEFT JOIN currency m ON m.code = h.currency" },
	},
	.inserted = {
		{ "currency", "d.currency" },
		{ "order_date", "d.day" },
		/* As its default says, whose function would be planned anew for each order. */
		{ "warehouse_id", "coalesce(x.warehouse_id,"
				  " (SELECT w.id FROM warehouse w WHERE w.is_default))" },
		{ "amount", "s.amount" },
		{ "tax_amount", "s.tax_amount" },
		{ "total", "s.amount"
			   " + CASE x.tax_mode WHEN 'exclusive' THEN s.tax_amount ELSE 0 END" },
	},
	.whole = "LATERAL (SELECT coalesce(x.order_date, CURRENT_DATE) AS day, a.currency,"
		 "  coalesce(u.minor_unit, 2) AS minor_unit FROM (SELECT coalesce("
		 "   nullif(x.currency, ''), (SELECT c.currency FROM customer c"
		 "   WHERE c.id = x.customer_id), company_currency()) AS currency) a"
		 "  LEFT JOIN currency u ON u.code = a.currency) d,"
		 " order_sums(b.j -> 'lines', coalesce(x.tax_mode, 'none'), d.minor_unit) s,"
		 " period_check(d.day)",
	.checked = "agreed_total total",
	.verbs = sales_order_verbs,
	.views = views,
	.prepare = order_prepare,
	.saved = order_saved,
	.settles = order_settles,
	.upserted = order_upserted,
};

/* ---- before it is written ---- */

static void check_quantities(struct request *rq, const cJSON *lines);
static void refuse_amendment(struct request *rq, struct record *order, cJSON *body);

static void
order_prepare(struct request *rq, struct record *order, cJSON *body)
{
	cJSON *lines = json_get(body, "lines");

	check_quantities(rq, lines);
	fault_raise_collected(rq);
	if (order != NULL && strcmp(record_text(order, "status"), "draft") != 0)
		refuse_amendment(rq, order, body);
	else
		order_fill_prices(rq, order, body, lines);
}

/* A decimal as its text; NULL when it is none. */
static const char *
number_text(const cJSON *node)
{
	if (json_is_number(node))
		return json_number_text(node);
	return cJSON_IsString(node) ? node->valuestring : NULL;
}

/* Zero and less are refused here, where the line's place is known. */
static void
check_quantities(struct request *rq, const cJSON *lines)
{
	const cJSON *line;
	int n = 0;

	cJSON_ArrayForEach(line, lines)
	{
		const char *text = number_text(json_get(line, "quantity"));

		if (text != NULL && (text[0] == '-' || strpbrk(text, "123456789") == NULL))
			fault_field(rq, arena_printf(&rq->arena, "lines[%d].quantity", n),
				    "out_of_range", "must be more than 0");
		n++;
	}
}

/* A new line without a price: the item's id, 0 otherwise. */
static int64_t
unpriced_item(const cJSON *line)
{
	int64_t item_id = 0;

	if (cJSON_IsObject(line) && json_get(line, "unit_price") == NULL &&
	    json_get(line, "id") == NULL)
		json_integer(line, "item_id", &item_id);
	return item_id;
}

void
order_fill_prices(struct request *rq, struct record *order, cJSON *body, cJSON *lines)
{
	const char *currency = json_string(body, "currency");
	struct text items = text_in(&rq->arena);
	int64_t customer_id = order != NULL ? record_id(order, "customer_id") : 0;
	struct row *row;
	cJSON *prices, *line;

	cJSON_ArrayForEach(line, lines)
	{
		if (unpriced_item(line) != 0)
			text_addf(&items, "%c%lld", items.length ? ',' : '{',
				  (long long)unpriced_item(line));
	}
	if (order != NULL && currency == NULL)
		currency = record_text(order, "currency");
	json_integer(body, "customer_id", &customer_id);
	if (items.length == 0)
		return;
	text_add_char(&items, '}');
	row = db_one(rq, sql_order_prices, P_ID(customer_id), P_TEXT(currency),
		     P_TEXT(text_str(&items)));
	if (row_null(row, "prices"))
		return;
	prices = json_own(rq, row_text(row, "prices"));
	cJSON_ArrayForEach(line, lines)
	{
		const char *id = arena_printf(&rq->arena, "%lld", (long long)unpriced_item(line));
		const cJSON *price = json_get(prices, id);

		if (json_is_number(price))
			json_add_string(line, "unit_price", json_number_text(price));
	}
}

static bool repeats_members(struct request *rq, struct record *order, cJSON *body);

/* Of a confirmed order only remarks may change. What repeats its present content is let through
 * (and taken out, so that nothing is written). */
static void
refuse_amendment(struct request *rq, struct record *order, cJSON *body)
{
	cJSON *lines = json_get(body, "lines");
	cJSON *agreed = json_get(body, "agreed_total");
	struct row *row = db_one(rq, sql_order_same, P_ID(order->id),
				 P_TEXT(cJSON_IsArray(lines) ? json_text(rq, lines) : NULL),
				 P_TEXT(number_text(agreed)));

	if (lines != NULL)
		cJSON_DetachItemViaPointer(body, lines);
	if (agreed != NULL)
		cJSON_DetachItemViaPointer(body, agreed);
	if (row_bool(row, "same") && repeats_members(rq, order, body))
		return;
	fail(rq, ERR_INVALID_STATE,
	     .detail =
		     arena_printf(&rq->arena, "Sales order %s is %s; it can no longer be changed.",
				  record_text(order, "number"), record_text(order, "status")),
	     .hint = "Use the verb amend for what is still open.");
}

/* After a restore the deal's id may be another deal's, which is to have an order of its own. */
static bool
lets_go(const cJSON *member)
{
	return strcmp(member->string, "external_ref") == 0 && cJSON_IsNull(member);
}

/* What is unknown or no remark of ours is left for the engine to refuse. */
static bool
repeats_members(struct request *rq, struct record *order, cJSON *body)
{
	static const char remarks[] = " notes customer_reference requested_date ";
	cJSON *now = json_own(rq, order->json);
	cJSON *member, *next;

	for (member = body->child; member != NULL; member = next) {
		const cJSON *present = json_get(now, member->string);
		const char *name = arena_printf(&rq->arena, " %s ", member->string);

		next = member->next;
		if (present == NULL || strstr(remarks, name) != NULL || lets_go(member))
			continue;
		if (strcmp(json_text(rq, member), json_text(rq, present)) != 0)
			return false;
		cJSON_DetachItemViaPointer(body, member);
	}
	return true;
}

/* ---- after it is written ---- */

static void
check_total(struct request *rq, const struct row *sums)
{
	const char *agreed = row_text(sums, "agreed_total"), *total = row_text(sums, "total");
	cJSON *members;

	if (agreed == NULL || strcmp(agreed, total) == 0)
		return;
	members = cJSON_CreateObject();
	json_add_string(members, "agreed_total", agreed);
	json_add_string(members, "total", total);
	fail(rq, ERR_TOTAL_MISMATCH, .members = members, .field = "agreed_total",
	     .detail = arena_printf(&rq->arena, "Agreed were %s, the lines come to %s.", agreed,
				    total));
}

/* Inserted with its sums, into an open period; changed lines are added up here. */
static void
order_saved(struct request *rq, struct record *order, bool created)
{
	if (created) {
		check_total(rq, order->row);
		return;
	}
	if (strcmp(record_text(order, "status"), "draft") == 0)
		ledger_require_open(rq, record_text(order, "order_date"));
	order_total(rq, order->id);
}

static bool
order_settles(const cJSON *body)
{
	return json_get(body, "agreed_total") == NULL;
}

void
order_total(struct request *rq, int64_t id)
{
	check_total(rq, db_one(rq, sql_order_totals, P_ID(id)));
}

/* What another system sold is confirmed at once, or refused with the reason. */
static void
order_upserted(struct request *rq, struct record *order, bool created)
{
	if (strcmp(record_text(order, "status"), "draft") == 0)
		order_confirm(rq, order);
}

void
order_refresh(struct request *rq, int64_t id)
{
	db_do(rq, sql_order_refresh, P_ID(id));
}

void
order_promise(struct request *rq, int64_t id)
{
	db_do(rq, sql_promise, P_ID(id));
}
