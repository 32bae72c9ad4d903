/* sync-bridge/links.h -- finds the same record in another system.
 *
 * A link is a fact that does not change, so those once seen are kept in memory (50,000 at most).
 * Mirrors (an ERP order and its picture in the CRM) are never found here: a picture does not
 * stand for the thing.
 */
#ifndef BRIDGE_LINKS_H
#define BRIDGE_LINKS_H

#include "bridge.h"
#include "base/request.h"

/* The id at the system of the record that ref names; 0 when there is no link. Yields; may fail. */
int64_t links_find(struct request *rq, const char *ref, const struct bridge_system *system);

/* Looks many up in one statement, so that links_find of each is answered from memory. */
void links_warm(struct request *rq, const char *const *refs, int count,
		const struct bridge_system *system);

/* From memory alone: 0 when it is not known here. */
int64_t links_known(const char *ref, const struct bridge_system *system);

/* Keeps a link that is committed. */
void links_remember(const char *left, const char *right);

/* Writes a link that was learned, not made by a message. Yields; may fail. */
void links_learn(struct request *rq, const char *left, const char *right, const char *route);

/* After links were taken back: what is kept in memory may not hold any more. */
void links_forget(void);

/* GET /api/v1/links?ref= */
void links_list(struct request *rq);

#endif
