/* erp-server/finance/invoice_make.c -- drafts an invoice from what a sales order has delivered. */
#include <string.h>

#include "erp.h"
#include "finance/invoice.h"
#include "finance/ledger.h"
#include "invoice_wanted.sql.h"
#include "sales/order.h"

static const char sql_dates[] =
	"SELECT d.invoice_date, coalesce($3::date, d.invoice_date + coalesce(o.payment_terms_days,"
	"   c.payment_terms_days)) AS due_date, $3::date < d.invoice_date AS too_early "
	"FROM sales_order o JOIN customer c ON c.id = o.customer_id,"
	" (SELECT coalesce($2::date, current_date) AS invoice_date) d WHERE o.id = $1";

/* $2: do prices contain the tax? */
static const char sql_sums[] =
	"SELECT sum(amount)::numeric(18,2) AS amount, sum(tax_amount)::numeric(18,2) AS tax_amount,"
	" (sum(amount) + CASE WHEN $2 = 'exclusive' THEN sum(tax_amount) ELSE 0 "
	"END)::numeric(18,2) AS total "
	"FROM json_to_recordset($1::json) AS l (amount numeric, tax_amount numeric)";

void
order_invoice(struct request *rq, struct record *order, cJSON *body)
{
	static const char *const dates[] = { "invoice_date", "due_date", NULL };
	static const char *const sums[] = { "amount", "tax_amount", "total", NULL };
	static const char *const copied[] = { "currency", "tax_mode", NULL };
	const cJSON *given = json_get(body, "lines");
	struct rows *wanted = db_all(rq, sql_invoice_wanted, P_ID(order->id),
				     P_TEXT(given ? json_text(rq, given) : NULL));
	struct row *when =
		db_one(rq, sql_dates, P_ID(order->id), P_TEXT(json_string(body, "invoice_date")),
		       P_TEXT(json_string(body, "due_date")));
	cJSON *invoice = cJSON_CreateObject();
	cJSON *lines;

	if (row_bool(when, "too_early"))
		fault_field(rq, "due_date", "out_of_range", "is before the invoice date");
	ledger_require_open(rq, row_text(when, "invoice_date"));
	if (!rows_any(wanted))
		fail(rq, ERR_RULE,
		     .detail = arena_printf(
			     &rq->arena, "Nothing of sales order %s is delivered and not invoiced.",
			     record_text(order, "number")),
		     .hint = "Ship something first, or name the lines to invoice in advance.");
	lines = invoice_lines(rq, wanted, "order_line_id",
			      "More is to be invoiced than is ordered and not invoiced yet.");
	json_add_integer(invoice, "sales_order_id", order->id);
	json_add_integer(invoice, "customer_id", record_id(order, "customer_id"));
	invoice_copy(invoice, order->row, copied);
	invoice_copy(invoice, when, dates);
	invoice_copy(invoice,
		     db_one(rq, sql_sums, P_TEXT(json_text(rq, lines)),
			    P_TEXT(record_text(order, "tax_mode"))),
		     sums);
	cJSON_AddItemToObject(invoice, "lines", lines);
	record_reply(rq, record_create(rq, &invoice_entity, invoice), 201);
}

void
invoice_copy(cJSON *to, const struct row *row, const char *const *columns)
{
	for (; *columns != NULL; columns++)
		json_add_string(to, *columns, row_text(row, *columns));
}

static void check_line(struct request *rq, const struct row *row, int n, const char *id_name);

cJSON *
invoice_lines(struct request *rq, struct rows *wanted, const char *id_name, const char *too_much)
{
	static const char *const copied[] = { "quantity",    "unit_price", "discount_percent",
					      "tax_percent", "amount",     "tax_amount",
					      "description", NULL };
	cJSON *lines = cJSON_CreateArray();
	cJSON *members = cJSON_CreateObject();
	cJSON *arithmetic = cJSON_AddArrayToObject(members, "lines");

	for (int i = 0; i < rows_count(wanted); i++) {
		struct row *row = rows_at(wanted, i);
		cJSON *line = cJSON_CreateObject();

		check_line(rq, row, i, id_name);
		if (row_bool(row, "too_much"))
			cJSON_AddItemToArray(arithmetic, json_own(rq, row_text(row, "arithmetic")));
		invoice_copy(line, row, copied);
		json_add_integer(line, "item_id", row_id(row, "item_id"));
		if (!row_null(row, "order_line_id"))
			json_add_integer(line, "order_line_id", row_id(row, "order_line_id"));
		if (strcmp(id_name, "invoice_line_id") == 0)
			json_add_integer(line, "reverses_line_id", row_id(row, "reverses_line_id"));
		cJSON_AddItemToArray(lines, line);
	}
	fault_raise_collected(rq);
	if (arithmetic->child != NULL)
		fail(rq, ERR_RULE, .members = members, .detail = too_much);
	return lines;
}

static void
check_line(struct request *rq, const struct row *row, int n, const char *id_name)
{
	const char *id = arena_printf(&rq->arena, "lines[%d].%s", n, id_name);

	if (row_bool(row, "unknown"))
		fault_field(rq, id, "unknown_reference", "is no line of this document");
	else if (row_bool(row, "twice"))
		fault_field(rq, id, "duplicate", "is named twice");
	if (row_bool(row, "nothing"))
		fault_field(rq, arena_printf(&rq->arena, "lines[%d].quantity", n), "out_of_range",
			    "must be more than 0");
}
