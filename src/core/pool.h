/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool: the struct that all rooms of core/ share, its one lock, and the way out of that lock.
 * Every verb calls in.  The bands below say what guards each field.  pool never moves a slot and
 * never decides who gets one; exchange does.
 *
 * Lock order: each pool has one lock; no thread holds two of them, and none holds one
 * while ops, events or hooks run (steps asserts it).  The pools of a family (a keyed
 * pool) share the lock of their root, so that one key giving up a place and another
 * taking it is one decision under one hold.
 */
#ifndef QP_CORE_POOL_H
#define QP_CORE_POOL_H

#include "core/backoff.h"
#include "core/chunk.h"
#include "core/family.h"
#include "core/gate.h"
#include "core/hist.h"
#include "core/idle.h"
#include "core/intern.h"
#include "core/options.h"
#include "core/shelf.h"
#include "core/slot.h"
#include "core/tally.h"
#include "core/trail.h"
#include "core/waitq.h"
#include "platform/lock.h"
#include "platform/thread.h"

#define QP_POOL_MAGIC 0x51504f4cu
/* Slots in the first chunk, as a power of two, at least; each further chunk is twice as large.  The
 * first holds max_size, in one block, large enough that the system gives pages as they are used.
 * A key has few slots. */
#define QP_CHUNK_SHIFT     5u
#define QP_CHUNK_SHIFT_KEY 1u
#define QP_CHUNKS \
	17u /* 2 * (2^17 - 1) >= 2 * 65,535: the most slots in use, and as many inherited ones */

/* Words to unpark once the lock is released.  The waiters they belong to may be gone
 * by then: only the addresses are used. */
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

/* One thread in qpool_wait_ready, until `count` are idle at once; lives on its stack. */
typedef struct qp_ready {
	struct qp_ready *next;
	uint32_t count;
} qp_ready;

/* One worker thread; see worker.c. */
typedef struct qp_worker {
	struct qp_worker *next;        /* of all */
	struct qp_worker *next_asleep; /* next sleeping worker */
	qpool *pool;
	qp_thread thread;
	bool has_left;       /* guarded by the pool's lock, like orphan */
	bool orphan;         /* nobody will join it: it frees itself */
	uint32_t generation; /* of the process it was started in */
	/* atomic: the word the worker parks on, see worker.c.  The first change publishes the
	 * worker (release, pairs with the acquire in is_wanted).  Later ones are made under the
	 * lock, relaxed: what to do is read under the lock. */
	qp_atomic_u32 word;
} qp_worker;

/* A queue of slots, in the order they were handed over, linked by newer. */
typedef struct qp_jobs {
	qp_slot *first, *last;
} qp_jobs;

/*
 * alive = workers from start to their last unlock; hired = members of `all`.  asleep lists the
 * parked workers.  The timekeeper is the one whose alarm (alarm_ns) comes first, or NULL.  called
 * is the one worker that was woken and has not looked yet, or NULL.
 */
typedef struct qp_crew {
	uint32_t alive, hired;
	bool stopping, joining;
	bool passing;        /* a maintenance pass is under way: */
	uint32_t pass_index; /* next slot to look at */
	qp_worker *all, *asleep, *called, *timekeeper;
	int64_t alarm_ns; /* the timekeeper's, or QP_TIME_NEVER */
	int64_t watch_ns; /* when to look at leases next; QP_TIME_NEVER: the next lease sets it */
	int64_t maintain_ns; /* the next pass; QP_TIME_NEVER: nothing can expire, or one runs */
	int64_t
	    shelf_ns; /* when to shut the shelf, and see what lies there; QP_TIME_NEVER: it was not
	                      * opened since */
} qp_crew;

/*
 * Every slot below `fresh` is in exactly one place:
 *     fresh = idle.count + empties + owned,  fresh <= slots,  max_size <= slots  (or a key's pool)
 *     opening = slots in OPENING <= owned,     leaving <= slots in CLOSING
 *     inherited = slots of an older generation, neither EMPTY, OPENING nor IDLE, none leaving
 *     resources that exist = idle.count + owned - opening, those inherited included
 *     idle.count + owned - inherited <= max_size, unless max_size was lowered below what was lent
 * A waiter sleeps unwoken only while there is nothing for it:
 *     a waiter is not away, and waitq.woken == NULL  =>  idle.count == 0, or the pool is paused
 * A key's pool allocates slots as it needs them (line.c) and may have fewer than max_size.  The
 * pool's memory lives while anything can still come back to it, and, once it was freed, until the
 * last closer has left:
 *     quiet = nothing owned, idle, waiting, visiting, alive or queued
 * What lies on the shelf (shelf.h), even idle, counts as owned.
 */
