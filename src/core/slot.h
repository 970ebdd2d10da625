/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slot: one place for one resource.  Slots never move and never vanish while the pool lives, so a lease may
 * point at one for as long as it likes.  acquire, release, maintain and worker move a slot through its
 * states, by one function that knows which moves there are.
 *
 *              ┌───────── open ok ────────┐
 *              │          acquire         ↓            release
 *  EMPTY → OPENING   IDLE ──────────→ CHECKING → LEASED ──────→ RESETTING → IDLE
 *    ↑        │        │ ↑  kept warm     │        │  │             │
 *    │        │        │ └────────────────┤        │  └→ EMPTY      │ failed, or the
 *    │ failed │        │ expired          │ failed │     detach     │ pool closes
 *    └────────┴──── CLOSING ←─────────────┴────────┴────────────────┘
 *                                          spoiled, expired
 *
 * (Left out for air: LEASED → IDLE when there is no reset.)
 *
 * Who may touch what: EMPTY and IDLE slots belong to the pool's lock.  In every other state a slot has one
 * owner, the thread (or lease, or queue of jobs) that moved it there; only the owner moves it on, and no
 * lock is held while it works.  Moves into and out of EMPTY and IDLE are made under the lock.
 */
#ifndef QP_CORE_SLOT_H
#define QP_CORE_SLOT_H

#include <queuepool.h>

#include "platform/atomic.h"

/* How a lease ended; the number stands in the slot's turn. */
typedef enum qp_end { QP_END_NONE = 0, QP_END_RELEASE, QP_END_DISCARD, QP_END_DETACH } qp_end;
/* Who goes on with the slot of a lease that was to end. */
typedef enum qp_ended {
	QP_ENDED_STALE, /* nobody: it was not out */
	QP_ENDED_OURS,
	QP_ENDED_LEFT /* the thread that is telling of the lease, when it has told */
} qp_ended;
/* What was told of a lease; any of both. */
enum { QP_TOLD_LONG = 1u, QP_TOLD_GONE = 2u };

#define QP_ABOUT 64u /* bytes of a description, the NUL included */

typedef enum qp_state {
	QP_EMPTY = 0, /* no resource; on the stack of empties, or never used yet */
	QP_OPENING,   /* its opener is inside ops.open */
	QP_IDLE,      /* on the idle list */
	QP_CHECKING,  /* taken for somebody, or just opened, and not lent yet */
	QP_LEASED,    /* a lease is out */
	QP_RESETTING, /* its lease ended; ops.reset runs, or waits for a worker */
	QP_CLOSING,   /* ops.close runs, or waits for a worker */
	QP_STATES
} qp_state;

/*
 * turn's number is odd exactly while LEASED, and grows by one at each begin and each end of a lease: (turn + 1) / 2
 * is how often this slot was lent.  resource != NULL exactly in IDLE, CHECKING, LEASED, RESETTING, CLOSING.
 */
typedef struct qp_slot {
	/* atomic: written by the owner (or under the lock, as said above), read by anyone */
	qp_atomic_u64 turn;
	qp_atomic_u32 moved; /* qp_state in the low 3 bits, above it the number of moves so far */
	/* fixed when the slot is first used */
	uint32_t magic;
	struct qpool *pool;
	/* the idle list, the stack of empties, or a queue of jobs: guarded by the lock */
	struct qp_slot *newer, *older;
	struct qp_slot *newer_of_all,
	    *older_of_all;      /* what is idle, or busy, under any key; guarded likewise */
	struct qp_slot *victim; /* in OPENING: to be closed first, and the owner's, too; or NULL */
	/* the owner's */
	void *resource;
	int64_t age_draw; /* its share of the age jitter: expiry.h */
	qpool_why why;    /* in CLOSING: what close will be told */
	bool spoiled;
	bool told;        /* in CLOSING: the event was told already */
	bool leaves;      /* in CLOSING: counted in pool.leaving already */
	bool ousted;      /* in CLOSING: its place is another key's already; guarded by the lock */
	uint64_t renewal; /* pool.renewals when its open began */
	uint64_t asked;   /* pool.suspicions when it was last known to be alive */
	int64_t answered_ns;   /* when it last passed a check; coarse */
	int64_t unanswered_ns; /* how long it was asked in vain since, by who had no more time */
	bool queued;           /* in a queue of jobs: nobody works on it; guarded by the lock */
	bool busy;             /* of a key, and in the list of all busy ones: idle.h; likewise */
	/* atomic: of the process (forkmark.h) in which it left the empty ones.  Written under the lock, or by its
	 * opener before it opens; relaxed: stale leases look, too */
	qp_atomic_u32 generation;
	/* atomic: the owner's, too, and shown to anyone (show.h).  Written by release, so that who sees a new
	 * value also sees every move before it. */
	qp_atomic_u64 resource_id;
	qp_atomic_i64 opened_ns;   /* when */
	qp_atomic_i64 used_ns;     /* end of the last lease, or opened_ns */
	qp_atomic_i64 leased_ns;   /* begin of this lease; coarse but for those hist samples */
	qp_atomic_u64 uses;        /* leases of this resource, this one included */
	qp_atomic_u64 thread;      /* of the lease, like site and label: who took it */
	qp_atomic_ptr site, label; /* stay when it ends; nobody looks */
	qp_atomic_u64 about[QP_ABOUT / 8]; /* what ops.describe said, NUL at the end, as words */
} qp_slot;

