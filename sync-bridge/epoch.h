/* sync-bridge/epoch.h -- notices that a system was restored from a backup, and stops its routes.
 *
 * A restored system counts its versions again from where the backup was made, has forgotten what
 * it was sent since, and may give out the same ids for other records. So, every few seconds, each
 * is asked whether its log still holds the newest events that the bridge has had of it, and after
 * an absence or a new epoch also whether its records are at least as far as the bridge has
 * brought them. When not, nothing goes to or comes from it until an operator has accepted the
 * restore (restore.c): then its epoch number rises, which goes before its records' versions.
 *
 * A new epoch alone stops nothing: after a failover that lost nothing, all that is asked for is
 * there.
 *
 * bridge.json may state a system's epoch number. A higher one than is known says that it was
 * restored and that this is accepted; then nothing else accepts a restore of that system.
 */
#ifndef BRIDGE_EPOCH_H
#define BRIDGE_EPOCH_H

#include "base/json.h"
#include "base/request.h"
#include "bridge.h"

#define EPOCH_CHECK_MS 2000

/* Nothing is known against its history: its routes may work. False also until that is read. */
bool epoch_stands(const struct bridge_system *system);

/* The number in the table as last read, also of a system that is not configured; 0: none. */
int64_t epoch_known(const char *name);

/* Reads again what the table says of all systems. Yields; may fail. */
void epoch_read(struct request *rq);

/* {"since", "reason", "remedy"} when it was restored, NULL otherwise. Yields; may fail. */
cJSON *epoch_status(struct request *rq, const struct bridge_system *system);

/* At start, before bridge.json is read: what is known, as far as the database answers. */
void epoch_begin(void);
/* In every process: reads; in one of them: checks. */
void epoch_start(void);
void epoch_stop(void);

/* ---- restore.c ---- */
/* POST /api/v1/systems/{name}/accept-restore: makes both sides equal again, by a job. */
void restore_accept(struct request *rq);
/* The same for an epoch that bridge.json states, once that is in the table as a restore. */
void restore_accept_stated(struct request *rq, struct bridge_system *system);
/* Asks the system not to give out ids again that the bridge has seen. False when it did not
 * answer; then accepting does it. Yields; may fail. */
bool restore_reserve(struct request *rq, struct bridge_system *system);

#endif
