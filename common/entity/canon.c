/* common/entity/canon.c -- writes JSON values so that equal ones have equal bytes. */
#include "entity/canon.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "entity/value.h"

#define MEMBERS_MAX 256

/* "-?(0|[1-9][0-9]*)(.[0-9]+)?": what a number column shows, but no "007", no "1e3". */
static bool
looks_numeric(const char *text)
{
	const char *at = text + (*text == '-');
	size_t whole = strspn(at, "0123456789");

	if (!whole || whole > 30 || (*at == '0' && whole > 1))
		return false;
	at += whole;
	if (*at == '.') {
		size_t fraction = strspn(at + 1, "0123456789");

		if (!fraction)
			return false;
		at += 1 + fraction;
	}
	return *at == '\0';
}

static bool
add_decimal(struct text *out, const char *text)
{
	struct decimal decimal;
	const char *digit;

	if (!decimal_read(text, &decimal))
		return false;
	text_add(out, decimal.negative && decimal.digits ? "n-" : "n");
	digit = decimal.text;
	for (int i = 0; i < decimal.digits; i++, digit++) {
		digit += *digit == '.';
		text_add_char(out, *digit);
	}
	text_addf(out, "e%ld", decimal.digits ? decimal.point : 0);
	return true;
}

/* Two digits at text; -1 when there are none. */
static int
two(const char *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* Minutes east of UTC that the zone at the end says; false when it is none. */
static bool
zone_read(const char *text, int *minutes)
{
	int hours, rest = 0;
	size_t length = strlen(text);

	*minutes = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	if ((*text != '+' && *text != '-') || length < 3 || (hours = two(text + 1)) < 0)
		return false;
	if (length == 5)
		rest = two(text + 3);
	else if (length == 6 && text[3] == ':')
		rest = two(text + 4);
	else if (length != 3)
		return false;
	if (rest < 0)
		return false;
	*minutes = (hours * 60 + rest) * (*text == '-' ? -1 : 1);
	return true;
}

static bool
add_instant(struct text *out, const char *text)
{
	char fraction[10] = "";
	const char *at = text + 19;
	struct tm tm = { 0 };
	int minutes;

	if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
	    text[13] != ':' || text[16] != ':' || !instant_valid(text, true))
		return false;
	if (*at == '.') {
		size_t digits = strspn(at + 1, "0123456789");

		if (!digits || digits > 9)
			return false;
		memcpy(fraction, at + 1, digits);
		at += 1 + digits;
		while (digits && fraction[digits - 1] == '0')
			fraction[--digits] = '\0';
	}
	if (!zone_read(at, &minutes))
		return false;
	tm.tm_year = two(text) * 100 + two(text + 2) - 1900;
	tm.tm_mon = two(text + 5) - 1;
	tm.tm_mday = two(text + 8);
	tm.tm_hour = two(text + 11);
	tm.tm_min = two(text + 14) - minutes;
	tm.tm_sec = two(text + 17);
	text_addf(out, "t%lld.%s", (long long)timegm(&tm), fraction);
	return true;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static void
add_object(struct text *out, const cJSON *object)
{
	const cJSON *members[MEMBERS_MAX];
	const cJSON *each;
	int count = 0;

	cJSON_ArrayForEach(each, object)
		if (count < MEMBERS_MAX && !cJSON_IsNull(each))
			members[count++] = each;
	qsort(members, (size_t)count, sizeof(members[0]), by_name);
	text_add_char(out, '{');
	for (int i = 0; i < count; i++) {
		text_add_json(out, members[i]->string);
		canon_add(out, members[i]);
	}
	text_add_char(out, '}');
}

void
canon_add(struct text *out, const cJSON *node)
{
	const cJSON *each;

	if (!node || cJSON_IsNull(node)) {
		text_add_char(out, '0');
	} else if (cJSON_IsBool(node)) {
		text_add(out, cJSON_IsTrue(node) ? "b1" : "b0");
	} else if (json_is_number(node)) {
		if (!add_decimal(out, json_number_text(node)))
			text_add_json(out, json_number_text(node));
	} else if (cJSON_IsString(node)) {
		const char *text = node->valuestring;

		if (looks_numeric(text) ? !add_decimal(out, text) : !add_instant(out, text))
			text_add_json(out, text);
	} else if (cJSON_IsArray(node)) {
		text_add_char(out, '[');
		cJSON_ArrayForEach(each, node)
			canon_add(out, each);
		text_add_char(out, ']');
	} else {
		add_object(out, node);
	}
}

bool
canon_equal(struct arena *arena, const cJSON *a, const cJSON *b)
{
	struct text x = text_in(arena), y = text_in(arena);

	canon_add(&x, a);
	canon_add(&y, b);
	return x.length == y.length && memcmp(x.data, y.data, x.length) == 0;
}
