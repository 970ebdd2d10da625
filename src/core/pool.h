/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool: the struct all rooms of core/ share, its one lock, and the way out of that lock.  What a room may
 * touch is said by the bands below; how slots and waiters meet is exchange's business alone.
 *
 * Lock order: there is one lock a pool, no two pools' locks are ever held together, and none is held while
 * ops, events or hooks run (steps asserts it).  The pools of a family (a keyed pool) have one lock together,
 * that of their root, so that what one key gives up and another one takes is decided in one hold.
 */
#ifndef QP_CORE_POOL_H
#define QP_CORE_POOL_H

#include "core/backoff.h"
#include "core/family.h"
#include "core/gate.h"
#include "core/hist.h"
#include "core/idle.h"
#include "core/intern.h"
#include "core/options.h"
#include "core/slot.h"
#include "core/tally.h"
#include "core/trail.h"
#include "core/waitq.h"
#include "platform/lock.h"
#include "platform/thread.h"

#define QP_POOL_MAGIC 0x51504f4cu
/* Slots in the first chunk, as a power of two; each next chunk is twice as large.  A key has few. */
#define QP_CHUNK_SHIFT     4u
#define QP_CHUNK_SHIFT_KEY 1u
#define QP_CHUNKS \
	17u /* 2 * (2^17 - 1) >= 2 * 65,535: all there may be, and as many again of before */

/* Words to unpark once the lock is released.  The last thing they point into may be gone by then: only
 * addresses are used. */
typedef struct qp_wakes {
	uint32_t count;
	qp_atomic_u32 *words[8];
} qp_wakes;

#define QP_WAKES_INIT        \
	{                    \
		0,           \
		{            \
			NULL \
		}            \
	}

/* Somebody who waits until `count` are idle at once; lives on that thread's stack. */
typedef struct qp_ready {
	struct qp_ready *next;
	uint32_t count;
} qp_ready;

/* One worker thread; see worker.c. */
typedef struct qp_worker {
	struct qp_worker *next;        /* of all */
	struct qp_worker *next_asleep; /* of those that sleep */
	qpool *pool;
	qp_thread thread;
	bool has_left;       /* guarded by the pool's lock, like orphan */
	bool orphan;         /* nobody joins it: it frees itself */
	uint32_t generation; /* of the process it was started in */
	/* atomic: what the worker parks on, see worker.c.  The first change publishes the worker (release,
	 * pairs with the acquire in live); later ones are made under the lock, relaxed: what to do is read
	 * under the lock. */
	qp_atomic_u32 word;
} qp_worker;

/* Slots in the order in which they were handed over, linked by newer. */
typedef struct qp_jobs {
	qp_slot *first, *last;
} qp_jobs;

/*
 * alive = threads between start and their last unlock; hired = members of all.
 * asleep lists the parked ones; the timekeeper is the one whose alarm (alarm_ns) comes first, or NULL.
 * called is a worker that was woken and has not looked yet, or NULL: at most one.
 */
typedef struct qp_crew {
	uint32_t alive, hired;
	bool stopping, joining;
	bool passing;        /* the maintenance pass is under way: */
	uint32_t pass_index; /* the slot it looks at next */
	qp_worker *all, *asleep, *called, *timekeeper;
	int64_t alarm_ns; /* the timekeeper's, or QP_TIME_NEVER */
	int64_t
	    watch_ns; /* when to look at leases next, or QP_TIME_NEVER: the next one to begin says */
	int64_t maintain_ns; /* the next pass, or QP_TIME_NEVER: nothing can expire, or one runs */
} qp_crew;

/*
 * Every slot below `fresh` is in exactly one place:
 *     fresh = idle.count + empties + owned,    fresh <= slots,    max_size <= slots  (or a key's pool)
 *     opening = slots in OPENING <= owned,     leaving <= slots in CLOSING
 *     inherited = slots of an older generation, neither EMPTY, OPENING nor IDLE, and not among those leaving
 *     resources that exist = idle.count + owned - opening, those inherited included
 *     idle.count + owned - inherited <= max_size, but for what a smaller max_size found lent
 * A waiter sleeps unwoken only while there is nothing for it:
 *     somebody in line is not away, and waitq.woken == NULL  =>  idle.count == 0, or the pool is paused
 * A key's pool, which takes slots as it needs them (line.c), may have fewer than max_size.
 * The pool's memory lives while anything can still come back to it:
 *     quiet = nothing owned, idle, waiting, visiting, alive or queued
 * and, once it was freed, until the last closer has left.
 */
