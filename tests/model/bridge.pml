/* tests/model/bridge.pml -- how one record's changes cross from a source to a target, whatever fails.
 *
 * A source commits a change together with its event and outbox row; its sender posts the event at
 * least once; the inbox commits it once and acknowledges; one of two workers, the one whose term
 * it is, puts it to the target, which keeps the key and the (epoch, version) of what it has; the
 * worker writes the outcome and the link. Up to FAULTS faults hit anywhere: a daemon dies between
 * any two steps, a message or a reply is lost, a message is delivered twice or long after, a
 * worker that still works is taken for dead, a commit fails. The source may once be restored from
 * a backup: it forgets what came later, raises its epoch and announces its record anew.
 *
 * A frozen process is one that the search does not run for a while: nothing need be said of it.
 * Only faults repeat a step, and they are counted, so every run ends: a search for cycles must
 * find none (pan -l), and what must hold at last is asserted when nothing can move any more.
 *
 * A change is named by its id, 1 up; sets of changes are bit masks. -DNO_... leaves out one
 * safeguard: the test demands that the search then finds what that safeguard is for. Two are
 * spare while the guard stands: without the key, or without the terms, nothing goes wrong.
 */
#ifndef EDITS
#define EDITS 2
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#define IDS (EDITS + RESTORES + 1)
#define BIT(id) (1 << (id))
#define HAS(set, id) ((set) & BIT(id))
#define NOBODY 0
/* A worker's calls and the replies to them, by worker (1, 2) and change. */
#define CALL(worker, id) BIT((worker) * 8 - 8 + (id))

byte faults = FAULTS;
byte restores = RESTORES;
byte edits = EDITS;

/* The source, durable. */
byte epoch = 1;
byte version = 0;
byte value = 0;              /* the change that made the record what it is */
byte next_id = 1;
byte epoch_of[IDS];
byte version_of[IDS];
short committed = 0;         /* ever, also if a restore forgot it */
short outbox = 0;            /* not acknowledged yet */
byte backup_version = 0;
byte backup_value = 0;
short backup_outbox = 0;

/* On their way. */
short wire = 0;              /* events */
short acks = 0;
short acked = 0;             /* told to the source: ever */
int calls = 0;
int replies = 0;

/* The bridge, durable; handling is the one event its inbox holds in memory. */
byte handling = 0;
short inbox = 0;
short open = 0;              /* not at an end yet */
short twice = 0;             /* taken in a second time */
byte linked = 0;
byte owner = NOBODY;
byte term = 0;

/* The target, durable. */
byte target_epoch = 0;
byte target_version = 0;
byte target_value = 0;
short keys = 0;
short effects = 0;
short effects_again = 0;

/* ---- what must hold all the time ---- */
#define I1_one_effect (effects_again == 0)
#define I1_taken_in_once (twice == 0)
#define I4_caused(id) (HAS(committed, id) != 0)
#define I5_acked_is_durable ((acked & ~inbox) == 0)
#define NEWER(id) (epoch_of[id] > target_epoch || \
	(epoch_of[id] == target_epoch && version_of[id] > target_version))
/* ---- and when nothing moves any more ---- */
#define I6_queues_empty (outbox == 0 && open == 0)
#define I10_equal (target_value == value && linked == (value != 0))

inline fault()
{
	faults > 0 -> faults--
}

/* Any member of a set. */
inline any(set, id)
{
	if
	:: HAS(set, 1) -> id = 1
	:: HAS(set, 2) -> id = 2
	:: IDS > 3 && HAS(set, 3) -> id = 3
	:: IDS > 4 && HAS(set, 4) -> id = 4
	:: IDS > 5 && HAS(set, 5) -> id = 5
	fi
}

/* The record as it is now, told as a new change. */
inline write(stamp_epoch, stamp_version)
{
	epoch_of[next_id] = stamp_epoch;
	version_of[next_id] = stamp_version;
	value = next_id;
	committed = committed | BIT(next_id);
	next_id++
}