struct qpool {
#if QP_FAST
	qp_shelf shelf; /* among what is fixed, because all read it */
#endif
	/* fixed after create */
	uint32_t magic;
	char *name;      /* of a key's pool: "family/key"; changes under the lock */
	const char *key; /* likewise; NULL: not the pool of a key, or the key is gone */
	const char *kind;
	qpool_ops ops;
	void *user;
	qp_hists *hists; /* of a key's pool: its root's */
	uint32_t chunk_shift;
	struct qpool *root;     /* the pool whose lock is used: itself, unless it is a key's pool */
	struct qp_share *share; /* of a key's pool: its share of the family; else NULL */
	struct qpool_keyed *keyed; /* of a family's root: the keyed pool; else NULL */
	qp_lock lock;              /* of a root only */
	/* guarded by root->lock, except what configure cannot change */
	qp_config config;
	/* atomic: qp_chunk; each is written once, under the lock, by release, which pairs with the acquire in
	 * dump.c: dump holds no lock and must see a chunk zeroed.  Otherwise relaxed: a thread
	 * that knows a slot below `slots` learned of it under the lock. */
	qp_atomic_ptr chunks[QP_CHUNKS];
	/* atomic: copies of the config for verbs that hold no lock */
	qp_dials dials;
	/* atomic: grow under the lock, read by any thread.  A slot whose `renewal` is older is
	 * retired; one whose `asked` is older is checked before its next use. */
	qp_atomic_u64 renewals, suspicions;
	/* atomic: when the next caller looks whether the machine was frozen; coarse */
	qp_atomic_i64 thaw_ns;
	/* guarded by root->lock */
	uint32_t slots;     /* slots that may be used; the chunks hold at least as many */
	uint32_t fresh;     /* slots ever used */
	uint32_t empties;   /* of those, how many are EMPTY */
	qp_slot *empty_top; /* their stack, linked by older */
	uint32_t owned;     /* slots neither EMPTY nor IDLE, and those on the shelf */
	uint32_t opening;   /* of those, in OPENING */
	uint32_t leaving;   /* of those, in CLOSING and counted as on their way out */
	uint32_t inherited; /* of those, how many hold something from before a fork, see fork.h */
	uint32_t visits;    /* threads inside a verb that keep the pool alive */
	uint32_t closers;   /* threads inside qpool_close, waiting for quiet */
	bool nudged;        /* an acquire that could not wait wants one opened */
	bool paused;        /* the line is given nothing */
	bool closing;       /* qpool_close or qpool_free was called */
	bool freed;         /* qpool_free was called: the last thread to leave ends the pool */
	bool ending;        /* destroy runs or ran */
	bool ended;         /* destroy has returned: no callback will run */
#if QP_FAST
	qp_shelf_books shelf_books;
#endif
	qp_idle idle;
	qp_waitq waitq;
	qp_gate gate;
	qp_backoff backoff;
	qp_crew crew;
	qp_jobs resets, closes, checks; /* for workers: RESETTING, CLOSING and CHECKING slots */
	qp_ready *readies;              /* threads in qpool_wait_ready */
	int64_t frozen_ns; /* total time the machine was frozen, at the last suspicion */
	uint64_t random;
	uint64_t ids;         /* last resource id given out; of a root, for all its keys */
	uint64_t lent_before; /* leases of its slots under keys now gone, or before a fork */
	qp_tally tally;
	qp_words words;
	uint32_t watchers; /* threads in qp_pool_watch_locked */
	/* atomic: grows at every unlock while a thread watches.  Written and read under the lock,
	 * relaxed; a watcher parks on the value it read there, so no change in between is lost. */
	qp_atomic_u32 changes;
	/* atomic, of a root: the generation of the process that owns the pool
	 * (fork.h), stored by release once the pool is all that process's; and the
	 * generation being made, claimed by compare-and-swap */
	qp_atomic_u32 generation, maker;
	uint32_t anew;   /* the generation fork.c rebuilt the pool for; fork's alone */
	bool is_a_child; /* rebuilt in a child at least once; guarded by the lock */
};

void qp_pool_lock(qpool *pool);
/* Leave the lock.  Debug builds check the equations.  Then the wakes go out (NULL:
 * none).  The thread that leaves a freed pool last also ends it, so touch nothing
 * afterwards that you do not own. */
