/* common/base/json.h -- strict JSON in, cJSON trees in the request's arena.
 *
 * cJSON's own parser alters data silently (NUL escapes cut strings, big numbers are rounded,
 * duplicate keys are kept), so text from outside is read by json_parse alone. It builds cJSON
 * nodes in one pass and refuses: invalid UTF-8, raw control bytes, a BOM, \u0000, lone
 * surrogates, duplicate keys, leading zeros, "1.", trailing bytes, depth over 32, more than
 * 20,000 tokens, numbers with more than 15 significant digits or beyond 2^53.
 *
 * Numbers are kept as their text (type cJSON_Raw, valuestring "12.50"): no amount ever passes
 * through a double, and printing gives back what came in.
 *
 * cJSON's allocator is set once (json_init) to the current request's arena; frees are no-ops.
 * So: no cJSON call outside a request, and never cJSON_Delete.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

void json_init(void);

struct json_error {
	const char *reason;   /* a literal: "duplicate key" */
	size_t offset;        /* byte at which it was seen */
};

#define JSON_DEPTH_MAX 32
#define JSON_TOKENS_MAX 20000

/* NULL on refusal, with *error filled. */
cJSON *json_parse(struct request *rq, const char *text, size_t length, struct json_error *error);

/* For text we wrote ourselves (a column of type json), of any length: a refusal is ERR_INTERNAL. */
cJSON *json_own(struct request *rq, const char *text);

/* Case-sensitive member, NULL when absent. */
cJSON *json_get(const cJSON *object, const char *key);
/* The member's string; NULL when absent or not a string. */
const char *json_string(const cJSON *object, const char *key);
/* The member's integer; false when absent or not an integer. */
bool json_integer(const cJSON *object, const char *key, int64_t *value);

bool json_is_number(const cJSON *node);        /* parsed (raw) or made by cJSON_CreateNumber */
const char *json_number_text(const cJSON *node);
bool json_node_integer(const cJSON *node, int64_t *value);

/* Adds an integer exactly (cJSON_AddNumberToObject would go through a double). */
void json_add_integer(cJSON *object, const char *key, int64_t value);
void json_add_string(cJSON *object, const char *key, const char *value);   /* NULL adds null */

/* Compact text in the arena. */
char *json_text(struct request *rq, const cJSON *node);

#endif
