/* sync-bridge/shape.h -- which members of a route's records are compared, and their digests.
 *
 * A shape is learned: from what the mapping gives, member by member, and from one record of the
 * target, which tells what the target shows of it. A member the target does not show, or that the
 * route leaves out ("compare": {"not": ...}), is in the shape but not compared, and is named in
 * the report. The order of members never changes once they are known, so digests of both sides
 * made from one shape can be compared.
 */
#ifndef BRIDGE_SHAPE_H
#define BRIDGE_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/request.h"
#include "base/text.h"
#include "bridge.h"

#define SHAPE_MEMBERS_MAX 64
#define SHAPE_NAME_MAX 64

struct shape_member {
	char name[SHAPE_NAME_MAX];
	bool shown;                  /* by the target, or nothing is known against it */
	bool left_out;               /* by the route */
	bool lines;                  /* an array of objects, with the members below */
	int count;
	char names[SHAPE_MEMBERS_MAX][SHAPE_NAME_MAX];
	bool names_shown[SHAPE_MEMBERS_MAX];
};

struct shape {
	const struct bridge_route *route;
	const cJSON *sample;         /* a record of the target with its lines; NULL: it has none */
	int count;
	struct shape_member members[SHAPE_MEMBERS_MAX];
};

struct digest {
	uint64_t words[4];
};

/* Takes up what a mapped body gives. */
void shape_learn(struct shape *shape, const cJSON *body);

/* Of one record as the shape sees it; id is the source's, on both sides. Lines with a source_line
 * are in its order, others in their own. */
struct digest shape_digest(struct request *rq, const struct shape *shape, int64_t id,
			   const cJSON *record);

struct difference {
	char field[SHAPE_NAME_MAX * 2 + 16];   /* "name", "lines[2].quantity"; from 1 */
	const char *source, *target;           /* as text, NULL for null */
};

/* What differs between a mapped body and the target's record, of members the body gives; at most
 * max. */
int shape_differences(struct request *rq, const struct shape *shape, const cJSON *body,
		      const cJSON *record, struct difference *out, int max);

/* "a,b,c" of the members that are compared (true), or "a (why)" of those that are not. */
const char *shape_names(struct request *rq, const struct shape *shape, bool compared);

#endif
