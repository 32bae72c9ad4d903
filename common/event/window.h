/* common/event/window.h -- how many calls at once a target is best served with.
 *
 * What a target cannot do side by side waits there: for a row that another call has locked, or for
 * a processor. More calls then bring nothing but more to wait for, and all get slower. How many of
 * those out wait is told by how much longer an answer takes than the quickest one: the window grows
 * as long as that is few and it is used up, and shrinks else. In the process alone; pure.
 */
#ifndef EVENT_WINDOW_H
#define EVENT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_FIRST 8             /* before anything is known */
#define WINDOW_LEAST 4
#define WINDOW_WAITING 4           /* that many may wait there, ... */
#define WINDOW_WAITING_US 50000    /* ... and one more for each so long that an answer takes */

/* Zeroed is new. */
struct window {
	double size;
	bool found;                /* it was too wide once: from then on it grows slowly */
	uint64_t quickest_us;      /* forgotten slowly: a target may have moved away */
};

/* Calls at once; most: and no more than these. */
int window_size(const struct window *window, int most);
/* An answer came after so long, to one of so many that were out. */
void window_note(struct window *window, int out, int most, uint64_t took_us);

#endif
