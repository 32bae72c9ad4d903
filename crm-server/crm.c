/* crm-server/crm.c -- the table of contents of the CRM. */
#include "crm.h"

extern const struct migration daemon_migrations[];

static const char *const roles[] = {
	"admin", "sales", "sales_manager", "marketing", "support", "viewer", "bridge", NULL,
};

static struct entity *const entities[] = {
	/* customers: who buys */
	&account_entity,
	&contact_entity,
	/* sales: what they buy, at what price, and how the deal goes */
	&product_entity,
	&price_book_entity,
	&currency_entity,
	&pipeline_entity,
	&stage_entity,
	&loss_reason_entity,
	&opportunity_entity,
	&opportunity_amendment_entity,
	/* mirror: what the ERP says of them */
	&erp_customer_entity,
	&erp_order_entity,
	&erp_delivery_entity,
	&erp_invoice_entity,
	&erp_item_entity,
	NULL,
};

static struct route routes[] = { { 0 } };
static const struct job jobs[] = { { 0 } };
static const struct option options[] = { { 0 } };

const struct daemon crm_daemon = {
	.name = "crm-server",
	.env = "CRM",
	.text = "Customer relationship management: accounts, contacts, products, prices and deals.",
	.default_port = 8081,
	.migrations = daemon_migrations,
	.roles = roles,
	.entities = entities,
	.routes = routes,
	.jobs = jobs,
	.options = options,
};