void qp_pool_unlock(qpool *pool, qp_wakes *wakes);
/* Sleep until done(pool) holds, looking again whenever another thread leaves the lock; the lock is
 * held at entry and at exit.  false: the deadline passed first. */
bool qp_pool_await_locked(qpool *pool, bool (*done)(const qpool *pool), int64_t deadline_ns);
/* Leave the lock, sleep until another thread has left it or the deadline passes, and
 * take it again. */
void qp_pool_watch_locked(qpool *pool, int64_t deadline_ns);
/* Add a word, to be unparked at unlock. */
void qp_wakes_add(qp_wakes *wakes, qp_atomic_u32 *word);
/* Slot number `index` < slots. */
qp_slot *qp_pool_slot(const qpool *pool, uint32_t index);
/* The same, and set up: for its first use. */
qp_slot *qp_pool_new_slot(const qpool *pool, uint32_t index);
/* Allocate chunks for at least `slots` slots; false: no memory, and nothing visible changed.
 * Takes the lock, and allocates outside of it. */
bool qp_pool_reserve(qpool *pool, uint32_t slots);
/* Allocate slots for max_size and for what is inherited; false: no memory.  Call it
 * before you want an empty slot: in a child, inherited leases use slots although they
 * do not count against max_size.  Takes the lock. */
bool qp_pool_have_slots(qpool *pool);
/* How many slots the chunks hold; may be more than `slots`. */
uint32_t qp_pool_held(const qpool *pool);
/* Push an EMPTY slot onto the stack of empty slots. */
void qp_pool_push_empty_locked(qpool *pool, qp_slot *slot);
/* Set a pool's fixed parts.  A root has its own lock; a key's pool uses that of `root`. */
void qp_pool_init(
    qpool *pool, qpool *root, const qpool_ops *ops, void *user, const qp_config *config);
/* Read and check the caller's ops. */
qpool_err qp_pool_read_ops(qpool_ops *known, const qpool_ops *ops, qpool_error *error);
/* Report this pool's counts to its family; call it after every change of them. */
void qp_pool_count_locked(const qpool *pool);
/* How many more resources there may be. */
uint32_t qp_pool_room_locked(const qpool *pool);
/* How many resources are above max_size; those on their way out do not count. */
uint32_t qp_pool_surplus_locked(const qpool *pool);
/* Did its open begin before the last qpool_renew?  Asked by the owner, or under the lock. */
static inline bool
qp_pool_is_renewed(const qpool *pool, const qp_slot *slot)
{
	/* relaxed: a thread that learned of a renewal from the thread that made it
	 * sees it; others may see it a moment late. */
	return qp_load_relaxed(&slot->born) >> 16 != (qp_load64_relaxed(&pool->renewals) & 0xffff);
}
/* How many slots are lent, or on their way to or from a lease: not idle, opening,
 * leaving or inherited. */
uint32_t qp_pool_lent_locked(const qpool *pool);
/* Quiet, except for leases from before a fork, for which nobody waits. */
bool qp_pool_is_left_locked(const qpool *pool);
/* Nothing can come back to the pool any more. */
bool qp_pool_is_quiet_locked(const qpool *pool);
/* The equations above, slot by slot in small pools, and those of the rooms. */
bool qp_pool_is_valid_locked(const qpool *pool);
/* Check a pool that a caller passed; NULL or not a pool: EINVAL.  Every verb comes in here or
 * through fork.h, so in a child the pool is rebuilt first. */
qpool_err qp_pool_look(const qpool *pool, qpool_error *error);
/* The same, but does not rebuild: for verbs that read what is fixed, or show what they find. */
qpool_err qp_pool_is_one(const qpool *pool, qpool_error *error);
/* Keep the pool alive until leave, also in a child that is forked meanwhile.  Takes the lock. */
void qp_pool_visit(qpool *pool, qp_mark *here);
void qp_pool_leave(qpool *pool, const qp_mark *here);
/* The same, with the lock held. */
void qp_pool_visit_locked(qpool *pool, qp_mark *here);
void qp_pool_leave_locked(qpool *pool, const qp_mark *here);
/* As qp_pool_look, for a verb that does not work on a key's pool: there it is EMISUSE, and told. */
qpool_err qp_pool_look_whole(qpool *pool, const char *what, qpool_error *error);
/* Free the memory, after the last callback. */
void qp_pool_dispose(qpool *pool);
/* A programmer's error: count it, tell EV_MISUSE, and abort with QPOOL_STRICT.  No
 * lock held; returns EMISUSE. */
qpool_err qp_pool_misuse(qpool *pool, const char *what);

#endif
