/* sync-bridge/lane.c -- works one message at a time for each record, many records at once. */
#include "lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"
#include "deliver.h"
#include "metrics.h"
#include "pause.h"
#include "shard.h"
#include "sweep.h"
#include "system.h"

#define HELD_MAX 2000
#define ENTER_MS_MAX 5000

/* A coroutine that wants the lane for a record it needs. */
struct visitor {
	struct coro *coro;
	bool granted;
	TAILQ_ENTRY(visitor) entry;
};

struct lane {
	char ref[REF_MAX];
	bool busy;
	struct lane_list *ready;             /* the list of lanes to work that it is in, or NULL */
	struct message *current;
	struct message_list queue;           /* by version */
	TAILQ_HEAD(, visitor) visitors;
	TAILQ_ENTRY(lane) entry;
	UT_hash_handle hh;
};

TAILQ_HEAD(lane_list, lane);

/* Lanes to work: those that begin with a first try, and those that begin with a retry. They take
 * turns, and retries have half the places at most. */
static struct lane_list fresh = TAILQ_HEAD_INITIALIZER(fresh);
static struct lane_list again = TAILQ_HEAD_INITIALIZER(again);
static struct lane *lanes;
static bool turn;
static struct message *held;           /* by id; also those done while a sweep looks */
static int running, retrying, held_live;
static bool missed;                    /* something was left to the sweep */

static void pump(void);

static char *
copy_text(char **next, const char *text)
{
	char *at = *next;
	size_t size;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	memcpy(at, text, size);
	*next += size;
	return at;
}

static size_t
text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

struct message *
message_new(const struct message *from)
{
	size_t texts = text_size(from->event_id) + text_size(from->type) + text_size(from->body) +
		       text_size(from->traceparent) + text_size(from->code) +
		       text_size(from->reason);
	struct message *message = malloc(sizeof(*message) + texts);
	char *next = (char *)(message + 1);

	if (!message)
		die("out of memory");
	*message = *from;
	message->epoch_number = from->route->from->epoch_number;
	message->event_id = copy_text(&next, from->event_id);
	message->type = copy_text(&next, from->type);
	message->body = copy_text(&next, from->body);
	message->traceparent = copy_text(&next, from->traceparent);
	message->code = copy_text(&next, from->code);
	message->reason = copy_text(&next, from->reason);
	return message;
}

/* Not here any more. While a sweep looks, its id is kept: the sweep may have read it before. */
static void
drop(struct message *message)
{
	held_live--;
	message->done = true;
	if (sweep_running())
		return;
	HASH_DEL(held, message);
	free(message);
}

void
lane_forget_done(void)
{
	struct message *each, *next;

	HASH_ITER(hh, held, each, next) {
		if (each->done) {
			HASH_DEL(held, each);
			free(each);
		}
	}
}

static struct lane *
lane_of(const char *ref)
{
	struct lane *lane;

	HASH_FIND_STR(lanes, ref, lane);
	if (lane)
		return lane;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		die("out of memory");
	snprintf(lane->ref, sizeof(lane->ref), "%s", ref);
	TAILQ_INIT(&lane->queue);
	TAILQ_INIT(&lane->visitors);
	HASH_ADD_STR(lanes, ref, lane);
	return lane;
}

static void
make_ready(struct lane *lane)
{
	if (lane->busy || lane->ready || TAILQ_EMPTY(&lane->queue))
		return;
	lane->ready = TAILQ_FIRST(&lane->queue)->retry ? &again : &fresh;
	TAILQ_INSERT_TAIL(lane->ready, lane, entry);
}

static void
make_unready(struct lane *lane)
{
	if (lane->ready)
		TAILQ_REMOVE(lane->ready, lane, entry);
	lane->ready = NULL;
}

