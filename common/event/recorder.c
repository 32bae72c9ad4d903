/* common/event/recorder.c -- writes how attempts ended, many in one statement. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "db/db.h"
#include "event/sender_private.h"

#define BATCH_MAX 500
#define GATHER_MS 2

/* Should this commit get lost in a crash, it is sent once more, as after a lost answer. So its
 * flush need not hold up those of changes that somebody waits for. */
static const char sql_delivered[] =
	"WITH done AS ("
	"UPDATE webhook_delivery d SET status = 'delivered', attempts = d.attempts + 1,"
	" delivered_at = clock_timestamp(), updated_at = clock_timestamp(),"
	" version = d.version + 1, last_status = u.status, last_error = NULL"
	" FROM unnest($1::bigint[], $2::int[]) u (id, status)"
	" WHERE d.id = u.id AND d.status = 'pending' RETURNING 1)"
	" SELECT count(*), set_config('synchronous_commit', 'off', true) FROM done";

static const char sql_failed[] =
	"UPDATE webhook_delivery d SET attempts = d.attempts + u.counted::int,"
	" next_at = clock_timestamp() + u.delay_ms * interval '1 ms',"
	" updated_at = clock_timestamp(), version = d.version + 1,"
	" last_status = u.status, last_error = u.error"
	" FROM json_to_recordset($1::json)"
	" u (id bigint, counted boolean, delay_ms bigint, status int, error text)"
	" WHERE d.id = u.id AND d.status = 'pending'";

void
recorder_add(struct result *result)
{
	STAILQ_INSERT_TAIL(&sender.results, result, next);
	sender.result_count++;
	nap_end(&sender.recorder);
}

/* A PostgreSQL array of ids and one of statuses. */
static void
record_delivered(struct request *rq, const struct results *batch)
{
	struct text ids = text_in(&rq->arena), statuses = text_in(&rq->arena);
	const struct result *result;

	STAILQ_FOREACH(result, batch, next) {
		const char *before = ids.length == 0 ? "{" : ",";

		if (result->delivered == NULL)
			continue;
		text_addf(&ids, "%s%" PRId64, before, result->id);
		text_addf(&statuses, "%s%d", before, result->status);
	}
	if (ids.length == 0)
		return;
	text_add(&ids, "}");
	text_add(&statuses, "}");
	db_all(rq, sql_delivered, P_TEXT(ids.data), P_TEXT(statuses.data));
}

static void
record_failed(struct request *rq, const struct results *batch)
{
	struct text json = text_in(&rq->arena);
	const struct result *result;

	STAILQ_FOREACH(result, batch, next) {
		if (result->delivered != NULL)
			continue;
		text_addf(&json, "%s{\"id\":%" PRId64, json.length == 0 ? "[" : ",", result->id);
		text_addf(&json, ",\"counted\":%s", result->counted ? "true" : "false");
		text_addf(&json, ",\"delay_ms\":%" PRIu64, result->delay_ms);
		text_addf(&json, ",\"status\":%d,\"error\":", result->status);
		text_add_json(&json, result->error);
		text_add(&json, "}");
	}
	if (json.length == 0)
		return;
	text_add(&json, "]");
	db_all(rq, sql_failed, P_TEXT(json.data));
}

static void
record_work(struct request *rq, void *arg)
{
	record_delivered(rq, arg);
	record_failed(rq, arg);
}

/* While others are in flight, their answers will be here in a moment. */
static void
recorder_gather(void)
{
	uint64_t now = clock_ms();
	uint64_t until = now + GATHER_MS;

	while (sender.in_flight > 0 && sender.result_count < BATCH_MAX && now < until) {
		nap_sleep(&sender.recorder, until - now);
		now = clock_ms();
	}
}

static int
recorder_take(struct results *batch)
{
	int count = 0;

	STAILQ_INIT(batch);
	while (count < BATCH_MAX && !STAILQ_EMPTY(&sender.results)) {
		struct result *result = STAILQ_FIRST(&sender.results);

		STAILQ_REMOVE_HEAD(&sender.results, next);
		STAILQ_INSERT_TAIL(batch, result, next);
		count++;
	}
	return count;
}

static void
recorder_forget(struct results *batch, int count, bool recorded)
{
	struct result *result;

	while ((result = STAILQ_FIRST(batch)) != NULL) {
		STAILQ_REMOVE_HEAD(batch, next);
		if (result->delivered != NULL) {
			struct webhook *webhook = result->delivered->webhook;

			lanes_recorded(&webhook->lanes, &result->delivered->item);
			sender.delivered += recorded;
		}
		free(result);
	}
	sender.result_count -= count;
}

static void
recorder_write(void)
{
	struct results batch;
	struct request rq;
	int count = recorder_take(&batch);

	request_init(&rq, sender.db);

	bool recorded = request_run(&rq, record_work, &batch);

	if (!recorded)
		log_fault(&rq, "webhook deliveries could not be recorded");
	request_release(&rq);
	if (recorded || sender.stopping) {
		/* Unrecorded ones are sent again by the next process: at least once. */
		recorder_forget(&batch, count, recorded);
		return;
	}
	STAILQ_CONCAT(&batch, &sender.results);
	STAILQ_CONCAT(&sender.results, &batch);
	coro_sleep(200);
}

void
recorder_run(void *arg)
{
	while (!sender.stopping || sender.in_flight > 0 || sender.result_count > 0) {
		if (sender.result_count == 0) {
			nap_sleep(&sender.recorder, 1000);
			continue;
		}
		recorder_gather();
		recorder_write();
	}
	nap_release(&sender.recorder);
	sender.running--;
}