struct qpool {
	/* fixed after create */
	uint32_t magic;
	char *name;      /* of a key's pool: "family/key"; changes with the key, under the lock */
	const char *key; /* likewise; NULL for a pool that is no key's, or whose key is gone */
	const char *kind;
	qpool_ops ops;
	void *user;
	qp_hists *hists; /* of a key's pool: its root's */
	uint32_t chunk_shift;
	struct qpool *root;        /* whose lock this is: itself, but for a key's pool */
	struct qp_share *share;    /* of a key's pool: its part in the family; else NULL */
	struct qpool_keyed *keyed; /* of a family's root; else NULL */
	qp_lock lock;              /* of a root */
	/* guarded by root->lock, but for what options.h calls fixed */
	qp_config config;
	/* atomic: each is written once, under the lock, by release: pairs with the acquire in dump.c, which holds no
	 * lock and sees a chunk's zeroes.  Else relaxed: who knows of a slot below `slots` learnt it under the lock. */
	qp_atomic_ptr chunks[QP_CHUNKS];
	/* atomic: the config's copies for verbs that hold no lock */
	qp_dials dials;
	/* atomic: grow under the lock, read by anyone.  A slot whose `renewal`, or `asked`, is older is to
	 * go, or to be asked whether it is alive. */
	qp_atomic_u64 renewals, suspicions;
	/* atomic: from when on whoever comes by looks whether the machine was frozen; coarse */
	qp_atomic_i64 thaw_ns;
	/* guarded by root->lock */
	uint32_t slots;     /* how many the chunks hold */
	uint32_t fresh;     /* slots used so far */
	uint32_t empties;   /* of those, how many are EMPTY */
	qp_slot *empty_top; /* their stack, linked by older */
	uint32_t owned;     /* slots neither EMPTY nor IDLE */
	uint32_t opening;   /* of those, in OPENING */
	uint32_t leaving;   /* of those, in CLOSING, once their owner has come by */
	uint32_t inherited; /* of those, how many hold something of before a fork, see fork.h */
	uint32_t visits;    /* threads inside a verb that own no slot */
	uint32_t closers;   /* threads inside qpool_close: they await quiet, and then leave */
	bool nudged;        /* somebody who does not wait wants one opened */
	bool paused;        /* who is in line is given nothing */
	bool closing;       /* qpool_close or qpool_free was called */
	bool freed;         /* no handle any more: the last to leave ends the pool */
	bool ending;        /* destroy runs or ran */
	bool ended;         /* destroy has returned: no callback will run */
	qp_idle idle;
	qp_waitq waitq;
	qp_gate gate;
	qp_backoff backoff;
	qp_crew crew;
	qp_jobs resets, closes, checks; /* RESETTING, CLOSING and CHECKING slots for workers */
	qp_ready *readies;              /* those in qpool_wait_ready */
	int64_t
	    frozen_ns; /* how long the machine had been frozen when we last suspected anything */
	uint64_t random;
	uint64_t ids; /* resources opened so far; of a root: by all its keys */
	uint64_t
	    lent_before; /* how often its slots were lent under keys that are gone, or before a fork */
	qp_tally tally;
	qp_words words;
	uint32_t watchers; /* threads in qp_pool_watch_locked */
	/* atomic: grows at every unlock while somebody watches.  Written and read under the lock, relaxed;
	 * parking on the value read there is what makes a change in between be seen. */
	qp_atomic_u32 changes;
	/* atomic, of a root: whose the pool is, see fork.h.  Written by release once it is all that process's; and
	 * who makes it so, claimed by compare-and-swap */
	qp_atomic_u32 generation, maker;
	uint32_t anew;   /* the generation that fork.c has made it anew for; fork's alone */
	bool is_a_child; /* it was; guarded by the lock */
};

void qp_pool_lock(qpool *pool);
/* Leave: in debug builds the equations are checked, then the wakes go out; whoever leaves a freed pool last
 * ends it, so nothing may be touched afterwards that is not known to be owned.  NULL wakes nobody. */
