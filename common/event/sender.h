/* common/event/sender.h -- delivers the event log to its subscribers, at least once and in order.
 *
 * One process per database sends (db_elect); another takes over when it dies. Deliveries of one
 * record to one webhook go one after the other, by version; records go in parallel (64 at once
 * per webhook). 2xx is delivered; 410 disables the webhook; anything else is tried again after
 * 50 ms, 250 ms, 1 s, 5 s, 30 s, 2 min, 10 min, 30 min, then hourly, each with 20 % jitter, or
 * after Retry-After. A breaker per webhook opens after 5 failures in a row, probes with one
 * delivery after 1 s doubling to 30 s, and while it is open no attempts are counted. Nothing is
 * ever given up or dropped; a paused webhook's deliveries wait.
 */
#ifndef EVENT_SENDER_H
#define EVENT_SENDER_H

#include <stdbool.h>

struct db;
struct app;

void sender_start(struct app *app);
void sender_stop(void);          /* stops taking new work; see sender_busy */
int sender_busy(void);           /* deliveries in flight */

#endif
