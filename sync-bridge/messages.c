/* sync-bridge/messages.c -- shows messages, takes them up again and lays them aside. */
#include "messages.h"

#include <string.h>

#include "bridge.h"
#include "db/db.h"
#include "sweep.h"

#define PRUNE_ROWS 5000

static const char sql_action[] =
	"INSERT INTO message_action (message_id, position, actor, action, was, reason)"
	" SELECT $1, count(*) + 1, $2, $3::message_action_action, $4::message_state, $5"
	" FROM message_action WHERE message_id = $1";

/* A message that was refused gets another round: its calls are new ones for the target. */
static const char sql_retry[] =
	"UPDATE message SET state = 'received', next_at = NULL, waiting_for = NULL, depends = NULL,"
	" finished_at = NULL, updated_at = now(),"
	" round = round + CASE WHEN state IN ('rejected', 'dead', 'skipped') THEN 1 ELSE 0 END"
	" WHERE id = $1";

static const char sql_skip[] =
	"UPDATE message SET state = 'skipped', code = 'by_hand', reason = $2, remedy = NULL,"
	" next_at = NULL, waiting_for = NULL, depends = NULL,"
	" finished_at = clock_timestamp(), updated_at = now()"
	" WHERE id = $1";

static const char sql_prune[] =
	"DELETE FROM message WHERE id IN (SELECT id FROM"
	" (SELECT id, finished_at FROM message ORDER BY id LIMIT 5000) oldest"
	" WHERE finished_at < now() - $1::int * interval '1 day')";

static const struct param_spec skip_params[] = {
	{ .name = "reason", .type = COLUMN_TEXT, .required = true,
	  .text = "Why it need not cross." },
	{ 0 }
};

static void retry(struct request *rq, struct record *record, cJSON *body);
static void skip(struct request *rq, struct record *record, cJSON *body);

static const struct verb verbs[] = {
	{ .name = "retry", .allow = "operator", .run = retry,
	  .text = "Takes the message up again, now." },
	{ .name = "skip", .allow = "operator", .params = skip_params, .run = skip,
	  .text = "Ends the message without effect, with a reason; "
		  "what the source was told stays." },
	{ 0 }
};

struct entity message_entity = {
	.name = "message", .path = "messages",
	.text = "One change of one system on its way along one route.",
	.read = "*",
	.search = "type reason target_ref event_id",
	.restricted = { { .columns = "body", .allow = "operator" } },
	.lines = { { .name = "actions", .table = "message_action", .parent = "message_id",
		     .read_only = true } },
	.verbs = verbs,
};

static bool
in_state(const struct record *record, const char *const *states)
{
	const char *state = record_text(record, "state");

	for (; *states; states++)
		if (strcmp(state, *states) == 0)
			return true;
	return false;
}

static void
refuse_state(struct request *rq, const struct record *record, const char *what)
{
	fail(rq, ERR_INVALID_STATE,
	     .detail = arena_printf(&rq->arena, "A message that is %s cannot be %s.",
				    record_text(record, "state"), what));
}

static void
note_action(struct request *rq, const struct record *record, const char *action, const char *reason)
{
	db_do(rq, sql_action, P_ID(record->id), P_TEXT(rq->actor->name), P_TEXT(action),
	      P_TEXT(record_text(record, "state")), P_TEXT(reason));
}

static void
wake_lanes(struct request *rq)
{
	sweep_tell_all();
}

static void
retry(struct request *rq, struct record *record, cJSON *body)
{
	static const char *const from[] = { "waiting", "retrying", "rejected",
					    "dead", "skipped", NULL };

	if (!in_state(record, from))
		refuse_state(rq, record, "retried");
	if (!record_text(record, "route"))
		fail(rq, ERR_INVALID_STATE, .detail = "No route takes this message.");
	if (!bridge_route(record_text(record, "route")))
		fail(rq, ERR_INVALID_STATE,
		     .detail = arena_printf(&rq->arena, "Route %s is not configured.",
					    record_text(record, "route")));
	note_action(rq, record, "retry", NULL);
	db_do(rq, sql_retry, P_ID(record->id));
	record_reload(rq, record);
	rq->committed = wake_lanes;
}

static void
skip(struct request *rq, struct record *record, cJSON *body)
{
	static const char *const from[] = { "received", "waiting", "retrying",
					    "rejected", "dead", NULL };
	const char *reason = json_string(body, "reason");

	if (!in_state(record, from))
		refuse_state(rq, record, "skipped");
	if (!*reason || strlen(reason) > 1000)
		fail(rq, ERR_VALIDATION, .field = "reason",
		     .detail = "reason must have 1 to 1000 characters.");
	note_action(rq, record, "skip", reason);
	db_do(rq, sql_skip, P_ID(record->id), P_TEXT(reason));
	record_reload(rq, record);
	rq->committed = wake_lanes;
}

void
messages_prune(struct request *rq)
{
	int deleted;

	do
		deleted = rows_affected(db_all(rq, sql_prune, P_ID(bridge_options.retention_days)));
	while (deleted == PRUNE_ROWS);
}
