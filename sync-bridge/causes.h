/* sync-bridge/causes.h -- why a refused message may be taken up again by itself, and when.
 *
 * A refused message depends on records; when one of them changes it is tried again: at once the
 * first time, then after 50, 150, 350 ms ... and at most 5 s, so that nothing can storm. Which
 * records:
 * - those the target names in the problem: "depends_on": ["customer:7"], or ["period:*"] for any;
 * - or else those the mapped body names, and every record of the kinds in "retry_on".
 * "retry_on" also subscribes to these events of the target, which no route need take; when it is
 * an empty list, only an operator takes a refused message up again.
 */
#ifndef BRIDGE_CAUSES_H
#define BRIDGE_CAUSES_H

#include "deliver.h"

/* Sets what the rejected delivery depends on. problem: the target's, or NULL. */
void causes_note(struct request *rq, struct delivery *delivery, const cJSON *problem);

/* After the outcome is written: takes the message up again when a record it depends on changed
 * while it was on its way, that is since began (clock_ms). Yields; never fails by unwinding. */
void causes_missed(struct request *rq, const struct delivery *delivery, uint64_t began);

/* Shards were taken over, perhaps from a process that ended between the two: the same for what was
 * refused last. Yields; may fail. */
void causes_inherited(struct request *rq);

/* A change of the record that no route takes. Yields; may fail. */
void causes_changed(struct request *rq, const char *system, const char *entity, int64_t id);

#endif
