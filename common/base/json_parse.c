/* common/base/json_parse.c -- the strict parser: one pass from bytes to cJSON nodes. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/request.h"

#define DIGITS_MAX 15
#define MAGNITUDE_MAX 9007199254740992.0   /* 2^53 */

struct parser {
	struct request *rq;
	const char *start;
	const char *at;
	const char *end;
	int depth;
	int tokens;
	bool limited;         /* in tokens */
	const char *reason;   /* set at the first refusal */
};

static bool parse_value(struct parser *p, cJSON *node);

static bool
refuse(struct parser *p, const char *reason)
{
	if (!p->reason)
		p->reason = reason;
	return false;
}

static void
skip_space(struct parser *p)
{
	while (p->at < p->end &&
	       (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
		p->at++;
}

/* Length of the UTF-8 sequence at s (RFC 3629: no overlongs, no surrogates), 0 when invalid. */
static int
utf8_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xBF;
	int length;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xC2 && s[0] <= 0xDF)
		length = 2;
	else if (s[0] >= 0xE0 && s[0] <= 0xEF)
		length = 3;
	else if (s[0] >= 0xF0 && s[0] <= 0xF4)
		length = 4;
	else
		return 0;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	if (left < (size_t)length || s[1] < low || s[1] > high)
		return 0;
	for (int i = 2; i < length; i++)
		if (s[i] < 0x80 || s[i] > 0xBF)
			return 0;
	return length;
}

static bool
parse_hex4(struct parser *p, unsigned *value)
{
	*value = 0;
	if (p->end - p->at < 4)
		return refuse(p, "unfinished \\u escape");
	for (int i = 0; i < 4; i++) {
		char c = *p->at++;

		*value <<= 4;
		if (c >= '0' && c <= '9')
			*value |= (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value |= (unsigned)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			*value |= (unsigned)(c - 'A' + 10);
		else
			return refuse(p, "bad \\u escape");
	}
	return true;
}

static char *
utf8_put(char *out, unsigned code)
{
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xC0 | code >> 6);
		*out++ = (char)(0x80 | (code & 0x3F));
	} else if (code < 0x10000) {
		*out++ = (char)(0xE0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3F));
		*out++ = (char)(0x80 | (code & 0x3F));
	} else {
		*out++ = (char)(0xF0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3F));
		*out++ = (char)(0x80 | (code >> 6 & 0x3F));
		*out++ = (char)(0x80 | (code & 0x3F));
	}
	return out;
}

/* After "\u": one code point, from a surrogate pair where needed. */
static bool
parse_unicode_escape(struct parser *p, char **out)
{
	unsigned code, low;

	if (!parse_hex4(p, &code))
		return false;
	if (code == 0)
		return refuse(p, "\\u0000 is not allowed");
	if (code >= 0xDC00 && code <= 0xDFFF)
		return refuse(p, "lone surrogate");
	if (code >= 0xD800 && code <= 0xDBFF) {
		if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
			return refuse(p, "lone surrogate");
		p->at += 2;
		if (!parse_hex4(p, &low))
			return false;
		if (low < 0xDC00 || low > 0xDFFF)
			return refuse(p, "lone surrogate");
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
	}
	*out = utf8_put(*out, code);
	return true;
}

static bool
parse_escape(struct parser *p, char **out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (p->at >= p->end)
		return refuse(p, "unfinished string");
	if (*p->at == 'u') {
		p->at++;
		return parse_unicode_escape(p, out);
	}
	found = *p->at ? strchr(from, *p->at) : NULL;
	if (!found)
		return refuse(p, "bad escape");
	p->at++;
	*(*out)++ = to[found - from];
	return true;
}

/* The length of the string between here and its closing quote bounds what it decodes to. */
static size_t
string_bound(const struct parser *p)
{
	const char *at = p->at;

	while (at < p->end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	return (size_t)((at < p->end ? at : p->end) - p->at);
}

/* p->at is behind the opening quote; ends behind the closing one. */
static char *
parse_string(struct parser *p)
{
	char *string = arena_alloc(&p->rq->arena, string_bound(p) + 1);
	char *out = string;

	while (p->at < p->end && *p->at != '"') {
		unsigned char c = (unsigned char)*p->at;
		int length;

		if (c < 0x20) {
			refuse(p, "control character in a string");
			return NULL;
		}
		if (c == '\\') {
			p->at++;
			if (!parse_escape(p, &out))
				return NULL;
			continue;
		}
		length = utf8_length((const unsigned char *)p->at, (size_t)(p->end - p->at));
		if (length == 0) {
			refuse(p, "invalid UTF-8");
			return NULL;
		}
		memcpy(out, p->at, (size_t)length);
		out += length;
		p->at += length;
	}
	if (p->at >= p->end) {
		refuse(p, "unfinished string");
		return NULL;
	}
	p->at++;
	*out = '\0';
	return string;
}

static int
skip_digits(struct parser *p)
{
	const char *from = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return (int)(p->at - from);
}

static int
significant_digits(const char *number)
{
	int digits = 0, trailing_zeros = 0;
	bool started = false;

	for (; *number && *number != 'e' && *number != 'E'; number++) {
		if (*number < '0' || *number > '9' || (!started && *number == '0'))
			continue;
		started = true;
		digits++;
		trailing_zeros = *number == '0' ? trailing_zeros + 1 : 0;
	}
	return digits - trailing_zeros;
}

/* The text is kept; the double only bounds the magnitude. */
static bool
check_magnitude(struct parser *p, const char *number)
{
	double value = strtod(number, NULL);

	if (significant_digits(number) > DIGITS_MAX)
		return refuse(p, "number with over 15 significant digits; send it as a string");
	if (value > MAGNITUDE_MAX || value < -MAGNITUDE_MAX)
		return refuse(p, "number beyond 2^53; send it as a string");
	if (value == 0 && significant_digits(number) > 0)
		return refuse(p, "number too small");
	return true;
}

static bool
parse_number(struct parser *p, cJSON *node)
{
	const char *from = p->at;
	const char *whole;
	int digits;

	if (*p->at == '-')
		p->at++;
	whole = p->at;
	digits = skip_digits(p);
	if (digits == 0)
		return refuse(p, "bad number");
	if (digits > 1 && *whole == '0')
		return refuse(p, "leading zero");
	if (p->at < p->end && *p->at == '.') {
		p->at++;
		if (skip_digits(p) == 0)
			return refuse(p, "bad number");
	}
	if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
		p->at++;
		if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
			p->at++;
		if (skip_digits(p) == 0)
			return refuse(p, "bad number");
	}
	node->type = cJSON_Raw;
	node->valuestring = arena_strndup(&p->rq->arena, from, (size_t)(p->at - from));
	return check_magnitude(p, node->valuestring);
}

