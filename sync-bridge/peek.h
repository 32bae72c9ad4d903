/* sync-bridge/peek.h -- reads from a system for an operator, aside of the work of the lanes.
 *
 * Unlike system_call, a look changes nothing here: a system that refuses or does not answer is
 * neither paused nor counted against its breaker, so a question never slows down the messages.
 */
#ifndef BRIDGE_PEEK_H
#define BRIDGE_PEEK_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"

enum peek_result {
	PEEK_FOUND,      /* json is the reply */
	PEEK_ABSENT,     /* 404 */
	PEEK_REFUSED,    /* it answers, but not with that; reason says why */
	PEEK_AWAY,       /* no answer; reason says why */
};

struct peek {
	enum peek_result result;
	cJSON *json;             /* NULL unless it was found; strict JSON, an object */
	const char *reason;      /* NULL when it was found or is absent */
};

/* GET of a path with its query, in 3 s at most. Yields; never fails by unwinding. Everything lives
 * in the request's arena. */
void peek(struct request *rq, const struct bridge_system *system, struct peek *peek,
	  const char *path);

/* The same for a reply that is too large for strict JSON (an OpenAPI document): its text, NULL
 * with *reason when there is none. */
const char *peek_text(struct request *rq, const struct bridge_system *system, const char *path,
		      const char **reason);

#endif
