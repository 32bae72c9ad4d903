/* sync-bridge/links.c -- keeps, finds and shows the links between records. */
#include "links.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "db/db.h"
#include "http/http.h"

#define KEPT_MAX 50000
#define CHANNEL "bridge_links"

static const char sql_find[] =
	"SELECT r.ref, l.right_ref AS other FROM unnest($1::text[]) r (ref)"
	" JOIN link l ON l.left_ref = r.ref"
	" WHERE NOT l.mirror AND starts_with(l.right_ref, $2)"
	" UNION ALL "
	"SELECT r.ref, l.left_ref FROM unnest($1::text[]) r (ref)"
	" JOIN link l ON l.right_ref = r.ref"
	" WHERE NOT l.mirror AND starts_with(l.left_ref, $2)";

static const char sql_crossed[] =
	"SELECT EXISTS (SELECT FROM link WHERE left_ref = $1 AND starts_with(right_ref, $2))"
	" AS crossed";

static const char sql_learn[] =
	"WITH linked AS ("
	"INSERT INTO link (left_ref, right_ref, route, mirror, source_version)"
	" VALUES ($1, $2, $3, false, 0) ON CONFLICT DO NOTHING)"
	" UPDATE message SET state = 'received', waiting_for = NULL, next_at = NULL"
	" WHERE waiting_for IN ($1, $2)";

static const char sql_drop[] =
	"DELETE FROM link WHERE left_ref = $1 AND starts_with(right_ref, $2) RETURNING right_ref";

static const char sql_list[] =
	"SELECT json_build_object('id', l.id, 'left', l.left_ref, 'right', l.right_ref,"
	" 'route', l.route, 'mirror', l.mirror, 'source_version', l.source_version,"
	" 'target_version', l.target_version,"
	" 'linked_at', to_char(l.linked_at AT TIME ZONE 'UTC',"
	" 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
	" 'updated_at', to_char(l.updated_at AT TIME ZONE 'UTC',"
	" 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))"
	" FROM link l WHERE l.left_ref = $1 OR l.right_ref = $1 ORDER BY l.mirror, l.id LIMIT 200";

struct kept {
	char *key;        /* "crm:account:42>erp" */
	int64_t id;
	UT_hash_handle hh;
};

static struct kept *kept;

static void
make_key(char out[REF_MAX + 44], const char *ref, const char *system)
{
	snprintf(out, REF_MAX + 44, "%s>%s", ref, system);
}

void
links_forget(void)
{
	struct kept *each, *next;

	HASH_ITER(hh, kept, each, next) {
		HASH_DEL(kept, each);
		free(each->key);
		free(each);
	}
}

static void
keep(const char *ref, const char *system, int64_t id)
{
	char key[REF_MAX + 44];
	struct kept *entry;

	make_key(key, ref, system);
	HASH_FIND_STR(kept, key, entry);
	if (entry) {
		entry->id = id;
		return;
	}
	if (HASH_COUNT(kept) >= KEPT_MAX)
		links_forget();
	entry = calloc(1, sizeof(*entry));
	if (!entry || !(entry->key = strdup(key)))
		die("out of memory");
	entry->id = id;
	HASH_ADD_KEYPTR(hh, kept, entry->key, strlen(entry->key), entry);
}

int64_t
links_known(const char *ref, const struct bridge_system *system)
{
	char key[REF_MAX + 44];
	struct kept *entry;

	make_key(key, ref, system->name);
	HASH_FIND_STR(kept, key, entry);
	return entry ? entry->id : 0;
}

/* The first route of the file that leads from one kind of record to a system says what such a
 * record is there; a way back says it too, for any of the kinds it may come from. */
static bool
means(const struct ref *ref, const struct ref *other)
{
	bool known = false;

	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if (!route->mirror && strcmp(route->from->name, ref->system) == 0 &&
		    strcmp(route->entity, ref->entity) == 0 &&
		    strcmp(route->to->name, other->system) == 0)
			return strcmp(route->target, other->entity) == 0;
	}
	for (int i = 0; i < bridge.route_count; i++) {
		const struct bridge_route *route = &bridge.routes[i];

		if (route->mirror || strcmp(route->to->name, ref->system) != 0 ||
		    strcmp(route->target, ref->entity) != 0 ||
		    strcmp(route->from->name, other->system) != 0)
			continue;
		if (strcmp(route->entity, other->entity) == 0)
			return true;
		known = true;
	}
	return !known;
}

void
links_remember(const char *left, const char *right)
{
	struct ref a, b;

	if (!ref_parse(left, &a) || !ref_parse(right, &b))
		return;
	if (means(&a, &b))
		keep(left, b.system, b.id);
	if (means(&b, &a))
		keep(right, a.system, a.id);
}

/* '{"crm:account:42","crm:product:7"}'; references hold no quotes (ref_parse). */
static const char *
refs_array(struct request *rq, const char *const *refs, int count)
{
	struct text out = text_in(&rq->arena);

	text_add(&out, "{");
	for (int i = 0; i < count; i++)
		text_addf(&out, "%s\"%s\"", i ? "," : "", refs[i]);
	text_add(&out, "}");
	return text_str(&out);
}

