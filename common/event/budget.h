/* common/event/budget.h -- how many retries a target may be asked to bear.
 *
 * Retries are at most a fifth of the first tries of the last ten seconds, and ten a second
 * beside that. So a target in trouble gets little more than its usual load, and one with little
 * traffic is still retried at once. In the process alone; pure, the clock is the caller's.
 */
#ifndef EVENT_BUDGET_H
#define EVENT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_SECONDS 10
#define BUDGET_FLOOR 10             /* retries a second, whatever the traffic */
#define BUDGET_PER_RETRY 5          /* first tries that earn one retry */

/* Zeroed is full. */
struct budget {
	struct {
		uint64_t second;
		int tries, retries;
	} slots[BUDGET_SECONDS];
};

/* Retries that may go out now. */
int budget_left(const struct budget *budget, uint64_t now_ms);
/* A first try went out. */
void budget_earn(struct budget *budget, uint64_t now_ms);
/* A retry wants to go out; false: not now. */
bool budget_spend(struct budget *budget, uint64_t now_ms);
/* A retry succeeded: it was no burden, and one that failed before is forgiven with it. So when a
 * target is well again twice as many go out each time it has answered, until nothing waits. */
void budget_return(struct budget *budget);

#endif
