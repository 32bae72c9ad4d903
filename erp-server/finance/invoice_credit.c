/* erp-server/finance/invoice_credit.c -- takes back some or all of a posted invoice. */
#include <string.h>

#include "credit_sums.sql.h"
#include "credit_wanted.sql.h"
#include "erp.h"
#include "finance/invoice.h"
#include "finance/ledger.h"
#include "sales/order.h"

static struct record *make_note(struct request *rq, struct record *invoice, cJSON *lines,
				const struct row *sums, const char *reason);

void
invoice_credit(struct request *rq, struct record *invoice, cJSON *body)
{
	const cJSON *given = json_get(body, "lines");
	struct record *order = NULL, *customer, *note;
	struct rows *wanted;
	struct row *sums;
	cJSON *lines;

	if (strcmp(record_text(invoice, "kind"), "invoice") != 0)
		fail(rq, ERR_INVALID_STATE, .detail = "A credit note cannot be credited.");
	if (record_text(invoice, "sales_order_id") != NULL)
		order = record_lock(rq, &sales_order_entity, record_id(invoice, "sales_order_id"));
	customer = record_lock(rq, &customer_entity, record_id(invoice, "customer_id"));
	wanted = db_all(rq, sql_credit_wanted, P_ID(invoice->id),
			P_TEXT(given ? json_text(rq, given) : NULL));
	if (!rows_any(wanted))
		fail(rq, ERR_RULE, .detail = "All of this invoice is credited already.");
	lines = invoice_lines(rq, wanted, "invoice_line_id",
			      "More is to be credited than was invoiced and not credited yet.");
	sums = db_one(rq, sql_credit_sums, P_ID(invoice->id), P_TEXT(json_text(rq, lines)),
		      P_TEXT(record_text(invoice, "tax_mode")));
	note = make_note(rq, invoice, lines, sums, json_string(body, "reason"));
	ledger_post(rq, &(struct posting){
				.document = "credit_note",
				.entity = "invoice",
				.id = note->id,
				.currency = record_text(invoice, "currency"),
				.customer_id = customer->id,
				.memo = row_text(sums, "number"),
				.amounts = { { "total", row_text(sums, "total") },
					     { "net", row_text(sums, "net") },
					     { "tax", row_text(sums, "tax_amount") } },
			});
	invoice_refresh(rq, invoice->id);
	if (order != NULL) {
		order_refresh(rq, order->id);
		record_changed(rq, order, "sales_order.credited");
	}
	record_changed(rq, customer, "customer.finance_changed");
	record_reply(rq, note, 201);
}

static struct record *
make_note(struct request *rq, struct record *invoice, cJSON *lines, const struct row *sums,
	  const char *reason)
{
	static const char *const copied[] = { "currency", "tax_mode", NULL };
	static const char *const summed[] = { "number",   "status",     "invoice_date",
					      "amount",   "tax_amount", "total",
					      "credited", "balance",    NULL };
	cJSON *note = cJSON_CreateObject();

	cJSON_AddStringToObject(note, "kind", "credit_note");
	json_add_integer(note, "reverses_id", invoice->id);
	json_add_integer(note, "customer_id", record_id(invoice, "customer_id"));
	if (record_text(invoice, "sales_order_id") != NULL)
		json_add_integer(note, "sales_order_id", record_id(invoice, "sales_order_id"));
	invoice_copy(note, invoice->row, copied);
	invoice_copy(note, sums, summed);
	json_add_string(note, "posted_at", row_text(sums, "posted_at"));
	if (reason != NULL)
		json_add_string(note, "reason", reason);
	cJSON_AddItemToObject(note, "lines", lines);
	return record_create(rq, &invoice_entity, note);
}
