/* erp-server/sales/amendment.c -- changes of a confirmed order: checked, applied, kept by revision.
 *
 * An amendment that exists is in effect, but for those withdrawn before they got here: they are
 * kept so that a late copy of the proposal changes nothing. The order's row lock is held from the
 * first look to COMMIT, so deliveries and invoices are made either before or after.
 */
#include <string.h>

#include "amend_apply.sql.h"
#include "amend_check.sql.h"
#include "amend_drafts.sql.h"
#include "amend_trim.sql.h"
#include "amend_wanted.sql.h"
#include "base/text.h"
#include "erp.h"
#include "inventory/stock.h"
#include "sales/order.h"

/* Lines from another system are known by its name for them; the rest get their ids. */
static const char sql_match[] =
	"UPDATE sales_order_amendment_line a SET order_line_id = l.id FROM sales_order_line l"
	" WHERE a.sales_order_amendment_id = $1 AND a.order_line_id IS NULL"
	" AND l.sales_order_id = $2 AND l.source_line = a.source_line";

static const char sql_number[] = "UPDATE sales_order_amendment_line SET order_line_id ="
				 " nextval(pg_get_serial_sequence('sales_order_line', 'id'))"
				 " WHERE sales_order_amendment_id = $1 AND order_line_id IS NULL";

static const char sql_give_up_lines[] =
	"DELETE FROM sales_order_line l WHERE l.sales_order_id = $2 AND NOT EXISTS"
	" (SELECT FROM sales_order_amendment_line a"
	"	WHERE a.sales_order_amendment_id = $1 AND a.order_line_id = l.id)";

static const char sql_agreed[] =
	"UPDATE sales_order o SET agreed_total = a.agreed_total, revision = o.revision + 1"
	" FROM sales_order_amendment a WHERE a.id = $1 AND o.id = $2";

static const char sql_revised[] =
	"UPDATE sales_order_amendment SET revision = base_revision + 1 WHERE id = $1";

static const char sql_costs_more[] =
	"SELECT total > $2::numeric AS more FROM sales_order WHERE id = $1";

static const char sql_unshipped[] =
	"SELECT id FROM delivery WHERE sales_order_id = $1 AND status IN ('draft', 'picked',"
	" 'packed') ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";
static const char sql_unposted[] =
	"SELECT id FROM invoice WHERE sales_order_id = $1 AND status = 'draft' ORDER BY id"
	" FOR NO KEY UPDATE SKIP LOCKED";
static const char sql_cancel_deliveries[] =
	"UPDATE delivery SET status = 'cancelled', cancelled_at = now()"
	" WHERE id = ANY ($1::bigint[])";
static const char sql_cancel_invoices[] =
	"UPDATE invoice SET status = 'cancelled' WHERE id = ANY ($1::bigint[])";

static const char sql_in_the_way[] =
	"SELECT (SELECT min(number) FROM delivery WHERE sales_order_id = $1"
	"  AND status IN ('shipped', 'delivered')) AS shipped,"
	" EXISTS (SELECT FROM delivery WHERE sales_order_id = $1"
	"  AND status IN ('draft', 'picked', 'packed')) OR EXISTS (SELECT FROM invoice"
	"  WHERE sales_order_id = $1 AND status = 'draft') AS busy,"
	" (SELECT min(v.number) FROM invoice v WHERE v.sales_order_id = $1 AND v.kind = 'invoice'"
	"  AND v.status NOT IN ('draft', 'cancelled', 'credited')"
	"  AND EXISTS (SELECT FROM sales_order_line l"
	"	WHERE l.sales_order_id = $1 AND l.invoiced > 0)) AS invoice";

static const struct param_spec line_params[] = {
	{ "id", COLUMN_INTEGER, .text = "A line of the order that is kept." },
	{ "item_id", COLUMN_INTEGER, .references = "item", .text = "Of a line that is added." },
	{ "description", COLUMN_TEXT, .text = "When it differs from the item's." },
	{ "quantity", COLUMN_NUMERIC, .text = "How many in all." },
	{ "unit_price", COLUMN_NUMERIC, .text = "The customer's when a new line has none." },
	{ "discount_percent", COLUMN_NUMERIC, .text = "Percent of the price." },
	{ "tax_percent", COLUMN_NUMERIC, .text = "Percent." },
	{ 0 },
};

const struct param_spec order_amend_params[] = {
	{ "lines", COLUMN_JSON, .required = true, .items = line_params,
	  .text = "The lines as they shall be; lines not named are given up." },
	{ "agreed_total", COLUMN_NUMERIC, .scale = 2, .text = "What they must come to, if given." },
	{ "reason", COLUMN_TEXT, .text = "Why." },
	{ 0 },
};

