/* common/app/heartbeat.h -- proves that the loop turns, to all who want to know. */
#ifndef APP_HEARTBEAT_H
#define APP_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the timer and says "ready". pipe: to the supervising parent, which speaks to systemd for
 * all its workers; -1: this process does. */
void heartbeat_start(int pipe);
/* Says "reloading", and once it is done "ready". */
void heartbeat_reload(bool done);
/* Says "stopping". */
void heartbeat_stop(void);

bool heartbeat_alive(void);      /* the loop turned less than 5 s ago */
uint64_t heartbeat_lag_us(void); /* longest delay within the last 10 s */

#define HEARTBEAT_READY 'R'
#define HEARTBEAT_BEAT 'B'

#endif
