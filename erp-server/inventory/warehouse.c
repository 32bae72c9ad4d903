/* erp-server/inventory/warehouse.c -- warehouses and the locations in them. */
#include "erp.h"

static const char sql_locations[] =
	"INSERT INTO location (warehouse_id, code, name, kind) VALUES "
	"($1, 'STOCK', 'Storage', 'storage'), ($1, 'IN', 'Goods in', 'input'), "
	"($1, 'OUT', 'Goods out', 'output')";

static const char sql_default[] = "SELECT id FROM warehouse WHERE is_default AND id <> $1";

static const char sql_no_default[] = "UPDATE warehouse SET is_default = false WHERE id = $1";

static void warehouse_prepare(struct request *rq, struct record *warehouse, cJSON *body);
static void warehouse_saved(struct request *rq, struct record *warehouse, bool created);

struct entity warehouse_entity = {
	.name = "warehouse",
	.path = "warehouses",
	.text = "A place that holds stock.",
	.read = "*",
	.write = "warehouse",
	.search = "code name",
	.prepare = warehouse_prepare,
	.saved = warehouse_saved,
};

struct entity location_entity = {
	.name = "location",
	.path = "locations",
	.text = "One end of a stock move.",
	.read = "*",
	.write = "warehouse",
	.search = "code name",
};

static void replace_default(struct request *rq, int64_t by);

static void
warehouse_prepare(struct request *rq, struct record *warehouse, cJSON *body)
{
	const cJSON *wanted = json_get(body, "is_default");

	if (warehouse != NULL && record_bool(warehouse, "is_default") && cJSON_IsFalse(wanted))
		fault_field(rq, "is_default", "out_of_range",
			    "make another warehouse the default instead");
	fault_raise_collected(rq);
	if (cJSON_IsTrue(wanted))
		replace_default(rq, warehouse == NULL ? 0 : warehouse->id);
}

/* One default at a time. */
static void
replace_default(struct request *rq, int64_t by)
{
	struct row *row = db_one(rq, sql_default, P_ID(by));
	struct record *former;

	if (row == NULL)
		return;
	former = record_lock(rq, &warehouse_entity, row_id(row, "id"));
	db_do(rq, sql_no_default, P_ID(former->id));
	record_changed(rq, former, "warehouse.updated");
}

static void
warehouse_saved(struct request *rq, struct record *warehouse, bool created)
{
	if (created)
		db_do(rq, sql_locations, P_ID(warehouse->id));
}
