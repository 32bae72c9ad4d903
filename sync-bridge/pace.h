/* sync-bridge/pace.h -- keeps long work from holding up the loop, and to a rate of rows. */
#ifndef BRIDGE_PACE_H
#define BRIDGE_PACE_H

#include <stdint.h>

struct pace {
	long rate;            /* rows per second, 0: no limit */
	uint64_t rows;        /* since the beginning */
	uint64_t begun_us;    /* of the current stretch; 0: not begun */
	uint64_t stretch;     /* rows in it */
	uint64_t slice_us;    /* when the loop last had its turn */
};

/* Counts so many rows (0: only looks); lets others run after a millisecond's work. Yields. */
void pace_rows(struct pace *pace, int rows);

#endif