static bool
parse_word(struct parser *p, const char *word, int type, cJSON *node)
{
	size_t length = strlen(word);

	if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0)
		return refuse(p, "unexpected character");
	p->at += length;
	node->type = type;
	return true;
}

static bool
parse_array(struct parser *p, cJSON *array)
{
	array->type = cJSON_Array;
	skip_space(p);
	if (p->at < p->end && *p->at == ']') {
		p->at++;
		return true;
	}
	for (;;) {
		cJSON *item = cJSON_CreateNull();

		if (!parse_value(p, item))
			return false;
		cJSON_AddItemToArray(array, item);
		skip_space(p);
		if (p->at >= p->end)
			return refuse(p, "unfinished array");
		if (*p->at++ == ']')
			return true;
		if (p->at[-1] != ',')
			return refuse(p, "expected , or ]");
	}
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
check_duplicates(struct parser *p, const cJSON *object, int count)
{
	const char **keys;
	const cJSON *item;
	int n = 0;

	if (count < 2)
		return true;
	keys = arena_array(&p->rq->arena, const char *, (size_t)count);
	cJSON_ArrayForEach(item, object)
		keys[n++] = item->string;
	qsort(keys, (size_t)count, sizeof(*keys), compare_keys);
	for (n = 1; n < count; n++)
		if (strcmp(keys[n - 1], keys[n]) == 0)
			return refuse(p, "duplicate key");
	return true;
}

static bool
parse_member(struct parser *p, cJSON *item)
{
	skip_space(p);
	if (p->at >= p->end || *p->at != '"')
		return refuse(p, "expected a key");
	p->at++;
	item->string = parse_string(p);
	if (!item->string)
		return false;
	skip_space(p);
	if (p->at >= p->end || *p->at != ':')
		return refuse(p, "expected :");
	p->at++;
	return parse_value(p, item);
}

static bool
parse_object(struct parser *p, cJSON *object)
{
	int count = 0;

	object->type = cJSON_Object;
	skip_space(p);
	if (p->at < p->end && *p->at == '}') {
		p->at++;
		return true;
	}
	for (;;) {
		cJSON *item = cJSON_CreateNull();

		if (!parse_member(p, item))
			return false;
		cJSON_AddItemToArray(object, item);
		count++;
		skip_space(p);
		if (p->at >= p->end)
			return refuse(p, "unfinished object");
		if (*p->at++ == '}')
			return check_duplicates(p, object, count);
		if (p->at[-1] != ',')
			return refuse(p, "expected , or }");
	}
}

static bool
parse_nested(struct parser *p, cJSON *node)
{
	bool array = *p->at++ == '[';
	bool ok;

	if (++p->depth > JSON_DEPTH_MAX)
		return refuse(p, "nested too deep");
	ok = array ? parse_array(p, node) : parse_object(p, node);
	p->depth--;
	return ok;
}

static bool
parse_value(struct parser *p, cJSON *node)
{
	skip_space(p);
	if (p->at >= p->end)
		return refuse(p, "unexpected end");
	if (p->limited && ++p->tokens > JSON_TOKENS_MAX)
		return refuse(p, "too many values");
	switch (*p->at) {
	case '{':
	case '[':
		return parse_nested(p, node);
	case '"':
		p->at++;
		node->type = cJSON_String;
		node->valuestring = parse_string(p);
		return node->valuestring != NULL;
	case 't':
		return parse_word(p, "true", cJSON_True, node);
	case 'f':
		return parse_word(p, "false", cJSON_False, node);
	case 'n':
		return parse_word(p, "null", cJSON_NULL, node);
	default:
		if (*p->at == '-' || (*p->at >= '0' && *p->at <= '9'))
			return parse_number(p, node);
		return refuse(p, "unexpected character");
	}
}

static cJSON *
parse_whole(struct parser *p)
{
	cJSON *tree = cJSON_CreateNull();

	if (!parse_value(p, tree))
		return NULL;
	skip_space(p);
	if (p->at == p->end)
		return tree;
	refuse(p, "bytes after the value");
	return NULL;
}

cJSON *
json_parse(struct request *rq, const char *text, size_t length, struct json_error *error)
{
	struct parser p = { .rq = rq, .start = text, .at = text, .end = text + length,
			    .limited = true };
	cJSON *tree = parse_whole(&p);

	if (!tree) {
		error->reason = p.reason;
		error->offset = (size_t)(p.at - p.start);
	}
	return tree;
}

cJSON *
json_own(struct request *rq, const char *text)
{
	struct parser p = { .rq = rq, .start = text, .at = text, .end = text + strlen(text) };
	cJSON *tree = parse_whole(&p);

	if (!tree)
		fail(rq, ERR_INTERNAL, .detail = "Stored JSON does not parse.");
	return tree;
}
