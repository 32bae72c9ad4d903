/* common/base/coro.c -- switches between coroutines, and wakes them from the libevent loop. */
#include "base/coro.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE (1024 * 1024)   /* instrumented frames are larger */
#else
#define STACK_SIZE (256 * 1024)
#endif
#define STACKS_KEPT 128

struct coro {
	ucontext_t context;
	char *stack;
	void (*fn)(void *);
	void *arg;
	void *local;
	struct event *timer;
	bool parked;
	bool queued;
	bool wake_pending;
	bool done;
	void *fake_stack;
	TAILQ_ENTRY(coro) entry;
};

TAILQ_HEAD(coro_list, coro);

static struct event_base *loop;
static struct event *ready_event;
static struct coro_list ready = TAILQ_HEAD_INITIALIZER(ready);
static struct coro_list pool = TAILQ_HEAD_INITIALIZER(pool);
static int pool_count, alive;
static struct coro *current;
static ucontext_t main_context;
static void *main_local;

#if defined(__SANITIZE_ADDRESS__)
static void *main_fake_stack;
static const void *main_stack;
static size_t main_stack_size;

static void
switch_begin(void **save, const void *stack, size_t size)
{
	__sanitizer_start_switch_fiber(save, stack, size);
}

static void
switch_end(void *save, const void **stack, size_t *size)
{
	__sanitizer_finish_switch_fiber(save, stack, size);
}
#endif

static void
to_coro(struct coro *coro)
{
	current = coro;
#if defined(__SANITIZE_ADDRESS__)
	switch_begin(&main_fake_stack, coro->stack, STACK_SIZE);
#endif
	swapcontext(&main_context, &coro->context);
#if defined(__SANITIZE_ADDRESS__)
	switch_end(main_fake_stack, NULL, NULL);
#endif
	current = NULL;
}

static void
to_loop(struct coro *coro)
{
#if defined(__SANITIZE_ADDRESS__)
	switch_begin(coro->done ? NULL : &coro->fake_stack, main_stack, main_stack_size);
#endif
	swapcontext(&coro->context, &main_context);
#if defined(__SANITIZE_ADDRESS__)
	switch_end(coro->fake_stack, NULL, NULL);
#endif
}

static void
coro_main(void)
{
	struct coro *coro = current;

#if defined(__SANITIZE_ADDRESS__)
	switch_end(NULL, &main_stack, &main_stack_size);
#endif
	coro->fn(coro->arg);
	coro->done = true;
	to_loop(coro);
}

static char *
stack_new(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, STACK_SIZE + (size_t)page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	/* The lowest page is the guard: stacks grow down. */
	if (memory == MAP_FAILED || mprotect(memory, (size_t)page, PROT_NONE) != 0)
		die("no memory for a coroutine's stack");
	return memory + page;
}

static void
coro_free(struct coro *coro)
{
	long page = sysconf(_SC_PAGESIZE);

	if (coro->timer)
		event_free(coro->timer);
	munmap(coro->stack - page, STACK_SIZE + (size_t)page);
	free(coro);
}

static struct coro *
coro_take(void)
{
	struct coro *coro = TAILQ_FIRST(&pool);

	if (coro) {
		TAILQ_REMOVE(&pool, coro, entry);
		pool_count--;
		return coro;
	}
	coro = calloc(1, sizeof(*coro));
	if (!coro)
		die("out of memory");
	coro->stack = stack_new();
	return coro;
}

static void
coro_ended(struct coro *coro)
{
	alive--;
	if (coro->timer)
		event_del(coro->timer);
	if (pool_count >= STACKS_KEPT) {
		coro_free(coro);
		return;
	}
	TAILQ_INSERT_HEAD(&pool, coro, entry);
	pool_count++;
}

static void
enqueue(struct coro *coro)
{
	coro->queued = true;
	coro->parked = false;
	TAILQ_INSERT_TAIL(&ready, coro, entry);
	event_active(ready_event, EV_READ, 0);
}

/* Runs what is ready now; what becomes ready meanwhile waits for the next turn, so that
 * coroutines waking each other cannot starve the sockets. */
static void
run_ready(evutil_socket_t fd, short what, void *arg)
{
	struct coro *last = TAILQ_LAST(&ready, coro_list);
	struct coro *coro;

	while ((coro = TAILQ_FIRST(&ready))) {
		TAILQ_REMOVE(&ready, coro, entry);
		coro->queued = false;
		to_coro(coro);
		if (coro->done)
			coro_ended(coro);
		if (coro == last)
			break;
	}
	if (!TAILQ_EMPTY(&ready))
		event_active(ready_event, EV_READ, 0);
}

void
coro_init(struct event_base *event_loop)
{
	loop = event_loop;
	ready_event = event_new(loop, -1, EV_PERSIST, run_ready, NULL);
	if (!ready_event)
		die("out of memory");
}

struct event_base *
coro_loop(void)
{
	return loop;
}

void
coro_shutdown(void)
{
	struct coro *coro;

	while ((coro = TAILQ_FIRST(&pool))) {
		TAILQ_REMOVE(&pool, coro, entry);
		coro_free(coro);
	}
	pool_count = 0;
	event_free(ready_event);
	ready_event = NULL;
}

void
coro_start(void (*fn)(void *arg), void *arg)
{
	struct coro *coro = coro_take();

	coro->fn = fn;
	coro->arg = arg;
	coro->local = NULL;
	coro->done = coro->parked = coro->wake_pending = false;
	coro->fake_stack = NULL;
	getcontext(&coro->context);
	coro->context.uc_stack.ss_sp = coro->stack;
	coro->context.uc_stack.ss_size = STACK_SIZE;
	coro->context.uc_link = NULL;
	makecontext(&coro->context, coro_main, 0);
	alive++;
	enqueue(coro);
}

struct coro *
coro_self(void)
{
	return current;
}

int
coro_count(void)
{
	return alive;
}

void
coro_park(void)
{
	struct coro *coro = current;

	if (!coro)
		die("coro_park outside a coroutine");
	if (coro->wake_pending) {
		coro->wake_pending = false;
		return;
	}
	coro->parked = true;
	to_loop(coro);
}

void
coro_wake(struct coro *coro)
{
	if (coro->parked)
		enqueue(coro);
	else
		coro->wake_pending = true;
}

static void
timer_fired(evutil_socket_t fd, short what, void *arg)
{
	coro_wake(arg);
}

bool
coro_park_for(uint64_t ms_max)
{
	struct coro *coro = current;
	struct timeval after = { .tv_sec = (time_t)(ms_max / 1000),
				 .tv_usec = (suseconds_t)(ms_max % 1000 * 1000) };

	if (coro->wake_pending) {
		coro->wake_pending = false;
		return true;
	}
	if (!coro->timer)
		coro->timer = evtimer_new(loop, timer_fired, coro);
	if (!coro->timer)
		die("out of memory");
	evtimer_add(coro->timer, &after);
	coro->parked = true;
	to_loop(coro);
	if (evtimer_pending(coro->timer, NULL)) {
		evtimer_del(coro->timer);
		return true;
	}
	return false;
}

void
coro_sleep(uint64_t ms)
{
	uint64_t until = clock_ms() + ms;
	uint64_t now;

	while ((now = clock_ms()) < until)
		coro_park_for(until - now);
}

void
coro_set_local(void *value)
{
	if (current)
		current->local = value;
	else
		main_local = value;
}

void *
coro_local(void)
{
	return current ? current->local : main_local;
}
