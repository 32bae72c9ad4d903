/* common/event/sweeper.c -- keeps the webhooks known and loads what is pending in the database. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"
#include "event/sender_private.h"

#include "sweep_load.sql.h"

#define SWEEP_IDLE_MS 1000
#define SWEEP_BACKLOG_MS 250
#define LOAD_SHARE 2              /* pauses so many times as long as a load took */
#define LOAD_PAUSE_MAX_MS 250

static const char sql_webhooks[] =
	"SELECT w.id, w.url, w.secret, w.status = 'active' AS active,"
	" CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret,"
	" w.status = 'active' AND EXISTS (SELECT FROM webhook_delivery d"
	"  WHERE d.webhook_id = w.id AND d.status = 'pending') AS backlog"
	" FROM webhook w";

/* ---- webhooks ---- */

static struct webhook *
webhook_add(int64_t id)
{
	struct webhook *webhook = calloc(1, sizeof(*webhook));

	if (webhook == NULL)
		die("out of memory");
	webhook->id = id;
	lanes_init(&webhook->lanes, delivery_release);
	HASH_ADD(hh, sender.webhooks, id, sizeof(webhook->id), webhook);
	return webhook;
}

static void
webhook_set(struct webhook *webhook, const struct row *row)
{
	const char *old = row_text(row, "old_secret");

	snprintf(webhook->url, sizeof(webhook->url), "%s", row_text(row, "url"));
	snprintf(webhook->secret, sizeof(webhook->secret), "%s", row_text(row, "secret"));
	snprintf(webhook->old_secret, sizeof(webhook->old_secret), "%s", old != NULL ? old : "");
	webhook->active = row_bool(row, "active");
	webhook->seen = true;
	if (!webhook->active)
		lanes_clear(&webhook->lanes);
}

static void
webhooks_forget_unseen(void)
{
	struct webhook *webhook, *following;

	HASH_ITER(hh, sender.webhooks, webhook, following) {
		if (webhook->seen)
			continue;
		webhook->active = false;
		lanes_clear(&webhook->lanes);
		if (webhook->lanes.flying > 0 || webhook->lanes.delivered > 0)
			continue;
		HASH_DELETE(hh, sender.webhooks, webhook);
		lanes_release(&webhook->lanes);
		free(webhook);
	}
}

static void
refresh_work(struct request *rq, void *arg)
{
	bool *backlog = arg;
	struct rows *rows = db_all(rq, sql_webhooks);
	struct webhook *webhook, *following;

	HASH_ITER(hh, sender.webhooks, webhook, following)
		webhook->seen = false;
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);

		webhook = webhook_find(row_id(row, "id"));
		if (webhook == NULL)
			webhook = webhook_add(row_id(row, "id"));
		webhook_set(webhook, row);
		if (row_bool(row, "backlog"))
			webhook->more = *backlog = true;
	}
	webhooks_forget_unseen();
}

static bool
sweeper_request(void (*work)(struct request *rq, void *arg), void *arg, const char *what)
{
	struct request rq;

	request_init(&rq, sender.db);

	bool ok = request_run(&rq, work, arg);

	if (!ok)
		log_fault(&rq, what);
	request_release(&rq);
	return ok;
}

static void
sweeper_refresh(void)
{
	bool backlog = false;

	sender.refresh = false;
	sweeper_request(refresh_work, &backlog, "webhooks could not be read");
	sender.sweep_at_ms = clock_ms() + (backlog ? SWEEP_BACKLOG_MS : SWEEP_IDLE_MS);
}

/* ---- loading ---- */

struct load {
	struct webhook *webhook;
	int64_t walked;          /* records */
	int taken;               /* deliveries that are new here */
};

static bool
load_row(struct request *rq, struct webhook *webhook, const struct row *row)
{
	struct payload *payload = payload_make(&rq->arena, &(struct wire){
		.event_id = row_text(row, "event_id"), .type = row_text(row, "type"),
		.at = row_text(row, "at"), .entity = row_text(row, "entity"),
		.id = row_id(row, "record_id"), .version = row_id(row, "record_version"),
		.origin = row_text(row, "origin"), .trace = row_text(row, "trace"),
		.traceparent = row_text(row, "traceparent"), .changed = row_text(row, "changed"),
		.record = row_text(row, "record") });
	struct delivery *delivery =
		delivery_make(webhook, row_id(row, "id"), row_id(row, "record_version"),
			      (int)row_id(row, "attempts"), payload);

	payload_release(payload);
	if (lanes_load(&webhook->lanes, row_text(row, "entity"), row_id(row, "record_id"),
		       &delivery->item, clock_ms()))
		return true;
	delivery_release(&delivery->item);
	return false;
}