active proctype source()
{
end:	do
	:: atomic { edits > 0 -> edits-- ;
#ifdef NO_COMMIT_BEFORE_SENDING
		/* handed to the sender at once; then the commit fails */
		if
		:: true
		:: fault(); epoch_of[next_id] = epoch; version_of[next_id] = version + 1;
			wire = wire | BIT(next_id); next_id++; goto end
		fi;
#endif
		version++;
		write(epoch, version);
#ifdef NO_OUTBOX_IN_TRANSACTION
	   }
	   atomic {
		if
		:: true
		:: fault(); goto end    /* dies between the record's commit and the event's */
		fi;
#endif
		outbox = outbox | BIT(next_id - 1) }
	:: atomic { edits > 0 && restores > 0 && version != backup_version ->
		backup_version = version; backup_value = value; backup_outbox = outbox }
	:: atomic { restores > 0 && backup_value != 0 && version != backup_version -> restores--;
		version = backup_version;
		value = backup_value;
		outbox = backup_outbox;
#ifndef NO_EPOCH
		epoch++;
#endif
		write(epoch, version);
		outbox = outbox | BIT(next_id - 1) }
	od
}

/* One change of the record at a time, the oldest first; again when nothing came of it. */
#define OLDEST (outbox & -outbox)
active proctype sender()
{
	byte id;

end:	do
	:: atomic { OLDEST != 0 && (OLDEST & (wire | acks | BIT(handling))) == 0 ->
		wire = wire | OLDEST;
#ifdef NO_WAIT_FOR_ACK
		outbox = outbox & ~OLDEST
#endif
	   }
	:: atomic { (OLDEST & acks) != 0 -> acked = acked | OLDEST; acks = acks & ~OLDEST;
		outbox = outbox & ~OLDEST; assert(I5_acked_is_durable) }
	:: atomic { acks != 0 && faults > 0 -> faults--; acks = 0 }         /* dies, or the replies are lost */
	:: atomic { wire != 0 && faults > 0 -> faults--; any(wire, id); wire = wire & ~BIT(id); id = 0 }
	od
}

inline take_in()
{
	if
	:: HAS(inbox, handling) ->
#ifdef NO_DEDUPLICATION
		open = open | BIT(handling); twice = twice | BIT(handling)
#endif
	:: else -> inbox = inbox | BIT(handling); open = open | BIT(handling)
	fi;
	assert(I1_taken_in_once)
}

active proctype receiver()
{
end:	do
	:: atomic { wire != 0 && handling == 0 -> any(wire, handling);
		if
		:: wire = wire & ~BIT(handling)
		:: fault()                                   /* a copy comes later */
		fi }
	   if
	   :: atomic { fault(); handling = 0 }               /* dies before the commit */
	   :: atomic { true ->
#ifdef NO_COMMIT_BEFORE_ACK
		acks = acks | BIT(handling)
#else
		take_in()
#endif
	      }
	      if
	      :: atomic { fault(); handling = 0 }            /* dies after it */
	      :: atomic { true ->
#ifdef NO_COMMIT_BEFORE_ACK
		take_in();
#else
		acks = acks | BIT(handling);
#endif
		handling = 0 }
	      fi
	   fi
	od
}

/* The outcome, the link, and older changes that need not cross any more; in one commit. */
inline finish(id)
{
	byte each = 1;

	if
	:: !HAS(open, id)
	:: else -> open = open & ~BIT(id);
		if
		:: HAS(keys, id) -> linked = 1
		:: else
		fi;
		do
		:: each < next_id && HAS(open, each) && (epoch_of[each] < epoch_of[id] ||
			(epoch_of[each] == epoch_of[id] && version_of[each] < version_of[id])) ->
			open = open & ~BIT(each); each++
		:: each < next_id && !(HAS(open, each) && (epoch_of[each] < epoch_of[id] ||
			(epoch_of[each] == epoch_of[id] && version_of[each] < version_of[id]))) ->
			each++
		:: each >= next_id -> break
		od
	fi;
	each = 0
}

