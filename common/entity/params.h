/* common/entity/params.h -- checks a verb's body against its param_spec. */
#ifndef ENTITY_PARAMS_H
#define ENTITY_PARAMS_H

#include "entity/entity.h"
#include "entity/problems.h"

/* Every bad member is named; ids that refer to nothing as well. Yields when there are such. */
void params_check(struct request *rq, const struct param_spec *specs, const cJSON *body,
		  struct problems *problems);

/* One member. */
void params_check_one(struct request *rq, const struct param_spec *spec, const cJSON *value,
		      struct problems *problems);

/* NULL when there is no such. */
const struct param_spec *param_named(const struct param_spec *specs, const char *name);

/* What a spec is as a column, for checks and OpenAPI. */
struct column param_column(const struct param_spec *spec);

#endif
