/* common/base/request.c -- runs a piece of work and catches what it raises. */
#include "base/request.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/coro.h"
#include "base/log.h"

static const struct actor system_actor = { .name = "system", .origin = "system" };

static void
random_hex(char *out, size_t bytes)
{
	/* One system call serves many requests. */
	static unsigned char pool[4096];
	static size_t used = sizeof(pool);
	static const char digits[] = "0123456789abcdef";

	if (used + bytes > sizeof(pool)) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
			die("no random numbers");
		used = 0;
	}
	for (size_t i = 0; i < bytes; i++) {
		out[2 * i] = digits[pool[used + i] >> 4];
		out[2 * i + 1] = digits[pool[used + i] & 15];
	}
	out[2 * bytes] = '\0';
	used += bytes;
}

static void
make_traceparent(struct request *rq)
{
	char span[17];

	random_hex(span, 8);
	memcpy(rq->traceparent, "00-", 3);
	memcpy(rq->traceparent + 3, rq->trace_id, 32);
	rq->traceparent[35] = '-';
	memcpy(rq->traceparent + 36, span, 16);
	memcpy(rq->traceparent + 52, "-01", 4);
}

/* Requests that began in each age and still run. Ages are few: one for each reload; one that finds
 * its slot still taken by another shares it, and waits for that one's too. */
#define AGES 64
static int alive[AGES];
static unsigned age_now;

unsigned
request_age_begin(void)
{
	return ++age_now;
}

bool
request_age_over(unsigned age)
{
	for (unsigned back = 1; back < AGES && back <= age; back++)
		if (alive[(age - back) % AGES] > 0)
			return false;
	return true;
}

void
request_init(struct request *rq, struct db *db)
{
	memset(rq, 0, sizeof(*rq));
	rq->age = age_now;
	rq->counted = true;
	alive[rq->age % AGES]++;
	rq->db = db;
	rq->actor = &system_actor;
	random_hex(rq->trace_id, 16);
	make_traceparent(rq);
}

static bool
is_hex(const char *text, size_t length, bool *all_zero)
{
	*all_zero = true;
	for (size_t i = 0; i < length; i++) {
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
		if (text[i] != '0')
			*all_zero = false;
	}
	return true;
}

bool
request_trace(struct request *rq, const char *traceparent)
{
	bool zero;

	/* 00-<32 hex>-<16 hex>-<2 hex>, W3C Trace Context */
	if (strlen(traceparent) < 55 || traceparent[2] != '-' || traceparent[35] != '-' ||
	    traceparent[52] != '-' || !is_hex(traceparent, 2, &zero) ||
	    strncmp(traceparent, "ff", 2) == 0 || (zero && traceparent[55] != '\0') ||
	    !is_hex(traceparent + 53, 2, &zero) || !is_hex(traceparent + 36, 16, &zero) || zero ||
	    !is_hex(traceparent + 3, 32, &zero) || zero)
		return false;
	memcpy(rq->trace_id, traceparent + 3, 32);
	make_traceparent(rq);
	return true;
}

bool
request_run(struct request *rq, void (*work)(struct request *rq, void *arg), void *arg)
{
	jmp_buf *outer = rq->root;
	jmp_buf here;

	if (coro_local() != rq) {
		rq->outer = coro_local();
		coro_set_local(rq);
	}
	if (setjmp(here) == 0) {
		rq->root = &here;
		rq->fault = (struct fault){ 0 };
		work(rq, arg);
		rq->root = outer;
		return true;
	}
	rq->root = outer;
	if (rq->rolled_back)
		rq->rolled_back(rq);
	return false;
}

void
request_release(struct request *rq)
{
	if (rq->rolled_back)
		rq->rolled_back(rq);
	arena_release(&rq->arena);
	if (rq->counted)
		alive[rq->age % AGES]--;
	rq->counted = false;
	if (coro_local() == rq)
		coro_set_local(rq->outer);
}

struct request *
request_current(void)
{
	return coro_local();
}
