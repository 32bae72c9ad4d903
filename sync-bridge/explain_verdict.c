/* sync-bridge/explain_verdict.c -- one plain sentence on what became of a record on a route. */
#include <inttypes.h>
#include <string.h>

#include "db/db.h"
#include "explain.h"

static const char *
or_nothing(const char *text)
{
	return text ? text : "no reason given";
}

/* The bridge was told nothing on this route. */
static const char *
unheard(struct request *rq, const struct explained *record, const struct verdict *v)
{
	const char *would = "it would cross";

	if (record->absent)
		return arena_printf(&rq->arena, "%s has no such record", record->system->name);
	if (v->wanted == 0)
		would = arena_printf(&rq->arena, "it would be skipped: %s", v->route->skip_reason);
	else if (v->wanted < 0)
		would = "whether it would cross cannot be said";
	if (record->system->subscribe_error[0])
		return arena_printf(&rq->arena, "not heard of: cannot subscribe at %s: %s",
				    record->system->name, record->system->subscribe_error);
	return arena_printf(&rq->arena, "not heard of: no change of it has come on this route; %s",
			    would);
}

/* What has crossed, as the target has it now. */
static const char *
crossed(struct request *rq, const struct explained *record, const struct verdict *v)
{
	const char *to = v->route->to->name;
	const char *at = row_text(v->message, "finished_at");
	int64_t version = row_id(v->message, "version");

	if (v->target_absent)
		return arena_printf(&rq->arena,
				    "lost: version %" PRId64
				    " was applied at %s, but %s has no %s any more",
				    version, at, to, row_text(v->link, "right_ref"));
	if (v->target_source_version && v->target_source_version < version)
		return arena_printf(&rq->arena,
				    "set back: version %" PRId64
				    " was applied at %s, but %s has version %" PRId64 " of it now",
				    version, at, to, v->target_source_version);
	if (v->owed)
		return arena_printf(&rq->arena,
				    "behind: version %" PRId64 " of %s has not come here, version %"
				    PRId64 " was applied at %s",
				    v->owed, record->system->name, version, at);
	if (v->target_away)
		return arena_printf(&rq->arena,
				    "applied: version %" PRId64
				    " at %s; it cannot be looked at now: %s",
				    version, at, v->target_away);
	return arena_printf(&rq->arena, "in step: version %" PRId64 " %s at %s%s", version,
			    row_text(v->message, "state"), at,
			    record->version > version ? "; later ones have nothing for this route"
						      : "");
}

static const char *
retrying(struct request *rq, const struct verdict *v)
{
	const char *next = row_text(v->message, "next_at");
	const char *reason = or_nothing(row_text(v->message, "reason"));

	if (strcmp(v->to_breaker, "closed") != 0)
		return arena_printf(&rq->arena, "held up: %s is %s: %s", v->route->to->name,
				    v->to_breaker, v->to_error ? v->to_error : reason);
	return arena_printf(&rq->arena, "retrying: %s attempts so far, the next %s%s: %s",
			    row_text(v->message, "attempts"), next ? "at " : "now",
			    next ? next : "", reason);
}

static const char *
waiting(struct request *rq, const struct verdict *v)
{
	if (v->blocked)
		return arena_printf(&rq->arena, "waiting for %s", v->blocked);
	return arena_printf(&rq->arena, "waiting: %s", or_nothing(row_text(v->message, "reason")));
}

static const char *
refused(struct request *rq, const struct verdict *v, const char *state)
{
	const char *remedy = row_text(v->message, "remedy");

	return arena_printf(&rq->arena, "%s: version %s: %s%s%s", state,
			    row_text(v->message, "version"),
			    or_nothing(row_text(v->message, "reason")), remedy ? " " : "",
			    remedy ? remedy : "");
}

static const char *
skipped(struct request *rq, const struct explained *record, const struct verdict *v)
{
	const char *reason = or_nothing(row_text(v->message, "reason"));

	if (v->wanted == 1 && v->owed)
		return arena_printf(&rq->arena,
				    "skipped: %s; as version %" PRId64 " it would cross",
				    reason, record->version);
	return arena_printf(&rq->arena, "skipped: %s", reason);
}

static const char *
received(struct request *rq, const struct verdict *v)
{
	if (strcmp(v->to_breaker, "closed") != 0)
		return arena_printf(&rq->arena, "received, held up: %s is %s: %s",
				    v->route->to->name, v->to_breaker, or_nothing(v->to_error));
	return "received: it is next in its lane";
}

const char *
explain_verdict(struct request *rq, const struct explained *record, const struct verdict *v)
{
	const char *state = v->message ? row_text(v->message, "state") : NULL;

	if (!state)
		return unheard(rq, record, v);
	if (strcmp(state, "received") == 0)
		return received(rq, v);
	if (strcmp(state, "waiting") == 0)
		return waiting(rq, v);
	if (strcmp(state, "retrying") == 0)
		return retrying(rq, v);
	if (strcmp(state, "skipped") == 0)
		return skipped(rq, record, v);
	if (strcmp(state, "rejected") == 0 || strcmp(state, "dead") == 0)
		return refused(rq, v, state);
	return crossed(rq, record, v);
}
