/* erp-server/finance/payment.c -- money customers send, and which invoices it pays. */
#include <string.h>

#include "erp.h"
#include "finance/invoice.h"
#include "finance/ledger.h"
#include "payment_applied.sql.h"
#include "payment_check.sql.h"
#include "payment_oldest.sql.h"

#define WHOLE_COINS "must be whole coins of the currency"

static const char sql_currency[] = "SELECT currency FROM customer WHERE id = $1";

static const char sql_lock_oldest[] =
	"SELECT i.id FROM payment p JOIN invoice i ON i.customer_id = p.customer_id "
	"WHERE p.id = $1 AND i.balance > 0 AND i.kind = 'invoice' ORDER BY i.id FOR NO KEY UPDATE "
	"OF i";

static const char sql_lock_named[] =
	"SELECT i.id FROM invoice i WHERE i.id IN (SELECT a.invoice_id FROM payment_allocation a "
	"WHERE a.payment_id = $1 AND a.position > $2) ORDER BY i.id FOR NO KEY UPDATE";

static const char sql_insert_named[] =
	"INSERT INTO payment_allocation (payment_id, position, invoice_id, amount) "
	"SELECT $1, $2::bigint + row_number() OVER (), w.invoice_id, w.amount "
	"FROM json_to_recordset($3::json) AS w (invoice_id bigint, amount numeric(18,2))";

static const char sql_touched[] = "SELECT DISTINCT invoice_id FROM payment_allocation WHERE "
				  "payment_id = $1 AND position > $2 "
				  "ORDER BY invoice_id";

static const char sql_last_place[] =
	"SELECT coalesce(max(position), 0) AS place FROM payment_allocation WHERE payment_id = $1";

static void payment_prepare(struct request *rq, struct record *payment, cJSON *body);
static void payment_saved(struct request *rq, struct record *payment, bool created);
static void verb_allocate(struct request *rq, struct record *payment, cJSON *body);

static const struct param_spec allocation_params[] = {
	{ "invoice_id", COLUMN_INTEGER, .required = true, .references = "invoice",
	  .text = "Invoice to pay." },
	{ "amount", COLUMN_NUMERIC, .required = true, .scale = 2, .text = "How much of it." },
	{ 0 },
};

static const struct param_spec allocate_params[] = {
	{ "allocations", COLUMN_JSON, .items = allocation_params,
	  .text = "What it pays; the oldest invoices first when left out." },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "allocate", "finance", .event = "payment.allocated", .params = allocate_params,
	  .run = verb_allocate, .text = "Gives unapplied money to invoices." },
	{ 0 },
};

struct entity payment_entity = {
	.name = "payment",
	.path = "payments",
	.text = "Money a customer sent, and which invoices it pays.",
	.read = "finance sales viewer bridge",
	.write = "finance",
	.computed = "number allocated unapplied",
	.search = "number reference",
	.lines = { { "allocations", "payment_allocation", "payment_id", "date" } },
	.verbs = verbs,
	.prepare = payment_prepare,
	.saved = payment_saved,
};

/* ---- a new payment ---- */

static void
payment_prepare(struct request *rq, struct record *payment, cJSON *body)
{
	struct row *customer;
	int64_t customer_id;

	if (payment != NULL)
		fail(rq, ERR_INVALID_STATE,
		     .detail = "A payment is in the books and stays as it is.",
		     .hint = "Unapplied money is given to invoices by /allocate.");
	if (json_get(body, "allocations") != NULL && json_get(body, "auto_allocate") == NULL)
		cJSON_AddFalseToObject(body, "auto_allocate");
	if (json_get(body, "currency") != NULL || !json_integer(body, "customer_id", &customer_id))
		return;
	customer = db_one(rq, sql_currency, P_ID(customer_id));
	if (customer != NULL)
		json_add_string(body, "currency", row_text(customer, "currency"));
}

static struct row *
apply(struct request *rq, struct record *payment, struct record *customer, int64_t place);

static void
payment_saved(struct request *rq, struct record *payment, bool created)
{
	struct record *customer;
	struct row *row;

	if (record_bool(payment, "auto_allocate"))
		db_all(rq, sql_lock_oldest, P_ID(payment->id));
	else
		db_all(rq, sql_lock_named, P_ID(payment->id), P_ID(0));
	customer = record_lock(rq, &customer_entity, record_id(payment, "customer_id"));
	if (record_bool(payment, "auto_allocate"))
		db_do(rq, sql_payment_oldest, P_ID(payment->id));
	row = apply(rq, payment, customer, 0);
	ledger_post(rq, &(struct posting){
				.document = "payment",
				.entity = "payment",
				.id = payment->id,
				.date = record_text(payment, "date"),
				.currency = record_text(payment, "currency"),
				.customer_id = customer->id,
				.memo = record_text(payment, "number"),
				.amounts = { { "received", record_text(payment, "amount") },
					     { "allocated", row_text(row, "whole") },
					     { "unapplied", row_text(row, "unapplied") } },
			});
	record_changed(rq, customer, "customer.finance_changed");
}

/* ---- unapplied money ---- */

