/* crm-server/sales/settings.c -- what sales sets once: currencies, stages, reasons, books. */
#include <string.h>

#include "crm.h"

static const char sql_stage_in_use[] =
	"SELECT 1 FROM opportunity o JOIN stage s ON s.id = o.stage_id"
	" WHERE s.id = $1 AND (o.status::text <> s.kind::text OR o.pipeline_id <> s.pipeline_id) "
	"LIMIT 1";

static const char sql_priced_otherwise[] =
	"SELECT 1 FROM price_book b JOIN price_book_entry e ON e.price_book_id = b.id"
	" JOIN product p ON p.id = e.product_id"
	" WHERE b.id = $1 AND b.is_default AND p.list_price IS NOT NULL"
	" AND NOT EXISTS (SELECT 1 FROM price_book_entry f WHERE f.product_id = p.id"
	"	AND f.price_book_id = b.id AND f.currency = b.currency"
	"	AND f.unit_price = p.list_price) LIMIT 1";

static const char sql_other_default[] = "SELECT id FROM pipeline WHERE is_default AND id <> $1";
static const char sql_set_default[] = "UPDATE pipeline SET is_default = $2::boolean WHERE id = $1";

static void stage_prepare(struct request *rq, struct record *record, cJSON *body);
static void stage_saved(struct request *rq, struct record *record, bool created);
static void price_book_saved(struct request *rq, struct record *record, bool created);
static void pipeline_make_default(struct request *rq, struct record *pipeline, cJSON *body);

static const struct verb pipeline_verbs[] = {
	{ .name = "make-default",
	  .allow = "sales_manager",
	  .run = pipeline_make_default,
	  .text = "Deals that name no pipeline go here from now on." },
	{ 0 }
};

struct entity currency_entity = {
	.name = "currency",
	.path = "currencies",
	.text = "A currency that prices and amounts may be in.",
	.read = "*",
	.write = "admin",
};

struct entity loss_reason_entity = {
	.name = "loss_reason",
	.path = "loss-reasons",
	.text = "Why a deal was lost.",
	.read = "*",
	.write = "sales_manager",
};

struct entity pipeline_entity = {
	.name = "pipeline",
	.path = "pipelines",
	.text = "A way of selling, as a row of stages.",
	.read = "*",
	.write = "sales_manager",
	.computed = "is_default",
	.derived = {
		{ "stages", COLUMN_JSON,
		  "(SELECT coalesce(json_agg(json_build_object('id', s.id, 'name', s.name,"
		  " 'kind', s.kind, 'probability', s.probability::text, 'position', s.position)"
		  " ORDER BY s.position, s.id), '[]') FROM stage s WHERE s.pipeline_id = t.id)",
		  "Its stages, in order." },
	},
	.verbs = pipeline_verbs,
};

struct entity stage_entity = {
	.name = "stage",
	.path = "stages",
	.text = "A step of a pipeline.",
	.read = "*",
	.write = "sales_manager",
	.remove = "sales_manager",
	.prepare = stage_prepare,
	.saved = stage_saved,
};

struct entity price_book_entity = {
	.name = "price_book",
	.path = "price-books",
	.text = "A set of prices; its entries stand with the products.",
	.read = "*",
	.write = "sales_manager",
	.computed = "is_default",
	.saved = price_book_saved,
};

/* Won is certain and lost is hopeless; nobody needs to say so. */
static void
stage_prepare(struct request *rq, struct record *record, cJSON *body)
{
	const char *kind = json_string(body, "kind");

	if (kind == NULL || json_get(body, "probability") != NULL)
		return;
	if (strcmp(kind, "won") == 0)
		json_add_integer(body, "probability", 100);
	else if (strcmp(kind, "lost") == 0)
		json_add_integer(body, "probability", 0);
}

static void
stage_saved(struct request *rq, struct record *record, bool created)
{
	if (!created && db_one(rq, sql_stage_in_use, P_ID(record->id)) != NULL)
		fail(rq, ERR_IN_USE, .field = "kind",
		     .detail = "Deals stand in this stage; its kind and pipeline cannot change.",
		     .hint = "Move them to another stage first, or add a new stage.");
}

static void
price_book_saved(struct request *rq, struct record *record, bool created)
{
	if (!created && db_one(rq, sql_priced_otherwise, P_ID(record->id)) != NULL)
		fail(rq, ERR_IN_USE, .field = "currency",
		     .detail = "Products have list prices in this book's currency.",
		     .hint = "Add prices in the other currency to the products instead.");
}

static void
pipeline_make_default(struct request *rq, struct record *pipeline, cJSON *body)
{
	if (record_bool(pipeline, "is_default"))
		return;
	const struct row *other = db_one(rq, sql_other_default, P_ID(pipeline->id));
	if (other != NULL) {
		struct record *old = record_lock(rq, &pipeline_entity, row_id(other, "id"));
		db_do(rq, sql_set_default, P_ID(old->id), P_BOOL(false));
		record_changed(rq, old, "pipeline.updated");
	}
	db_do(rq, sql_set_default, P_ID(pipeline->id), P_BOOL(true));
	record_changed(rq, pipeline, "pipeline.updated");
}
