/* common/base/coro_thread.c -- runs blocking work on two threads while its coroutine waits. */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/coro.h"
#include "base/log.h"

#define THREADS 2
#define QUEUE_MAX 16

struct job {
	void (*fn)(void *);
	void *arg;
	struct coro *coro;
	bool done;
	STAILQ_ENTRY(job) entry;
};

STAILQ_HEAD(job_list, job);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER;
static struct job_list waiting = STAILQ_HEAD_INITIALIZER(waiting);
static struct job_list finished = STAILQ_HEAD_INITIALIZER(finished);
static int queued;
static int wake_fd = -1;

static void *
thread_main(void *arg)
{
	struct job *job;

	for (;;) {
		pthread_mutex_lock(&mutex);
		while (!(job = STAILQ_FIRST(&waiting)))
			pthread_cond_wait(&work_came, &mutex);
		STAILQ_REMOVE_HEAD(&waiting, entry);
		pthread_mutex_unlock(&mutex);

		job->fn(job->arg);

		pthread_mutex_lock(&mutex);
		STAILQ_INSERT_TAIL(&finished, job, entry);
		pthread_mutex_unlock(&mutex);
		if (eventfd_write(wake_fd, 1) != 0)
			die("cannot wake the loop");
	}
	return NULL;
}

static void
wake_finished(evutil_socket_t fd, short what, void *arg)
{
	eventfd_t count;
	struct job *job;

	if (eventfd_read(wake_fd, &count) != 0)
		return;
	pthread_mutex_lock(&mutex);
	while ((job = STAILQ_FIRST(&finished))) {
		STAILQ_REMOVE_HEAD(&finished, entry);
		queued--;
		job->done = true;
		coro_wake(job->coro);
	}
	pthread_mutex_unlock(&mutex);
}

static void
threads_start(void)
{
	static struct event event;   /* as long as the loop */

	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake_fd < 0 ||
	    event_assign(&event, coro_loop(), wake_fd, EV_READ | EV_PERSIST, wake_finished, NULL) ||
	    event_add(&event, NULL) != 0)
		die("cannot start the thread pool");
	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, thread_main, NULL) != 0)
			die("cannot start a thread");
		pthread_detach(thread);
	}
}

bool
coro_on_thread(void (*fn)(void *arg), void *arg)
{
	struct job job = { .fn = fn, .arg = arg, .coro = coro_self() };

	if (wake_fd < 0)
		threads_start();
	if (queued >= QUEUE_MAX)
		return false;
	queued++;
	pthread_mutex_lock(&mutex);
	STAILQ_INSERT_TAIL(&waiting, &job, entry);
	pthread_cond_signal(&work_came);
	pthread_mutex_unlock(&mutex);
	while (!job.done)
		coro_park();
	return true;
}
