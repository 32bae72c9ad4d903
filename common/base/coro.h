/* common/base/coro.h -- coroutines over one libevent loop, so that a handler reads top to bottom.
 *
 * One thread, one loop. A coroutine runs until it parks; only then may another run, so code
 * between two parks needs no lock. Functions that may park say "yields" in their header.
 * Stacks are 256 KiB with a guard page (a runaway recursion is a SIGSEGV, never a silent
 * overwrite), taken from a free list.
 *
 * Waking never switches at once: the coroutine is put on the ready queue, which the loop
 * drains before it polls again. So it is safe to wake from anywhere on the loop's thread.
 */
#ifndef BASE_CORO_H
#define BASE_CORO_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct coro;

void coro_init(struct event_base *loop);
struct event_base *coro_loop(void);
void coro_shutdown(void);   /* frees pooled stacks; no coroutine may be alive */

/* Puts a new coroutine on the ready queue. */
void coro_start(void (*fn)(void *arg), void *arg);

struct coro *coro_self(void);   /* NULL when the loop itself runs */
int coro_count(void);           /* alive, for drain and metrics */

/* Parks the running coroutine until coro_wake. Waking a coroutine that is not parked yet is
 * remembered: its next park returns at once. So a park may return early: loop on what you
 * wait for. Never wake a coroutine that may have ended. */
void coro_park(void);
void coro_wake(struct coro *coro);

/* As coro_park, for ms_max milliseconds at most; false when the time ran out. */
bool coro_park_for(uint64_t ms_max);
void coro_sleep(uint64_t ms);

/* Runs fn(arg) on a thread of a small pool (argon2id, getaddrinfo, files) and parks until it is
 * done. fn must not touch the loop, a request or an arena. false: the queue (16) is full. */
bool coro_on_thread(void (*fn)(void *arg), void *arg);

/* One pointer per coroutine, carried across switches: the request it works for. */
void coro_set_local(void *value);
void *coro_local(void);

#endif
