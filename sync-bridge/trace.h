/* sync-bridge/trace.h -- one deal's whole way through the systems, from its first stage to paid.
 *
 * The records of a deal are found by the table in trace_find.c, their changes in the systems' own
 * timelines, their way across in table message. A system that does not answer leaves a gap that
 * is named; what the bridge itself has seen of its records is shown instead.
 */
#ifndef BRIDGE_TRACE_H
#define BRIDGE_TRACE_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"
#include "peek.h"

/* One kind of record on the way, and how it is found from the one before. */
struct trace_step {
	const char *name;        /* "delivery" */
	const char *entity;
	const char *path;
	const char *of;          /* the step before; NULL for the deal, which begins it */
	/* How: NULL is by link; otherwise the list's parameter, which takes the member "value" of
	 * the record before. */
	const char *filter;
	const char *value;
	/* With these, only records count whose lines name the record before. */
	const char *lines, *line_member;
	const char *mirror_filter; /* where its mirror names the deal */
	const char *shown;       /* members whose changes are told, space separated */
	const char *begins;      /* the change that times are counted from */
};
extern const struct trace_step trace_steps[];   /* ended by a NULL name */
const struct trace_step *trace_step_of(const char *entity);

#define TRACE_RECORDS_MAX 200

struct trace_record {
	const struct trace_step *step;
	struct bridge_system *system;
	struct ref ref;
	const char *text;        /* the reference */
	cJSON *record;           /* as its system has it, or as the bridge last heard; or NULL */
	bool live;               /* the former */
};

struct trace {
	struct trace_record records[TRACE_RECORDS_MAX];   /* the deal first, then by step */
	int count;
	cJSON *unavailable;      /* [{system, what, reason}] */
	const char *away[8];     /* systems that did not answer; they are not asked again */
	int away_count;
	const char *won_at;      /* NULL: not won, or not known */
	cJSON *steps, *missing;
};

/* Finds the records, going up to the deal first. Fails with 404 when there is none. Yields. */
void trace_find(struct request *rq, struct trace *trace, const char *ref);

/* A look at a system; one that did not answer is not asked again. Yields. */
void trace_peek(struct request *rq, struct trace *trace, const struct bridge_system *system,
		struct peek *peek, const char *path);

/* Notes what could not be looked at. */
void trace_gap(struct request *rq, struct trace *trace, const struct bridge_system *system,
	       const char *what, const char *reason);

/* Fills steps and won_at: each change of each record, with how it crossed. Yields. */
void trace_changes(struct request *rq, struct trace *trace);

/* Fills missing: what the deal still lacks. Yields. */
void trace_lacks(struct request *rq, struct trace *trace);

/* GET /api/v1/traces/{entity}/{id}?system= */
void trace_get(struct request *rq);

#endif
