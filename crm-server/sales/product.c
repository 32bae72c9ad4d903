/* crm-server/sales/product.c -- what is sold; list price and default price book entry are one. */
#include <string.h>

#include "crm.h"

static const char sql_push_list_price[] =
	"INSERT INTO price_book_entry (product_id, position, price_book_id, currency, unit_price)"
	" SELECT p.id, (SELECT coalesce(max(e.position) + 1, 1) FROM price_book_entry e"
	"	WHERE e.product_id = p.id), b.id, b.currency, p.list_price"
	" FROM product p, price_book b"
	" WHERE p.id = $1 AND p.list_price IS NOT NULL AND b.is_default"
	" ON CONFLICT (product_id, price_book_id, currency)"
	" DO UPDATE SET unit_price = excluded.unit_price";

static const char sql_drop_list_price[] =
	"DELETE FROM price_book_entry e USING product p, price_book b"
	" WHERE p.id = $1 AND p.list_price IS NULL AND b.is_default"
	" AND e.product_id = p.id AND e.price_book_id = b.id AND e.currency = b.currency";

static const char sql_pull_list_price[] =
	"UPDATE product p SET list_price = ("
	"	SELECT e.unit_price FROM price_book_entry e"
	"	JOIN price_book b ON b.id = e.price_book_id"
	"	WHERE e.product_id = p.id AND b.is_default AND e.currency = b.currency)"
	" WHERE p.id = $1";

static const char sql_lock_bundles[] =
	"SELECT pg_advisory_xact_lock(hashtextextended('product_component', 0))";

static const char sql_bundle_circle[] =
	"WITH RECURSIVE down (id) AS ("
	"	SELECT component_id FROM product_component WHERE product_id = $1"
	"	UNION SELECT c.component_id FROM product_component c"
	"	JOIN down ON c.product_id = down.id)"
	" SELECT 1 FROM down WHERE id = $1";

static const char sql_availability[] =
	"SELECT json_build_object('product_id', p.id, 'sku', p.sku,"
	"	'on_hand', sum(i.on_hand)::text, 'reserved', sum(i.reserved)::text,"
	"	'available', sum(i.available)::text)"
	" FROM product p LEFT JOIN erp_item i ON i.product_id = p.id"
	" WHERE p.id = $1 GROUP BY p.id";

static void product_saved(struct request *rq, struct record *record, bool created);

static const struct view product_views[] = {
	{ .name = "availability",
	  .allow = "*",
	  .sql = sql_availability,
	  .text = "What the ERP has of it; null values when it does not know the product yet." },
	{ 0 }
};

struct entity product_entity = {
	.name = "product",
	.path = "products",
	.text = "Something we sell.",
	.read = "*",
	.write = "sales_manager marketing",
	.search = "sku name description",
	.lines = {
		{ .name = "prices", .table = "price_book_entry", .parent = "product_id" },
		{ .name = "components", .table = "product_component", .parent = "product_id" },
	},
	.views = product_views,
	.saved = product_saved,
};

/* The side that was written wins; the list price when both were. */
static bool
list_price_written(struct request *rq, const struct record *product, bool created)
{
	const char *now = record_text(product, "list_price");

	if (created)
		return now != NULL;
	const char *before = json_string(json_own(rq, product->json), "list_price");
	return strcmp(now != NULL ? now : "", before != NULL ? before : "") != 0;
}

static void
refuse_bundle_circle(struct request *rq, const struct record *product)
{
	db_do(rq, sql_lock_bundles);
	if (db_one(rq, sql_bundle_circle, P_ID(product->id)) == NULL)
		return;
	fault_field(rq, "components", "circle", "a component contains this product");
	fault_raise_collected(rq);
}

static void
product_saved(struct request *rq, struct record *record, bool created)
{
	if (list_price_written(rq, record, created)) {
		db_do(rq, sql_push_list_price, P_ID(record->id));
		db_do(rq, sql_drop_list_price, P_ID(record->id));
	} else {
		db_do(rq, sql_pull_list_price, P_ID(record->id));
	}
	if (!created)
		refuse_bundle_circle(rq, record);
}
