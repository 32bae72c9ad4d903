/* sync-bridge/simulate.h -- what a changed mapping or condition would do, over real changes.
 *
 * The last changes of a route are in table message. Each is mapped by the route's own programs
 * and by the changed ones; the result is checked against the target's OpenAPI and compared with
 * the record as it is there. Nothing is written on any side, nothing is pulled.
 */
#ifndef BRIDGE_SIMULATE_H
#define BRIDGE_SIMULATE_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"

enum simulated {
	WOULD_CREATE, WOULD_UPDATE, WOULD_STAY, WOULD_SKIP, WOULD_REJECT, NOT_RUN, SIMULATED_END,
};

/* ---- simulate_diff.c ---- */

/* Whether a is what b is: decimals by their value, null as absent. With part, b may have members
 * that a has not. */
bool diff_same(const cJSON *a, const cJSON *b, bool part);

/* [{field, old, new, target}] where the new body is not what the old one or the target has. Both
 * may be NULL: not known. *target_differs: at least one is not what the target has. */
cJSON *diff_bodies(const cJSON *new_body, const cJSON *old_body, const cJSON *target,
		   bool *target_differs);

/* ---- simulate_schema.c ---- */

/* What the target's OpenAPI says of a body that is put on a route. */
struct schema {
	const cJSON *body;         /* NULL: not known, see reason */
	const char *reason;
};
void schema_load(struct request *rq, struct schema *schema, const struct bridge_route *route);

/* Adds {field, code, message} to errors for all that the target would refuse. */
void schema_check(struct request *rq, const struct schema *schema, const cJSON *body, bool creates,
		  cJSON *errors);

/* POST /api/v1/simulations */
void simulate_post(struct request *rq);

#endif
