/* common/http/server.h -- evhttp behind the limits it lacks; each request in a coroutine.
 *
 * Refused before a handler sees it (400 and the connection closed unless said otherwise):
 * Content-Length twice or not ^[0-9]{1,9}$, Transfer-Encoding other than one "chunked", both
 * together, Host missing or twice, header names that are no tokens, more than 64 headers,
 * header bytes over 16 KiB, a target that does not start with "/" or holds control bytes or
 * %00, bad percent-encoding, bodies over the limit (413), other methods (405/501).
 * Deadlines are absolute: 10 s for the headers, 30 s for the body, 60 s idle keep-alive.
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

struct http_options {
	const char *address;       /* "127.0.0.1" */
	int port;                  /* 0: any free one, see http_server_port */
	bool reuse_port;           /* several processes on one port */
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
/* Stops accepting; open connections get "Connection: close" with their next reply. */
void http_server_drain(struct http_server *server);
int http_server_busy(const struct http_server *server);      /* requests being answered */
int http_server_connections(const struct http_server *server);
void http_server_stop(struct http_server *server);

struct http_server_stats {
	unsigned long requests, refused_smuggle, refused_slow, refused_size, refused_connection;
};
void http_server_stats(const struct http_server *server, struct http_server_stats *stats);

#endif
