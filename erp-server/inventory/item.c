/* erp-server/inventory/item.c -- what is bought, stored and sold. */
#include <string.h>

#include "erp.h"
#include "item_availability.sql.h"
#include "item_nested.sql.h"

static const char sql_has_stock[] = "SELECT coalesce(sum(quantity), 0) > 0 AS stocked, $2::numeric "
				    "IS DISTINCT FROM $3::numeric AS other "
				    "FROM stock_level WHERE item_id = $1";

static void item_prepare(struct request *rq, struct record *item, cJSON *body);
static void item_saved(struct request *rq, struct record *item, bool created);

static const struct view views[] = {
	{ "availability", "*", sql_item_availability,
	  "On hand, reserved and available, per warehouse." },
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
		  "(SELECT v.on_hand FROM item_level v WHERE v.item_id = t.id)::numeric(18,4)",
		  "On hand: in our warehouses." },
		{ "reserved", COLUMN_NUMERIC,
		  "(SELECT v.reserved FROM item_level v WHERE v.item_id = t.id)::numeric(18,4)",
		  "Reserved: held for orders." },
		{ "available", COLUMN_NUMERIC,
		  "(SELECT v.available FROM item_level v WHERE v.item_id = t.id)::numeric(18,4)",
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
	struct row *nested = db_one(rq, sql_item_nested, P_ID(item->id));

	if (nested != NULL)
		fault_field(rq, "components", "nested_bundle",
			    "%s is a bundle itself or part of one", row_text(nested, "sku"));
	fault_raise_collected(rq);
}
