/* sync-bridge/mapping.c -- runs jq programs by libjq, and stops those that run away. */
#include "mapping.h"

#include <jq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"

#define RUN_MS_MAX 250

struct mapping {
	jq_state *jq;
	const char *where;
	char *errors;      /* what jq said while compiling, malloced */
};

/* The program that the alarm stops. Only the loop's thread runs programs. */
static jq_state *volatile running;
static volatile sig_atomic_t timed_out;
static jv halt_code, halt_message;

static void
alarm_rang(int signal_number)
{
	jq_state *jq = running;

	if (jq && !timed_out) {
		timed_out = 1;
		jq_halt(jq, halt_code, halt_message);
	}
}

static void
alarm_set(long ms)
{
	struct itimerval after = { .it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 } };

	setitimer(ITIMER_REAL, &after, NULL);
}

static void
alarm_init(void)
{
	static bool ready;
	struct sigaction action = { .sa_handler = alarm_rang, .sa_flags = SA_RESTART };

	if (ready)
		return;
	/* Made here: a signal handler must not allocate. Invalid and null need no memory. */
	halt_code = jv_invalid();
	halt_message = jv_null();
	sigaction(SIGALRM, &action, NULL);
	ready = true;
}

/* jq reports compile errors one by one, the last being only their number. */
static void
compile_said(void *arg, jv message)
{
	struct mapping *mapping = arg;
	jv text = jq_format_error(message);
	char *joined = NULL;

	if (asprintf(&joined, "%s%s%s", mapping->errors ? mapping->errors : "",
		     mapping->errors ? "; " : "", jv_string_value(text)) < 0)
		die("out of memory");
	free(mapping->errors);
	mapping->errors = joined;
	jv_free(text);
}

/* "jq: error: syntax error ... at <unknown>, line 3:\n<source>" -> "where, line 3: syntax error ..." */
static char *
compile_error(const struct mapping *mapping)
{
	const char *said = mapping->errors ? mapping->errors : "jq cannot compile it";
	const char *at = strstr(said, " at <unknown>, line ");
	char *out = NULL;
	int length;

	if (strncmp(said, "jq: error: ", 11) == 0)
		said += 11;
	if (at && at > said) {
		if (asprintf(&out, "%s, line %d: %.*s", mapping->where,
			     atoi(at + strlen(" at <unknown>, line ")), (int)(at - said), said) < 0)
			die("out of memory");
		return out;
	}
	length = (int)strcspn(said, "\n");
	if (asprintf(&out, "%s: %.*s", mapping->where, length, said) < 0)
		die("out of memory");
	return out;
}

struct mapping *
mapping_compile(const char *where, const char *program, char **error)
{
	struct mapping *mapping = calloc(1, sizeof(*mapping));

	alarm_init();
	if (!mapping || !(mapping->jq = jq_init()))
		die("out of memory");
	mapping->where = where;
	jq_set_error_cb(mapping->jq, compile_said, mapping);
	if (!jq_compile(mapping->jq, program)) {
		*error = compile_error(mapping);
		mapping_free(mapping);
		return NULL;
	}
	jq_set_error_cb(mapping->jq, NULL, NULL);
	return mapping;
}

void
mapping_free(struct mapping *mapping)
{
	jq_teardown(&mapping->jq);
	free(mapping->errors);
	free(mapping);
}

/* jq's own error message, or that time ran out. */
static const char *
run_error(const struct mapping *mapping, struct arena *arena, jv result)
{
	const char *text;
	jv said;

	if (timed_out) {
		jv_free(result);
		return arena_printf(arena, "%s: stopped after %d ms", mapping->where, RUN_MS_MAX);
	}
	said = jv_invalid_get_msg(result);
	if (jv_get_kind(said) != JV_KIND_STRING)
		said = jv_dump_string(said, 0);
	text = arena_printf(arena, "%s: %s", mapping->where, jv_string_value(said));
	jv_free(said);
	return text;
}

/* The next result under the alarm; invalid at the end and on errors. */
static jv
next_result(struct mapping *mapping)
{
	jv result;

	timed_out = 0;
	running = mapping->jq;
	alarm_set(RUN_MS_MAX);
	result = jq_next(mapping->jq);
	alarm_set(0);
	running = NULL;
	return result;
}

/* Invalid without *error when there is no result. */
static jv
run(struct mapping *mapping, struct arena *arena, const char *input, const char **error)
{
	jv parsed = jv_parse(input);
	jv result;

	*error = NULL;
	if (!jv_is_valid(parsed)) {
		timed_out = 0;
		*error = run_error(mapping, arena, parsed);
		return jv_invalid();
	}
	jq_start(mapping->jq, parsed, 0);
	result = next_result(mapping);
	if (!jv_is_valid(result) && (timed_out || jv_invalid_has_msg(jv_copy(result)))) {
		*error = run_error(mapping, arena, result);
		return jv_invalid();
	}
	return result;
}

const char *
mapping_run(struct mapping *mapping, struct arena *arena, const char *input, const char **error)
{
	jv result = run(mapping, arena, input, error);
	const char *text;
	jv more;

	if (*error)
		return NULL;
	if (!jv_is_valid(result)) {
		*error = arena_printf(arena, "%s: gives no result", mapping->where);
		return NULL;
	}
	more = next_result(mapping);
	if (jv_is_valid(more) || timed_out) {
		jv_free(more);
		jv_free(result);
		*error = arena_printf(arena, "%s: gives more than one result", mapping->where);
		return NULL;
	}
	jv_free(more);
	result = jv_dump_string(result, 0);
	text = arena_strdup(arena, jv_string_value(result));
	jv_free(result);
	return text;
}

int
mapping_test(struct mapping *mapping, struct arena *arena, const char *input, const char **error)
{
	jv result = run(mapping, arena, input, error);
	jv_kind kind = jv_get_kind(result);

	jv_free(result);
	if (*error)
		return -1;
	return kind != JV_KIND_INVALID && kind != JV_KIND_NULL && kind != JV_KIND_FALSE;
}
