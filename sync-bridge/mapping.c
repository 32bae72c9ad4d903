/* sync-bridge/mapping.c -- runs jq programs by libjq, and stops those that run away. */
#include "mapping.h"

#include <errno.h>
#include <jq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

#define RUN_MS_MAX 250

/* What reaches outside of the change, or makes jq itself abort (input_filename, times that no
 * calendar has), before every program. jq reports a name that is not defined only where it is
 * used, so these do not compile and the rest costs nothing. All on one line, so that a program
 * behind it keeps its lines. */
#define REFUSED "refused_in_a_mapping_"
#define REFUSE(name) " def " #name ": " REFUSED #name ";"
#define REFUSE_OF(name) " def " #name "(f): " REFUSED #name ";"
static const char prelude[] =
	"null as $ENV |"
	REFUSE(env) REFUSE(input) REFUSE(inputs) REFUSE(debug) REFUSE(stderr)
	REFUSE(input_filename) REFUSE(input_line_number) REFUSE(halt) REFUSE(halt_error)
	REFUSE_OF(halt_error) REFUSE(modulemeta) REFUSE(get_search_list) REFUSE(get_jq_origin)
	REFUSE(get_prog_origin)
	" def in_calendar: if type == \"number\" and (. < -62167219200 or . > 253402300799)"
	" then error(\"no such time: \\(.)\") else . end;"
	" def strftime_0(f): strftime(f); def strflocaltime_0(f): strflocaltime(f);"
	" def strftime(f): in_calendar | strftime_0(f);"
	" def strflocaltime(f): in_calendar | strflocaltime_0(f);"
	" def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); def todate: todateiso8601; ";

struct mapping {
	struct mappings *set;
	const char *where;
	const char *program;
	const char *target;
	int number;
	bool again;                 /* the same program as an earlier one, and its number */
	SLIST_ENTRY(mapping) entry;
};

struct mappings {
	struct arena *arena;        /* until it is compiled */
	SLIST_HEAD(, mapping) list;
	int count;
	jq_state *compiled;
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

/* By this thread's CPU time: a process that was frozen, or got none, has not run away. A timer is
 * not inherited, so each process makes its own. */
static timer_t
own_timer(void)
{
	static timer_t timer;
	static pid_t owner;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };

	if (owner != getpid()) {
		if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0)
			die("no timer for mappings: %s", strerror(errno));
		owner = getpid();
	}
	return timer;
}

