/* sync-bridge/trial_child.c -- the child of a trial: compiles, then runs each change it is sent.
 *
 * Pieces of text come in and go out with a NUL after each. In: target, map, when (the two may be
 * empty), then the changes. Out: "ok", or the bad program's name and its error as two pieces; then
 * for each change what "when" says and what the mapping gives, each "=" and a value or "!" and an
 * error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include "base/text.h"
#include "mapping.h"
#include "trial.h"

#define MEMORY_MAX (1024ul * 1024 * 1024)
#define CPU_S_MAX 12
#define STOPS_MAX 3

static void
limit(int what, rlim_t most)
{
	setrlimit(what, &(struct rlimit){ .rlim_cur = most, .rlim_max = most });
}

static void
shut_in(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, CPU_S_MAX);
	limit(RLIMIT_NOFILE, 3);
#ifndef __SANITIZE_ADDRESS__
	limit(RLIMIT_AS, MEMORY_MAX);
#endif
}

static void
put(const char *text)
{
	fwrite(text, 1, strlen(text) + 1, stdout);
}

static void
put_result(const char *value, const char *error)
{
	putchar(value ? '=' : '!');
	put(value ? value : error);
}

/* NULL for an empty program. */
static struct mapping *
note(struct mappings *set, struct arena *arena, const char *where, const char *program,
     const char *target)
{
	if (!*program)
		return NULL;
	return mapping_add(set, where, arena_strdup(arena, program), target);
}

/* False once too many runs had to be stopped: the rest would only take as long. */
static bool
run_one(struct mapping *map, struct mapping *when, const char *body)
{
	static int stops;
	struct arena arena = { 0 };
	const char *error = NULL;
	const char *mapped = NULL;
	int wanted = 0;

	if (when) {
		wanted = mapping_test(when, &arena, body, &error);
		put_result(wanted < 0 ? NULL : wanted ? "1" : "0", error);
		stops += error && strstr(error, ": stopped after ") != NULL;
	} else {
		put_result("", NULL);
	}
	error = NULL;
	if (map) {
		mapped = mapping_run(map, &arena, body, &error);
		put_result(mapped, error);
		stops += error && strstr(error, ": stopped after ") != NULL;
	} else {
		put_result("", NULL);
	}
	fflush(stdout);
	arena_release(&arena);
	return stops < STOPS_MAX;
}

/* The next piece of standard input into *text, grown as needed; false at its end. */
static bool
take(char **text, size_t *size)
{
	return getdelim(text, size, '\0', stdin) > 0;
}

int
trial_child(void)
{
	struct arena arena = { 0 };
	struct mappings *set = mappings_new(&arena);
	struct mapping *map, *when;
	const char *target, *error;
	char *text = NULL;
	size_t size = 0;

	shut_in();
	if (!take(&text, &size))
		return 1;
	target = arena_strdup(&arena, text);
	if (!take(&text, &size))
		return 1;
	map = note(set, &arena, "map", text, target);
	if (!take(&text, &size))
		return 1;
	when = note(set, &arena, "when", text, target);
	if (!mappings_compile(set, &error)) {
		put(strncmp(error, "map", 3) == 0 ? "map" : "when");
		put(error);
	} else {
		put("ok");
		fflush(stdout);
		while (take(&text, &size) && run_one(map, when, text))
			continue;
	}
	fflush(stdout);
	_exit(0);   /* what it holds goes with it */
}