void
links_warm(struct request *rq, const char *const *refs, int count,
	   const struct bridge_system *system)
{
	const char **missing = arena_array(&rq->arena, const char *, (size_t)count + 1);
	struct rows *found;
	struct ref ref, other;
	int missing_count = 0;

	for (int i = 0; i < count; i++)
		if (!links_known(refs[i], system))
			missing[missing_count++] = refs[i];
	if (!missing_count)
		return;
	found = db_all(rq, sql_find, P_TEXT(refs_array(rq, missing, missing_count)),
		       P_TEXT(arena_printf(&rq->arena, "%s:", system->name)));
	for (int i = 0; i < rows_count(found); i++) {
		struct row *row = rows_at(found, i);

		if (ref_parse(row_at(row, 0), &ref) && ref_parse(row_at(row, 1), &other) &&
		    means(&ref, &other))
			keep(row_at(row, 0), system->name, other.id);
	}
}

int64_t
links_find(struct request *rq, const char *ref, const struct bridge_system *system)
{
	links_warm(rq, &ref, 1, system);
	return links_known(ref, system);
}

struct place {
	const char *ref;
	int index;
};

static int
by_ref(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->ref, ((const struct place *)b)->ref);
}

/* The first place of the reference, NULL when it is none of them. */
static struct place *
place_of(struct place *places, int count, const char *ref)
{
	const struct place wanted = { .ref = ref };
	struct place *at = bsearch(&wanted, places, (size_t)count, sizeof(*places), by_ref);

	while (at && at > places && strcmp(at[-1].ref, ref) == 0)
		at--;
	return at;
}

void
links_lookup(struct request *rq, const char *const *refs, int count,
	     const struct bridge_system *system, int64_t *ids)
{
	struct place *places = arena_array(&rq->arena, struct place, (size_t)count + 1);
	struct rows *found;
	struct ref other;

	memset(ids, 0, sizeof(*ids) * (size_t)count);
	if (!count)
		return;
	for (int i = 0; i < count; i++)
		places[i] = (struct place){ .ref = refs[i], .index = i };
	qsort(places, (size_t)count, sizeof(*places), by_ref);
	found = db_all(rq, sql_find, P_TEXT(refs_array(rq, refs, count)),
		       P_TEXT(arena_printf(&rq->arena, "%s:", system->name)));
	for (int i = 0; i < rows_count(found); i++) {
		struct row *row = rows_at(found, i);
		struct place *at = place_of(places, count, row_at(row, 0));

		for (; at && at < places + count && strcmp(at->ref, row_at(row, 0)) == 0; at++)
			if (ref_parse(row_at(row, 1), &other))
				ids[at->index] = other.id;
	}
}

static void
forget(const char *ref, const char *system)
{
	char key[REF_MAX + 44];
	struct kept *entry;

	make_key(key, ref, system);
	HASH_FIND_STR(kept, key, entry);
	if (!entry)
		return;
	HASH_DEL(kept, entry);
	free(entry->key);
	free(entry);
}

void
links_drop(struct request *rq, const char *left, const struct bridge_system *system)
{
	struct rows *gone = db_all(rq, sql_drop, P_TEXT(left),
				   P_TEXT(arena_printf(&rq->arena, "%s:", system->name)));
	struct ref own;

	db_notify(app_current()->db, CHANNEL);
	forget(left, system->name);
	for (int i = 0; i < rows_count(gone) && ref_parse(left, &own); i++)
		forget(row_at(rows_at(gone, i), 0), own.system);
}

static void
heard(void *arg)
{
	links_forget();
}

void
links_start(void)
{
	db_listen(app_current()->db, CHANNEL, heard, NULL);
}

bool
links_crossed(struct request *rq, const char *ref, const struct bridge_route *route)
{
	const char *prefix =
		arena_printf(&rq->arena, "%s:%s:", route->to->name, route->target);

	return row_bool(db_one(rq, sql_crossed, P_TEXT(ref), P_TEXT(prefix)), "crossed");
}

void
links_learn(struct request *rq, const char *left, const char *right, const char *route)
{
	db_all(rq, sql_learn, P_TEXT(left), P_TEXT(right), P_TEXT(route));
	links_remember(left, right);
}

void
links_list(struct request *rq)
{
	static const char *const known[] = { "ref", NULL };
	const char *ref = http_query(rq, "ref");
	struct text out = text_in(&rq->arena);
	struct ref parsed;
	struct rows *rows;

	http_only_query(rq, known);
	if (!ref || !ref_parse(ref, &parsed))
		fail(rq, ERR_VALIDATION, .field = "ref",
		     .detail = "ref must name a record, as in crm:account:42.");
	rows = db_all(rq, sql_list, P_TEXT(ref));
	text_add(&out, "{\"data\":[");
	for (int i = 0; i < rows_count(rows); i++)
		text_addf(&out, "%s%s", i ? "," : "", row_at(rows_at(rows, i), 0));
	text_add(&out, "]}");
	reply_json(rq, 200, text_str(&out));
}
