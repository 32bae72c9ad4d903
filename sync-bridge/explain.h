/* sync-bridge/explain.h -- why a record did or did not cross, in one sentence for each route. */
#ifndef BRIDGE_EXPLAIN_H
#define BRIDGE_EXPLAIN_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"

/* One record as its own system has it and as table message knows it. */
struct explained {
	struct bridge_system *system;
	struct ref ref;
	const char *text;          /* the reference */
	cJSON *record;             /* NULL: not there, or its system is away */
	int64_t version;           /* 0 with the former */
	bool absent;               /* its system says that there is none */
	const char *away;          /* why its system could not say; NULL when it did */
};

/* What one route did with it. */
struct verdict {
	const struct bridge_route *route;
	struct row *message;       /* the newest on this route, NULL for none */
	struct row *link;          /* NULL: none */
	int wanted;                /* "when" on the record as it is: 1, 0; -1: cannot be said */
	const char *when_error;
	int64_t owed;              /* the last version it takes that has not come; 0: none */
	cJSON *target;             /* the record over there, NULL: none or not known */
	bool target_absent;
	const char *target_away;
	int64_t target_source_version;
	const char *to_breaker, *to_error;
	const char *blocked;       /* by what record in the end, and why; NULL */
};

/* The sentence. */
const char *explain_verdict(struct request *rq, const struct explained *record,
			    const struct verdict *verdict);

/* GET /api/v1/explain?ref= */
void explain_get(struct request *rq);

#endif