static void amendment_prepare(struct request *rq, struct record *amendment, cJSON *body);
static void amendment_saved(struct request *rq, struct record *amendment, bool created);

struct entity sales_order_amendment_entity = {
	.name = "sales_order_amendment",
	.path = "sales-order-amendments",
	.text = "A change of a confirmed order, in effect unless it was withdrawn.",
	.read = "*",
	.write = "bridge",
	.computed = "revision",
	.derived = {
		{ "number", COLUMN_TEXT,
		  "CASE WHEN t.revision IS NOT NULL THEN (SELECT o.number || '/' || t.revision"
		  " FROM sales_order o WHERE o.id = t.sales_order_id) END",
		  "Number: the order's, and the revision; none when it was withdrawn." },
	},
	.lines = { { "lines", "sales_order_amendment_line", "sales_order_amendment_id",
		     "order_line_id" } },
	.prepare = amendment_prepare,
	.saved = amendment_saved,
};

/* ---- as another system asks it ---- */

/* What is in effect stays so; asked again by reference, it is unchanged. */
static void
amendment_prepare(struct request *rq, struct record *amendment, cJSON *body)
{
	cJSON *member, *next;

	if (amendment == NULL)
		return;
	if (json_get(body, "external_ref") == NULL)
		fail(rq, ERR_INVALID_STATE, .detail = "An amendment is never changed.",
		     .hint = "Make another one.");
	for (member = body->child; member != NULL; member = next) {
		next = member->next;
		if (strcmp(member->string, "external_ref") != 0)
			cJSON_DetachItemViaPointer(body, member);
	}
}

static void
check_order(struct request *rq, const struct record *amendment, const struct record *order);
static void change_lines(struct request *rq, struct record *amendment, struct record *order);
static void give_up_order(struct request *rq, struct record *order);

static void
amendment_saved(struct request *rq, struct record *amendment, bool created)
{
	struct record *order;

	if (record_bool(amendment, "withdrawn"))
		return;
	order = record_lock(rq, &sales_order_entity, record_id(amendment, "sales_order_id"));
	check_order(rq, amendment, order);
	db_do(rq, sql_revised, P_ID(amendment->id));
	if (strcmp(record_text(amendment, "kind"), "cancel") == 0)
		give_up_order(rq, order);
	else
		change_lines(rq, amendment, order);
}

static void
check_order(struct request *rq, const struct record *amendment, const struct record *order)
{
	static const char amendable[] = "confirmed on_hold partially_delivered delivered";
	const char *status = record_text(order, "status");
	bool cancel = strcmp(record_text(amendment, "kind"), "cancel") == 0;
	cJSON *members;

	if (strcmp(status, "draft") == 0 || record_text(order, "confirmed_at") == NULL)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Sales order %s is not confirmed.",
					    record_text(order, "number")),
		     .hint = "Edit it as it is.");
	if (strstr(amendable, status) == NULL && !(cancel && strcmp(status, "completed") == 0))
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Sales order %s is %s.",
					    record_text(order, "number"), status),
		     .hint = "Make another order.");
	if (record_id(amendment, "base_revision") == record_id(order, "revision"))
		return;
	members = cJSON_CreateObject();
	json_add_integer(members, "revision", record_id(order, "revision"));
	json_add_integer(members, "base_revision", record_id(amendment, "base_revision"));
	fail(rq, ERR_REVISION_MISMATCH, .members = members, .field = "base_revision",
	     .detail = arena_printf(&rq->arena,
				    "Sales order %s has revision %s; revision %s was amended.",
				    record_text(order, "number"), record_text(order, "revision"),
				    record_text(amendment, "base_revision")),
	     .hint = "Look at the order as it is now and ask again.");
}

/* ---- other lines ---- */

static void cancel_documents(struct request *rq, struct entity *entity, struct rows *rows,
			     const char *sql, const char *event);
static void check_lines(struct request *rq, struct rows *lines);