static void
verb_allocate(struct request *rq, struct record *payment, cJSON *body)
{
	const cJSON *named = json_get(body, "allocations");
	int64_t place = row_id(db_one(rq, sql_last_place, P_ID(payment->id)), "place");
	struct record *customer;
	struct row *row;

	if (named != NULL) {
		db_do(rq, sql_insert_named, P_ID(payment->id), P_ID(place),
		      P_TEXT(json_text(rq, named)));
		db_all(rq, sql_lock_named, P_ID(payment->id), P_ID(place));
	} else {
		db_all(rq, sql_lock_oldest, P_ID(payment->id));
	}
	customer = record_lock(rq, &customer_entity, record_id(payment, "customer_id"));
	if (named == NULL)
		db_do(rq, sql_payment_oldest, P_ID(payment->id));
	row = apply(rq, payment, customer, place);
	ledger_post(rq, &(struct posting){
				.document = "allocation",
				.entity = "payment",
				.id = payment->id,
				.currency = record_text(payment, "currency"),
				.customer_id = customer->id,
				.memo = record_text(payment, "number"),
				.amounts = { { "allocated", row_text(row, "fresh") } },
			});
	record_changed(rq, customer, "customer.finance_changed");
}

/* ---- what both do ---- */

static void check_allocations(struct request *rq, struct record *payment, int64_t place);
static void invoices_paid(struct request *rq, struct rows *touched);

/* The allocations after place take effect: checked, then the invoices' balances and events.
 * Invoices and customer are locked; their rows still show what was before. */
static struct row *
apply(struct request *rq, struct record *payment, struct record *customer, int64_t place)
{
	struct row *row;

	check_allocations(rq, payment, place);
	row = db_one(rq, sql_payment_applied, P_ID(payment->id), P_ID(place));
	if (row_bool(row, "has_fraction"))
		fault_field(rq, "amount", "out_of_range", WHOLE_COINS);
	fault_raise_collected(rq);
	if (row_bool(row, "too_much")) {
		cJSON *members = cJSON_CreateObject();

		json_add_string(members, "amount", row_text(row, "amount"));
		json_add_string(members, "available", row_text(row, "had"));
		json_add_string(members, "allocated", row_text(row, "fresh"));
		fail(rq, ERR_OVER_ALLOCATION, .members = members, .field = "allocations",
		     .detail = arena_printf(&rq->arena, "%s are given out, the payment has %s.",
					    row_text(row, "fresh"), row_text(row, "had")));
	}
	invoices_paid(rq, db_all(rq, sql_touched, P_ID(payment->id), P_ID(place)));
	return row;
}

/* Invoices are still as they were before; afterwards their balance and status are new. */
static void
invoices_paid(struct request *rq, struct rows *touched)
{
	size_t count = (size_t)rows_count(touched);
	struct record **invoices = arena_array(&rq->arena, struct record *, count + 1);
	int64_t *ids = arena_array(&rq->arena, int64_t, count + 1);

	for (size_t i = 0; i < count; i++)
		ids[i] = row_id(rows_at(touched, (int)i), "invoice_id");
	records_lock(rq, &invoice_entity, ids, (int)count, invoices);
	for (size_t i = 0; i < count; i++)
		invoice_refresh(rq, ids[i]);
	for (size_t i = 0; i < count; i++) {
		bool paid;

		record_reload(rq, invoices[i]);
		paid = strcmp(record_text(invoices[i], "status"), "paid") == 0;
		record_changed(rq, invoices[i], paid ? "invoice.paid" : "invoice.partially_paid");
	}
}

static void
check_allocations(struct request *rq, struct record *payment, int64_t place)
{
	struct rows *rows = db_all(rq, sql_payment_check, P_ID(payment->id), P_ID(place));
	cJSON *members = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(members, "allocations");

	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);
		const char *id = arena_printf(&rq->arena, "allocations[%d].invoice_id", i);
		cJSON *item;

		if (row_bool(row, "foreign_invoice"))
			fault_field(rq, id, "mismatch", "is another customer's invoice");
		else if (row_bool(row, "other_currency"))
			fault_field(rq, id, "mismatch", "is in another currency");
		else if (row_bool(row, "not_payable"))
			fault_field(rq, id, "mismatch", "is a draft or a credit note");
		else if (row_bool(row, "has_fraction"))
			fault_field(rq, arena_printf(&rq->arena, "allocations[%d].amount", i),
				    "out_of_range", WHOLE_COINS);
		else if (row_bool(row, "too_much")) {
			item = cJSON_CreateObject();
			json_add_integer(item, "invoice_id", row_id(row, "invoice_id"));
			json_add_string(item, "number", row_text(row, "number"));
			json_add_string(item, "wanted", row_text(row, "amount"));
			json_add_string(item, "balance", row_text(row, "balance"));
			cJSON_AddItemToArray(list, item);
		}
	}
	fault_raise_collected(rq);
	if (list->child != NULL)
		fail(rq, ERR_OVER_ALLOCATION, .members = members, .field = "allocations",
		     .detail = "More is allocated to an invoice than is open on it.");
}
