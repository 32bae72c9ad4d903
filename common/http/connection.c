/* common/http/connection.c -- takes over accepted connections, guards their input, refuses. */
#include "http/connection.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/request.h"
#include "base/text.h"

/* Enough for the largest request and some pipelined ones; beyond it reading pauses. */
#define INPUT_MAX (GUARD_BODY_MAX + 2 * GUARD_HEAD_MAX)

static void input_changed(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg);
static void connection_closed(struct evhttp_connection *ev, void *arg);

/* ---- birth ---- */

struct bufferevent *
connection_new(struct event_base *base, void *arg)
{
	struct http_server *server = arg;
	struct connection *connection = calloc(1, sizeof(*connection));
	struct bufferevent *socket = bufferevent_socket_new(base, -1, 0);

	if (!connection || !socket)
		die("out of memory");
	connection->server = server;
	connection->socket = socket;
	connection->fd = -1;
	connection->since_ms = clock_ms();
	connection->watch =
		evbuffer_add_cb(bufferevent_get_input(socket), input_changed, connection);
	bufferevent_disable(socket, EV_WRITE);   /* or it would be waited for, and at once undone */
	bufferevent_setwatermark(socket, EV_READ, 0, INPUT_MAX);
	/* evhttp sets the socket after this returns; our reference shows whether it did. */
	bufferevent_incref(socket);
	TAILQ_INSERT_TAIL(&server->fresh, connection, entry);
	event_active(server->adopt, EV_READ, 0);
	return socket;
}

static bool
is_loopback(const char *peer)
{
	return strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 ||
	       strncmp(peer, "::ffff:127.", 11) == 0;
}

/* false when the address has too many already. */
static bool
count_address(struct connection *connection)
{
	struct http_server *server = connection->server;
	struct address *address;

	if (is_loopback(connection->peer))
		return true;
	HASH_FIND_STR(server->addresses, connection->peer, address);
	if (!address) {
		address = calloc(1, sizeof(*address));
		if (!address)
			die("out of memory");
		snprintf(address->text, sizeof(address->text), "%s", connection->peer);
		HASH_ADD_STR(server->addresses, text, address);
	}
	address->count++;
	connection->address = address;
	return address->count <= server->options.connections_per_address_max;
}

static void
remember_fd(struct http_server *server, struct connection *connection)
{
	int size = server->by_fd_size;

	if (connection->fd >= size) {
		size = connection->fd * 2 + 64;
		server->by_fd = realloc(server->by_fd, (size_t)size * sizeof(*server->by_fd));
		if (!server->by_fd)
			die("out of memory");
		memset(server->by_fd + server->by_fd_size, 0,
		       (size_t)(size - server->by_fd_size) * sizeof(*server->by_fd));
		server->by_fd_size = size;
	}
	server->by_fd[connection->fd] = connection;
}

static void
adopt(struct http_server *server, struct connection *connection)
{
	void *ev = NULL;
	char *peer = NULL;
	ev_uint16_t port = 0;
	int on = 1;

	/* The bufferevent's callback argument is evhttp's connection, unless evhttp gave it up. */
	bufferevent_getcb(connection->socket, NULL, NULL, NULL, &ev);
	if (!ev)
		evbuffer_remove_cb_entry(bufferevent_get_input(connection->socket),
					 connection->watch);
	bufferevent_decref(connection->socket);
	if (!ev) {
		free(connection);
		return;
	}
	connection->ev = ev;
	connection->fd = bufferevent_getfd(connection->socket);
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	evhttp_connection_get_peer(connection->ev, &peer, &port);
	snprintf(connection->peer, sizeof(connection->peer), "%s", peer);
	TAILQ_INSERT_TAIL(&server->connections, connection, entry);
	server->connection_count++;
	remember_fd(server, connection);
	evhttp_connection_set_closecb(connection->ev, connection_closed, connection);
	if (!count_address(connection) ||
	    server->connection_count > server->options.connections_max) {
		server->stats.refused_connection++;
		connection_close(connection);
	}
}

void
connection_adopt(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;
	struct connection *connection;

	while ((connection = TAILQ_FIRST(&server->fresh))) {
		TAILQ_REMOVE(&server->fresh, connection, entry);
		adopt(server, connection);
	}
}

struct connection *
connection_of(struct http_server *server, struct evhttp_request *ev)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(ev);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));

	return fd >= 0 && fd < server->by_fd_size ? server->by_fd[fd] : NULL;
}

/* ---- input ---- */

