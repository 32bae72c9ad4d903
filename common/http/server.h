/* common/http/server.h -- evhttp behind the limits it lacks; each request in a coroutine.
 *
 * Refused before a handler sees it (400 and the connection closed unless said otherwise):
 * Content-Length twice or not ^[0-9]{1,9}$, Transfer-Encoding other than one "chunked", both
 * together, Host missing or twice, header names that are no tokens, more than 64 headers,
 * header bytes over 16 KiB, a target that does not start with "/" or holds control bytes or
 * %00, bad percent-encoding, bodies over 1 MiB (413), methods other than GET, POST, PUT, PATCH
 * and DELETE (405). The route's own limit is router_find's.
 * Deadlines are absolute: 10 s for the headers, 30 s for the body (and at least 1 KiB/s), then
 * 408; 60 s idle keep-alive. A client that takes no byte of its reply for 30 s is cut off.
 * Caps: 1000 connections, 100 per address (connections over it are closed at accept; loopback
 * is exempt from the per-address cap). On EMFILE accepting pauses for 100 ms.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct request;
struct db;
struct http_server;

/* A number left 0 is the default named above. */
struct http_options {
	const char *address;       /* "127.0.0.1" */
	int port;                  /* 0: any free one, see http_server_port */
	bool reuse_port;           /* several processes on one port */
	int socket;                /* one that listens already, for address and port; 0: none */
	int connections_max;
	int connections_per_address_max;
	int header_timeout_ms, body_timeout_ms, idle_timeout_ms;
	struct db *db;             /* given to every request */
	/* Runs in the request's coroutine; must leave a reply set. A fault it lets through is
	 * answered as its problem document. */
	void (*dispatch)(struct request *rq, void *arg);
	void *arg;
};

/* NULL with *error (static text) when the address cannot be bound. */
struct http_server *http_server_start(const struct http_options *options, const char **error);
int http_server_port(const struct http_server *server);
/* Stops accepting; open connections get "Connection: close" with their next reply, those idle
 * for 500 ms are closed. On a socket of its own it first takes in who is waiting; what waits on
 * one that was given is for whoever holds it next. */
void http_server_drain(struct http_server *server);
int http_server_busy(const struct http_server *server);      /* requests being answered or sent */
int http_server_connections(const struct http_server *server);
/* Closes everything; a handler that still runs may end later, its reply is dropped. */
void http_server_stop(struct http_server *server);

struct http_server_stats {
	unsigned long requests, refused_smuggle, refused_slow, refused_size, refused_connection;
};
void http_server_stats(const struct http_server *server, struct http_server_stats *stats);

#endif
