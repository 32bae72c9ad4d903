/* erp-server/inventory/item.c -- what is bought, stored and sold. */
#include <string.h>

#include "erp.h"

static const char sql_availability[] =
	"SELECT json_build_object('item_id', i.id,"
	" 'on_hand', coalesce(sum(s.on_hand), 0)::numeric(18,4)::text,"
	" 'reserved', coalesce(sum(s.reserved), 0)::numeric(18,4)::text,"
	" 'available', coalesce(item_available(i.id), 0)::numeric(18,4)::text,"
	" 'warehouses', coalesce(json_agg(json_build_object('warehouse_id', w.id, 'code', w.code,"
	"   'on_hand', s.on_hand::numeric(18,4)::text, 'reserved', s.reserved::numeric(18,4)::text,"
	"   'available', (s.on_hand - s.reserved)::numeric(18,4)::text) ORDER BY w.code)"
	"   FILTER (WHERE w.id IS NOT NULL), '[]')) "
	"FROM item i LEFT JOIN LATERAL (SELECT * FROM item_stock s WHERE s.item_id = i.id) s ON true "
	"LEFT JOIN warehouse w ON w.id = s.warehouse_id WHERE i.id = $1 GROUP BY i.id";

static const char sql_has_stock[] =
	"SELECT coalesce(sum(quantity), 0) > 0 AS stocked, $2::numeric IS DISTINCT FROM $3::numeric AS other "
	"FROM stock_level WHERE item_id = $1";

/* A bundle of bundles would hide what it takes out of stock. */
static const char sql_nested[] =
	"SELECT i.sku FROM item_component c JOIN item i ON i.id = c.component_id "
	"WHERE (c.item_id = $1 AND EXISTS (SELECT FROM item_component x WHERE x.item_id = c.component_id)) "
	"OR (c.component_id = $1 AND EXISTS (SELECT FROM item_component x WHERE x.item_id = $1)) "
	"OR (c.item_id = $1 AND c.component_id = $1) LIMIT 1";

static void item_prepare(struct request *rq, struct record *item, cJSON *body);
static void item_saved(struct request *rq, struct record *item, bool created);

static const struct view views[] = {
	{ "availability", "*", sql_availability, "On hand, reserved and available, per warehouse." },
	{ 0 },
};

struct entity item_entity = {
	.name = "item", .path = "items",
	.text = "What is bought, stored, made and sold.",
	.read = "*", .write = "sales purchasing warehouse production finance bridge",
	.search = "sku name",
	.restricted = { { "unit_cost", "finance purchasing warehouse production" } },
	.derived = {
		{ "on_hand", COLUMN_NUMERIC,
		  "(SELECT coalesce(sum(s.quantity), 0)::numeric(18,4) FROM stock_level s"
		  " WHERE s.item_id = t.id)", "On hand: in our warehouses." },
		{ "reserved", COLUMN_NUMERIC,
		  "(SELECT coalesce(sum(r.quantity - r.consumed), 0)::numeric(18,4)"
		  " FROM stock_reservation r WHERE r.item_id = t.id AND r.status = 'active')",
		  "Reserved: held for orders." },
		{ "available", COLUMN_NUMERIC,
		  "coalesce(item_available(t.id), 0)::numeric(18,4)",
		  "Available: what can still be promised." },
	},
	.lines = {
		{ "prices", "item_price", "item_id" },
		{ "components", "item_component", "item_id" },
	},
	.views = views,
	.prepare = item_prepare,
	.saved = item_saved,
};

/* While there is stock its cost is what was paid for it. */
static void
item_prepare(struct request *rq, struct record *item, cJSON *body)
{
	const cJSON *cost = json_get(body, "unit_cost");
	struct row *row;

	if (item == NULL || cost == NULL)
		return;
	row = db_one(rq, sql_has_stock, P_ID(item->id),
		     P_TEXT(json_is_number(cost) ? json_number_text(cost) : cost->valuestring),
		     P_TEXT(record_text(item, "unit_cost")));
	if (row_bool(row, "stocked") && row_bool(row, "other"))
		fault_field(rq, "unit_cost", "read_only",
			    "is the average of what is in stock; change it by stock adjustments");
	fault_raise_collected(rq);
}

static void
item_saved(struct request *rq, struct record *item, bool created)
{
	struct row *nested = db_one(rq, sql_nested, P_ID(item->id));

	if (nested != NULL)
		fault_field(rq, "components", "nested_bundle", "%s is a bundle itself or part of one",
			    row_text(nested, "sku"));
	fault_raise_collected(rq);
}
