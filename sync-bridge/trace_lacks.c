/* sync-bridge/trace_lacks.c -- says what a deal still lacks on its way to paid. */
#include <string.h>

#include "db/db.h"
#include "trace.h"
#include "trace_lacks.sql.h"

/* A member with this value means that something is still to come. */
static const struct lack {
	const char *step, *member, *value;
	const char *text;
	const char *because;       /* the member that says why, after the text; or NULL */
} lacks[] = {
	{ "deal", "status", "open", "not won: stage", "stage" },
	{ "deal", "status", "lost", "lost:", "loss_reason" },
	{ "deal", "handover", "pending", "handed over, no answer yet", NULL },
	{ "deal", "handover", "rejected", "the handover was rejected:", "handover_reason" },
	{ "order", "status", "draft", "not confirmed", NULL },
	{ "order", "status", "on_hold", "on hold:", "hold_reason" },
	{ "order", "status", "cancelled", "cancelled", NULL },
	{ "delivery", "status", "draft", "not picked", NULL },
	{ "delivery", "status", "picked", "not packed", NULL },
	{ "delivery", "status", "packed", "not shipped", NULL },
	{ "delivery", "status", "shipped", "not delivered", NULL },
	{ "invoice", "status", "draft", "not posted", NULL },
	{ "invoice", "status", "posted", "not paid: open balance", "balance" },
	{ "invoice", "status", "partially_paid", "not paid in full: open balance", "balance" },
	{ "invoice", "status", "overdue", "overdue: open balance", "balance" },
	{ 0 }
};

static void
missing(struct trace *trace, const char *ref, const char *number, const char *text)
{
	cJSON *item = cJSON_CreateObject();

	json_add_string(item, "ref", ref);
	json_add_string(item, "number", number);
	json_add_string(item, "text", text);
	cJSON_AddItemToArray(trace->missing, item);
}

static void
of_record(struct request *rq, struct trace *trace, const struct trace_record *record)
{
	for (const struct lack *lack = lacks; lack->step; lack++) {
		const char *value = json_string(record->record, lack->member);
		const char *because = lack->because ? json_string(record->record, lack->because)
						    : NULL;

		if (value && strcmp(lack->step, record->step->name) == 0 &&
		    strcmp(value, lack->value) == 0)
			missing(trace, record->text, json_string(record->record, "number"),
				arena_printf(&rq->arena, "%s%s%s", lack->text,
					     because ? " " : "", because ? because : ""));
	}
}

/* What of an order's lines has not left, and not been invoiced. */
static void
of_lines(struct request *rq, struct trace *trace, const struct trace_record *order)
{
	const cJSON *lines = json_get(order->record, "lines");
	const char *number = json_string(order->record, "number");
	const char *status = json_string(order->record, "status");
	struct row *row;

	if (!cJSON_IsArray(lines) || !status || strcmp(status, "cancelled") == 0)
		return;
	row = db_one(rq, sql_trace_lacks, P_TEXT(json_text(rq, lines)));
	if (!row_null(row, "shipping"))
		missing(trace, order->text, number, row_text(row, "shipping"));
	if (!row_null(row, "invoicing"))
		missing(trace, order->text, number, row_text(row, "invoicing"));
}

/* Changes that have not come to their good end on the other side. */
static void
of_crossings(struct request *rq, struct trace *trace, const cJSON *change)
{
	static const char *const good[] = { "applied", "unchanged", "superseded", "skipped" };
	const cJSON *each;

	cJSON_ArrayForEach(each, json_get(change, "crossed")) {
		const char *state = json_string(each, "state");
		const char *reason = json_string(each, "reason");
		const char *to = json_string(each, "to");
		size_t i = 0;

		while (i < sizeof(good) / sizeof(good[0]) && strcmp(state, good[i]) != 0)
			i++;
		if (i < sizeof(good) / sizeof(good[0]))
			continue;
		missing(trace, json_string(change, "ref"), json_string(change, "number"),
			arena_printf(&rq->arena, "%s has not reached %s: %s%s%s",
				     json_string(change, "type"), to ? to : "the other side", state,
				     reason ? ", " : "", reason ? reason : ""));
	}
}

void
trace_lacks(struct request *rq, struct trace *trace)
{
	const cJSON *change;

	trace->missing = cJSON_CreateArray();
	for (int i = 0; i < trace->count; i++) {
		of_record(rq, trace, &trace->records[i]);
		if (strcmp(trace->records[i].step->name, "order") == 0)
			of_lines(rq, trace, &trace->records[i]);
	}
	cJSON_ArrayForEach(change, trace->steps)
		of_crossings(rq, trace, change);
}
