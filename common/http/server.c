/* common/http/server.c -- listens, hands each request to a coroutine, and winds down. */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/coro.h"
#include "base/log.h"
#include "http/connection.h"

#define BACKLOG 1024
#define WORKS_KEPT 256
#define LEAVE_TURNS 20

static const struct timeval sweep_every = { .tv_usec = 250 * 1000 };
static const struct timeval sweep_draining = { .tv_usec = 50 * 1000 };
static const struct timeval next_turn;
static const struct timeval accept_pause = { .tv_usec = 100 * 1000 };

static struct work *spare_works;
static int spare_work_count;
static LIST_HEAD(, http_server) servers = LIST_HEAD_INITIALIZER(servers);

/* ---- a request ---- */

static struct work *
work_take(void)
{
	struct work *work = spare_works;

	if (work) {
		spare_works = work->next;
		spare_work_count--;
	} else {
		work = malloc(sizeof(*work));
		if (!work)
			die("out of memory");
	}
	work->exchange = (struct http_exchange){ 0 };
	return work;
}

static void
work_give(struct work *work)
{
	if (spare_work_count >= WORKS_KEPT) {
		free(work);
		return;
	}
	work->next = spare_works;
	spare_works = work;
	spare_work_count++;
}

/* The coroutine of one request. The client may be gone when it ends, and even the server. */
static void
answer(void *arg)
{
	struct work *work = arg;
	struct request *rq = &work->rq;
	struct connection *connection = work->connection;
	const struct http_options *options = &connection->server->options;
	struct fault silent = { .code = ERR_INTERNAL };

	if (!request_run(rq, options->dispatch, options->arg)) {
		log_fault(rq, "request failed");
		reply_fault(rq, &rq->fault);
	}
	if (work->exchange.reply.status == 0) {
		log_error("no reply was set", "target", work->exchange.target, NULL);
		reply_fault(rq, &silent);
	}
	connection->work = NULL;
	if (connection->ev) {
		wire_send(work);
	} else {
		evhttp_request_free(work->ev);
		connection_forget(connection);
	}
	request_release(rq);
	work_give(work);
}

static void
on_answered(struct evhttp_request *ev, void *arg)
{
	struct connection *connection = arg;

	connection_answered(connection);
	/* What followed is refused and must not be read: evhttp closes when it finds this. */
	if (connection->guard.refusal != ERR_NONE &&
	    connection->guard.complete == connection->dispatched)
		evhttp_add_header(evhttp_request_get_output_headers(ev), "Connection", "close");
}

static void
on_request(struct evhttp_request *ev, void *arg)
{
	struct http_server *server = arg;
	struct connection *connection = connection_of(server, ev);
	struct work *work;
	const char *traceparent, *reason;

	/* The guard has seen this request whole, or it and evhttp read the bytes differently. */
	if (!connection || connection->guard.complete <= connection->dispatched) {
		log_error("evhttp and the guard disagree", "target", evhttp_request_get_uri(ev),
			  NULL);
		server->stats.refused_smuggle++;
		evhttp_connection_free(evhttp_request_get_connection(ev));
		return;
	}
	connection->dispatched++;
	server->stats.requests++;
	work = work_take();
	request_init(&work->rq, server->options.db);
	work->rq.http = &work->exchange;
	work->connection = connection;
	work->ev = ev;
	if (!exchange_fill(work, &reason)) {
		connection_refuse(connection, ERR_BAD_REQUEST, reason);
		request_release(&work->rq);
		work_give(work);
		return;
	}
	traceparent = evhttp_find_header(evhttp_request_get_input_headers(ev), "traceparent");
	if (traceparent)
		request_trace(&work->rq, traceparent);
	connection->work = work;
	connection->answering = true;
	server->busy++;
	evhttp_request_set_on_complete_cb(ev, on_answered, connection);
	coro_start(answer, work);
}

/* ---- start ---- */

/* Out of file descriptors: the spare one lets us take one waiting client and turn it away;
 * then the others wait a moment, which costs nothing, unlike a loop that spins. */
static void
accept_failed(struct evconnlistener *listener, void *evhttp)
{
	struct http_server *server = LIST_FIRST(&servers);
	int error = errno;
	int client;

	/* libevent gives the listener's argument, which is evhttp's and not ours. */
	while (server && server->listener != listener)
		server = LIST_NEXT(server, entry);
	if (!server)
		return;
	if (error == EMFILE || error == ENFILE) {
		close(server->spare_fd);
		client = accept4(evconnlistener_get_fd(listener), NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0) {
			close(client);
			server->stats.refused_connection++;
		}
		server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	evconnlistener_disable(listener);
	evtimer_add(server->resume, &accept_pause);
	log_warn("accepting pauses", "reason", strerror(error), NULL);
}

static void
accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;

	if (server->bound)
		evconnlistener_enable(server->listener);
}

static bool
somebody_waits(const struct http_server *server)
{
	struct pollfd queue = { .fd = evconnlistener_get_fd(server->listener), .events = POLLIN };

	return poll(&queue, 1, 0) > 0;
}

/* Closing a socket resets who stands in its queue, even when another process listens on the port.
 * The loop accepts them before this is called again. */
