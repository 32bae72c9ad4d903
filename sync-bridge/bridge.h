/* sync-bridge/bridge.h -- the words of the bridge: systems, routes and messages.
 *
 * Systems and routes come from bridge.json at start and live as long as the process. A message is
 * one change on its way along one route; its row in table message is the truth, the struct is
 * what the lanes hold of it.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>
#define uthash_fatal(message) abort()
#include <uthash.h>

#include "event/breaker.h"

struct mapping;

struct bridge_system {
	const char *name;          /* "crm" */
	const char *url;           /* without a slash at its end */
	const char *token;
	const char *secret;
	const char *skip_origin;   /* changes of this origin are not sent to us; NULL: all are */
	/* How it answers. After five failures in a row only a probe goes out until one gets
	 * through, and no attempt is counted; a refused token pauses it, probed every 10 s. */
	struct breaker breaker;
	uint64_t paused_until;     /* clock_ms; 0: not paused */
	bool back;                 /* answers again: what waits for it is due now */
	char error[200];           /* its last failure, "" once it answers */
	char told[240];            /* what was last written of it, see told.c */
	bool subscribed;
	char subscribe_error[200];
	uint64_t subscribe_at;     /* clock_ms of the next try */
};

struct bridge_route {
	const char *name;
	struct bridge_system *from;
	const char *entity;        /* of the source: "account" */
	const char *source_path;   /* "accounts" */
	const char **events;       /* NULL-terminated; "account.*" is every event of accounts */
	struct mapping *when;      /* NULL: always */
	const char *when_text;
	const char *skip_reason;
	struct bridge_system *to;
	const char *target;        /* the target's entity: "customer" */
	const char *path;          /* "customers" */
	struct mapping *map;
	const char *map_file;
	const char *answer;        /* verb of the source's record, told the outcome; or NULL */
	char last_effect[32];      /* time of its last effect, in the leading process; "" */
	char told_effect[32];      /* as the table has it */
	bool mirror;               /* the target is a picture; no link means it */
};

struct bridge {
	const char *name;
	const char *public_url;
	struct bridge_system *systems;
	int system_count;
	struct bridge_route *routes;
	int route_count;
};

extern struct bridge bridge;

struct bridge_system *bridge_system(const char *name);
struct bridge_route *bridge_route(const char *name);

/* crm:account:42 */
#define REF_MAX 200
struct ref {
	char system[41];
	char entity[61];
	int64_t id;
};
bool ref_parse(const char *text, struct ref *ref);

struct message {
	int64_t id;
	struct bridge_route *route;
	int64_t source_id;
	int64_t version;
	const char *event_id;
	const char *type;
	const char *body;
	const char *traceparent;
	const char *code;          /* as of its last outcome, NULL for none */
	const char *reason;
	int attempts;
	int round;
	uint64_t offered_us;       /* to its lane */
	bool done;                 /* ended while a sweep was looking */
	TAILQ_ENTRY(message) entry;
	UT_hash_handle hh;         /* by id, in lanes.c */
};
TAILQ_HEAD(message_list, message);

/* The one record: "crm:account:42" into out. */
void message_ref(const struct message *message, char out[REF_MAX]);

/* Options of the daemon. */
struct bridge_options {
	const char *config;
	long parallel;
	long inbox_limit;
	long retention_days;
	const char *admin_token;
};
extern struct bridge_options bridge_options;

#endif
