/* sync-bridge/trial.c -- starts the child of a trial, feeds it and reads what it answers. */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/coro.h"
#include "base/log.h"

#define DEADLINE_MS 12000
#define ANSWER_MAX (64ul * 1024 * 1024)

/* What the thread works on: no request, no arena. */
struct exchange {
	char *in;                  /* malloced */
	size_t in_length, in_done;
	char *out;                 /* malloced */
	size_t out_length;
	bool late, large;
	int error;                 /* errno of what could not be done, 0 */
	int status;                /* of the child, as waitpid has it */
};

static bool running;

static pid_t
spawn(int in, int out)
{
	static char *const nothing[] = { NULL };
	char name[] = "sync-bridge", flag[] = TRIAL_FLAG;
	char *const argv[] = { name, flag, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid = -1;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	errno = posix_spawn(&pid, "/proc/self/exe", &files, &attributes, argv, nothing);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return errno ? -1 : pid;
}

/* False when there is no more to come. */
static bool
read_some(struct exchange *x, int fd)
{
	char *bigger = realloc(x->out, x->out_length + 65536 + 1);
	ssize_t got;

	if (!bigger)
		die("out of memory");
	x->out = bigger;
	got = read(fd, x->out + x->out_length, 65536);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	x->out_length += (size_t)got;
	x->large = x->out_length > ANSWER_MAX;
	return got > 0 && !x->large;
}

static void
write_some(struct exchange *x, int *fd)
{
	ssize_t put = write(*fd, x->in + x->in_done, x->in_length - x->in_done);

	if (put > 0)
		x->in_done += (size_t)put;
	if (x->in_done == x->in_length || (put < 0 && errno != EINTR && errno != EAGAIN)) {
		close(*fd);
		*fd = -1;
	}
}

/* Until the child has closed its end, or time or room ran out. */
static void
talk(struct exchange *x, int *to, int from)
{
	uint64_t end = clock_ms() + DEADLINE_MS;
	uint64_t now;

	while ((now = clock_ms()) < end) {
		struct pollfd fds[2] = { { .fd = from, .events = POLLIN },
					 { .fd = *to, .events = POLLOUT } };

		if (poll(fds, 2, (int)(end - now)) < 0 && errno != EINTR)
			return;
		if (*to >= 0 && fds[1].revents)
			write_some(x, to);
		if (fds[0].revents && !read_some(x, from))
			return;
	}
	x->late = true;
}

static void
on_thread(void *arg)
{
	struct exchange *x = arg;
	int to[2], from[2];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) != 0) {
		x->error = errno;
		return;
	}
	if (pipe2(from, O_CLOEXEC) != 0) {
		x->error = errno;
		close(to[0]);
		close(to[1]);
		return;
	}
	fcntl(to[1], F_SETFL, O_NONBLOCK);
	pid = spawn(to[0], from[1]);
	x->error = pid < 0 ? errno : 0;
	close(to[0]);
	close(from[1]);
	if (pid > 0) {
		talk(x, &to[1], from[0]);
		kill(pid, SIGKILL);   /* it has nothing more to say */
		while (waitpid(pid, &x->status, 0) < 0 && errno == EINTR)
			continue;
	}
	if (to[1] >= 0)
		close(to[1]);
	close(from[0]);
}

static void
pack(struct exchange *x, const struct trial *trial)
{
	size_t size = 3 + strlen(trial->target);
	char *at;

	size += (trial->map ? strlen(trial->map) : 0) + (trial->when ? strlen(trial->when) : 0);
	for (int i = 0; i < trial->count; i++)
		size += strlen(trial->bodies[i]) + 1;
	at = x->in = malloc(size);
	if (!at)
		die("out of memory");
	at = stpcpy(at, trial->target) + 1;
	at = stpcpy(at, trial->map ? trial->map : "") + 1;
	at = stpcpy(at, trial->when ? trial->when : "") + 1;
	for (int i = 0; i < trial->count; i++)
		at = stpcpy(at, trial->bodies[i]) + 1;
	x->in_length = (size_t)(at - x->in);
}

/* The next piece of the answer, NULL when it is not whole. */
static const char *
piece(struct request *rq, const struct exchange *x, size_t *at)
{
	const char *start = x->out + *at;
	const char *end = x->out_length > *at ? memchr(start, '\0', x->out_length - *at) : NULL;

	if (!end)
		return NULL;
	*at += (size_t)(end - start) + 1;
	return arena_strndup(&rq->arena, start, (size_t)(end - start));
}

static const char *
why_stopped(struct request *rq, const struct exchange *x)
{
	if (x->error)
		return arena_printf(&rq->arena, "it cannot be run: %s", strerror(x->error));
	if (x->late)
		return arena_printf(&rq->arena, "stopped after %d s", DEADLINE_MS / 1000);
	if (x->large)
		return "stopped: its results are too large";
	if (WIFSIGNALED(x->status) && WTERMSIG(x->status) != SIGKILL)
		return arena_printf(&rq->arena, "jq itself broke off (%s)",
				    strsignal(WTERMSIG(x->status)));
	if (WIFEXITED(x->status) && WEXITSTATUS(x->status))
		return "jq itself broke off";
	return "stopped: too many runs took too long";
}

static void
unpack(struct request *rq, struct trial *trial, const struct exchange *x)
{
	size_t at = 0;
	const char *head = x->out ? piece(rq, x, &at) : NULL;
	int i = 0;

	if (head && strcmp(head, "ok") != 0) {
		trial->bad = head;
		trial->error = piece(rq, x, &at);
		return;
	}
	for (; head && i < trial->count; i++) {
		struct trial_result *result = &trial->results[i];
		const char *when = piece(rq, x, &at);
		const char *map = when ? piece(rq, x, &at) : NULL;

		if (!map)
			break;
		result->ran = true;
		result->wanted = *when == '=' && when[1] ? when[1] - '0' : -1;
		result->when_error = *when == '!' ? when + 1 : NULL;
		result->mapped = *map == '=' && map[1] ? map + 1 : NULL;
		result->map_error = *map == '!' ? map + 1 : NULL;
	}
	if (i < trial->count)
		trial->stopped = why_stopped(rq, x);
}

bool
trial_run(struct request *rq, struct trial *trial)
{
	struct exchange x = { 0 };

	trial->results = arena_array(&rq->arena, struct trial_result, (size_t)trial->count + 1);
	for (int i = 0; i < trial->count; i++)
		trial->results[i].wanted = -1;
	if (!trial->map && !trial->when)
		return true;
	if (running)
		return false;
	running = true;
	pack(&x, trial);
	if (!coro_on_thread(on_thread, &x))
		x.error = EAGAIN;
	running = false;
	unpack(rq, trial, &x);
	free(x.in);
	free(x.out);
	return true;
}
