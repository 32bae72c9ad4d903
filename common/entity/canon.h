/* common/entity/canon.h -- one text for every notation of the same JSON value, to compare by bytes.
 *
 * "5" and "5.0000" and 5.0 are one number, "2026-01-02T03:04:05.5+01:00" and "...02:04:05.500Z" one
 * instant, members of an object have no order. A text that only looks like a number keeps its
 * own notation where that could matter: "007" and "7" differ, as postal codes do.
 */
#ifndef ENTITY_CANON_H
#define ENTITY_CANON_H

#include <stdbool.h>

#include "base/json.h"
#include "base/text.h"

/* Adds the value's text; an absent node (NULL) is null. Two values are the same when their texts
 * are. */
void canon_add(struct text *out, const cJSON *node);

bool canon_equal(struct arena *arena, const cJSON *a, const cJSON *b);

#endif
