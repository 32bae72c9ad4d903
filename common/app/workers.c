/* common/app/workers.c -- forks the workers, watches them and passes signals on. */
#include "app/workers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/heartbeat.h"
#include "app/notify.h"
#include "app/process.h"
#include "app/settings.h"
#include "base/clock.h"
#include "base/log.h"

#define TICK_MS 500
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 10000
#define SILENT_MS 5000  /* a worker that says nothing for so long is stuck */
#define STEADY_MS 30000 /* one that lived so long starts its back-off anew */

struct worker {
	pid_t pid; /* 0: not running */
	int pipe;
	bool ready;
	uint64_t started_ms, heard_ms, due_ms, backoff_ms;
};

static struct worker *workers;
static int worker_count;
static bool stopping;
static bool told;                /* "ready" */
static sigset_t handled, inherited;

/* With port 0 all must get the same one: bound here and kept, but never listened on. */
static void
reserve_port(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICHOST };
	struct addrinfo *address;
	struct sockaddr_storage bound;
	socklen_t size = sizeof(bound);
	int on = 1;
	int fd;

	if (getaddrinfo(settings.listen, "0", &hints, &address) != 0)
		die("\"%s\" is no address to listen on", settings.listen);
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &size) < 0)
		die("cannot find a free port: %s", strerror(errno));
	freeaddrinfo(address);
	settings.port =
		ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						  : ((struct sockaddr_in *)&bound)->sin_port);
}

_Noreturn static void
be_worker(struct app *app, int pipe_end, int number)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigprocmask(SIG_SETMASK, &inherited, NULL);
	for (int i = 0; i < worker_count; i++)
		if (workers[i].pid)
			close(workers[i].pipe);
	exit(process_serve(app, pipe_end, number));
}

static void
worker_start(struct app *app, struct worker *worker)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		die("no pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (pid == 0) {
		close(ends[0]);
		be_worker(app, ends[1], (int)(worker - workers));
	}
	close(ends[1]);
	worker->pid = pid;
	worker->pipe = ends[0];
	worker->ready = false;
	worker->started_ms = worker->heard_ms = clock_ms();
}

static void
worker_ended(struct worker *worker, int status)
{
	uint64_t now = clock_ms();

	close(worker->pipe);
	worker->pid = 0;
	if (stopping)
		return;
	if (now - worker->started_ms > STEADY_MS || worker->backoff_ms == 0)
		worker->backoff_ms = BACKOFF_FIRST_MS;
	else if (worker->backoff_ms < BACKOFF_MAX_MS)
		worker->backoff_ms *= 2;
	worker->due_ms = now + worker->backoff_ms;
	log_error("a worker ended", WIFSIGNALED(status) ? "signal" : "status",
		  log_num(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
		  "again_in_ms", log_num((long long)worker->backoff_ms), NULL);
}

static void
collect_ended(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < worker_count; i++)
			if (workers[i].pid == pid)
				worker_ended(&workers[i], status);
}

/* Each says "ready" again when it has reloaded. */
static void
reload_begins(void)
{
	notify_reloading();
	told = false;
	for (int i = 0; i < worker_count; i++)
		workers[i].ready = false;
}

static void
pass_on(int number)
{
	if (number == SIGTERM || number == SIGINT) {
		if (!stopping)
			notify("STOPPING=1");
		stopping = true;
	}
	if (number == SIGHUP && !stopping)
		reload_begins();
	for (int i = 0; i < worker_count; i++)
		if (workers[i].pid)
			kill(workers[i].pid, number);
}

static void
hear(struct worker *worker)
{
	char said[64];
	ssize_t length = read(worker->pipe, said, sizeof(said));

	if (length <= 0)
		return;
	worker->heard_ms = clock_ms();
	if (memchr(said, HEARTBEAT_READY, (size_t)length))
		worker->ready = true;
}

/* Tells systemd once all are ready, and from then on while none is silent. */
static void
report(void)
{
	int ready = 0;
	int silent = 0;

	for (int i = 0; i < worker_count; i++) {
		if (!workers[i].pid)
			continue;
		hear(&workers[i]);
		ready += workers[i].ready;
		silent += clock_ms() - workers[i].heard_ms > SILENT_MS;
	}
	if (!told && ready == worker_count)
		told = notify("READY=1");
	if (silent == 0)
		notify("WATCHDOG=1");
}

static bool
any_running(void)
{
	for (int i = 0; i < worker_count; i++)
		if (workers[i].pid)
			return true;
	return false;
}

static void
start_due(struct app *app)
{
	uint64_t now = clock_ms();

	for (int i = 0; i < worker_count; i++)
		if (!workers[i].pid && now >= workers[i].due_ms)
			worker_start(app, &workers[i]);
}

int
workers_run(struct app *app, int count)
{
	static const struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
	int number;

	workers = calloc((size_t)count, sizeof(*workers));
	if (!workers)
		die("out of memory");
	worker_count = count;
	if (settings.port == 0 && !settings.socket)
		reserve_port();
	sigemptyset(&handled);
	sigaddset(&handled, SIGTERM);
	sigaddset(&handled, SIGINT);
	sigaddset(&handled, SIGHUP);
	sigaddset(&handled, SIGCHLD);
	sigprocmask(SIG_BLOCK, &handled, &inherited);
	while (!stopping || any_running()) {
		if (!stopping)
			start_due(app);
		number = sigtimedwait(&handled, NULL, &tick);
		if (number > 0 && number != SIGCHLD)
			pass_on(number);
		collect_ended();
		report();
	}
	free(workers);
	return 0;
}
