/* sync-bridge/links.h -- finds the same record in another system.
 *
 * A link is a fact that hardly ever changes, so those once seen are kept in memory (50,000 at
 * most); a process that drops one tells the others.
 * Mirrors (an ERP order and its picture in the CRM) are never found here: a picture does not
 * stand for the thing. Where routes make one record several things in one system, the first route
 * of the file says which of them a reference means.
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

/* As the table has it now, kept or not: ids[i] becomes the id at the system of refs[i], 0 without a
 * link. One statement; nothing is kept. Yields; may fail. */
void links_lookup(struct request *rq, const char *const *refs, int count,
		  const struct bridge_system *system, int64_t *ids);

/* At start: hears of links that other processes drop. */
void links_start(void);

/* A link turned out to be no more: the record at the target is gone. Yields; may fail. */
void links_drop(struct request *rq, const char *left, const struct bridge_system *system);

/* Whether it has crossed by this route or one that makes the same of it. Yields; may fail. */
bool links_crossed(struct request *rq, const char *ref, const struct bridge_route *route);

/* Links were taken back, or other routes give references another meaning: looks them up again. */
void links_forget(void);

/* Keeps a link that is committed. */
void links_remember(const char *left, const char *right);

/* Writes a link that was learned, not made by a message. Yields; may fail. */
void links_learn(struct request *rq, const char *left, const char *right, const char *route);

/* GET /api/v1/links?ref= */
void links_list(struct request *rq);

#endif