#define QP_SLOT_MAGIC 0x51534c54u

/* Set up a slot that was never used. */
void qp_slot_init(qp_slot *slot, struct qpool *pool);
/* The only way from state to state; aborts on a move that is not in the drawing. */
void qp_slot_move(qp_slot *slot, qp_state from, qp_state to);
qp_state qp_slot_state(const qp_slot *slot);
/* State and moves in one word: the same word twice means that it did not move between (2^29 moves apart). */
uint32_t qp_slot_moved(const qp_slot *slot);
qp_state qp_slot_state_of(uint32_t moved);
/* "idle"... */
const char *qp_slot_state_name(qp_state state);
/* Keep a description, or read one; room for QP_ABOUT bytes, the last of which is a NUL always. */
void qp_slot_describe(qp_slot *slot, const char *about);
void qp_slot_description(const qp_slot *slot, char *out);
/*
 * A lease is told of (held long, holder gone) by a thread that does not hold it, and it may end meanwhile.  What
 * must come in order then stands in one word, the turn: below, its number; above, what was told, whether
 * somebody is telling now, and how the lease ended if it did.
 *
 *             watch                         unwatch
 *   n ──────────────────→ n, telling ───────────────→ n, told
 *   │ end: ours                │ end: left                │ end: ours
 *   ↓                          ↓          unwatch         ↓
 *   n + 1              n + 1, telling, how ──────→ n + 1, the teller's to finish
 *
 * So an end never waits for the event function, and is never told before it has returned.  Who ends a lease of
 * which nothing was told finds a bare number and pays nothing for all this.
 */
#define QP_TURN_BITS 58
#define QP_TURN_MOST ((UINT64_C(1) << QP_TURN_BITS) - 1)

/* How often it was lent. */
uint64_t qp_slot_lent(const qp_slot *slot);
/* In a child: the slot of nobody who is there is in this state now; only in LEASED may a lease of it be out, and
 * nobody is telling of it. */
void qp_slot_inherit(qp_slot *slot, qp_state state);
/* Begin a lease (the owner).  Fills *lease; who asked, and the count of uses, are written before. */
void qp_slot_begin(qp_slot *slot, qpool_lease *lease);
/* End the lease: STALE for all but one caller a turn.  OURS: *told says what was told of it. */
qp_ended qp_slot_end(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told);
/* The lease that is out, and what was told of it; false: none is.  Anyone. */
bool qp_slot_peer_into(const qp_slot *slot, uint64_t *turn, unsigned *told);
/* Begin to tell this of that lease; until unwatch its slot stays as it is.  false: it has ended, somebody else
 * is telling, or it was told. */
bool qp_slot_watch(qp_slot *slot, uint64_t turn, unsigned what);
/* It is told.  Anything but NONE: the lease ended meanwhile, in this way, and the slot is ours. */
qp_end qp_slot_unwatch(qp_slot *slot, unsigned *told);
/* Is some lease of it out? */
bool qp_slot_is_lent(const qp_slot *slot);
/* Is this the lease that is out now? */
bool qp_slot_is_out(const qp_slot *slot, uint64_t turn);

#endif