static void
stop_accepting(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;

	if (!server->bound)
		return;
	if (!server->options.socket && server->leave_turns++ < LEAVE_TURNS &&
	    somebody_waits(server)) {
		evtimer_add(server->leave, &next_turn);
		return;
	}
	evtimer_del(server->resume);
	evhttp_del_accept_socket(server->evhttp, server->bound);
	server->bound = NULL;
	server->listener = NULL;
}

static struct evconnlistener *
listener_new(const struct http_options *options, const char **error)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE |
			 (options->reuse_port ? LEV_OPT_REUSEABLE_PORT : 0);
	struct evconnlistener *listener;
	struct addrinfo *found;
	char port[8];
	int code;

	if (options->socket) {
		evutil_make_socket_nonblocking(options->socket);
		listener = evconnlistener_new(coro_loop(), NULL, NULL, flags, 0, options->socket);
		if (!listener)
			*error = strerror(errno);
		return listener;
	}
	snprintf(port, sizeof(port), "%d", options->port);
	code = getaddrinfo(options->address, port, &hints, &found);
	if (code != 0) {
		*error = gai_strerror(code);
		return NULL;
	}
	listener = evconnlistener_new_bind(coro_loop(), NULL, NULL, flags, BACKLOG, found->ai_addr,
					   (int)found->ai_addrlen);
	if (!listener)
		*error = strerror(errno);
	freeaddrinfo(found);
	return listener;
}

static int
bound_port(struct evconnlistener *listener)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char port[8] = "0";

	getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length);
	getnameinfo((struct sockaddr *)&address, length, NULL, 0, port, sizeof(port),
		    NI_NUMERICSERV);
	return (int)strtol(port, NULL, 10);
}

static void
with_defaults(struct http_options *options)
{
	if (!options->connections_max)
		options->connections_max = 1000;
	if (!options->connections_per_address_max)
		options->connections_per_address_max = 100;
	if (!options->header_timeout_ms)
		options->header_timeout_ms = 10 * 1000;
	if (!options->body_timeout_ms)
		options->body_timeout_ms = 30 * 1000;
	if (!options->idle_timeout_ms)
		options->idle_timeout_ms = 60 * 1000;
}

static void
start_evhttp(struct http_server *server)
{
	server->evhttp = evhttp_new(coro_loop());
	if (!server->evhttp)
		die("out of memory");
	evhttp_set_bevcb(server->evhttp, connection_new, server);
	evhttp_set_gencb(server->evhttp, on_request, server);
	evhttp_set_allowed_methods(server->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST |
				   EVHTTP_REQ_PUT | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE);
	evhttp_set_max_headers_size(server->evhttp, GUARD_HEAD_MAX);
	evhttp_set_max_body_size(server->evhttp, GUARD_BODY_MAX);
	server->bound = evhttp_bind_listener(server->evhttp, server->listener);
	if (!server->bound)
		die("out of memory");
	evconnlistener_set_error_cb(server->listener, accept_failed);
}

struct http_server *
http_server_start(const struct http_options *options, const char **error)
{
	struct evconnlistener *listener = listener_new(options, error);
	struct http_server *server;

	if (!listener)
		return NULL;
	server = calloc(1, sizeof(*server));
	if (!server)
		die("out of memory");
	/* A client that went away shows as EPIPE where we write, not as the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	server->options = *options;
	with_defaults(&server->options);
	server->listener = listener;
	server->port = bound_port(listener);
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	TAILQ_INIT(&server->connections);
	TAILQ_INIT(&server->fresh);
	server->adopt = event_new(coro_loop(), -1, EV_PERSIST, connection_adopt, server);
	server->sweep = event_new(coro_loop(), -1, EV_PERSIST, deadlines_sweep, server);
	server->resume = evtimer_new(coro_loop(), accept_again, server);
	server->leave = evtimer_new(coro_loop(), stop_accepting, server);
	if (!server->adopt || !server->sweep || !server->resume || !server->leave)
		die("out of memory");
	LIST_INSERT_HEAD(&servers, server, entry);
	event_add(server->sweep, &sweep_every);
	start_evhttp(server);
	return server;
}

/* ---- wind down ---- */

void
http_server_drain(struct http_server *server)
{
	server->draining = true;
	event_add(server->sweep, &sweep_draining);
	stop_accepting(-1, 0, server);
}

void
http_server_stop(struct http_server *server)
{
	server->leave_turns = LEAVE_TURNS;
	http_server_drain(server);
	LIST_REMOVE(server, entry);
	connection_adopt(-1, 0, server);
	event_free(server->adopt);
	event_free(server->sweep);
	event_free(server->resume);
	event_free(server->leave);
	evhttp_free(server->evhttp);
	close(server->spare_fd);
	free(server->by_fd);
	while (spare_works) {
		struct work *work = spare_works;

		spare_works = work->next;
		free(work);
	}
	spare_work_count = 0;
	/* Handlers that still run look at it once more; the last one frees it. */
	server->stopping = true;
	if (server->busy == 0)
		free(server);
}

/* ---- numbers ---- */

int
http_server_port(const struct http_server *server)
{
	return server->port;
}

int
http_server_busy(const struct http_server *server)
{
	return server->busy;
}

int
http_server_connections(const struct http_server *server)
{
	return server->connection_count;
}

void
http_server_stats(const struct http_server *server, struct http_server_stats *stats)
{
	*stats = server->stats;
}
