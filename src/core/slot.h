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
 * turn is odd exactly while LEASED, and grows by one at each begin and each end of a lease: (turn + 1) / 2
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
	/* the owner's */
	void *resource;
	uint64_t resource_id;
	int64_t opened_ns;  /* when */
	int64_t expires_ns; /* opened_ns + max_age - its jitter */
	int64_t used_ns;    /* end of the last lease, or opened_ns */
	int64_t leased_ns;  /* begin of this lease; coarse */
	uint64_t uses;      /* leases of this resource, this one included */
	const char *site, *label;
	qpool_why why; /* in CLOSING: what close will be told */
	bool spoiled;
	bool told;   /* in CLOSING: the event was told already */
	bool queued; /* in a queue of jobs: nobody works on it; guarded by the lock */
	/* of the process (forkmark.h) in which it left the empty ones: written under the lock */
	uint32_t generation;
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
/* How often it was lent. */
uint64_t qp_slot_lent(const qp_slot *slot);
/* In a child: the slot is in this state now, with a lease out only if it is LEASED with one out already. */
void qp_slot_inherit(qp_slot *slot, qp_state state);
/* Begin a lease (the owner).  Fills *lease. */
void qp_slot_begin(qp_slot *slot, qpool_lease *lease);
/* End the lease: true for exactly one caller a turn; false for a stale copy. */
bool qp_slot_end(qp_slot *slot, uint64_t turn);
/* Is some lease of it out? */
bool qp_slot_is_lent(const qp_slot *slot);
/* Is this the lease that is out now? */
bool qp_slot_is_out(const qp_slot *slot, uint64_t turn);

#endif
