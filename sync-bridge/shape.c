/* sync-bridge/shape.c -- sees two records through one shape: as digests, and member by member. */
#include "shape.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entity/canon.h"

static struct shape_member *
member_of(const struct shape *shape, const char *name)
{
	for (int i = 0; i < shape->count; i++)
		if (strcmp(shape->members[i].name, name) == 0)
			return (struct shape_member *)&shape->members[i];
	return NULL;
}

static bool
is_left_out(const struct shape *shape, const char *name)
{
	for (const char **each = shape->route->not_compared; each && *each; each++)
		if (strcmp(*each, name) == 0)
			return true;
	return false;
}

static bool
is_lines(const cJSON *value)
{
	return cJSON_IsArray(value) && cJSON_IsObject(value->child);
}

static void
learn_line(const struct shape *shape, struct shape_member *member, const cJSON *line)
{
	const cJSON *sample = json_get(shape->sample, member->name);
	const cJSON *each;

	cJSON_ArrayForEach(each, line) {
		int i = 0;

		while (i < member->count && strcmp(member->names[i], each->string) != 0)
			i++;
		if (i < member->count || i == SHAPE_MEMBERS_MAX)
			continue;
		snprintf(member->names[i], SHAPE_NAME_MAX, "%s", each->string);
		member->names_shown[i] = !is_lines(sample) || json_get(sample->child, each->string);
		member->count++;
	}
}

void
shape_learn(struct shape *shape, const cJSON *body)
{
	const cJSON *each, *line;

	cJSON_ArrayForEach(each, body) {
		struct shape_member *member = member_of(shape, each->string);

		if (!member && shape->count < SHAPE_MEMBERS_MAX) {
			member = &shape->members[shape->count++];
			snprintf(member->name, SHAPE_NAME_MAX, "%s", each->string);
			member->shown = !shape->sample || json_get(shape->sample, each->string);
			member->left_out = is_left_out(shape, each->string);
		}
		if (!member || !is_lines(each))
			continue;
		member->lines = true;
		cJSON_ArrayForEach(line, each)
			learn_line(shape, member, line);
	}
}

static bool
is_compared(const struct shape_member *member)
{
	return member->shown && !member->left_out;
}

static int
by_source_line(const void *a, const void *b)
{
	const char *x = json_string(*(const cJSON *const *)a, "source_line");
	const char *y = json_string(*(const cJSON *const *)b, "source_line");

	return strcmp(x ? x : "", y ? y : "");
}

/* The lines in the order they are compared in. */
static const cJSON **
ordered(struct request *rq, const cJSON *array, int *count)
{
	int size = cJSON_GetArraySize(array);
	const cJSON **lines = arena_array(&rq->arena, const cJSON *, (size_t)size + 1);
	bool named = size > 0;
	const cJSON *each;

	*count = 0;
	cJSON_ArrayForEach(each, array) {
		lines[(*count)++] = each;
		named = named && json_string(each, "source_line");
	}
	if (named)
		qsort(lines, (size_t)*count, sizeof(*lines), by_source_line);
	return lines;
}

static void
add_lines(struct request *rq, struct text *out, const struct shape_member *member,
	  const cJSON *array)
{
	int count;
	const cJSON **lines = ordered(rq, array, &count);

	for (int i = 0; i < count; i++) {
		text_addf(out, "\n%d", i);
		for (int k = 0; k < member->count; k++) {
			const cJSON *value = json_get(lines[i], member->names[k]);

			if (!member->names_shown[k] || !value || cJSON_IsNull(value))
				continue;
			text_addf(out, ",%d:", k);
			canon_add(out, value);
		}
	}
}

struct digest
shape_digest(struct request *rq, const struct shape *shape, int64_t id, const cJSON *record)
{
	struct text out = text_in(&rq->arena);
	unsigned char hash[crypto_hash_sha256_BYTES];
	struct digest digest;

	text_addf(&out, "%" PRId64, id);
	for (int i = 0; i < shape->count; i++) {
		const struct shape_member *member = &shape->members[i];
		const cJSON *value = json_get(record, member->name);

		if (!is_compared(member) || !value || cJSON_IsNull(value) ||
		    (cJSON_IsArray(value) && !value->child))
			continue;
		text_addf(&out, "\n%d:", i);
		if (member->lines && is_lines(value))
			add_lines(rq, &out, member, value);
		else
			canon_add(&out, value);
	}
	crypto_hash_sha256(hash, (const unsigned char *)out.data, out.length);
	memcpy(&digest, hash, sizeof(digest));
	return digest;
}

