/* common/http/deadlines.c -- ends what takes too long: absolute deadlines by one coarse sweep.
 *
 * evhttp's own timeout starts anew with every byte, so a byte a second holds a connection for
 * ever. Here the clock of a head runs from its first byte and that of a body from the head's end.
 */
#include "http/connection.h"

#include "base/clock.h"

#define LINGER_MS 1000
/* While draining, idle connections get this long to send what is already on its way. */
#define DRAIN_IDLE_MS 500
#define RATE_GRACE_MS 5000
#define RATE_BYTES_PER_S 1024

static void
check_reply(struct connection *connection, uint64_t waited)
{
	size_t unsent = evbuffer_get_length(bufferevent_get_output(connection->socket));

	if (connection->work)
		return;
	if (unsent != connection->unsent) {
		connection->unsent = unsent;
		connection->since_ms = clock_ms();
	} else if (waited > (uint64_t)connection->server->options.body_timeout_ms) {
		connection->server->stats.refused_slow++;
		connection_close(connection);
	}
}

static void
check_between(struct connection *connection, uint64_t waited)
{
	const struct http_options *options = &connection->server->options;
	int limit = connection->dispatched ? options->idle_timeout_ms : options->header_timeout_ms;

	if (waited > (uint64_t)limit || (connection->server->draining && waited > DRAIN_IDLE_MS))
		connection_close(connection);
}

static void
check_body(struct connection *connection, uint64_t waited)
{
	const struct http_options *options = &connection->server->options;

	if (waited > (uint64_t)options->body_timeout_ms)
		connection_refuse(connection, ERR_REQUEST_TIMEOUT,
				  "The body did not arrive in time.");
	else if (waited > RATE_GRACE_MS &&
		 connection->guard.body_bytes * 1000 < waited * RATE_BYTES_PER_S)
		connection_refuse(connection, ERR_REQUEST_TIMEOUT,
				  "The body arrived slower than 1 KiB/s.");
}

static void
check(struct connection *connection, uint64_t now)
{
	uint64_t waited = now > connection->since_ms ? now - connection->since_ms : 0;

	if (connection->lingering) {
		if (waited > LINGER_MS)
			connection_close(connection);
		return;
	}
	if (connection->answering) {
		check_reply(connection, waited);
		return;
	}
	if (connection->guard.complete > connection->dispatched) {
		/* evhttp gets to it in this turn, unless it reads the bytes in another way. */
		if (waited > (uint64_t)connection->server->options.body_timeout_ms)
			connection_close(connection);
		return;
	}
	if (connection->guard.refusal != ERR_NONE) {
		connection_refuse(connection, connection->guard.refusal, connection->guard.reason);
		return;
	}
	switch (guard_place(&connection->guard)) {
	case GUARD_BETWEEN:
		check_between(connection, waited);
		break;
	case GUARD_HEAD:
		if (waited > (uint64_t)connection->server->options.header_timeout_ms)
			connection_refuse(connection, ERR_REQUEST_TIMEOUT,
					  "The headers did not arrive in time.");
		break;
	case GUARD_BODY:
		check_body(connection, waited);
		break;
	}
}

void
deadlines_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;
	struct connection *connection = TAILQ_FIRST(&server->connections);
	uint64_t now = clock_ms();

	while (connection) {
		struct connection *next = TAILQ_NEXT(connection, entry);

		check(connection, now);
		connection = next;
	}
}