void qp_pool_unlock(qpool *pool, qp_wakes *wakes);
/* Sleep until done(pool) holds, looking again whenever somebody leaves the lock; the lock is held at entry
 * and at exit.  false: the deadline passed first. */
bool qp_pool_await_locked(qpool *pool, bool (*done)(const qpool *pool), int64_t deadline_ns);
/* Leave the lock, sleep until somebody else has left it or the deadline passes, and take it again. */
void qp_pool_watch_locked(qpool *pool, int64_t deadline_ns);
/* To be unparked at unlock. */
void qp_wakes_add(qp_wakes *wakes, qp_atomic_u32 *word);
/* Slot number `index` < slots. */
qp_slot *qp_pool_slot(const qpool *pool, uint32_t index);
/* Have chunks for at least `slots` slots; false: no memory, and nothing changed that anybody could see.  Takes
 * the lock, and allocates outside of it. */
bool qp_pool_reserve(qpool *pool, uint32_t slots);
/* Have slots for max_size, and for what is inherited besides; false: no memory.  Whoever will want an empty
 * slot comes in: in a child, leases of before the fork take no room, but slots.  Takes the lock. */
bool qp_pool_have_slots(qpool *pool);
/* How many the chunks hold, whatever `slots` says. */
uint32_t qp_pool_held(const qpool *pool);
/* An EMPTY slot onto its stack. */
void qp_pool_push_empty_locked(qpool *pool, qp_slot *slot);
/* A pool's fixed parts, from what was read of its options.  A root's lock is its own; a key's pool has `root`. */
void qp_pool_init(
    qpool *pool, qpool *root, const qpool_ops *ops, void *user, const qp_config *config);
/* What the caller wrote, looked at. */
qpool_err qp_pool_read_ops(qpool_ops *known, const qpool_ops *ops, qpool_error *error);
/* Tell the family what this pool has; after every change of that. */
void qp_pool_count_locked(const qpool *pool);
/* How many more resources there may be. */
uint32_t qp_pool_room_locked(const qpool *pool);
/* How many more there are than max_size allows; those on their way out do not count. */
uint32_t qp_pool_surplus_locked(const qpool *pool);
/* Was it opened, or begun to be, before the last qpool_renew?  Its owner, or the lock's holder, asks. */
static inline bool
qp_pool_is_renewed(const qpool *pool, const qp_slot *slot)
{
	/* relaxed: who was told of a renewal by whoever made it sees it; others may be a moment late. */
	return slot->renewal != qp_load64_relaxed(&pool->renewals);
}
/* How many are lent, or on their way to or from a lease: neither idle, nor opening, nor closing. */
uint32_t qp_pool_lent_locked(const qpool *pool);
/* Quiet, but for leases of before a fork, for whose end nobody waits. */
bool qp_pool_is_left_locked(const qpool *pool);
/* Nothing can come back any more. */
bool qp_pool_is_quiet_locked(const qpool *pool);
/* The equations above, slot by slot (up to a size), and those of the rooms. */
bool qp_pool_is_valid_locked(const qpool *pool);
/* A pool somebody passed us: NULL or not a pool ends in EINVAL.  Every verb comes in here, or by fork.h: in a
 * child the pool is made the child's. */
qpool_err qp_pool_look(const qpool *pool, qpool_error *error);
/* The same without that: for those who read what is fixed, or take what they find. */
qpool_err qp_pool_is_one(const qpool *pool, qpool_error *error);
/* The pool stays while we are inside, in a child that is forked meanwhile, too.  Takes the lock. */
void qp_pool_visit(qpool *pool, qp_mark *here);
void qp_pool_leave(qpool *pool, const qp_mark *here);
/* The same, in a lock that is held. */
void qp_pool_visit_locked(qpool *pool, qp_mark *here);
void qp_pool_leave_locked(qpool *pool, const qp_mark *here);
/* Is it a key's, which this verb is not for?  Then that is told, and EMISUSE returned. */
qpool_err qp_pool_look_whole(qpool *pool, const char *what, qpool_error *error);
/* Free memory; after the last callback. */
void qp_pool_dispose(qpool *pool);
/* Programmer's error: counted, told, and with QPOOL_STRICT the end.  No lock held; returns EMISUSE. */
qpool_err qp_pool_misuse(qpool *pool, const char *what);

#endif
