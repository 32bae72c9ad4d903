/* common/event/sender_private.h -- what the parts of the sender share.
 *
 *	event_log.c --offer--> sender.c (pump) --> attempt.c --result--> recorder.c --> PostgreSQL
 *	PostgreSQL --> sweeper.c --load--> sender.c (pump)
 *
 * All run on the loop's thread. Per process there is one sweeper and one recorder coroutine, and
 * one coroutine per delivery in flight.
 */
#ifndef EVENT_SENDER_PRIVATE_H
#define EVENT_SENDER_PRIVATE_H

#include "event/breaker.h"
#include "event/lanes.h"
#include "event/nap.h"
#include "event/wire.h"

#define IN_FLIGHT_MAX 64          /* per webhook */
#define WAITING_LOW 256           /* items of a webhook in memory: under it, more are loaded */
#define WAITING_HIGH 2000         /* over it, offers are left to be loaded later */
#define LOAD_LANES 512            /* lanes walked in one load */
#define LOAD_ROWS 1024            /* deliveries in one load, if not too many lanes */
#define URL_MAX 2001
#define SECRET_MAX 128
#define ERROR_MAX 200

struct db;
struct request;

struct webhook {
	int64_t id;
	char url[URL_MAX];
	char secret[SECRET_MAX];
	char old_secret[SECRET_MAX];     /* empty, or valid for now */
	bool active;
	bool seen;                       /* by the refresh under way */
	struct lanes lanes;
	struct breaker breaker;
	bool more;                       /* the database may hold what is not here */
	uint64_t load_at_ms;             /* 0, or when something becomes due */
	uint64_t load_not_before_ms;     /* keeps loads a small part of the time */
	char cursor_entity[64];          /* where the next load goes on */
	int64_t cursor_record;
	UT_hash_handle hh;
};

struct delivery {
	struct lane_item item;           /* first: lanes.c knows only this */
	struct webhook *webhook;
	struct payload *payload;
	bool probe;
};

/* How an attempt ended, until the database knows. */
struct result {
	struct delivery *delivered;      /* NULL when it failed */
	int64_t id;
	int status;
	bool counted;
	uint64_t delay_ms;
	char error[ERROR_MAX];
	STAILQ_ENTRY(result) next;
};
STAILQ_HEAD(results, result);

struct sender {
	struct db *db;
	bool allow_plain;
	bool elected;
	unsigned elections;              /* tells a load that it began under another one */
	bool stopping;
	int running;                     /* own coroutines, without those of deliveries */
	struct webhook *webhooks;
	bool refresh;                    /* the webhooks may have changed */
	uint64_t sweep_at_ms;
	struct nap sweeper;
	struct nap recorder;
	int in_flight;
	struct results results;
	int result_count;
	unsigned long delivered, attempts_ok, attempts_failed;
};

extern struct sender sender;

/* ---- sender.c ---- */
struct offer {
	int64_t id;                      /* of the delivery */
	const char *entity;
	int64_t record_id;
	int64_t version;
	int64_t older;                   /* see lanes_offer */
};

/* Whether offers are of use here; otherwise sender_tell_others. */
bool sender_takes(void);
/* Shares the payload. */
void sender_offer(int64_t webhook_id, const struct offer *offer, struct payload *payload);
void sender_tell_others(struct db *db);
void sender_look(struct db *db);
/* Starts what may go now. */
void webhook_pump(struct webhook *webhook);
struct webhook *webhook_find(int64_t id);
void webhook_load_at(struct webhook *webhook, uint64_t at_ms);
struct delivery *delivery_make(struct webhook *webhook, int64_t id, int64_t version, int attempts,
			       struct payload *payload);
/* For lanes_init. */
void delivery_release(struct lane_item *item);

/* ---- attempt.c ---- */
void attempt_start(struct delivery *delivery);

/* ---- sweeper.c, recorder.c: coroutines ---- */
void sweeper_run(void *arg);
void recorder_run(void *arg);
void recorder_add(struct result *result);

#endif
