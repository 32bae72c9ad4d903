/* sync-bridge/compare.h -- one route's two sides, looked at three times, each time closer.
 *
 * First both sides are read page by page into 65,536 sums of digests (buckets.h). Where sums
 * differ, the rows of those buckets are read again and compared by digest; what still differs is
 * a suspect. Each suspect is then read by itself, twice, some time apart (suspect.h): only what
 * differs in the same way at the same versions both times, with no message of it under way, is
 * drift. Memory does not grow with the number of records.
 */
#ifndef BRIDGE_COMPARE_H
#define BRIDGE_COMPARE_H

#include "base/request.h"
#include "buckets.h"
#include "original.h"
#include "pace.h"
#include "shape.h"

#define SUSPECTS_MAX 10000   /* looked at one by one */
#define SUSPECTS_ROOM 60000  /* with those that are only changing, which are left out first */

struct suspect {
	int64_t id;             /* the source's */
	bool dropped;           /* equal after all, or changing */
	uint64_t seen;          /* what was found the first time, as a hash; 0: nothing yet */
};

struct counts {
	int suspects, in_flight, missing, extra, differs, repaired, held, revised;
};

/* One route in one run. Lives in the arena of the request that runs it. */
struct comparison_of_route {
	const struct bridge_route *route;
	struct pace pace;
	bool repair;                 /* what differs is repaired, as the route says */
	long settle_ms;              /* changes younger than this are left alone */
	const char *started;         /* when the run began, by the database's clock */

	struct shape *shape;
	struct bucket *buckets;
	uint64_t source_rows, target_rows;
	int differing;               /* buckets */
	struct suspect *suspects;
	int suspect_count;
	struct counts counts;
	char error[400];             /* why it could not be finished; "": it was */
};

/* Finds the suspects. False with error set. Yields; never fails by unwinding. */
bool compare_route(struct request *rq, struct comparison_of_route *c);

/* ---- for those who look closer ---- */

/* The source's id that the target's record names; 0 when it is not of this route. */
int64_t compare_source_id(const struct bridge_route *route, const cJSON *record);

/* Reads one record of the target, so that the shape knows what the target shows. False with error
 * set. Yields. */
bool compare_sample(struct request *rq, struct comparison_of_route *c);

#endif
