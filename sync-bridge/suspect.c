/* sync-bridge/suspect.c -- reads suspects by themselves, twice, and passes on what stands. */
#include "suspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/coro.h"
#include "base/log.h"
#include "base/text.h"
#include "db/db.h"
#include "drift.h"
#include "pair.h"

#define APART_MS_MIN 200
#define APART_MS_MAX 1000
#define CHUNK 500

/* Of records $3 those with a message that is open, or that came since $4 less $5 ms; but none that
 * the route does not read. */
static const char sql_busy[] =
	"SELECT DISTINCT source_id FROM message WHERE source = $1 AND entity = $2 AND route = $6"
	" AND source_id = ANY ($3::bigint[]) AND (finished_at IS NULL"
	" OR received_at > $4::timestamptz - $5::bigint * interval '1 ms')"
	" AND code IS DISTINCT FROM 'not_touched'";

/* One record: the same, or its own change is so young that its message may not be here yet. */
static const char sql_changing[] =
	"SELECT EXISTS (SELECT FROM message WHERE source = $1 AND entity = $2 AND route = $7"
	" AND source_id = $3 AND code IS DISTINCT FROM 'not_touched' AND (finished_at IS NULL"
	" OR received_at > $4::timestamptz - $5::bigint * interval '1 ms'))"
	" OR coalesce($6::timestamptz > clock_timestamp() - $5::bigint * interval '1 ms', false)"
	" AS changing";

/* One look at one suspect. */
struct look {
	struct comparison_of_route *c;
	struct suspect *suspect;
	int from, to;            /* of the chunk */
	bool ok;
};

static void
leave_changing(struct request *rq, struct comparison_of_route *c, struct suspect *suspect)
{
	suspect->dropped = true;
	c->counts.in_flight++;
	drift_still(rq, c, suspect->id);
}

static struct suspect *
suspect_of(struct look *look, int64_t id)
{
	for (int i = look->from; i < look->to; i++)
		if (look->c->suspects[i].id == id && !look->c->suspects[i].dropped)
			return &look->c->suspects[i];
	return NULL;
}

static void
drop_busy(struct request *rq, void *arg)
{
	struct look *look = arg;
	struct comparison_of_route *c = look->c;
	struct text ids = text_in(&rq->arena);
	struct rows *busy;

	for (int i = look->from; i < look->to; i++)
		text_addf(&ids, "%c%" PRId64, i == look->from ? '{' : ',', c->suspects[i].id);
	text_add(&ids, "}");
	busy = db_all(rq, sql_busy, P_TEXT(c->route->from->name), P_TEXT(c->route->entity),
		      P_TEXT(text_str(&ids)), P_TEXT(c->started), P_ID(c->settle_ms),
		      P_TEXT(c->route->name));
	for (int i = 0; i < rows_count(busy); i++) {
		struct suspect *suspect = suspect_of(look, row_id(rows_at(busy, i), "source_id"));

		if (suspect)
			leave_changing(rq, c, suspect);
	}
}

static bool
is_changing(struct request *rq, struct comparison_of_route *c, const struct pair *pair)
{
	return row_bool(db_one(rq, sql_changing, P_TEXT(c->route->from->name),
			       P_TEXT(c->route->entity), P_ID(pair->source.id), P_TEXT(c->started),
			       P_ID(c->settle_ms), P_TEXT(pair->source.updated_at),
			       P_TEXT(c->route->name)), "changing");
}

static void
first_look(struct request *rq, void *arg)
{
	struct look *look = arg;
	struct pair *pair = arena_new(&rq->arena, struct pair);

	look->ok = pair_read(rq, look->c, look->suspect->id, pair);
	if (pair->kind == DRIFT_NONE)
		look->suspect->dropped = look->ok;
	else
		look->suspect->seen = pair_hash(pair);
}

static void
second_look(struct request *rq, void *arg)
{
	struct look *look = arg;
	struct comparison_of_route *c = look->c;
	struct pair *pair = arena_new(&rq->arena, struct pair);

	look->ok = pair_read(rq, c, look->suspect->id, pair);
	if (!look->ok)
		return;
	if (pair->kind == DRIFT_NONE)
		look->suspect->dropped = true;
	else if (pair_hash(pair) != look->suspect->seen || is_changing(rq, c, pair))
		leave_changing(rq, c, look->suspect);
	else
		look->ok = drift_found(rq, c, pair);
}

/* In a request of its own, whose memory goes with it. */
static bool
run_look(struct request *rq, struct look *look, void (*work)(struct request *rq, void *arg))
{
	struct request one;

	look->ok = true;
	if (app_current()->draining) {
		snprintf(look->c->error, sizeof(look->c->error), "%s: the bridge is stopping",
			 look->c->route->name);
		return false;
	}
	request_init(&one, rq->db);
	if (!request_run(&one, work, look)) {
		snprintf(look->c->error, sizeof(look->c->error), "%s: %s", look->c->route->name,
			 one.fault.detail ? one.fault.detail : fault_title(one.fault.code));
		log_fault(&one, "reconcile");
		look->ok = false;
	}
	request_release(&one);
	pace_rows(&look->c->pace, 1);
	return look->ok;
}

static bool
look_at_all(struct request *rq, struct look *look, void (*work)(struct request *rq, void *arg),
	    int *left)
{
	*left = 0;
	for (int i = 0; i < look->c->suspect_count; i++) {
		look->suspect = &look->c->suspects[i];
		if (look->suspect->dropped)
			continue;
		if (!run_look(rq, look, work))
			return false;
		*left += !look->suspect->dropped;
	}
	return true;
}

bool
suspects_leave_busy(struct request *rq, struct comparison_of_route *c)
{
	struct look look = { .c = c };
	int left = 0;

	for (int i = 0; i < c->suspect_count; i += CHUNK) {
		look.from = i;
		look.to = i + CHUNK < c->suspect_count ? i + CHUNK : c->suspect_count;
		if (!run_look(rq, &look, drop_busy))
			return false;
	}
	for (int i = 0; i < c->suspect_count; i++)
		if (!c->suspects[i].dropped)
			c->suspects[left++] = c->suspects[i];
	c->counts.suspects += c->suspect_count - left;
	c->suspect_count = left;
	return true;
}

bool
suspects_check(struct request *rq, struct comparison_of_route *c)
{
	struct look look = { .c = c };
	int left;

	if (!suspects_leave_busy(rq, c))
		return false;
	c->counts.suspects += c->suspect_count;
	if (!look_at_all(rq, &look, first_look, &left))
		return false;
	if (left && c->settle_ms < APART_MS_MAX)
		coro_sleep(c->settle_ms < APART_MS_MIN ? APART_MS_MIN : (uint64_t)c->settle_ms);
	else if (left)
		coro_sleep(APART_MS_MAX);
	return look_at_all(rq, &look, second_look, &left);
}
