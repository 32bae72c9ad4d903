/* common/db/migrate.h -- numbered, checksummed, forward-only migrations embedded in the binary.
 *
 * Each runs in its own transaction under one advisory lock, so two starting at once are safe.
 * Table schema_migration(name, sha256, applied_at) remembers them. A known name with another
 * checksum, or a name in the table that this binary does not have while it lacks others,
 * stops the start with the name and both checksums. Blocking; used before the loop runs.
 */
#ifndef DB_MIGRATE_H
#define DB_MIGRATE_H

#include <stdbool.h>

struct migration {
	const char *name;    /* "common/0001_users" */
	const char *sql;
};

/* The list ends with a zero row. Answers how many were applied, -1 on failure (*error in a
 * static buffer). */
int migrate_apply(const char *url, const struct migration *list, const char **error);

/* 0 when the schema is exactly at this binary's version, otherwise the number that is missing;
 * -1 on failure. */
int migrate_missing(const char *url, const struct migration *list, const char **error);

#endif
