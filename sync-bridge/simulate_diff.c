/* sync-bridge/simulate_diff.c -- compares two bodies as the target would understand them. */
#include <string.h>

#include "simulate.h"

/* The text of a decimal without what follows from its scale: 10.00 and 10 are one. Its length. */
static size_t
decimal_length(const char *text)
{
	size_t digits = strspn(text + (*text == '-'), "0123456789") + (*text == '-');
	size_t length = digits;

	if (digits == (size_t)(*text == '-'))
		return 0;
	if (text[digits] == '.')
		length += 1 + strspn(text + digits + 1, "0123456789");
	if (text[length])
		return 0;
	if (text[digits] != '.')
		return length;
	while (text[length - 1] == '0')
		length--;
	return text[length - 1] == '.' ? length - 1 : length;
}

static bool
same_text(const char *a, const char *b)
{
	size_t length = decimal_length(a);

	if (strcmp(a, b) == 0)
		return true;
	return length && length == decimal_length(b) && strncmp(a, b, length) == 0;
}

static const char *
text_of(const cJSON *node)
{
	return cJSON_IsString(node) ? node->valuestring : json_number_text(node);
}

static bool
same_objects(const cJSON *a, const cJSON *b, bool part)
{
	const cJSON *each;

	cJSON_ArrayForEach(each, a)
		if (!diff_same(each, json_get(b, each->string), part))
			return false;
	if (part)
		return true;
	cJSON_ArrayForEach(each, b)
		if (!json_get(a, each->string) && !cJSON_IsNull(each))
			return false;
	return true;
}

bool
diff_same(const cJSON *a, const cJSON *b, bool part)
{
	bool no_a = !a || cJSON_IsNull(a), no_b = !b || cJSON_IsNull(b);

	if (no_a || no_b)
		return no_a && no_b;
	if (cJSON_IsBool(a) || cJSON_IsBool(b))
		return a->type == b->type;
	if (cJSON_IsObject(a) || cJSON_IsObject(b))
		return cJSON_IsObject(a) && cJSON_IsObject(b) && same_objects(a, b, part);
	if (!cJSON_IsArray(a) && !cJSON_IsArray(b))
		return same_text(text_of(a), text_of(b));
	if (!cJSON_IsArray(a) || !cJSON_IsArray(b))
		return false;
	for (a = a->child, b = b->child; a && b; a = a->next, b = b->next)
		if (!diff_same(a, b, part))
			return false;
	return !a && !b;
}

static cJSON *
copy_of(const cJSON *node)
{
	return node ? cJSON_Duplicate(node, true) : cJSON_CreateNull();
}

static void
add_field(cJSON *list, const char *field, const cJSON *new_body, const cJSON *old_body,
	  const cJSON *target)
{
	cJSON *item = cJSON_CreateObject();

	json_add_string(item, "field", field);
	if (old_body)
		cJSON_AddItemToObject(item, "old", copy_of(json_get(old_body, field)));
	cJSON_AddItemToObject(item, "new", copy_of(json_get(new_body, field)));
	if (target)
		cJSON_AddItemToObject(item, "target", copy_of(json_get(target, field)));
	cJSON_AddItemToArray(list, item);
}

cJSON *
diff_bodies(const cJSON *new_body, const cJSON *old_body, const cJSON *target, bool *target_differs)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *each;

	*target_differs = false;
	cJSON_ArrayForEach(each, new_body) {
		bool other = target && !diff_same(each, json_get(target, each->string), true);

		*target_differs = *target_differs || other;
		if (other ||
		    (old_body && !diff_same(each, json_get(old_body, each->string), false)))
			add_field(list, each->string, new_body, old_body, target);
	}
	/* What is not sent any more stays as it is over there. */
	cJSON_ArrayForEach(each, old_body)
		if (!json_get(new_body, each->string))
			add_field(list, each->string, new_body, old_body, target);
	return list;
}