/* ---- member by member ---- */

static const char *
value_text(struct request *rq, const cJSON *value)
{
	if (!value || cJSON_IsNull(value))
		return NULL;
	return cJSON_IsString(value) ? value->valuestring : json_text(rq, value);
}

struct comparison {
	struct difference *out;
	int count, max;
};

static void
compare(struct request *rq, struct comparison *c, const char *field, const cJSON *source,
	const cJSON *target)
{
	struct difference *difference = &c->out[c->count];

	if (c->count == c->max || canon_equal(&rq->arena, source, target))
		return;
	snprintf(difference->field, sizeof(difference->field), "%s", field);
	difference->source = value_text(rq, source);
	difference->target = value_text(rq, target);
	c->count++;
}

static void
compare_line(struct request *rq, struct comparison *c, const char *name, int number,
	     const cJSON *source, const cJSON *target)
{
	char field[SHAPE_NAME_MAX * 2 + 16];
	const cJSON *each;

	cJSON_ArrayForEach(each, source) {
		const cJSON *other = json_get(target, each->string);

		if (!other)
			continue;   /* the target does not show it */
		snprintf(field, sizeof(field), "%s[%d].%.64s", name, number, each->string);
		compare(rq, c, field, each, other);
	}
}

static void
compare_lines(struct request *rq, struct comparison *c, const char *name, const cJSON *source,
	      const cJSON *target)
{
	int source_count, target_count;
	const cJSON **ours = ordered(rq, source, &source_count);
	const cJSON **theirs = ordered(rq, target, &target_count);

	for (int i = 0; i < source_count || i < target_count; i++) {
		if (i < source_count && i < target_count && cJSON_IsObject(ours[i])) {
			compare_line(rq, c, name, i + 1, ours[i], theirs[i]);
			continue;
		}
		compare(rq, c, arena_printf(&rq->arena, "%s[%d]", name, i + 1),
			i < source_count ? ours[i] : NULL, i < target_count ? theirs[i] : NULL);
	}
}

int
shape_differences(struct request *rq, const struct shape *shape, const cJSON *body,
		  const cJSON *record, struct difference *out, int max)
{
	struct comparison c = { .out = out, .max = max };
	const cJSON *each;

	cJSON_ArrayForEach(each, body) {
		const cJSON *other = json_get(record, each->string);

		if (!other || is_left_out(shape, each->string))
			continue;
		if (cJSON_IsArray(each) && cJSON_IsArray(other))
			compare_lines(rq, &c, each->string, each, other);
		else
			compare(rq, &c, each->string, each, other);
	}
	return c.count;
}

static const char *
why_left_out(const struct shape *shape, const char *name)
{
	for (int i = 0; shape->route->not_compared[i]; i++)
		if (strcmp(shape->route->not_compared[i], name) == 0)
			return shape->route->not_compared_why[i];
	return "the target does not show it";
}

static void
add_name(struct text *out, const char *text)
{
	if (out->length < 900)
		text_addf(out, "%s%s", out->length ? ", " : "", text);
}

/* Of lines, some members may not be shown though the lines are. */
static void
add_hidden_names(struct request *rq, struct text *out, const struct shape_member *member)
{
	for (int k = 0; k < member->count; k++)
		if (!member->names_shown[k])
			add_name(out,
				 arena_printf(&rq->arena, "%s.%s (the target does not show it)",
					      member->name, member->names[k]));
}

const char *
shape_names(struct request *rq, const struct shape *shape, bool compared)
{
	struct text out = text_in(&rq->arena);

	for (int i = 0; i < shape->count; i++) {
		const struct shape_member *member = &shape->members[i];

		if (compared && is_compared(member))
			add_name(&out, member->name);
		else if (!compared && is_compared(member))
			add_hidden_names(rq, &out, member);
		else if (!compared)
			add_name(&out, arena_printf(&rq->arena, "%s (%.200s)", member->name,
						    why_left_out(shape, member->name)));
	}
	return out.length ? text_str(&out) : NULL;
}