static void
enqueue(struct lane *lane, struct message *message)
{
	struct message *each;

	TAILQ_FOREACH(each, &lane->queue, entry) {
		if (message->version < each->version ||
		    (message->version == each->version && message->id < each->id)) {
			TAILQ_INSERT_BEFORE(each, message, entry);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&lane->queue, message, entry);
}

void
lane_offer(struct message *message)
{
	struct message *known;
	char ref[REF_MAX];
	struct lane *lane;

	HASH_FIND(hh, held, &message->id, sizeof(message->id), known);
	if (known) {
		free(message);
		return;
	}
	message->shard = shard_of(message->source_id);
	message->term = shard_term(message->shard);
	if (!message->term) {
		/* Another's. Nobody's shards are swept by whoever takes them. */
		sweep_tell_others();
		free(message);
		return;
	}
	if (held_live >= HELD_MAX || app_current()->draining) {
		missed = true;
		free(message);
		return;
	}
	message->offered_us = clock_us();
	HASH_ADD(hh, held, id, sizeof(message->id), message);
	held_live++;
	message_ref(message, ref);
	lane = lane_of(ref);
	enqueue(lane, message);
	make_ready(lane);
	pump();
}

/* The newest queued message of the first one's route; those it makes stale are dropped here, and
 * in the table with its outcome. */
static struct message *
take(struct lane *lane)
{
	struct message *first = TAILQ_FIRST(&lane->queue);
	struct message *newest = first;
	struct message *each, *next;

	TAILQ_FOREACH(each, &lane->queue, entry)
		if (each->route == first->route && each->version > newest->version)
			newest = each;
	for (each = TAILQ_FIRST(&lane->queue); each; each = next) {
		next = TAILQ_NEXT(each, entry);
		if (each->route != newest->route || each->version >= newest->version)
			continue;
		TAILQ_REMOVE(&lane->queue, each, entry);
		drop(each);
	}
	TAILQ_REMOVE(&lane->queue, newest, entry);
	return newest;
}

static void
work(struct request *rq, void *arg)
{
	struct lane *lane = arg;
	struct message *message = lane->current;
	bool retry = message->retry;
	int shard = message->shard;

	metrics_stage(STAGE_QUEUE, message->offered_us);
	deliver(rq, message);
	drop(message);
	lane->current = NULL;
	running--;
	retrying -= retry;
	shard_ended(shard);
	lane_leave(lane);
	if (missed && held_live < HELD_MAX / 2) {
		missed = false;
		lane_sweep_on();
	}
	pump();
}

bool
lane_has_room(void)
{
	if (held_live < HELD_MAX / 2)
		return true;
	missed = true;
	return false;
}

/* Not now: the shard is another's, or an operator or the retry budget holds it back. In the table
 * it stays as it is, and the sweep brings it when its time has come. */
static bool
held_back(const struct message *message)
{
	return message->term != shard_term(message->shard) || pause_holds_route(message->route) ||
	       (message->retry && !budget_left(&message->route->to->budget, clock_ms()));
}

static struct lane *
next_lane(void)
{
	struct lane *first = TAILQ_FIRST(&fresh);
	struct lane *retry = TAILQ_FIRST(&again);

	if (retrying >= (bridge_options.parallel + 1) / 2)
		retry = NULL;
	turn = !turn;
	return retry && (turn || !first) ? retry : first;
}

static void
pump(void)
{
	struct lane *lane;

	while (running < bridge_options.parallel && (lane = next_lane())) {
		struct message *message = take(lane);

		make_unready(lane);
		lane->busy = true;
		if (held_back(message)) {
			drop(message);
			lane_leave(lane);
			continue;
		}
		lane->current = message;
		running++;
		retrying += message->retry;
		shard_began(message->shard);
		app_background("message", work, lane);
	}
}

struct lane *
lane_enter(const char *ref)
{
	struct lane *lane = lane_of(ref);
	struct visitor visitor = { .coro = coro_self() };

	if (!lane->busy) {
		lane->busy = true;
		make_unready(lane);
		return lane;
	}
	TAILQ_INSERT_TAIL(&lane->visitors, &visitor, entry);
	coro_park_for(ENTER_MS_MAX);
	if (visitor.granted)
		return lane;
	TAILQ_REMOVE(&lane->visitors, &visitor, entry);
	return NULL;
}

void
lane_leave(struct lane *lane)
{
	struct visitor *visitor = TAILQ_FIRST(&lane->visitors);

	if (visitor) {
		TAILQ_REMOVE(&lane->visitors, visitor, entry);
		visitor->granted = true;   /* the lane stays busy, with the visitor */
		coro_wake(visitor->coro);
		return;
	}
	lane->busy = false;
	make_ready(lane);
	if (!lane->ready) {
		HASH_DEL(lanes, lane);
		free(lane);
	}
}

void
lane_drop_queued(void)
{
	struct lane *lane, *next;
	struct message *message;

	HASH_ITER(hh, lanes, lane, next) {
		while ((message = TAILQ_FIRST(&lane->queue))) {
			TAILQ_REMOVE(&lane->queue, message, entry);
			drop(message);
		}
		make_unready(lane);
		if (!lane->busy) {
			HASH_DEL(lanes, lane);
			free(lane);
		}
	}
	lane_sweep_soon(0);
}

int
lane_held(int64_t *ids, int max)
{
	struct message *each, *next;
	int count = 0;

	HASH_ITER(hh, held, each, next)
		if (count < max)
			ids[count++] = each->id;
	return count;
}

void
lane_stats(struct lane_stats *stats)
{
	*stats = (struct lane_stats){
		.held = held_live,
		.running = running,
		.retrying = retrying,
		.leading = sweep_leading(),
		.open = sweep_open(),
	};
}
