/* tests/unit/http_child.h -- a server in a child process, and a plain socket to talk to it. */
#ifndef UNIT_HTTP_CHILD_H
#define UNIT_HTTP_CHILD_H

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/coro.h"
#include "base/json.h"
#include "base/log.h"
#include "http/http.h"
#include "http/server.h"

struct child {
	pid_t pid;
	int port;
};

/* ---- in the child ---- */

static inline void
child_terminated(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(coro_loop());
}

/* Runs until SIGTERM, drains, and leaves nothing behind for a leak checker to find. */
static inline void
child_run(struct http_options *options, int tell)
{
	struct event_base *loop = event_base_new();
	struct event *term = evsignal_new(loop, SIGTERM, child_terminated, NULL);
	struct http_server *server;
	const char *error = NULL;
	int port;

	if (coro_loop())   /* the parent's */
		coro_shutdown();
	coro_init(loop);
	json_init();
	log_init("unit", LOG_ERROR_, "json");
	event_add(term, NULL);
	server = http_server_start(options, &error);
	if (!server)
		die("no server: %s", error);
	port = http_server_port(server);
	if (write(tell, &port, sizeof(port)) != sizeof(port))
		die("nobody listens");
	event_base_dispatch(loop);
	http_server_drain(server);
	while (http_server_busy(server) > 0)
		event_base_loop(loop, EVLOOP_ONCE);
	http_server_stop(server);
	event_free(term);
	coro_shutdown();
	event_base_free(loop);
	exit(0);
}

/* ---- in the test ---- */

static inline struct child
child_start(struct http_options options)
{
	struct child child = { 0 };
	int tell[2];

	options.address = "127.0.0.1";
	assert_int_equal(pipe(tell), 0);
	fflush(NULL);
	child.pid = fork();
	if (child.pid == 0)
		child_run(&options, tell[1]);
	assert_int_equal(read(tell[0], &child.port, sizeof(child.port)), sizeof(child.port));
	close(tell[0]);
	close(tell[1]);
	return child;
}

/* Leaks and bad accesses the child's sanitizer found show in its status. */
static inline void
child_wait(const struct child *child)
{
	int status = -1;

	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void
child_stop(const struct child *child)
{
	kill(child->pid, SIGTERM);
	child_wait(child);
}

static inline int
dial(const struct child *child)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)child->port),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* What arrives until the peer closes, ms are over, or count whole replies are there
 * (0: only the first two count). NUL-terminated. */
static inline size_t
hear(int fd, char *into, size_t size, int count, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t length = 0;

	into[0] = '\0';
	while (length < size - 1) {
		const char *at = into;
		int seen = 0;
		ssize_t got;

		while (count && (at = strstr(at, "\r\n\r\n"))) {
			const char *head = at;
			size_t body = 0;

			while (head > into && strncmp(head, "Content-Length: ", 16) != 0 &&
			       strncmp(head, "HTTP/1.1", 8) != 0)
				head--;
			if (*head == 'C')
				body = strtoul(head + 16, NULL, 10);
			at += 4;
			if ((size_t)(into + length - at) < body)
				break;
			at += body;
			seen++;
		}
		if (count && seen >= count)
			break;
		if (poll(&wait, 1, ms) <= 0)
			break;
		got = recv(fd, into + length, size - 1 - length, 0);
		if (got <= 0)
			break;
		length += (size_t)got;
		into[length] = '\0';
	}
	return length;
}

static inline void
say(int fd, const char *text)
{
	size_t length = strlen(text);

	assert_int_equal(send(fd, text, length, MSG_NOSIGNAL), (ssize_t)length);
}

static inline bool
is_closed(int fd, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&wait, 1, ms) > 0 && recv(fd, &byte, 1, 0) <= 0;
}

static inline void
nap(int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

#endif
