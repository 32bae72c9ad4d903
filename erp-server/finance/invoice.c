/* erp-server/finance/invoice.c -- what customers owe: posting, balance, and falling due. */
#include "finance/invoice.h"

#include <string.h>

#include "erp.h"
#include "finance/ledger.h"
#include "invoice_refresh.sql.h"
#include "sales/order.h"

static const char sql_post[] =
	"UPDATE invoice SET number = gapless_number('INV', invoice_date), posted_at = now(),"
	" balance = total WHERE id = $1 RETURNING number, total - tax_amount AS net";

static const char sql_cancel[] = "UPDATE invoice SET status = 'cancelled' WHERE id = $1";

static const char sql_fallen_due[] = "SELECT id FROM invoice WHERE status IN ('posted', "
				     "'partially_paid') AND due_date < current_date "
				     "AND kind = 'invoice' ORDER BY id LIMIT 500";

static void verb_post(struct request *rq, struct record *invoice, cJSON *body);
static void verb_cancel(struct request *rq, struct record *invoice, cJSON *body);

static const struct param_spec credit_line_params[] = {
	{ "invoice_line_id", COLUMN_INTEGER, .required = true, .text = "Line of the invoice." },
	{ "quantity", COLUMN_NUMERIC, .required = true, .scale = 4, .text = "How many." },
	{ 0 },
};

static const struct param_spec credit_params[] = {
	{ "lines", COLUMN_JSON, .items = credit_line_params,
	  .text = "What to credit; all that is not credited yet when left out." },
	{ "reason", COLUMN_TEXT, .text = "Why." },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "post", "finance sales", .from = "draft", .event = "invoice.posted", .run = verb_post,
	  .text = "Gives it its number and books it; it cannot be changed after that." },
	{ "credit", "finance", .from = "posted partially_paid paid overdue",
	  .event = "invoice.credited", .params = credit_params, .run = invoice_credit,
	  .text = "Makes and books a credit note, answered here, that takes back some or all of "
		  "it." },
	{ "cancel", "finance sales", .from = "draft", .event = "invoice.cancelled",
	  .run = verb_cancel, .text = "Drops the draft." },
	{ 0 },
};

struct entity invoice_entity = {
	.name = "invoice", .path = "invoices",
	.text = "What a customer owes for what was sold; a credit note takes some of it back.",
	.read = "*",
	.search = "number",
	.derived = {
		{ "order_ref", COLUMN_TEXT,
		  "(SELECT o.external_ref FROM sales_order o WHERE o.id = t.sales_order_id)",
		  "Order reference: the other system's name for the order." },
		{ "customer_ref", COLUMN_TEXT,
		  "(SELECT c.external_ref FROM customer c WHERE c.id = t.customer_id)",
		  "Customer reference: the other system's name for the customer." },
	},
	.lines = { { "lines", "invoice_line", "invoice_id" } },
	.verbs = verbs,
};

void
invoice_refresh(struct request *rq, int64_t id)
{
	db_do(rq, sql_invoice_refresh, P_ID(id));
}

static void
verb_post(struct request *rq, struct record *invoice, cJSON *body)
{
	struct record *order = NULL;
	struct record *customer;
	struct row *row;

	if (record_text(invoice, "sales_order_id") != NULL)
		order = record_lock(rq, &sales_order_entity, record_id(invoice, "sales_order_id"));
	customer = record_lock(rq, &customer_entity, record_id(invoice, "customer_id"));
	row = db_one(rq, sql_post, P_ID(invoice->id));
	ledger_post(rq, &(struct posting){
				.document = "invoice",
				.entity = "invoice",
				.id = invoice->id,
				.date = record_text(invoice, "invoice_date"),
				.currency = record_text(invoice, "currency"),
				.customer_id = customer->id,
				.due_date = record_text(invoice, "due_date"),
				.memo = row_text(row, "number"),
				.amounts = { { "total", record_text(invoice, "total") },
					     { "net", row_text(row, "net") },
					     { "tax", record_text(invoice, "tax_amount") } },
			});
	invoice_refresh(rq, invoice->id);
	if (order != NULL) {
		order_refresh(rq, order->id);
		record_changed(rq, order, "sales_order.invoiced");
	}
	record_changed(rq, customer, "customer.finance_changed");
}

static void
verb_cancel(struct request *rq, struct record *invoice, cJSON *body)
{
	db_do(rq, sql_cancel, P_ID(invoice->id));
}

/* ---- by the clock ---- */

void
invoice_overdue(struct request *rq)
{
	struct rows *due = db_all(rq, sql_fallen_due);

	for (int i = 0; i < rows_count(due); i++) {
		struct record *invoice, *customer;

		db_begin(rq);
		invoice = record_lock(rq, &invoice_entity, row_id(rows_at(due, i), "id"));
		customer = record_lock(rq, &customer_entity, record_id(invoice, "customer_id"));
		invoice_refresh(rq, invoice->id);
		record_reload(rq, invoice);
		if (strcmp(record_text(invoice, "status"), "overdue") == 0) {
			record_changed(rq, invoice, "invoice.overdue");
			record_changed(rq, customer, "customer.finance_changed");
		}
		db_commit(rq);
	}
}