static void
alarm_set(long ms)
{
	struct itimerspec after = { .it_value = { .tv_nsec = ms * 1000000 } };

	timer_settime(own_timer(), 0, &after, NULL);
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

static void
teardown(void *arg)
{
	struct mappings *set = arg;

	if (set->compiled)
		jq_teardown(&set->compiled);
}

struct mappings *
mappings_new(struct arena *arena)
{
	struct mappings *set = arena_new(arena, struct mappings);

	set->arena = arena;
	arena_defer(arena, teardown, set);
	return set;
}

struct mapping *
mapping_add(struct mappings *set, const char *where, const char *program, const char *target)
{
	struct mapping *mapping = arena_new(set->arena, struct mapping);
	const struct mapping *each;

	*mapping = (struct mapping){ .set = set, .where = where, .program = program,
				     .target = target, .number = set->count };
	SLIST_FOREACH(each, &set->list, entry) {
		if (strcmp(each->program, program) == 0) {
			mapping->number = each->number;
			mapping->again = true;
		}
	}
	set->count += !mapping->again;
	SLIST_INSERT_HEAD(&set->list, mapping, entry);
	return mapping;
}

/* jq reports compile errors one by one, the last being only their number; the first is kept. */
static void
compile_said(void *arg, jv message)
{
	char **first = arg;
	jv text = jq_format_error(message);

	if (!*first)
		*first = strdup(jv_string_value(text));
	jv_free(text);
}

/* NULL with *said (malloced). */
static jq_state *
compile(const char *program, char **said)
{
	jq_state *jq = jq_init();

	if (!jq)
		die("out of memory");
	*said = NULL;
	jq_set_error_cb(jq, compile_said, said);
	if (!jq_compile(jq, program))
		jq_teardown(&jq);
	else
		jq_set_error_cb(jq, NULL, NULL);
	return jq;
}

/* The first line with that name; a field (".env") is another one. */
static int
line_of_word(const char *program, const char *word, size_t length)
{
	static const char in_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_";
	char before = ' ';
	int line = 1;

	for (const char *at = program; *at; at++) {
		size_t run = strspn(at, in_names);

		if (run == length && before != '.' && strncmp(at, word, length) == 0)
			return line;
		at += run ? run - 1 : 0;
		before = *at;
		line += *at == '\n';
	}
	return 1;
}

/* NULL when it is not about one of the names above. */
static const char *
refused_word(const struct mapping *mapping, struct arena *arena, const char *said)
{
	const char *word = said + strlen(REFUSED);
	size_t length;

	if (strncmp(said, REFUSED, strlen(REFUSED)) != 0)
		return NULL;
	length = strcspn(word, "/");
	return arena_printf(arena, "%s, line %d: %.*s is not available in a mapping",
			    mapping->where, line_of_word(mapping->program, word, length),
			    (int)length, word);
}

/* "jq: error: syntax error, ... (Unix shell quoting issues?) at <top-level>, line 3:\n<source>" ->
 * "<where>, line 3: syntax error, ..." */
static const char *
compile_error(const struct mapping *mapping, struct arena *arena, const char *said)
{
	static const char place[] = ">, line ";
	const char *at, *end, *refused;
	long line;

	if (!said)
		said = "jq cannot compile it";
	if (strncmp(said, "jq: error: ", 11) == 0)
		said += 11;
	refused = refused_word(mapping, arena, said);
	if (refused)
		return refused;
	at = strstr(said, place);
	end = strstr(said, " (Unix shell");
	if (!end)
		end = strstr(said, " at <");
	if (!at || !end)
		end = said + strcspn(said, "\n");
	line = at ? strtol(at + strlen(place), NULL, 10) : 0;
	return arena_printf(arena, at ? "%s, line %ld: %.*s" : "%s%.0ld: %.*s", mapping->where,
			    line, (int)(end - said), said);
}

/* <prelude> def m0: ...; def m1: ...; .v as $v | .n as $n | $v | if $n == 0 then m0 elif ... end */
static const char *
joined(const struct mappings *set, struct arena *arena)
{
	struct text out = text_in(arena);
	const struct mapping *mapping;
	int count = 0;

	text_add(&out, prelude);
	SLIST_FOREACH(mapping, &set->list, entry)
		if (!mapping->again)
			text_addf(&out, "def m%d: %s\n;\n", mapping->number, mapping->program);
	text_add(&out, ".v as $v | .n as $n | $v | ");
	SLIST_FOREACH(mapping, &set->list, entry)
		if (!mapping->again)
			text_addf(&out, "%sif $n == %d then m%d ", count++ ? "el" : "",
				  mapping->number, mapping->number);
	text_add(&out, "else empty end");
	return text_str(&out);
}

bool
mappings_compile(struct mappings *set, const char **error)
{
	const struct mapping *mapping;
	jq_state *alone;
	char *said;

	alarm_init();
	set->compiled = compile(joined(set, set->arena), &said);
	if (set->compiled) {
		set->arena = NULL;
		return true;
	}
	*error = arena_printf(set->arena, "the mappings compile one by one, but not together: %s",
			      said ? said : "jq does not say why");
	free(said);
	SLIST_FOREACH(mapping, &set->list, entry) {
		alone = compile(arena_printf(set->arena, "%s%s", prelude, mapping->program), &said);
		if (!alone)
			*error = compile_error(mapping, set->arena, said);
		else
			jq_teardown(&alone);
		free(said);
	}
	return false;
}

/* jq's own error message, or that time ran out. */
static const char *
run_error(const struct mapping *mapping, struct arena *arena, jv result)
{
	const char *text;
	jv said;

	if (timed_out) {
		jv_free(result);
		return arena_printf(arena, "%s: stopped after %d ms of CPU time", mapping->where,
				    RUN_MS_MAX);
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
next_result(const struct mapping *mapping)
{
	jv result;

	timed_out = 0;
	running = mapping->set->compiled;
	alarm_set(RUN_MS_MAX);
	result = jq_next(mapping->set->compiled);
	alarm_set(0);
	running = NULL;
	return result;
}

/* Invalid without *error when there is no result. */
static jv
run(struct mapping *mapping, struct arena *arena, const char *input, const char **error)
{
	jv parsed = jv_parse(input);
	jv asked, result;

	*error = NULL;
	if (!jv_is_valid(parsed)) {
		timed_out = 0;
		*error = run_error(mapping, arena, parsed);
		return jv_invalid();
	}
	if (mapping->target && jv_get_kind(parsed) == JV_KIND_OBJECT)
		parsed = jv_object_set(parsed, jv_string("target"), jv_string(mapping->target));
	asked = jv_object_set(jv_object(), jv_string("n"), jv_number(mapping->number));
	asked = jv_object_set(asked, jv_string("v"), parsed);
	jq_start(mapping->set->compiled, asked, 0);
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