static void
change_lines(struct request *rq, struct record *amendment, struct record *order)
{
	struct param asked = P_ID(amendment->id), of = P_ID(order->id);
	struct stock_hold hold;

	db_do(rq, sql_match, asked, of);
	cancel_documents(rq, &delivery_entity, db_all(rq, sql_amend_drafts, asked, of),
			 sql_cancel_deliveries, "delivery.cancelled");
	check_lines(rq, db_all(rq, sql_amend_check, asked, of));
	order_lock_customer(rq, order);
	db_do(rq, sql_number, asked);
	db_do(rq, sql_amend_apply, asked, of);
	stock_hold_order(rq, &hold, order->id);
	db_do(rq, sql_amend_trim, asked, of);
	db_do(rq, sql_give_up_lines, asked, of);
	db_do(rq, sql_agreed, asked, of);
	order_total(rq, order->id);
	if (row_bool(db_one(rq, sql_costs_more, of, P_TEXT(record_text(order, "total"))), "more"))
		order_check_customer(rq, order);
	order_refresh(rq, order->id);
	stock_reserve(rq, order->id, &hold);
	order_refresh(rq, order->id);
	order_promise(rq, order->id);
	stock_give_out(rq, &hold);
	record_changed(rq, order, "sales_order.amended");
	stock_done(rq, &hold);
}

/* The arithmetic as a sentence, for those who see only that. */
static void
say_line(struct text *out, const struct row *row)
{
	text_addf(out, "%s%s: wanted %s, ordered %s, delivered %s, allocated %s, invoiced %s",
		  out->length ? "; " : "", row_text(row, "sku"), row_text(row, "wanted"),
		  row_text(row, "ordered"), row_text(row, "delivered"), row_text(row, "allocated"),
		  row_text(row, "invoiced"));
}

static void
refuse_committed(struct request *rq, struct rows *lines)
{
	struct text said = text_in(&rq->arena);
	cJSON *members = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(members, "lines");
	bool priced = false, busy = false;

	for (int i = 0; i < rows_count(lines); i++) {
		struct row *row = rows_at(lines, i);

		if (!row_bool(row, "too_little") && !row_bool(row, "priced"))
			continue;
		priced = priced || !row_bool(row, "too_little");
		busy = busy || (row_bool(row, "too_little") && row_bool(row, "drafted"));
		say_line(&said, row);
		cJSON_AddItemToArray(list, json_own(rq, row_text(row, "arithmetic")));
	}
	if (list->child == NULL)
		return;
	if (busy) /* a draft that somebody is just shipping or cancelling */
		fail(rq, ERR_LOCKED, .rerun = true, .retry_after = 1,
		     .detail = "A delivery of the order is being worked on.");
	fail(rq, ERR_NOT_AMENDABLE, .members = members,
	     .detail = arena_printf(&rq->arena, "%s %s.",
				    priced ? "What is invoiced keeps its price; what is invoiced, "
					     "delivered or on its way stays ordered:"
					   : "What is delivered, on its way or invoiced stays "
					     "ordered:",
				    text_str(&said)),
	     .hint = "Order as many at least, or first cancel what is picked, or credit what is "
		     "invoiced.");
}

static void
check_lines(struct request *rq, struct rows *lines)
{
	struct text inactive = text_in(&rq->arena);
	cJSON *members = cJSON_CreateObject();
	cJSON *depends = cJSON_AddArrayToObject(members, "depends_on");
	int named = 0;

	for (int i = 0; i < rows_count(lines); i++) {
		struct row *row = rows_at(lines, i);
		const char *line = arena_printf(&rq->arena, "lines[%d]", i);

		if (row_null(row, "n"))
			continue;
		named++;
		if (row_bool(row, "twice"))
			fault_field(rq, arena_printf(&rq->arena, "%s.source_line", line),
				    "duplicate", "is given twice");
		if (row_bool(row, "other_item"))
			fault_field(rq, arena_printf(&rq->arena, "%s.item_id", line),
				    "wrong_reference",
				    "is another item; give the line up and add one");
		if (!row_bool(row, "inactive"))
			continue;
		text_addf(&inactive, "%s%s", inactive.length ? ", " : "", row_text(row, "sku"));
		cJSON_AddItemToArray(depends,
				     cJSON_CreateString(arena_printf(&rq->arena, "item:%s",
								     row_text(row, "item_id"))));
	}
	if (named == 0)
		fault_field(rq, "lines", "required", "must have at least one line");
	fault_raise_collected(rq);
	refuse_committed(rq, lines);
	if (inactive.length)
		fail(rq, ERR_INACTIVE, .field = "lines", .members = members,
		     .detail = arena_printf(&rq->arena, "These items are not active: %s.",
					    text_str(&inactive)),
		     .hint = "Activate them or leave them as they are.");
}

/* ---- no order at all ---- */

