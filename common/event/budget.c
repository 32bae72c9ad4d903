/* common/event/budget.c -- counts tries and retries by the second, ten seconds back. */
#include "event/budget.h"

#define SLOT(budget, now_ms) (&(budget)->slots[(now_ms) / 1000 % BUDGET_SECONDS])

static void
turn_to(struct budget *budget, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000;

	if (SLOT(budget, now_ms)->second == second)
		return;
	SLOT(budget, now_ms)->second = second;
	SLOT(budget, now_ms)->tries = 0;
	SLOT(budget, now_ms)->retries = 0;
}

int
budget_left(const struct budget *budget, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000;
	int tries = 0;
	int retries = 0;

	for (int i = 0; i < BUDGET_SECONDS; i++) {
		if (budget->slots[i].second + BUDGET_SECONDS <= second)
			continue;
		tries += budget->slots[i].tries;
		retries += budget->slots[i].retries;
	}
	retries = BUDGET_FLOOR * BUDGET_SECONDS + tries / BUDGET_PER_RETRY - retries;
	return retries > 0 ? retries : 0;
}

void
budget_earn(struct budget *budget, uint64_t now_ms)
{
	turn_to(budget, now_ms);
	SLOT(budget, now_ms)->tries++;
}

bool
budget_spend(struct budget *budget, uint64_t now_ms)
{
	if (budget_left(budget, now_ms) == 0)
		return false;
	turn_to(budget, now_ms);
	SLOT(budget, now_ms)->retries++;
	return true;
}

/* The newest one: the older ones are forgotten sooner by themselves. */
static void
forgive_one(struct budget *budget)
{
	int newest = -1;

	for (int i = 0; i < BUDGET_SECONDS; i++)
		if (budget->slots[i].retries > 0 &&
		    (newest < 0 || budget->slots[i].second > budget->slots[newest].second))
			newest = i;
	if (newest >= 0)
		budget->slots[newest].retries--;
}

void
budget_return(struct budget *budget)
{
	forgive_one(budget);
	forgive_one(budget);
}
