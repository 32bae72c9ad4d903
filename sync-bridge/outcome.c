/* sync-bridge/outcome.c -- writes the outcome of a message, and counts how long it took. */
#include "outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "db/db.h"
#include "drift.h"
#include "finish.sql.h"
#include "lane.h"
#include "links.h"
#include "metrics.h"
#include "shard.h"
#include "sweep.h"

#define DEPENDS_MAX 200
#define CROSSED_MS 500   /* until a message looks again that another process may not have woken */

static const char sql_term[] = "SELECT term FROM shard WHERE id = $1";

static const char *const state_names[] = {
	[STATE_RECEIVED] = "received", [STATE_WAITING] = "waiting", [STATE_RETRYING] = "retrying",
	[STATE_APPLIED] = "applied", [STATE_UNCHANGED] = "unchanged",
	[STATE_SUPERSEDED] = "superseded", [STATE_SKIPPED] = "skipped",
	[STATE_REJECTED] = "rejected", [STATE_DEAD] = "dead",
};

struct parked outcome_parked = { .waiting = true, .rejected = true };

const char *
state_name(enum message_state state)
{
	return state_names[state];
}

static void
count_latency(const char *seconds)
{
	double value = seconds ? strtod(seconds, NULL) : 0;

	if (seconds)
		metric_time(&metric_effect_latency, 0, value > 0 ? (uint64_t)(value * 1e6) : 0);
}

/* References hold no quotes (see ref_parse); NULL unless rejected. A refused repair is not taken up
 * again: the next reconciliation makes another. */
static const char *
depends(struct request *rq, const struct delivery *d)
{
	struct text out = text_in(&rq->arena);

	if (d->state != STATE_REJECTED || !d->ref_count || drift_is_repair(d->message->type))
		return NULL;
	text_add(&out, "{");
	for (int i = 0; i < d->ref_count && i < DEPENDS_MAX; i++)
		text_addf(&out, "%s\"%s\"", i ? "," : "", d->refs[i]);
	text_add(&out, "}");
	return text_str(&out);
}

/* At most max bytes, cut between characters. */
static const char *
shortened(struct request *rq, const char *text, size_t max)
{
	size_t length = max;

	if (!text || strlen(text) <= max)
		return text;
	while (length && ((unsigned char)text[length] & 0xC0) == 0x80)
		length--;
	return arena_strndup(&rq->arena, text, length);
}

/* Before it is written, so that whoever sets it free from now on looks for it. Answers whether it
 * is one of those. */
static bool
note_parked(struct delivery *d)
{
	if (d->state == STATE_WAITING && links_known(d->waiting_for, d->message->route->to))
		d->delay_ms = 0;   /* the link has come meanwhile */
	else if (d->state == STATE_WAITING && shard_shared() && !d->message->reason)
		d->delay_ms = CROSSED_MS;   /* it may be coming in another process */
	if (d->state == STATE_WAITING)
		outcome_parked.waiting = true;
	else if (d->state == STATE_REJECTED && d->ref_count)
		outcome_parked.rejected = true;
	else
		return false;
	outcome_parked.times++;
	outcome_parked.writing++;
	return true;
}

/* Not written: someone ended it meanwhile, or it is not ours any more. */
static void
note_refusal(struct request *rq, const struct message *m)
{
	struct row *row = db_one(rq, sql_term, P_ID(m->shard));

	if (!row || row_id(row, "term") != m->term)
		shard_fenced(m->shard);
}

static bool
is_final(enum message_state state)
{
	return state != STATE_WAITING && state != STATE_RETRYING && state != STATE_RECEIVED;
}

/* What the outcome set free is worked by whoever has its shard. */
static void
wake(const struct delivery *d, const struct row *row)
{
	if (row_id(row, "woken")) {
		lane_sweep_soon(0);
		sweep_tell_others();
	}
	if (row_id(row, "freed")) {
		lane_sweep_soon((uint64_t)row_id(row, "freed_ms"));
		sweep_tell_others();
	}
	if (d->delay_ms >= 0)
		lane_sweep_soon((uint64_t)d->delay_ms);
}

static void
write_row(struct request *rq, void *arg)
{
	struct delivery *d = arg;
	const struct message *m = d->message;
	char ref[REF_MAX];
	struct row *row;

	message_ref(m, ref);
	row = db_one(rq, sql_finish, P_ID(m->id), P_TEXT(state_names[d->state]),
		     P_ID(d->counted ? 1 : 0), d->delay_ms < 0 ? P_NULL : P_ID(d->delay_ms),
		     P_TEXT(shortened(rq, d->code, 60)), P_TEXT(shortened(rq, d->reason, 1900)),
		     P_TEXT(shortened(rq, d->remedy, 900)), P_TEXT(d->waiting_for),
		     P_TEXT(d->target_ref), P_TEXT(depends(rq, d)), P_TEXT(ref),
		     P_BOOL(m->route->mirror), P_ID(d->target_version),
		     P_TEXT(m->route->from->name), P_TEXT(m->route->entity), P_ID(m->source_id),
		     P_TEXT(m->route->name), P_ID(m->version),
		     P_BOOL(outcome_parked.waiting || shard_shared()),
		     P_BOOL(outcome_parked.rejected || shard_shared()), P_ID(m->shard),
		     P_ID(m->term));
	if (d->target_ref && !m->route->mirror)
		links_remember(ref, d->target_ref);
	if (!row) {
		note_refusal(rq, m);
		return;
	}
	sweep_count(is_final(d->state) ? -1 : 0);
	if (d->state == STATE_APPLIED || d->state == STATE_UNCHANGED)
		snprintf(m->route->last_effect, sizeof(m->route->last_effect), "%s",
			 row_text(row, "at"));
	if (d->state == STATE_APPLIED && !strstr(m->type, ".pulled"))
		count_latency(row_text(row, "seconds"));
	wake(d, row);
}

void
outcome_write(struct request *rq, struct delivery *d)
{
	uint64_t began = clock_us();
	bool parked = note_parked(d);
	bool written = request_run(rq, write_row, d);
	char ref[REF_MAX];

	if (parked) {
		outcome_parked.times++;
		outcome_parked.writing--;
	}
	if (!written) {
		d->deferred = true;
		log_fault(rq, "outcome");
		return;
	}
	metrics_stage(STAGE_FINISH, began);
	metrics_outcome(d);
	message_ref(d->message, ref);
	if (d->state == STATE_REJECTED || d->state == STATE_DEAD)
		log_warn("message refused", "route", d->message->route->name, "record", ref,
			 "state", state_names[d->state], "code", d->code, NULL);
}
