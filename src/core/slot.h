/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slot: one place for one resource.  Slots never move and never vanish while the pool lives, so a
 * lease may keep a pointer to its slot for any length of time.  acquire, release, maintain and
 * worker call in; every change of state goes through qp_slot_move, which knows the legal moves.  A
 * slot never takes a lock, and knows nothing of other slots.
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
 * (Not drawn: LEASED → IDLE when there is no reset.)
 *
 * Who may touch what: EMPTY and IDLE slots belong to the pool's lock.  In every other
 * state a slot has one owner: the thread, lease or job queue that moved it there.
 * Only the owner moves it on, and it holds no lock while it works.  Moves into and out
 * of EMPTY and IDLE are made under the lock; but an IDLE slot that lies on the shelf (shelf.h)
 * belongs to whoever takes it from its cell, and its owner lays it there, without the lock.
 */
#ifndef QP_CORE_SLOT_H
#define QP_CORE_SLOT_H

#include <queuepool.h>

#include "platform/atomic.h"

#ifndef QP_FAST
#define QP_FAST 0 /* 1: the fast engine, see shelf.h */
#endif

/* How a lease ended; stored in the slot's turn while somebody is telling of the lease. */
typedef enum qp_end { QP_END_NONE = 0, QP_END_RELEASE, QP_END_DISCARD, QP_END_DETACH } qp_end;
/* Who continues with the slot after a call to end its lease. */
typedef enum qp_ended {
	QP_ENDED_STALE, /* nobody: the lease was not out */
	QP_ENDED_OURS,
	QP_ENDED_LEFT /* the thread that is telling of the lease, once it has told */
} qp_ended;
/* What was told of a lease: a set of bits. */
enum { QP_TOLD_LONG = 1u, QP_TOLD_GONE = 2u };

#define QP_LINE 64u /* bytes of a line of the processor's cache */

typedef enum qp_state {
	QP_EMPTY = 0, /* on the stack of empty slots, or never used yet */
	QP_OPENING,   /* its opener is inside ops.open */
	QP_IDLE,      /* on the idle list, or on the shelf */
	QP_CHECKING,  /* taken for an acquire, or just opened; not lent yet */
	QP_LEASED,    /* a lease is out */
	QP_RESETTING, /* its lease ended; ops.reset runs, or waits for a worker */
	QP_CLOSING,   /* ops.close runs, or waits for a worker */
	QP_STATES
} qp_state;

/* Where a slot lies besides: in no such place, in a job queue, where nobody works on it, or in the
 * cell of the shelf with this number, from 1. */
enum { QP_LIES_NOWHERE = 0, QP_LIES_QUEUED = UINT8_MAX };

/*
 * One line of the processor's cache.  What the common lease touches (quick.c) comes first; the
 * rest of what it touches is the slot's note (chunk.h) and its cell (shelf.h).
 *
 * The number in `turn` is odd exactly while the slot is LEASED.  It grows by one when a lease
 * begins and when it ends, so (turn + 1) / 2 is how often this slot was lent.  resource != NULL
 * exactly in IDLE, CHECKING, LEASED, RESETTING and CLOSING.
 */
typedef struct qp_slot {
	/* ---- what the common lease touches ---- */
	/* atomic: written by the owner (or under the lock, see above), read by any thread */
	_Alignas(QP_LINE) qp_atomic_u64 turn;
	qp_atomic_u32 moved; /* qp_state in the low 3 bits, above it the number of moves so far */
	/* fixed when the slot is first used: a magic number, and the place in its chunk (chunk.h) */
	uint32_t plate;
	void *resource; /* the owner's */
	/* atomic: written by the owner, shown to any thread (show.h).  Stored by release, so that
	 * a thread that sees a new value also sees every move before it. */
	qp_atomic_i64 used_ns; /* end of the last lease, or opened_ns */
	qp_atomic_u64 uses;    /* leases of this resource, the current one included */
	/* atomic: when its open began: the low 16 bits of the process's generation (forkmark.h), and
	 * above them those of pool.renewals.  Written under the lock, or by the opener before it
	 * opens.  Relaxed; threads with stale leases read it too.  A resource passes for new while
	 * exactly 65,536 forks, or renewals, have come since: the next one ends that. */
	qp_atomic_u32 born;
	/* QP_LIES_...; changed under the lock, and read by the owner, who puts it where it changes */
	uint8_t lies;
	/* the owner's, all bits of one byte */
	bool spoiled : 1;
	bool told : 1;    /* in CLOSING: EV_CLOSED was already told */
	bool leaves : 1;  /* in CLOSING: already counted in pool.leaving */
	bool owes : 1;    /* an answer: checks were cut short since it last passed one */
	unsigned why : 4; /* in CLOSING: the qpool_why that close gets */
	/* ---- the rest ---- */
	uint16_t age_draw;       /* the owner's: its draw of the age jitter, see expiry.h */
	qp_atomic_i64 opened_ns; /* atomic, like used_ns */
	/* links of the idle list, the stack of empty slots, or a job queue (qp_slot_link): guarded
	 * by the lock */
	uint32_t newer, older;
} qp_slot;

