/* sync-bridge/wake.h -- a timer of the loop that is set in milliseconds.
 *
 *	static struct event *timer;
 *	timer = wake_new(tick);       // at start; dies when memory is out
 *	wake_after(timer, 2000);      // once; before it rings it may be set anew
 */
#ifndef BRIDGE_WAKE_H
#define BRIDGE_WAKE_H

#include <event2/event.h>
#include <stdint.h>

struct event *wake_new(event_callback_fn rang);
/* Nothing without a timer. */
void wake_after(struct event *timer, uint64_t ms);

#endif