static void
feed(struct connection *connection, struct evbuffer *input, size_t offset, size_t length)
{
	struct evbuffer_iovec parts[8];
	struct evbuffer_ptr at;

	while (length > 0) {
		size_t taken = 0;
		int count;

		evbuffer_ptr_set(input, &at, offset, EVBUFFER_PTR_SET);
		count = evbuffer_peek(input, (ev_ssize_t)length, &at, parts, 8);
		for (int i = 0; i < count && i < 8; i++) {
			if (parts[i].iov_len > length - taken)
				parts[i].iov_len = length - taken;
			if (!guard_feed(&connection->guard, parts[i].iov_base, parts[i].iov_len))
				return;
			taken += parts[i].iov_len;
		}
		offset += taken;
		length -= taken;
	}
}

/* Called for every change of the input buffer, before evhttp gets to see new bytes. */
static void
input_changed(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct connection *connection = arg;
	struct guard *guard = &connection->guard;
	unsigned long begun = guard->begun;
	enum guard_place place;

	if (info->n_added == 0 || connection->lingering || guard->refusal != ERR_NONE)
		return;
	feed(connection, input, evbuffer_get_length(input) - info->n_added, info->n_added);
	place = guard_place(guard);
	if (place != connection->place || begun != guard->begun)
		connection->since_ms = clock_ms();
	connection->place = place;
	/* Earlier requests of the connection are still answered, see connection_answered. */
	if (guard->refusal != ERR_NONE && !connection->answering &&
	    guard->complete == connection->dispatched)
		connection_refuse(connection, guard->refusal, guard->reason);
}

void
connection_answered(struct connection *connection)
{
	connection->answering = false;
	connection->unsent = 0;
	connection->since_ms = clock_ms();
	connection->server->busy--;
}

/* ---- refusal ---- */

static void
linger_read(struct bufferevent *socket, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(socket);

	evbuffer_drain(input, evbuffer_get_length(input));
}

static void
linger_end(struct bufferevent *socket, short what, void *arg)
{
	connection_close(arg);
}

static void
count_refusal(struct http_server_stats *stats, enum fault_code code)
{
	if (code == ERR_TOO_LARGE)
		stats->refused_size++;
	else if (code == ERR_REQUEST_TIMEOUT)
		stats->refused_slow++;
	else if (code == ERR_BAD_REQUEST)
		stats->refused_smuggle++;
}

static void
send_refusal(struct connection *connection, enum fault_code code, const char *reason)
{
	struct http_exchange exchange = { .peer = connection->peer };
	struct fault fault = { .code = code, .detail = reason };
	struct request rq;
	struct text out;

	request_init(&rq, NULL);
	rq.http = &exchange;
	if (code == ERR_METHOD_NOT_ALLOWED)
		reply_header(&rq, "Allow", GUARD_METHODS);
	reply_fault(&rq, &fault);
	log_info("request refused", "peer", connection->peer, "code", fault_name(code), "reason",
		 reason, "trace_id", rq.trace_id, NULL);
	out = wire_head(&rq, true, false);
	text_add_bytes(&out, exchange.reply.body, exchange.reply.length);
	/* A fresh socket takes some 500 bytes at once, or the client does not read. */
	if (send(connection->fd, out.data, out.length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("refusal not sent", "peer", connection->peer, NULL);
	request_release(&rq);
}

void
connection_refuse(struct connection *connection, enum fault_code code, const char *reason)
{
	struct bufferevent *socket = connection->socket;

	count_refusal(&connection->server->stats, code);
	send_refusal(connection, code, reason);
	/* Closing now would make the kernel answer unread bytes with a reset, which can overtake
	 * the reply: so our side is closed and the rest of theirs thrown away for a moment. */
	shutdown(connection->fd, SHUT_WR);
	connection->lingering = true;
	connection->since_ms = clock_ms();
	bufferevent_setcb(socket, linger_read, NULL, linger_end, connection);
	bufferevent_disable(socket, EV_WRITE);
	bufferevent_enable(socket, EV_READ);
}

/* ---- death ---- */

void
connection_close(struct connection *connection)
{
	if (connection->ev)
		evhttp_connection_free(connection->ev);
}

void
connection_forget(struct connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->answering)
		server->busy--;
	if (server->stopping && server->busy == 0)
		free(server);
	free(connection);
}

static void
connection_closed(struct evhttp_connection *ev, void *arg)
{
	struct connection *connection = arg;
	struct http_server *server = connection->server;
	struct address *address = connection->address;

	evbuffer_remove_cb_entry(bufferevent_get_input(connection->socket), connection->watch);
	server->by_fd[connection->fd] = NULL;
	TAILQ_REMOVE(&server->connections, connection, entry);
	server->connection_count--;
	if (address && --address->count == 0) {
		HASH_DEL(server->addresses, address);
		free(address);
	}
	connection->ev = NULL;
	if (connection->work)   /* its handler still reads it and will free it */
		evhttp_request_own(connection->work->ev);
	else
		connection_forget(connection);
}
