/* common/http/decode.h -- percent-encoding and UTF-8 of what comes in a target or a header. */
#ifndef HTTP_DECODE_H
#define HTTP_DECODE_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes in place (plus: '+' is a space). false when an escape is malformed or %00, or the
 * result is no UTF-8. */
bool decode_percent(char *text, bool plus);

/* No overlong forms, no surrogates, nothing beyond U+10FFFF. */
bool decode_is_utf8(const char *text, size_t length);

#endif
