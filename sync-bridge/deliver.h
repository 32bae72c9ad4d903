/* sync-bridge/deliver.h -- one message from the inbox to its one visible state.
 *
 * when -> map -> links (pulling what is missing) -> call the target -> answer the source -> write
 * outcome and link in one statement. Safe to break off at any point and to begin again: the
 * target takes the same call once (Idempotency-Key, Source-Version), and nothing is written here
 * before it answered. No transaction is open while a call is out.
 */
#ifndef BRIDGE_DELIVER_H
#define BRIDGE_DELIVER_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"
#include "system.h"

enum message_state {
	STATE_RECEIVED, STATE_WAITING, STATE_RETRYING, STATE_APPLIED, STATE_UNCHANGED,
	STATE_SUPERSEDED, STATE_SKIPPED, STATE_REJECTED, STATE_DEAD,
};

/* A record whose message is under way because the one above needs it. */
struct delivery {
	const struct message *message;
	const struct delivery *above;   /* who needs it, NULL for a message of its own */
	int depth;

	bool settled;                   /* the outcome below is set */
	enum message_state state;
	bool deferred;                  /* nothing to write: the row stays as it is */
	bool counted;                   /* an attempt was made */
	bool called;                    /* the target was asked */
	bool replayed;                  /* and gave the answer of an earlier attempt */
	const char *code, *reason, *remedy;
	const char *waiting_for;
	int64_t delay_ms;               /* until the next try; -1: none */
	const char *target_ref;         /* with it, the link is written */
	int64_t target_version;
	const char *target_number;
	const char **refs;              /* records the mapped body names, NULL-terminated */
	int ref_count;
	const cJSON *problem;           /* the target's, of a rejection */
};

/* Never fails by unwinding. Yields. */
void deliver(struct request *rq, const struct message *message);

/* For a record that is pulled: the same, and the outcome in *delivery. */
void deliver_run(struct request *rq, struct delivery *delivery);

/* Sets the outcome. Texts must live as long as the request. */
void deliver_reject(struct delivery *d, const char *code, const char *reason, const char *remedy);
void deliver_wait(struct delivery *d, const char *ref, const char *code, const char *reason);
/* Later, by the schedule; counted unless the system is known to be away. */
void deliver_later(struct delivery *d, struct bridge_system *system, const struct call *call);
void deliver_settle(struct delivery *d, enum message_state state, const char *code,
		    const char *reason);

#endif
