/* common/event/sender.c -- starts and stops the sender, takes offers and starts what may go now. */
#include "event/sender.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "db/db.h"
#include "event/mail.h"
#include "event/sender_private.h"

#define CHANNEL "events"
#define ELECTION INT64_C(0x6576656e7473)

static const char sql_backlog[] =
	"SELECT count(*) AS pending,"
	" coalesce(extract(epoch FROM clock_timestamp() - min(d.created_at)), 0) AS age"
	" FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id"
	" WHERE d.status = 'pending' AND w.status IN ('active', 'paused')";

struct sender sender = { .results = STAILQ_HEAD_INITIALIZER(sender.results) };

/* ---- start ---- */

static void
sender_elected(void *arg, bool held)
{
	struct webhook *webhook, *following;

	if (held == sender.elected)
		return;
	sender.elected = held;
	sender.elections++;
	sender.refresh = true;
	log_info(held ? "sender took over" : "sender lost its lock", NULL);
	HASH_ITER(hh, sender.webhooks, webhook, following)
		lanes_clear(&webhook->lanes);
	nap_end(&sender.sweeper);
}

static void
sender_heard(void *arg)
{
	struct webhook *webhook, *following;

	HASH_ITER(hh, sender.webhooks, webhook, following)
		webhook->more = true;
	nap_end(&sender.sweeper);
}

void
sender_start(struct db *db, bool allow_plain)
{
	sender.db = db;
	sender.allow_plain = allow_plain;
	sender.running = 2;
	coro_start(sweeper_run, NULL);
	coro_start(recorder_run, NULL);
	db_listen(db, CHANNEL, sender_heard, NULL);
	db_elect(db, ELECTION, sender_elected, NULL);
}

void
sender_stop(void)
{
	struct webhook *webhook, *following;

	sender.stopping = true;
	HASH_ITER(hh, sender.webhooks, webhook, following)
		lanes_clear(&webhook->lanes);
	nap_end(&sender.sweeper);
	nap_end(&sender.recorder);
}

int
sender_busy(void)
{
	return sender.in_flight + sender.result_count + sender.running;
}

/* ---- waking ---- */

bool
sender_takes(void)
{
	return sender.elected && !sender.stopping;
}

void
sender_tell_others(struct db *db)
{
	if (sender.db != NULL)
		db_notify(db, CHANNEL);
}

void
sender_look(struct db *db)
{
	if (sender_takes()) {
		sender.refresh = true;
		sender_heard(NULL);
	} else {
		sender_tell_others(db);
	}
}

void
sender_wake(struct request *rq)
{
	if (db_in_transaction(rq))
		mail_wake(rq);
	else
		sender_look(rq->db);
}

/* ---- deliveries ---- */

struct webhook *
webhook_find(int64_t id)
{
	struct webhook *webhook;

	HASH_FIND(hh, sender.webhooks, &id, sizeof(id), webhook);
	return webhook;
}

void
webhook_load_at(struct webhook *webhook, uint64_t at_ms)
{
	if (webhook->load_at_ms == 0 || at_ms < webhook->load_at_ms)
		webhook->load_at_ms = at_ms;
	nap_end(&sender.sweeper);
}

struct delivery *
delivery_make(struct webhook *webhook, int64_t id, int64_t version, int attempts,
	      struct payload *payload)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (delivery == NULL)
		die("out of memory");
	delivery->item.id = id;
	delivery->item.version = version;
	delivery->item.attempts = attempts;
	delivery->webhook = webhook;
	delivery->payload = payload_share(payload);
	return delivery;
}

void
delivery_release(struct lane_item *item)
{
	struct delivery *delivery = (struct delivery *)item;

	payload_release(delivery->payload);
	free(delivery);
}

void
sender_offer(int64_t webhook_id, const struct offer *offer, struct payload *payload)
{
	struct webhook *webhook = webhook_find(webhook_id);
	bool load = true;

	if (webhook == NULL) {
		sender.refresh = true;
		nap_end(&sender.sweeper);
		return;
	}
	if (!webhook->active)
		return;
	if (webhook->lanes.waiting < WAITING_HIGH) {
		struct delivery *delivery =
			delivery_make(webhook, offer->id, offer->version, 0, payload);

		if (lanes_offer(&webhook->lanes, offer->entity, offer->record_id, offer->older,
				&delivery->item, clock_ms(), &load)) {
			webhook_pump(webhook);
			return;
		}
		delivery_release(&delivery->item);
	}
	if (load && !webhook->more) {
		webhook->more = true;
		nap_end(&sender.sweeper);
	}
}

void
webhook_pump(struct webhook *webhook)
{
	struct lanes *lanes = &webhook->lanes;
	bool probe;

	while (sender_takes() && webhook->active && lanes->flying < IN_FLIGHT_MAX &&
	       !TAILQ_EMPTY(&lanes->ready) &&
	       breaker_allows(&webhook->breaker, clock_ms(), &probe)) {
		struct delivery *delivery = (struct delivery *)lanes_next(lanes, probe);

		delivery->probe = probe;
		attempt_start(delivery);
	}
	if (webhook->more && lanes->waiting < WAITING_LOW)
		nap_end(&sender.sweeper);
}

/* ---- numbers ---- */

void
sender_stats(struct request *rq, struct sender_stats *stats)
{
	struct row *row = db_one(rq, sql_backlog);

	sender_counts(stats);
	stats->pending = (long)row_id(row, "pending");
	stats->oldest_age_s = strtod(row_text(row, "age"), NULL);
}

void
sender_counts(struct sender_stats *stats)
{
	struct webhook *webhook, *following;

	*stats = (struct sender_stats){
		.delivered = sender.delivered,
		.attempts_ok = sender.attempts_ok,
		.attempts_failed = sender.attempts_failed,
		.in_flight = sender.in_flight,
		.elected = sender.elected,
	};
	HASH_ITER(hh, sender.webhooks, webhook, following) {
		stats->breakers_closed += webhook->breaker.state == BREAKER_CLOSED;
		stats->breakers_open += webhook->breaker.state == BREAKER_OPEN;
		stats->breakers_probing += webhook->breaker.state == BREAKER_PROBING;
	}
}
