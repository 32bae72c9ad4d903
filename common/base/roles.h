/* common/base/roles.h -- role names as bits, so that a permission check is one AND.
 *
 * The daemon defines its roles once at start, "admin" first; everyone below app/ only reads.
 * Lists are names separated by spaces. No bits (a list nobody wrote) deny everyone but
 * administrators.
 */
#ifndef BASE_ROLES_H
#define BASE_ROLES_H

#include <stdbool.h>
#include <stdint.h>

struct actor;
struct arena;

#define ROLES_MAX 64
#define ROLES_ADMIN ((uint64_t)1)
#define ROLES_ALL UINT64_MAX

/* names: NULL-terminated, lives as long as the process. Dies on more than 64. */
void roles_define(const char *const *names);

/* The bit of one name of that length, 0 when there is no such role. */
uint64_t role_bit(const char *name, int length);

/* Dies on an unknown name. "*" is every bit; NULL or "" is none. */
uint64_t roles_parse(const char *names);

/* As roles_parse for text from outside: unknown names are skipped. Separators are spaces and
 * the commas, quotes and braces of a PostgreSQL array. */
uint64_t roles_from_array(const char *names);

/* "sales support", for people and logs. */
const char *roles_text(struct arena *arena, uint64_t roles);

/* Administrators and the daemon itself are allowed everything. */
bool role_allowed(const struct actor *actor, uint64_t roles);

#endif
