/* erp-server/inventory/warehouse.c -- warehouses and the locations in them. */
#include "erp.h"

static const char sql_locations[] =
	"INSERT INTO location (warehouse_id, code, name, kind) VALUES "
	"($1, 'STOCK', 'Storage', 'storage'), ($1, 'IN', 'Goods in', 'input'), "
	"($1, 'OUT', 'Goods out', 'output')";

/* One default at a time. */
static const char sql_default[] =
	"UPDATE warehouse SET is_default = false WHERE is_default AND id <> $1";

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

static void
warehouse_prepare(struct request *rq, struct record *warehouse, cJSON *body)
{
	if (cJSON_IsTrue(json_get(body, "is_default")))
		db_do(rq, sql_default, P_ID(warehouse == NULL ? 0 : warehouse->id));
}

static void
warehouse_saved(struct request *rq, struct record *warehouse, bool created)
{
	if (created)
		db_do(rq, sql_locations, P_ID(warehouse->id));
}