static void
load_work(struct request *rq, void *arg)
{
	struct load *load = arg;
	struct webhook *webhook = load->webhook;
	unsigned elections = sender.elections;
	struct rows *rows = db_all(rq, sql_sweep_load, P_ID(webhook->id),
				   P_TEXT(webhook->cursor_entity), P_ID(webhook->cursor_record),
				   P_ID(LOAD_LANES), P_ID(LOAD_ROWS));
	int depth = 0;

	if (elections != sender.elections || !sender_takes() || !webhook->active)
		return;
	for (int i = 0; i < rows_count(rows); i++) {
		struct row *row = rows_at(rows, i);

		depth = row_id(row, "n") == load->walked ? depth + 1 : 1;
		load->walked = row_id(row, "n");
		/* An event that retention removed has nothing to send. */
		if (!row_null(row, "event_id") && !lanes_known(&webhook->lanes, row_id(row, "id")))
			load->taken += load_row(rq, webhook, row);
		if (depth == row_id(row, "depth"))
			lanes_deeper(&webhook->lanes, row_text(row, "entity"),
				     row_id(row, "record_id"));
		snprintf(webhook->cursor_entity, sizeof(webhook->cursor_entity), "%s",
			 row_text(row, "entity"));
		webhook->cursor_record = row_id(row, "record_id");
	}
}

static void
webhook_load(struct webhook *webhook)
{
	struct load load = { .webhook = webhook };
	uint64_t began = clock_us();
	bool partial = webhook->cursor_record != 0;

	webhook->more = false;
	lanes_load_begin(&webhook->lanes);

	bool loaded = sweeper_request(load_work, &load, "webhook deliveries could not be loaded");
	uint64_t now = clock_ms();
	uint64_t pause = (clock_us() - began) * LOAD_SHARE / 1000;

	lanes_load_end(&webhook->lanes, now);
	webhook->load_not_before_ms = now + (pause < LOAD_PAUSE_MAX_MS ? pause : LOAD_PAUSE_MAX_MS);
	if (load.walked < LOAD_LANES) {
		/* The end: the next load begins anew. */
		webhook->cursor_entity[0] = '\0';
		webhook->cursor_record = 0;
	} else {
		partial = true;
	}
	if (partial && load.taken > 0)
		webhook->more = true;
	else if (partial || !loaded)
		webhook_load_at(webhook, now + SWEEP_BACKLOG_MS);
	webhook_pump(webhook);
}

static bool
webhook_wants_load(const struct webhook *webhook, uint64_t now)
{
	return webhook->more && webhook->active && webhook->lanes.waiting < WAITING_LOW &&
	       breaker_ready(&webhook->breaker, now);
}

/* ---- the round ---- */

/* When this webhook needs the sweeper next, given that it does not now. */
static uint64_t
webhook_next_ms(const struct webhook *webhook, uint64_t now, uint64_t next)
{
	if (webhook->load_at_ms != 0 && webhook->load_at_ms < next)
		next = webhook->load_at_ms;
	if (webhook->breaker.state == BREAKER_OPEN && webhook->breaker.until_ms > now &&
	    webhook->breaker.until_ms < next)
		next = webhook->breaker.until_ms;
	if (webhook_wants_load(webhook, now) && webhook->load_not_before_ms < next)
		next = webhook->load_not_before_ms;
	return next;
}

/* Answers for how long nothing is to be done. */
static uint64_t
sweeper_round(void)
{
	struct webhook *webhook, *following;
	uint64_t now = clock_ms();

	if (sender.refresh || now >= sender.sweep_at_ms)
		sweeper_refresh();
	HASH_ITER(hh, sender.webhooks, webhook, following) {
		now = clock_ms();
		if (webhook->load_at_ms != 0 && webhook->load_at_ms <= now) {
			webhook->load_at_ms = 0;
			webhook->more = true;
		}
		webhook_pump(webhook);
		if (webhook_wants_load(webhook, now) && now >= webhook->load_not_before_ms)
			webhook_load(webhook);
	}

	now = clock_ms();
	uint64_t next = sender.sweep_at_ms;

	HASH_ITER(hh, sender.webhooks, webhook, following)
		next = webhook_next_ms(webhook, now, next);
	/* Whatever else ended the nap meanwhile is in what was just looked at. */
	sender.sweeper.again = sender.refresh || sender.stopping;
	return next > now ? next - now : 1;
}

void
sweeper_run(void *arg)
{
	while (!sender.stopping)
		nap_sleep(&sender.sweeper, sender_takes() ? sweeper_round() : SWEEP_IDLE_MS);
	nap_release(&sender.sweeper);
	sender.running--;
}
