/* sync-bridge/bridge.h -- the words of the bridge: systems, routes and messages.
 *
 * Systems and routes come from bridge.json at start and at each reload. A pointer to one is good
 * until the request that took it ends, across yields too: what a reload replaces is kept until
 * then. Never keep one in a structure that outlives the request. A message is
 * one change on its way along one route; its row in table message is the truth, the struct is
 * what the lanes hold of it.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/hash.h"
#include "event/breaker.h"
#include "event/budget.h"
#include "event/window.h"

struct mapping;

struct bridge_system {
	const char *name;          /* "crm" */
	const char *url;           /* without a slash at its end */
	const char *token;
	const char *secret;
	const char *old_secret;    /* verifies too while a rotation is under way; NULL: none */
	int64_t old_secret_until;  /* unix seconds; 0: until it is taken out */
	const char *skip_origin;   /* changes of this origin are not sent to us; NULL: all are */
	/* How it answers. After five failures in a row only a probe goes out until one gets
	 * through, and no attempt is counted; a refused token pauses it, probed every 10 s. */
	struct breaker breaker;
	struct budget budget;      /* of retries */
	uint64_t paused_until;     /* clock_ms; 0: not paused */
	unsigned back;             /* not 0: answers again, what waits for it is due now */
	char error[200];           /* its last failure, "" once it answers */
	char told[240];            /* what was last written of it, see told.c */
	bool subscribed;
	char subscribe_error[200];
	uint64_t subscribe_at;     /* clock_ms of the next try */
	/* Which of its histories its versions are of, see epoch.h; 0 until it is read. */
	int64_t epoch_number;
	int64_t epoch_stated;      /* by bridge.json; 0: it leaves that to the bridge */
	bool restored;             /* from a backup, and nobody has accepted that yet */
};

struct bridge_route {
	const char *name;
	struct bridge_system *from;
	const char *entity;        /* of the source: "account" */
	const char *source_path;   /* "accounts" */
	const char **events;       /* NULL-terminated; "account.*" is every event of accounts */
	const char **reads;        /* the source's fields it depends on, ends by NULL; NULL: all */
	struct mapping *when;      /* NULL: always */
	const char *when_text;
	const char *skip_reason;
	struct bridge_system *to;
	const char *target;        /* the target's entity: "customer" */
	const char *path;          /* "customers" */
	struct mapping *map;
	const char *map_file;
	const char **owns;         /* the target's fields it may write, ends by NULL; NULL: all */
	const char *answer;        /* verb of the source's record, told the outcome; or NULL */
	struct window window;      /* of calls to the target at once, see places.h */
	char last_effect[32];      /* time of its last effect by this process; "" */
	char told_effect[32];      /* as the table has it */
	const char **retry_on;     /* the target's events that may end a refusal; see causes.h */
	bool mirror;               /* the target is a picture; no link means it */

	/* Reconciliation, see reconcile.h. */
	bool hold;                 /* what differs is reported and left; otherwise the source's
				    * value is written again */
	const char *compare_when_text;
	struct mapping *compare_when;   /* which records are to be at the target; NULL: "when", and
					 * those that have crossed */
	const char **not_compared; /* members that are left out, NULL-terminated, and why */
	const char **not_compared_why;
	const char *revised_by;    /* a number both sides have; NULL: none. Where the target's is
				    * higher, its own people have changed it by its own right: */
	const char **revised_fields;    /* then these members are the target's, NULL-terminated */
};

struct bridge {
	const char *name;
	const char *public_url;
	struct bridge_system *systems;
	int system_count;
	struct bridge_route *routes;
	int route_count;
	char digest[33];           /* of every byte it was read from */
	int64_t read_at;           /* unix seconds */
	struct arena arena;        /* all of this */
};

extern struct bridge bridge;

struct bridge_system *bridge_system(const char *name);
/* By name: around a reload one may be the old and the other the new. */
bool same_system(const struct bridge_system *a, const struct bridge_system *b);
struct bridge_route *bridge_route(const char *name);
/* '{"account-customer","product-item"}', in the request's arena. */
struct request;
const char *bridge_route_names(struct request *rq);

/* Whether it takes changes of this type ("account.updated"). */
bool bridge_route_takes(const struct bridge_route *route, const char *type);
/* Every change of its records; otherwise certain events only, such as opportunity.won. */
bool bridge_route_takes_all(const struct bridge_route *route);
/* Of an update, whether it changed a field that the route reads; of any other change, that it may
 * have. changed: the list of their names, or an object with a member for each. */
struct cJSON;
bool bridge_route_reads(const struct bridge_route *route, const char *type,
			const struct cJSON *changed);
/* Both write the same record of the target: the one named by the same record of the source. */
bool bridge_routes_meet(const struct bridge_route *a, const struct bridge_route *b);

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
	bool retry;                /* its last call failed; not: it waited, or was taken up again */
	int shard;                 /* whose term it is worked under, see shard.h */
	int64_t term;
	int64_t epoch_number;      /* of its source, when it was loaded */
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
	long lease;                /* ms */
	const char *admin_token;
	long reconcile_pause;      /* ms */
	long reconcile_rate;       /* rows per second, 0: no limit */
	long reconcile_settle;     /* ms */
};
extern struct bridge_options bridge_options;

#endif
