/* common/event/sender.h -- delivers the event log to its subscribers, at least once and in order.
 *
 * One process per schema sends (db_elect); another takes over when it dies. Deliveries of one
 * record to one webhook go one after the other, by version; records go in parallel (64 at once
 * per webhook). 2xx is delivered; 410 disables the webhook; anything else is tried again after
 * 50 ms, 250 ms, 1 s, 5 s, 30 s, 2 min, 10 min, 30 min, then hourly, each with 20 % jitter, or
 * after Retry-After. A breaker per webhook opens after 5 failures in a row, probes with one
 * delivery after 1 s doubling to 30 s, and while it is open no attempts are counted. A target
 * that is away (no answer, 429, 502 to 504) says nothing of the record: it is asked again within
 * 2 s, unless it named a time. Nothing is ever given up or dropped; a paused webhook's deliveries
 * wait. A webhook that is disabled gets no new deliveries; those it has wait until it is active.
 *
 * At least once: a delivery can come twice (a reply that got lost, a process that died), always
 * with the same webhook-id. The receiver dedups on it.
 */
#ifndef EVENT_SENDER_H
#define EVENT_SENDER_H

#include <stdbool.h>
#include <stdint.h>

struct db;
struct request;

/* Once per process, after coro_init and http_client_init; returns at once. allow_plain: http://
 * targets other than loopback may be used. */
void sender_start(struct db *db, bool allow_plain);
void sender_stop(void);          /* takes no new work; what is in flight ends, see sender_busy */
int sender_busy(void);           /* deliveries in flight or not yet recorded; 0: drained */

/* Looks for work at once instead of at the next sweep: when a webhook was added, resumed, or
 * its secret rotated. Inside a transaction: after its COMMIT. */
void sender_wake(struct request *rq);

/* Inside a transaction: sends these deliveries again, delivered or not, starting a new retry
 * schedule; answers how many there were. Yields. */
int sender_replay(struct request *rq, const int64_t *ids, int count);
/* The same for every event the webhook is subscribed to since an instant ("2026-01-31T00:00:00Z"),
 * also those from before it existed. Answers how many. Yields. */
int sender_replay_since(struct request *rq, int64_t webhook_id, const char *since);

/* Inside a transaction: gives the webhook a new secret, which is returned; the old one signs too
 * for 24 more hours. NULL when there is no such webhook. Yields. */
char *sender_rotate(struct request *rq, int64_t webhook_id);

/* Numbers for /metrics and for "is everything delivered?". pending and oldest_age_s come from the
 * database and cover every process; the others count what this process did. */
struct sender_stats {
	long pending;              /* to active and paused webhooks */
	double oldest_age_s;       /* of those, since the change; 0 when there is none */
	unsigned long delivered, attempts_ok, attempts_failed;
	int in_flight;
	bool elected;              /* this process sends */
	int breakers_closed, breakers_open, breakers_probing;
};
void sender_stats(struct request *rq, struct sender_stats *stats);   /* yields */
void sender_counts(struct sender_stats *stats);   /* without the database's */

#endif
