/* sync-bridge/replay.h -- jobs that carry records again: one, a route's, a time's, or all.
 *
 * A job is a row of table replay. One process per database works the oldest that runs, batch by
 * batch: what a batch does here and the position after it are one transaction, so that a crash
 * repeats a batch at most, and a repeated one has no effect. What it carries are messages like
 * others, of type <entity>.replayed, with the record as it is now; the target's versions see to it
 * that what has crossed already changes nothing.
 */
#ifndef BRIDGE_REPLAY_H
#define BRIDGE_REPLAY_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"
#include "db/db.h"
#include "entity/entity.h"

#define PAGE 100

extern struct entity replay_entity;
extern struct entity held_entity;

/* POST /api/v1/rebuild: learns all links from both ends, then carries everything again. */
void replay_rebuild(struct request *rq);

/* Lets the process that works the jobs look for one that is about to be committed. */
void replay_wake(void);

/* At start and stop of the daemon. */
void replay_start(void);
void replay_stop(void);

/* ---- for the parts of a job ---- */

struct replay;

/* A part of a job. run does one batch: it calls the systems first, then may open the transaction
 * (db_begin) and write; the runner adds the position and commits. Yields; may fail. */
struct replay_step {
	void (*run)(struct request *rq, struct replay *job);
	const struct bridge_route *route;
	struct bridge_system *system;
};

struct replay {
	int64_t id;
	const char *kind, *ref, *route, *entity, *from, *to, *system;
	bool link;
	long rate;
	int step;
	const char *position;         /* NULL at the begin of a step; a batch sets the next one */
	struct replay_step at;           /* the step at hand */

	/* What the batch came to. */
	int64_t records;              /* gone through */
	int64_t counted;              /* records of this step, told once; -1: not told */
	bool step_done;
	bool later;                   /* it can go on later; reason may say why */
	bool failed;                  /* it cannot go on at all, for the reason */
	const char *reason;
	uint64_t pause_ms;            /* before the next batch, at least */
	const char *report;           /* JSON to keep, NULL: none */
};

/* One GET; NULL with the job's outcome set when there is no answer. missing: NULL, or set when it
 * says that there is no such record (then NULL too, and no outcome is set). */
cJSON *replay_get(struct request *rq, struct replay *job, struct bridge_system *system,
		  const char *path, bool *missing);

/* The next page of ids, in order: {"data": [...]}, with the fields; NULL as above. The first page
 * of a step counts. extra: more of the query, "" for none. */
cJSON *replay_page(struct request *rq, struct replay *job, struct bridge_system *system,
		   const char *path, const char *fields, const char *extra, int limit);
/* Moves the position behind the page, which may be the last. */
void replay_passed(struct request *rq, struct replay *job, const cJSON *page, int limit);

/* The parts. */
void replay_feed_record(struct request *rq, struct replay *job);
void replay_feed_route(struct request *rq, struct replay *job);
void replay_feed_range(struct request *rq, struct replay *job);
void rebuild_learn(struct request *rq, struct replay *job);
void restore_check(struct request *rq, struct replay *job);
void match_left(struct request *rq, struct replay *job);
void match_right(struct request *rq, struct replay *job);
void match_pair(struct request *rq, struct replay *job);
void match_link(struct request *rq, struct replay *job);

#endif