#define QP_SLOT_MAGIC      0x534cu
#define QP_SLOT_PLACE_BITS 17

_Static_assert(sizeof(qp_slot) == QP_LINE, "a slot is one line");

/* Set up a slot that was never used. */
void qp_slot_init(qp_slot *slot, uint32_t place);
static inline uint32_t
qp_slot_place(const qp_slot *slot)
{
	return slot->plate ^ QP_SLOT_MAGIC << QP_SLOT_PLACE_BITS;
}
static inline bool
qp_slot_is_set_up(const qp_slot *slot)
{
	return qp_slot_place(slot) < 1u << QP_SLOT_PLACE_BITS;
}
static inline void
qp_slot_set_why(qp_slot *slot, qpool_why why)
{
	slot->why = (unsigned)why & 15u;
}
/* The only way to change the state; aborts on a move that is not in the drawing. */
void qp_slot_move(qp_slot *slot, qp_state from, qp_state to);
qp_state qp_slot_state(const qp_slot *slot);
#if QP_FAST
/* The same for a legal move of a slot whose state the owner is sure of; not checked. */
static inline void
qp_slot_hop(qp_slot *slot, qp_state from, qp_state to)
{
	/* relaxed, and release: as in qp_slot_move. */
	qp_store_release(
	    &slot->moved, qp_load_relaxed(&slot->moved) + 8u + (uint32_t)to - (uint32_t)from);
}
#endif
/* State and number of moves in one word.  Two equal readings mean that the slot did not move in
 * between (unless it moved 2^29 times). */
uint32_t qp_slot_moved(const qp_slot *slot);
qp_state qp_slot_state_of(uint32_t moved);
/* "idle"... */
const char *qp_slot_state_name(qp_state state);
/*
 * A thread that does not hold a lease may tell of it (held long, holder gone), and the
 * lease may end meanwhile.  All that must stay in order is therefore in one word, the
 * turn.  Low bits: its number.  High bits: what was told, whether somebody is telling
 * now, and how the lease ended if it did.
 *
 *             watch                         unwatch
 *   n ──────────────────→ n, telling ───────────────→ n, told
 *   │ end: ours                │ end: left                │ end: ours
 *   ↓                          ↓          unwatch         ↓
 *   n + 1              n + 1, telling, how ──────→ n + 1, the teller's to finish
 *
 * So the end of a lease never waits for the event function, and is never told before
 * that function returns.  When nothing was told of a lease, its end finds the bare
 * number and pays nothing for this.
 */
#define QP_TURN_BITS 58
#define QP_TURN_MOST ((UINT64_C(1) << QP_TURN_BITS) - 1)

/* How often the slot was lent. */
uint64_t qp_slot_lent(const qp_slot *slot);
/* In a forked child: give `state` to a slot whose owner does not exist here.  A lease of it stays
 * out only if `state` is LEASED.  Clears the mark of a teller, who is not in the child. */
void qp_slot_inherit(qp_slot *slot, qp_state state);
/* Begin a lease; only the owner may.  Fills *lease.  Its note (chunk.h) and uses must
 * be written before. */
void qp_slot_begin(qp_slot *slot, qpool_lease *lease);
/* End the lease: of all callers with the same turn, every one but the first gets STALE.  On OURS,
 * *told says what was told of the lease. */
qp_ended qp_slot_end(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told);
/* The same, without a compare-and-swap, for a lease that nobody else can be ending and of which nothing
 * was or is being told; false: nothing was done. */
bool qp_slot_end_plainly(qp_slot *slot, uint64_t turn);
/* The number of the lease that is out, and what was told of it; false: no lease is
 * out.  Any thread may call. */
bool qp_slot_peer_into(const qp_slot *slot, uint64_t *turn, unsigned *told);
/* Begin to tell `what` of that lease; the slot cannot leave LEASED until unwatch.  false: the
 * lease has ended, another thread is telling, or `what` was already told. */
bool qp_slot_watch(qp_slot *slot, uint64_t turn, unsigned what);
/* The event function has returned.  Any result but NONE: the lease ended meanwhile, in this way,
 * and the slot is now the caller's. */
qp_end qp_slot_unwatch(qp_slot *slot, unsigned *told);
/* Is a lease of this slot out? */
bool qp_slot_is_lent(const qp_slot *slot);
/* Is the lease with this turn out now? */
bool qp_slot_is_out(const qp_slot *slot, uint64_t turn);

#endif
