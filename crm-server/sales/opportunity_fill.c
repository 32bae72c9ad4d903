/* crm-server/sales/opportunity_fill.c -- what a deal gets when the client leaves it out. */
#include "base/text.h"
#include "entity/value.h"
#include "sales/opportunity.h"

static const char sql_defaults[] =
	"SELECT (SELECT currency FROM account WHERE id = $1::bigint) AS currency,"
	"	s.id AS stage_id, s.pipeline_id, s.probability"
	" FROM (SELECT coalesce($3::bigint,"
	"	first_stage(coalesce($2::bigint, default_pipeline()))) AS id) AS want"
	" LEFT JOIN stage s ON s.id = want.id";

static const char sql_prices[] =
	"SELECT p.id, p.sku, coalesce(e.unit_price, d.unit_price) AS unit_price"
	" FROM product p"
	" LEFT JOIN price_book_entry e ON e.product_id = p.id"
	"	AND e.price_book_id = $2::bigint AND e.currency = $3"
	" LEFT JOIN price_book_entry d ON d.product_id = p.id"
	"	AND d.price_book_id = default_price_book() AND d.currency = $3"
	" WHERE p.id = ANY ($1::bigint[])";

static struct param
id_or_null(const cJSON *body, const char *name)
{
	int64_t id;

	return json_integer(body, name, &id) ? P_ID(id) : P_NULL;
}

static void
fill_text(cJSON *body, const char *name, const struct row *row)
{
	if (json_get(body, name) == NULL && !row_null(row, name))
		json_add_string(body, name, row_text(row, name));
}

static void
fill_id(cJSON *body, const char *name, const struct row *row)
{
	if (json_get(body, name) == NULL && !row_null(row, name))
		json_add_integer(body, name, row_id(row, name));
}

void
opportunity_fill(struct request *rq, const struct record *record, cJSON *body)
{
	bool staged = json_get(body, "stage_id") != NULL || json_get(body, "pipeline_id") != NULL;

	if (record != NULL && !staged)
		return;
	const struct row *row =
		db_one(rq, sql_defaults, id_or_null(body, "account_id"),
		       id_or_null(body, "pipeline_id"), id_or_null(body, "stage_id"));
	fill_text(body, "probability", row);
	fill_id(body, "stage_id", row);
	if (record == NULL) {
		fill_id(body, "pipeline_id", row);
		fill_text(body, "currency", row);
	}
}

/* The price must come from the book: the line names a product and neither a price nor the id of
 * a line that has one. */
static bool
wants_price(const cJSON *line, int64_t *product_id)
{
	return cJSON_IsObject(line) && json_get(line, "unit_price") == NULL &&
	       json_get(line, "id") == NULL && json_integer(line, "product_id", product_id);
}

static struct row *
price_of(struct rows *prices, int64_t product_id)
{
	for (int i = 0; i < rows_count(prices); i++)
		if (row_id(rows_at(prices, i), "id") == product_id)
			return rows_at(prices, i);
	return NULL;
}

static struct rows *
prices_for(struct request *rq, const struct record *record, const cJSON *body, const char *ids)
{
	const char *currency = json_string(body, "currency");
	struct param book = id_or_null(body, "price_book_id");

	if (currency == NULL)
		currency = record != NULL ? record_text(record, "currency") : "USD";
	if (record != NULL && json_get(body, "price_book_id") == NULL)
		book = P_ID(record_id(record, "price_book_id"));
	return db_all(rq, sql_prices, P_TEXT(ids), book, P_TEXT(currency));
}

/* A line without any price gets 0 as well, so that the lack is named once; it is refused. */
static void
give_price(struct request *rq, cJSON *line, int i, const struct row *price)
{
	const char *unit_price = row_text(price, "unit_price");

	if (unit_price == NULL)
		fault_field(rq, arena_printf(&rq->arena, "lines[%d].unit_price", i), "required",
			    "the price books have no price of %s in this currency",
			    row_text(price, "sku"));
	json_add_string(line, "unit_price", unit_price != NULL ? unit_price : "0");
}

void
opportunity_fill_prices(struct request *rq, const struct record *record, cJSON *body)
{
	cJSON *lines = json_get(body, "lines");
	struct text ids = text_in(&rq->arena);
	int64_t product_id;
	cJSON *line;
	int i = 0;

	if (!cJSON_IsArray(lines))
		return;
	cJSON_ArrayForEach(line, lines) if (wants_price(line, &product_id))
		text_addf(&ids, "%s%lld", ids.length > 0 ? "," : "{", (long long)product_id);
	if (ids.length == 0)
		return;
	text_add(&ids, "}");
	struct rows *prices = prices_for(rq, record, body, text_str(&ids));
	cJSON_ArrayForEach(line, lines)
	{
		struct row *price =
			wants_price(line, &product_id) ? price_of(prices, product_id) : NULL;

		if (price != NULL)
			give_price(rq, line, i, price);
		i++;
	}
}

/* tens: the most a value may be is 10 to this power. What is no number, or has more than width
 * digits before the point, is left to the validation. */
static void
check_range(struct request *rq, const cJSON *line, int i, const char *name, bool zero_ok, int tens,
	    int width)
{
	const cJSON *node = json_get(line, name);
	const char *text = cJSON_IsString(node) ? node->valuestring
			   : json_is_number(node) ? json_number_text(node)
						  : NULL;
	const char *field = arena_printf(&rq->arena, "lines[%d].%s", i, name);
	struct decimal value;

	if (text == NULL || !decimal_read(text, &value) || value.point > width)
		return;
	bool power = value.digits == 1 && value.text[0] == '1';

	if (value.digits == 0 ? !zero_ok : value.negative)
		fault_field(rq, field, "out_of_range",
			    zero_ok ? "must be 0 or more" : "must be more than 0");
	else if (value.digits > 0 && value.point > (power ? tens + 1 : tens))
		fault_field(rq, field, "out_of_range", "must be 1%0*d at most", tens, 0);
}

void
opportunity_check_lines(struct request *rq, const cJSON *body)
{
	const cJSON *lines = json_get(body, "lines");
	const cJSON *line;
	int i = 0;

	if (!cJSON_IsArray(lines))
		return;
	cJSON_ArrayForEach(line, lines) {
		check_range(rq, line, i, "quantity", false, 8, 14);
		check_range(rq, line, i, "unit_price", true, 7, 14);
		check_range(rq, line, i, "discount_percent", true, 2, 3);
		check_range(rq, line, i, "tax_percent", true, 2, 3);
		i++;
	}
}
