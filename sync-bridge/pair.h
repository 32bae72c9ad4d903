/* sync-bridge/pair.h -- one record and what it is at the target, both read by themselves. */
#ifndef BRIDGE_PAIR_H
#define BRIDGE_PAIR_H

#include "compare.h"

#define DIFFERENCES_MAX 20

enum drift_kind { DRIFT_NONE, DRIFT_MISSING, DRIFT_EXTRA, DRIFT_DIFFERS };

struct pair {
	struct original source;     /* text NULL: there is none, nor one in its log */
	bool deleted;               /* it is gone, but its log says so: source is how it last was */
	const cJSON *target;        /* NULL: there is none */
	int64_t target_id, target_version;
	enum drift_kind kind;
	struct difference differences[DIFFERENCES_MAX];
	int count;
	const char *why;            /* nobody could repair it: why; or NULL */
};

/* Reads both sides of the source's record and compares them. False with c->error when one of the
 * systems cannot be asked. Strings live in the request's arena. Yields; may fail. */
bool pair_read(struct request *rq, struct comparison_of_route *c, int64_t id, struct pair *pair);

/* The same finding has the same number: versions, fields and values. Never 0. */
uint64_t pair_hash(const struct pair *pair);

/* "crm:account:42" */
const char *pair_source_ref(struct request *rq, const struct comparison_of_route *c, int64_t id);
/* "erp:customer:7"; NULL when there is none. */
const char *pair_target_ref(struct request *rq, const struct comparison_of_route *c,
			    const struct pair *pair);

#endif
