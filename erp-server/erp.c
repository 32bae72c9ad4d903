/* erp-server/erp.c -- the table of contents of the ERP. */
#include "erp.h"

extern const struct migration daemon_migrations[];

static const char *const roles[] = {
	"admin",   "sales", "warehouse", "purchasing", "production",
	"finance", "hr",    "viewer",    "bridge",     NULL,
};

static struct entity *const entities[] = {
	/* sales */
	&customer_entity,
	&price_list_entity,
	&sales_order_entity,
	&sales_order_amendment_entity,
	&delivery_entity,
	/* inventory */
	&item_entity,
	&warehouse_entity,
	&location_entity,
	&stock_move_entity,
	&stock_reservation_entity,
	&stock_adjustment_entity,
	/* finance */
	&company_entity,
	&currency_entity,
	&period_entity,
	&ledger_account_entity,
	&posting_rule_entity,
	&journal_entry_entity,
	&invoice_entity,
	&payment_entity,
	NULL,
};

static struct route routes[] = {
	{ "GET", "/api/v1/reports/trial-balance", report_trial_balance, .allow = "finance",
	  .summary = "The balance of every account; debits and credits have the same sum." },
	{ 0 },
};

static const struct job jobs[] = {
	{ "overdue invoices", 20, invoice_overdue },
	{ "back orders", 5, stock_sweep },
	{ 0 },
};

const struct daemon erp_daemon = {
	.name = "erp-server",
	.env = "ERP",
	.text = "Customers, stock, sales orders, deliveries, invoices, payments and the ledger.",
	.default_port = 8082,
	.migrations = daemon_migrations,
	.roles = roles,
	.entities = entities,
	.routes = routes,
	.jobs = jobs,
};