proctype worker(byte me)
{
	byte mine = 0;      /* the term in which it believes to work; 0: it does not */
	byte id = 0;

end:	do
#ifdef NO_TAKEOVER
	:: atomic { mine == 0 && term == 0 -> owner = me; term++; mine = term }
#else
	:: atomic { mine == 0 && owner == NOBODY -> owner = me; term++; mine = term }
#endif
	:: atomic { owner == me && faults > 0 -> faults--; owner = NOBODY } /* taken for dead, and does not know */
	:: atomic { mine != 0 && open != 0 -> any(open, id);
#ifdef NO_CALL_BEFORE_OUTCOME
		finish(id);
#endif
	   }
	   if
	   :: atomic { fault(); goto dies }
	   :: atomic { !(calls & CALL(me, id)) -> calls = calls | CALL(me, id);
		replies = replies & ~CALL(me, id) }
	   :: atomic { calls & CALL(me, id) -> skip }        /* an earlier one is still out */
	   fi;
	   if
	   :: atomic { fault(); goto dies }
#ifndef NO_PATIENCE
	   :: atomic { fault(); id = 0; goto end }           /* waits no longer for the reply */
#else
	   :: atomic { true -> id = 0; goto end }
#endif
	   :: atomic { !(calls & CALL(me, id)) && !(replies & CALL(me, id)) -> id = 0; goto end }
	   :: atomic { replies & CALL(me, id) -> replies = replies & ~CALL(me, id) }
	   fi;
	   if
	   :: atomic { fault(); goto dies }
	   :: atomic { true ->
		if
#ifndef NO_FENCING
		:: term != mine -> mine = 0                  /* learns that it works no longer */
		:: else ->
#else
		:: true ->
#endif
			finish(id)
		fi;
		id = 0 }
	   fi
	od;
dies:	atomic { replies = replies & ~(255 << (me * 8 - 8));
	if
	:: owner == me && mine == term -> owner = NOBODY
	:: else
	fi;
	mine = 0; id = 0; goto end }
}

/* One transaction: the key, the guard, the effect. */
inline apply(id)
{
	assert(I4_caused(id));
	if
#ifndef NO_KEY
	:: HAS(keys, id)                                     /* the same answer again */
#else
	:: false
#endif
	:: else ->
		keys = keys | BIT(id);
		if
#ifndef NO_GUARD
		:: !NEWER(id)                                /* superseded */
#else
		:: false
#endif
		:: else ->
			effects_again = effects_again | (effects & BIT(id));
			effects = effects | BIT(id);
			assert(I1_one_effect);
			assert(NEWER(id));                   /* I3 */
			target_epoch = epoch_of[id];
			target_version = version_of[id];
			target_value = id
		fi
	fi
}

active proctype target()
{
	byte id, from;

end:	do
	:: atomic { calls != 0 ->
		if
		:: calls & 255 -> from = 1; any(calls & 255, id)
		:: calls >> 8 -> from = 2; any(calls >> 8, id)
		fi;
		if
		:: calls = calls & ~CALL(from, id); apply(id); replies = replies | CALL(from, id)
		:: fault(); calls = calls & ~CALL(from, id)  /* never arrives */
		:: fault(); calls = calls & ~CALL(from, id); apply(id)      /* the reply is lost */
		:: fault(); apply(id); replies = replies | CALL(from, id)   /* a copy comes later */
		fi;
		id = 0; from = 0 }
	od
}

/* Runs when nothing else can. */
active proctype end_of_all()
{
	timeout -> assert(I6_queues_empty); assert(I5_acked_is_durable); assert(I10_equal)
}

init
{
	atomic { run worker(1); run worker(2) }
}
