/* crm-server/mirror/mirror.c -- the ERP's facts, written by the bridge and read by everybody. */
#include "crm.h"

struct entity erp_customer_entity = {
	.name = "erp_customer",
	.path = "erp-customers",
	.text = "An account as the ERP's customer.",
	.read = "*",
	.write = "bridge",
	.remove = "bridge",
	.search = "customer_number",
};

struct entity erp_order_entity = {
	.name = "erp_order",
	.path = "erp-orders",
	.text = "A sales order of the ERP.",
	.read = "*",
	.write = "bridge",
	.remove = "bridge",
	.search = "number",
	.lines = { { .name = "lines", .table = "erp_order_line", .parent = "erp_order_id" } },
};

struct entity erp_delivery_entity = {
	.name = "erp_delivery",
	.path = "erp-deliveries",
	.text = "A delivery of the ERP.",
	.read = "*",
	.write = "bridge",
	.remove = "bridge",
	.search = "number tracking_number",
	.lines = { { .name = "lines", .table = "erp_delivery_line", .parent = "erp_delivery_id" } },
};

struct entity erp_invoice_entity = {
	.name = "erp_invoice",
	.path = "erp-invoices",
	.text = "A posted invoice or credit note of the ERP.",
	.read = "*",
	.write = "bridge",
	.remove = "bridge",
	.search = "number",
};

struct entity erp_item_entity = {
	.name = "erp_item",
	.path = "erp-items",
	.text = "A product as the ERP's item.",
	.read = "*",
	.write = "bridge",
	.remove = "bridge",
};
