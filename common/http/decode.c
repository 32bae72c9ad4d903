/* common/http/decode.c -- undoes percent-encoding in place and checks UTF-8. */
#include "http/decode.h"

#include <string.h>

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

bool
decode_percent(char *text, bool plus)
{
	char *in = text + strcspn(text, plus ? "%+" : "%");
	char *out = in;

	while (*in) {
		if (*in == '%') {
			int high = hex_value(in[1]);
			int low = high < 0 ? -1 : hex_value(in[2]);

			if (low < 0 || (high | low) == 0)
				return false;
			*out++ = (char)(high << 4 | low);
			in += 3;
		} else {
			*out++ = plus && *in == '+' ? ' ' : *in;
			in++;
		}
	}
	*out = '\0';
	return decode_is_utf8(text, (size_t)(out - text));
}

/* Length of the sequence at text, 0 when it is none. */
static size_t
utf8_sequence(const unsigned char *text, size_t left)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max, length;
	} forms[] = {   /* Unicode, table 3-7 */
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (text[0] < forms[i].first_min || text[0] > forms[i].first_max)
			continue;
		if (left < forms[i].length || text[1] < forms[i].second_min ||
		    text[1] > forms[i].second_max)
			return 0;
		for (size_t j = 2; j < forms[i].length; j++)
			if ((text[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

bool
decode_is_utf8(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + length;

	while (at < end) {
		size_t sequence = *at < 0x80 ? 1 : utf8_sequence(at, (size_t)(end - at));

		if (sequence == 0)
			return false;
		at += sequence;
	}
	return true;
}
