/* sync-bridge/system.h -- one HTTP call to one of the systems, and what its answer means. */
#ifndef BRIDGE_SYSTEM_H
#define BRIDGE_SYSTEM_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"

enum call_result {
	CALL_DONE,       /* 2xx; json is its body */
	CALL_LATER,      /* no answer, or one that says: try again */
	CALL_REFUSED,    /* it will not do this; code, reason and remedy say why */
	CALL_BLOCKED,    /* the system is known to be away, an operator has paused it, or its budget
	                  * of retries is spent: not called, not to be counted */
};

struct call {
	const char *method;
	const char *path;            /* "/api/v1/customers/7" */
	const char *body;            /* NULL: none */
	const char *key;             /* Idempotency-Key, NULL: none */
	int64_t source_version;      /* 0: none */
	int64_t source_epoch;        /* goes with it */
	int64_t match_version;       /* If-Match, 0: none */
	bool raw;                    /* a success is left as text (16 MiB at most), json is NULL */
	bool retry;                  /* of a message's call that failed: bound by the budget */
	bool look;                   /* changes nothing: goes out though the system is paused */
	bool apart;                  /* goes out whatever is known of the system, and says
	                              * nothing of it: for the check whether it was restored */

	enum call_result result;
	int status;
	cJSON *json;                 /* NULL when the body is no JSON object */
	const char *text;            /* of a raw call, NUL-terminated; NULL otherwise */
	const char *code, *reason, *remedy;
	int retry_after;             /* seconds */
	bool replayed;               /* it was done before: the answer is of then */
};

/* Yields. Never fails by unwinding. Strings live in the request's arena. */
void system_call(struct request *rq, struct bridge_system *system, struct call *call);

/* A message's call failed and will be tried again: counted by class, for /metrics. */
void system_count_retry(const struct call *call);

/* Whether a call would go out now. */
bool system_ready(const struct bridge_system *system);
/* Milliseconds until it may, 0 when it may now. */
uint64_t system_wait_ms(const struct bridge_system *system);
/* Whether a route begins there. */
bool system_is_source(const struct bridge_system *system);
/* "closed", "open", "probing" or "paused". */
const char *system_state(const struct bridge_system *system);

#endif