static void
give_up_order(struct request *rq, struct record *order)
{
	struct row *way;

	cancel_documents(rq, &delivery_entity, db_all(rq, sql_unshipped, P_ID(order->id)),
			 sql_cancel_deliveries, "delivery.cancelled");
	cancel_documents(rq, &invoice_entity, db_all(rq, sql_unposted, P_ID(order->id)),
			 sql_cancel_invoices, "invoice.cancelled");
	way = db_one(rq, sql_in_the_way, P_ID(order->id));
	if (!row_null(way, "shipped"))
		fail(rq, ERR_NOT_AMENDABLE,
		     .detail = arena_printf(&rq->arena, "Delivery %s of sales order %s has left.",
					    row_text(way, "shipped"), record_text(order, "number")),
		     .hint = "Take the goods back as a return, or close the order: what has not "
			     "left is given up.");
	if (!row_null(way, "invoice"))
		fail(rq, ERR_NOT_AMENDABLE,
		     .detail = arena_printf(&rq->arena, "Sales order %s is invoiced by %s.",
					    record_text(order, "number"), row_text(way, "invoice")),
		     .hint = "Credit the invoice first.");
	if (row_bool(way, "busy"))
		fail(rq, ERR_LOCKED, .rerun = true, .retry_after = 1,
		     .detail = "A document of the order is being worked on.");
	order_cancel(rq, order);
	record_changed(rq, order, "sales_order.cancelled");
}

/* Their rows are locked already, and still show what was before. */
static void
cancel_documents(struct request *rq, struct entity *entity, struct rows *rows, const char *sql,
		 const char *event)
{
	int count = rows_count(rows);
	struct record **records = arena_array(&rq->arena, struct record *, (size_t)count + 1);
	int64_t *ids = arena_array(&rq->arena, int64_t, (size_t)count + 1);
	struct text list = text_in(&rq->arena);

	if (count == 0)
		return;
	for (int i = 0; i < count; i++) {
		ids[i] = row_id(rows_at(rows, i), "id");
		text_addf(&list, "%c%lld", i ? ',' : '{', (long long)ids[i]);
	}
	text_add_char(&list, '}');
	records_lock(rq, entity, ids, count, records);
	db_do(rq, sql, P_TEXT(text_str(&list)));
	records_changed(rq, records, count, event);
}

/* ---- as our own people ask it ---- */

static void
check_named(struct request *rq, const struct row *row, int n)
{
	const char *id = arena_printf(&rq->arena, "lines[%d].id", n);

	if (row_bool(row, "unknown"))
		fault_field(rq, id, "unknown_reference", "is no line of this order");
	else if (row_bool(row, "twice"))
		fault_field(rq, id, "duplicate", "is given twice");
	if (row_bool(row, "other_item"))
		fault_field(rq, arena_printf(&rq->arena, "lines[%d].item_id", n), "wrong_reference",
			    "is another item; give the line up and add one");
}

void
order_amend(struct request *rq, struct record *order, cJSON *body)
{
	static const char *const copied[] = { "description", "quantity",
					      "unit_price",  "discount_percent",
					      "tax_percent", "source_line",
					      NULL };
	cJSON *amendment = cJSON_CreateObject();
	cJSON *lines = cJSON_AddArrayToObject(amendment, "lines");
	const cJSON *given = json_get(body, "lines");
	const cJSON *agreed = json_get(body, "agreed_total");
	struct rows *wanted;

	order_fill_prices(rq, order, body, json_get(body, "lines"));
	wanted = db_all(rq, sql_amend_wanted, P_ID(order->id), P_TEXT(json_text(rq, given)));
	for (int i = 0; i < rows_count(wanted); i++) {
		struct row *row = rows_at(wanted, i);
		cJSON *line = cJSON_CreateObject();

		check_named(rq, row, i);
		if (!row_null(row, "order_line_id"))
			json_add_integer(line, "order_line_id", row_id(row, "order_line_id"));
		if (!row_null(row, "item_id"))
			json_add_integer(line, "item_id", row_id(row, "item_id"));
		for (int c = 0; copied[c] != NULL; c++)
			if (!row_null(row, copied[c]))
				json_add_string(line, copied[c], row_text(row, copied[c]));
		cJSON_AddItemToArray(lines, line);
	}
	fault_raise_collected(rq);
	json_add_integer(amendment, "sales_order_id", order->id);
	json_add_integer(amendment, "base_revision", record_id(order, "revision"));
	if (agreed != NULL && !cJSON_IsNull(agreed))
		json_add_string(amendment, "agreed_total",
				json_is_number(agreed) ? json_number_text(agreed)
						       : agreed->valuestring);
	if (json_string(body, "reason") != NULL)
		json_add_string(amendment, "reason", json_string(body, "reason"));
	record_create(rq, &sales_order_amendment_entity, amendment);
}
