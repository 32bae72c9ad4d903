/* erp-server/inventory/adjustment.c -- stock found, lost or brought in without an order. */
#include "adjustment_check.sql.h"
#include "erp.h"
#include "finance/ledger.h"
#include "inventory/stock.h"

static void adjustment_prepare(struct request *rq, struct record *adjustment, cJSON *body);
static void adjustment_saved(struct request *rq, struct record *adjustment, bool created);

struct entity stock_adjustment_entity = {
	.name = "stock_adjustment",
	.path = "stock-adjustments",
	.text = "Stock found, lost or brought in without an order; takes effect at once.",
	.read = "*",
	.write = "warehouse purchasing production",
	.computed = "number value",
	.search = "number reason",
	.restricted = { { "unit_cost value", "finance purchasing warehouse production" } },
	.prepare = adjustment_prepare,
	.saved = adjustment_saved,
};

static void
adjustment_prepare(struct request *rq, struct record *adjustment, cJSON *body)
{
	if (adjustment != NULL)
		fail(rq, ERR_INVALID_STATE,
		     .detail = "A stock adjustment has taken effect and stays as it is.",
		     .hint = "Make another one with the opposite quantity.");
}

static void
adjustment_saved(struct request *rq, struct record *adjustment, bool created)
{
	int64_t item_id = record_id(adjustment, "item_id");
	struct stock_hold hold;
	struct row *row;
	const char *value;
	bool loss;

	stock_hold_item(rq, &hold, item_id);
	row = db_one(rq, sql_adjustment_check, P_ID(adjustment->id));
	if (!row_bool(row, "stockable"))
		fault_field(rq, "item_id", "not_stocked",
			    "%s is a service or a bundle and has no stock", row_text(row, "sku"));
	fault_raise_collected(rq);
	if (row_bool(row, "too_much")) {
		cJSON *members = cJSON_CreateObject();

		json_add_string(members, "on_hand", row_text(row, "on_hand"));
		json_add_string(members, "reserved", row_text(row, "reserved"));
		json_add_string(members, "quantity", row_text(row, "quantity"));
		fail(rq, ERR_NOT_IN_STOCK, .members = members, .field = "quantity",
		     .detail = arena_printf(&rq->arena, "Warehouse %s has %s of %s on hand.",
					    row_text(row, "code"), row_text(row, "on_hand"),
					    row_text(row, "sku")));
	}
	loss = row_bool(row, "loss");
	value = stock_adjust(rq, adjustment->id);
	ledger_post(rq, &(struct posting){
				.document = loss ? "stock_loss" : "stock_gain",
				.entity = "stock_adjustment",
				.id = adjustment->id,
				.memo = record_text(adjustment, "reason"),
				.amounts = { { "value", value } },
			});
	if (loss)
		stock_take_back(rq, &hold, item_id, record_id(adjustment, "warehouse_id"));
	else
		stock_give_out(rq, &hold);
	stock_done(rq, &hold);
}
