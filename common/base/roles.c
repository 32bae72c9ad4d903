/* common/base/roles.c -- the roles of this daemon and who is allowed what. */
#include "base/roles.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/request.h"
#include "base/text.h"

static const char *const *role_names;
static int role_count;

void
roles_define(const char *const *names)
{
	role_names = names;
	for (role_count = 0; names[role_count]; role_count++)
		if (role_count == ROLES_MAX)
			die("more than %d roles are defined", ROLES_MAX);
}

uint64_t
role_bit(const char *name, int length)
{
	for (int i = 0; i < role_count; i++)
		if (strlen(role_names[i]) == (size_t)length &&
		    memcmp(role_names[i], name, (size_t)length) == 0)
			return (uint64_t)1 << i;
	return 0;
}

uint64_t
roles_parse(const char *names)
{
	uint64_t roles = 0;

	if (!names)
		return 0;
	for (const char *at = names + strspn(names, " "); *at; at += strspn(at, " ")) {
		int length = (int)strcspn(at, " ");
		uint64_t bit = length == 1 && *at == '*' ? ROLES_ALL : role_bit(at, length);

		if (!bit)
			die("there is no role \"%.*s\" (in \"%s\")", length, at, names);
		roles |= bit;
		at += length;
	}
	return roles;
}

uint64_t
roles_from_array(const char *names)
{
	static const char separators[] = " ,\"{}";
	uint64_t roles = 0;

	for (const char *at = names + strspn(names, separators); *at;
	     at += strspn(at, separators)) {
		int length = (int)strcspn(at, separators);

		roles |= role_bit(at, length);
		at += length;
	}
	return roles;
}

const char *
roles_text(struct arena *arena, uint64_t roles)
{
	struct text out = text_in(arena);

	for (int i = 0; i < role_count; i++)
		if (roles >> i & 1)
			text_addf(&out, "%s%s", out.length ? " " : "", role_names[i]);
	return text_str(&out);
}

bool
role_allowed(const struct actor *actor, uint64_t roles)
{
	return actor->user_id == 0 || (actor->roles & ROLES_ADMIN) || (actor->roles & roles);
}
