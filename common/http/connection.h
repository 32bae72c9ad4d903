/* common/http/connection.h -- what the server keeps of each connection; private to common/http.
 *
 * evhttp owns sockets and parsing; the guard sees every byte first. One connection answers one
 * request at a time; what a client pipelines waits in the input buffer. While a handler runs,
 * evhttp does not read, so nobody can close the connection under it but http_server_stop.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "http/guard.h"
#include "http/http.h"
#include "http/server.h"

/* Connections of one address. */
struct address {
	char text[64];
	int count;
	UT_hash_handle hh;
};

struct connection {
	TAILQ_ENTRY(connection) entry;
	struct http_server *server;
	struct evhttp_connection *ev;       /* NULL before it is adopted and after it is closed */
	struct bufferevent *socket;
	struct evbuffer_cb_entry *watch;
	struct guard guard;
	struct work *work;                  /* the request whose handler runs */
	struct address *address;
	char peer[64];                      /* address, with an IPv6 zone if any */
	int fd;
	bool answering;                     /* from dispatch until the last byte is handed over */
	bool lingering;                     /* refused: only waits for the client to read why */
	unsigned long dispatched;           /* requests evhttp gave us */
	uint64_t since_ms;                  /* when the present wait began */
	enum guard_place place;
	size_t unsent;                      /* reply bytes at the last look */
};

TAILQ_HEAD(connection_list, connection);

/* A request being answered; lives until its coroutine ends. */
struct work {
	struct request rq;
	struct http_exchange exchange;
	struct connection *connection;
	struct evhttp_request *ev;
	struct work *next;                  /* in the list of spare ones */
};

struct http_server {
	LIST_ENTRY(http_server) entry;
	struct http_options options;
	struct evhttp *evhttp;
	struct evhttp_bound_socket *bound;  /* NULL once draining */
	struct evconnlistener *listener;
	struct event *adopt;
	struct event *sweep;
	struct event *resume;               /* accepting again after EMFILE */
	struct event *leave;                /* ends accepting, once nobody waits */
	int leave_turns;
	struct connection_list connections;
	struct connection_list fresh;       /* accepted this turn, not adopted yet */
	struct connection **by_fd;
	int by_fd_size;
	struct address *addresses;
	int connection_count;
	int busy;
	int port;
	int spare_fd;                       /* given up to accept and refuse when out of files */
	bool draining;
	bool stopping;
	struct http_server_stats stats;
};

/* For evhttp_set_bevcb: a new connection's bufferevent, watched by the guard. */
struct bufferevent *connection_new(struct event_base *base, void *server);
/* Event callback: takes over what was accepted this turn, or closes it over the caps. */
void connection_adopt(evutil_socket_t fd, short what, void *server);
struct connection *connection_of(struct http_server *server, struct evhttp_request *ev);

/* The reply to the present request is on its way to the kernel; the next may come. */
void connection_answered(struct connection *connection);
/* Answers a problem document and closes; only while no handler runs. */
void connection_refuse(struct connection *connection, enum fault_code code, const char *reason);
void connection_close(struct connection *connection);
/* Frees what is left once it is closed and its handler has ended. */
void connection_forget(struct connection *connection);

/* Timer callback, every 250 ms: enforces every deadline. */
void deadlines_sweep(evutil_socket_t fd, short what, void *server);

/* ---- exchange.c and wire.c ---- */
/* Fills the exchange from the request; false with *reason when the target is not acceptable. */
bool exchange_fill(struct work *work, const char **reason);
/* The reply's bytes without its body, in the arena. */
struct text wire_head(struct request *rq, bool close, bool keep_alive_1_0);
/* Sends the reply and hands the request back to evhttp, which may close the connection. */
void wire_send(struct work *work);

#endif
