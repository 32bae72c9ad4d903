/* erp-server/sales/customer.c -- who buys from us: master data, what he owes, and price lists. */
#include "erp.h"

#define OPEN_BALANCE(condition)                                                                   \
	"(SELECT coalesce(sum(CASE i.kind WHEN 'invoice' THEN i.balance ELSE -i.balance END), 0)" \
	"::numeric(18,2) FROM invoice i WHERE i.customer_id = t.id AND i.balance > 0"             \
	" AND i.currency = t.currency" condition ")"

struct entity customer_entity = {
	.name = "customer", .path = "customers",
	.text = "Who buys from us and owes for it.",
	.read = "*", .write = "sales finance bridge",
	.computed = "number",
	.search = "number name email",
	.derived = {
		{ "open_balance", COLUMN_NUMERIC, OPEN_BALANCE(""),
		  "Open balance: invoices not yet paid less unused credit notes." },
		{ "overdue_balance", COLUMN_NUMERIC,
		  OPEN_BALANCE(" AND i.kind = 'invoice' AND i.due_date < current_date"),
		  "Overdue balance: the part of it that should have been paid." },
		{ "unapplied_cash", COLUMN_NUMERIC,
		  "(SELECT coalesce(sum(p.unapplied), 0)::numeric(18,2) FROM payment p"
		  " WHERE p.customer_id = t.id AND p.unapplied > 0 AND p.currency = t.currency)",
		  "Unapplied cash: payments not allocated to an invoice yet." },
	},
};

struct entity price_list_entity = {
	.name = "price_list",
	.path = "price-lists",
	.text = "Prices for the customers it is given to.",
	.read = "*",
	.write = "sales finance",
	.search = "name",
	.lines = { { "entries", "price_list_entry", "price_list_id" } },
};
