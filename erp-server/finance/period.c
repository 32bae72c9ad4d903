/* erp-server/finance/period.c -- accounting periods: what is closed stays as it is.
 *
 * Periods are closed from the first to the last and opened again from the last to the first, so
 * there is one day up to which the books are closed. The database refuses entries up to it.
 */
#include <string.h>

#include "erp.h"
#include "period_drafts.sql.h"

static const char sql_month[] =
	"SELECT to_date($1, 'YYYY-MM') AS starts_on,"
	" (to_date($1, 'YYYY-MM') + interval '1 month - 1 day')::date AS ends_on";

static const char sql_behind[] =
	"SELECT c.code FROM period c, period p WHERE p.id = $1 AND c.id <> p.id"
	" AND c.status = 'closed' AND c.ends_on >= p.starts_on ORDER BY c.ends_on LIMIT 1";

/* Waits for those who post, and they for us. */
static const char sql_alone[] = "SELECT pg_advisory_xact_lock(period_lock_key())";

static const char sql_earlier_open[] =
	"SELECT e.code FROM period e, period p WHERE p.id = $1 AND e.status = 'open'"
	" AND e.ends_on < p.starts_on ORDER BY e.ends_on LIMIT 1";

static const char sql_later_closed[] =
	"SELECT l.code FROM period l, period p WHERE p.id = $1 AND l.status = 'closed'"
	" AND l.starts_on > p.ends_on ORDER BY l.ends_on DESC LIMIT 1";

static const char sql_closed_at[] =
	"UPDATE period SET closed_at = CASE WHEN $2::boolean THEN now() END WHERE id = $1";

static void period_prepare(struct request *rq, struct record *period, cJSON *body);
static void period_saved(struct request *rq, struct record *period, bool created);
static void period_deleting(struct request *rq, struct record *period);
static void verb_close(struct request *rq, struct record *period, cJSON *body);
static void verb_open(struct request *rq, struct record *period, cJSON *body);

static const struct verb verbs[] = {
	{ "close", "finance", .from = "open", .to = "closed", .event = "period.closed",
	  .run = verb_close,
	  .text = "Nothing is posted into it any more; needs no drafts dated in it." },
	{ "open", "finance", .from = "closed", .to = "open", .event = "period.opened",
	  .run = verb_open, .text = "Takes postings again; only the last closed one." },
	{ 0 },
};

struct entity period_entity = {
	.name = "period",
	.path = "periods",
	.text = "Days whose books are closed together, as a month.",
	.read = "*",
	.write = "finance",
	.computed = "closed_at",
	.remove = "finance",
	.filled = "starts_on ends_on",
	.search = "code",
	.verbs = verbs,
	.prepare = period_prepare,
	.saved = period_saved,
	.deleting = period_deleting,
};

/* "2026-11" */
static bool
is_month(const char *code)
{
	int month;

	if (code == NULL || strlen(code) != 7 || code[4] != '-' ||
	    strspn(code, "0123456789") != 4 || strspn(code + 5, "0123456789") != 2 ||
	    strncmp(code, "1000", 4) < 0)
		return false;
	month = (code[5] - '0') * 10 + code[6] - '0';
	return month >= 1 && month <= 12;
}

static void
refuse_closed(struct request *rq, const struct record *period)
{
	if (strcmp(record_text(period, "status"), "closed") == 0)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Period %s is closed.",
					    record_text(period, "code")),
		     .hint = "Open it first.");
}

static void
period_deleting(struct request *rq, struct record *period)
{
	refuse_closed(rq, period);
}

static void
period_prepare(struct request *rq, struct record *period, cJSON *body)
{
	const char *code = json_string(body, "code");
	struct row *month;

	if (period != NULL)
		refuse_closed(rq, period);
	if (period != NULL || json_get(body, "starts_on") != NULL ||
	    json_get(body, "ends_on") != NULL || !is_month(code))
		return;
	month = db_one(rq, sql_month, P_TEXT(code));
	json_add_string(body, "starts_on", row_text(month, "starts_on"));
	json_add_string(body, "ends_on", row_text(month, "ends_on"));
}

static void
period_saved(struct request *rq, struct record *period, bool created)
{
	struct row *behind = db_one(rq, sql_behind, P_ID(period->id));

	if (behind != NULL)
		fault_field(rq, "starts_on", "out_of_range",
			    "must be after period %s, which is closed", row_text(behind, "code"));
	fault_raise_collected(rq);
}

static void
verb_close(struct request *rq, struct record *period, cJSON *body)
{
	struct row *earlier, *drafts;
	cJSON *members;

	db_all(rq, sql_alone);
	earlier = db_one(rq, sql_earlier_open, P_ID(period->id));
	if (earlier != NULL)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Period %s before it is open.",
					    row_text(earlier, "code")),
		     .hint = "Close periods in order.");
	drafts = db_one(rq, sql_period_drafts, P_ID(period->id));
	if (row_id(drafts, "drafts") > 0) {
		members = cJSON_CreateObject();
		cJSON_AddItemToObject(members, "drafts", json_own(rq, row_text(drafts, "list")));
		fail(rq, ERR_RULE, .members = members,
		     .detail = arena_printf(&rq->arena,
					    "Period %s has drafts dated in it or before it.",
					    record_text(period, "code")),
		     .hint = "Post or confirm them, cancel them, or give them a later date.");
	}
	db_do(rq, sql_closed_at, P_ID(period->id), P_BOOL(true));
}

static void
verb_open(struct request *rq, struct record *period, cJSON *body)
{
	struct row *later;

	db_all(rq, sql_alone);
	later = db_one(rq, sql_later_closed, P_ID(period->id));
	if (later != NULL)
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Period %s after it is closed.",
					    row_text(later, "code")),
		     .hint = "Only the last closed period can be opened again.");
	db_do(rq, sql_closed_at, P_ID(period->id), P_BOOL(false));
}
