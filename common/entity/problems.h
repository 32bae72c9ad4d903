/* common/entity/problems.h -- bad fields collected under a prefix, then raised in one answer.
 *
 * Unlike fault_field it survives a nested request_run, and it can answer 400 as well as 422.
 */
#ifndef ENTITY_PROBLEMS_H
#define ENTITY_PROBLEMS_H

#include "base/request.h"

struct problems {
	struct request *rq;
	const char *prefix; /* put before each field: "records[3]." */
	struct field_fault *fields;
	int count;
};

/* What goes beyond 100 is of no more help and is left out. */
void problems_add(struct problems *problems, const char *field, const char *code,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Takes over the bad fields of a fault that was caught. */
void problems_take(struct problems *problems, const struct fault *fault);

/* Returns when there are none. */
void problems_raise(struct problems *problems, enum fault_code code);

#endif
