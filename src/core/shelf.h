/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shelf: a few slots in front of the lock.  What lies on it is taken by one compare-and-swap, and put
 * back by a plain store, as long as nobody needs to be told.  Whoever does shuts it first; then all
 * goes by the lock, and the pool is the plain engine.  acquire, release and open take and put; the
 * rooms that decide shut it, or gather what lies on it.  shelf never decides who gets a slot.
 * Proofs: docs/decisions/0013-fast.md.
 *
 *            lay (under the lock)           put: a store
 *   EMPTY ─────────────────────→ BUSY ────────────────→ IDLE
 *     ↑                           │ ↑                   │ │
 *     ├───────── leave ───────────┘ └──── take: CAS ────┘ │
 *     └─────────────── gather: CAS, under the lock ───────┘
 *
 *                 shut: a membarrier, then one gather
 *   OPEN ──────────→ SHUTTING ──────────→ SETTLED ←─────────┐
 *     ↑                                    │  │             │ shut: a fence and one gather
 *     │ lay: nobody relied on it lately    │  └→ FENCED ────┘
 *     └────────────────────────────────────┴───────┘   lay: nobody relies on it now
 *
 * FENCED is open, too, but each return makes a fence of its own and each end a swap: so it is shut without
 * a membarrier, and without leaving the lock.
 *
 * The plain engine is compiled without a shelf: then these functions are empty.
 */
#ifndef QP_CORE_SHELF_H
#define QP_CORE_SHELF_H

#include "core/chunk.h"

struct qpool;

#if QP_FAST

enum {
	QP_SHELF_SHUT = 1,
	QP_SHELF_WHOLE = 2,  /* leases go the whole way: they are asked, reset or told of */
	QP_SHELF_FENCED = 4, /* returns make a fence, ends swap */
	QP_SHELF_SPREAD =
	    8, /* times a mask of 0, 1, 3, 7 or 15: which bits of a thread's number say which cell is its own */
	QP_SHELF_SPREADS = 15, /* the most */
	QP_SHELF_ONCE = 128    /* one change */
};

typedef enum qp_shelf_phase {
	QP_SHELF_SETTLED = 0, /* shut, and whoever saw it open will take their slot back */
	QP_SHELF_FENCED_OPEN,
	QP_SHELF_OPEN,
	QP_SHELF_SHUTTING /* shut, but a put that saw it open may have stored unseen */
} qp_shelf_phase;

/* In lines of its own: two, because processors fetch lines in pairs. */
#define QP_CELL_BYTES 128u

typedef struct qp_cell {
	/* atomic: 0 EMPTY, the slot's address BUSY, that + 1 IDLE.  From BUSY only the slot's
	 * owner changes it, from IDLE only a compare-and-swap, from EMPTY only the lock's holder.
	 * IDLE is stored by release, which pairs with the acquire of the swaps: the next owner sees
	 * what the last one wrote. */
	qp_atomic_u64 held;
	/* of the slot that lies here: */
	qp_note *note;       /* fixed */
	uint64_t laid;       /* ctl when it was laid; fixed */
	int64_t age_last_ns; /* the last instant at which it is not too old; fixed */
	int64_t until_ns;    /* IDLE: the last instant at which it may still be lent; its owner's */
	char apart[QP_CELL_BYTES - sizeof(qp_atomic_u64) - sizeof(void *) - sizeof(uint64_t) -
		   2 * sizeof(int64_t)];
} qp_cell;

/*
 * A slot that lies in a cell counts as owned, even while it is IDLE:
 *     cell.held is the slot, BUSY or IDLE  <=>  slot->lies is the cell's number
 *     SETTLED or SHUTTING  <=>  ctl says SHUT;  FENCED_OPEN  <=>  it says FENCED
 *     exact  =>  not OPEN;  no cells  =>  SETTLED and exact
 *     the pool is paused, closing or over its size, or qpool_wait_ready waits, or somebody is in line
 *     and nobody was woken to look  =>  SETTLED
 *     somebody is in line  =>  SETTLED, or FENCED_OPEN with stop_ns the end of the head's patience
 *     it is open, and there are workers  =>  one of them comes to shut it at crew.shelf_ns
 * While there are pins it does not become OPEN.
 */
typedef struct qp_shelf {
	/* atomic: SHUT, WHOLE, FENCED, and above them how often it was changed: a slot that was laid under
	 * another ctl goes by the lock, where it is judged anew.  Written under the lock, by
	 * release; read by anyone, by acquire: who sees the shelf open sees what was told of leases while it
	 * was shut. */
	qp_atomic_u64 ctl;
	/* fixed after create */
	uint32_t count; /* of cells; 0: there is no shelf */
	qp_cell
	    *cells;  /* before the first lies one in which nothing is ever laid: QP_LIES_NOWHERE */
	void *block; /* what to free */
	/* atomic: written under the lock, read by anyone, relaxed: all may be seen late.  When the next put
	 * goes by the lock, so that the shelf is looked after; coarse. */
	qp_atomic_i64 review_ns;
	/* FENCED: from when on nobody may take from it, nor put what the head of the line could have, because that is old. */
	qp_atomic_i64 stop_ns;
	/* 1: what does not lie here is lent, so waiting for it here may pay */
	qp_atomic_u32 dry;
	/* atomic: how often that has paid lately; written by those who waited, relaxed: a guess */
	qp_atomic_u32 luck;
} qp_shelf;

/* guarded by the lock, and in lines that others may write */
typedef struct qp_shelf_books {
	qp_shelf_phase phase;
	bool exact;       /* all who ended a lease by a plain store have finished */
	bool only_fenced; /* this system has no membarrier, or refused one */
	uint32_t pins;    /* threads that left the lock on their way to SETTLED, or to exact */
	uint32_t mask;
	uint32_t crowd;   /* takes by the lock since tick_ns, while open */
	uint64_t changes; /* of ctl, in the place that they have in it */
	int64_t tick_ns;
	int64_t narrowed_ns; /* when it was last spread less */
	int64_t narrow_ns;   /* when to spread less; QP_TIME_NEVER: it is not spread */
	int64_t pause_ns;    /* from spreading to spreading less */
	int64_t since_ns;    /* when somebody last began to rely on it; coarse; 0: never */
} qp_shelf_books;

/* A pool without a shelf. */
void qp_shelf_begin(struct qpool *pool);
/* Give it one, shut.  Where the system has no membarrier it is FENCED when it opens.  false: no memory. */
bool qp_shelf_make(struct qpool *pool);
/* Free it, once nobody touches it. */
void qp_shelf_dispose(struct qpool *pool);
/* In a forked child: empty and shut.  The slots forget their cells themselves. */
void qp_shelf_anew(struct qpool *pool);
/* Before a thread uses the shelf for the first time; no lock held. */
void qp_shelf_greet(const struct qpool *pool);

/* A slot from the shelf, CHECKING and the caller's; or NULL. */
qp_slot *qp_shelf_take(struct qpool *pool);
/* The owner puts a slot back.  false: it must go by the lock; it is still the caller's, and *from is its state. */
bool qp_shelf_put(struct qpool *pool, qp_slot *slot, qp_state *from);
/* As qp_slot_end and qp_slot_watch, which alone are not enough while leases may end by a plain store. */
qp_ended qp_shelf_end(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told);
bool qp_shelf_watch(qp_slot *slot, uint64_t turn, unsigned what);

/* From here until the lock is left, and as long as somebody relies: every return goes by the lock,
 * and nothing idle lies on the shelf.  May leave the lock meanwhile and take it again. */
void qp_shelf_shut_locked(struct qpool *pool);
/* From here until the lock is left, every end of a lease is a swap.  Likewise. */
void qp_shelf_make_exact_locked(struct qpool *pool);
/* The line has changed.  If nobody who waits is on the way to look, shut the shelf, without leaving the
 * lock.  True: something lay on it and is on the idle list now. */
bool qp_shelf_mind_line_locked(struct qpool *pool);
/* Is something idle there?  It may be gone at once. */
bool qp_shelf_has_idle(const struct qpool *pool);
/* Is it so already? */
bool qp_shelf_is_settled_locked(const struct qpool *pool);
/* Has somebody taken a slot from its cell, and not moved it on yet? */
bool qp_shelf_is_being_taken_locked(const struct qpool *pool);
/* Do threads have cells of their own? */
bool qp_shelf_is_spread_locked(const struct qpool *pool);
/* Put what lies idle on the shelf onto the idle list. */
void qp_shelf_gather_locked(struct qpool *pool);
/* A slot that was just taken from the idle list may be put back to the shelf, if it is open, or may be
 * opened now. */
void qp_shelf_lay_locked(struct qpool *pool, qp_slot *slot);
/* The owner's slot leaves its cell, if it has one. */
void qp_shelf_leave_locked(qp_slot *slot);
/* The holder has changed when its resource was opened. */
void qp_shelf_retime_locked(qp_slot *slot);
/* Does it lie in a cell? */
static inline bool
qp_shelf_has(const qp_slot *slot)
{
	return slot->lies != QP_LIES_NOWHERE && slot->lies != QP_LIES_QUEUED;
}
/* Is a thread on its way to shut it? */
bool qp_shelf_is_pinned_locked(const struct qpool *pool);
/* The equations above. */
bool qp_shelf_is_valid_locked(const struct qpool *pool);

#else

static inline void
qp_shelf_begin(struct qpool *pool)
{
	(void)pool;
}

static inline bool
qp_shelf_make(struct qpool *pool)
{
	(void)pool;
	return true;
}

static inline void
qp_shelf_dispose(struct qpool *pool)
{
	(void)pool;
}

static inline void
qp_shelf_anew(struct qpool *pool)
{
	(void)pool;
}

static inline void
qp_shelf_greet(const struct qpool *pool)
{
	(void)pool;
}

static inline qp_slot *
qp_shelf_take(struct qpool *pool)
{
	(void)pool;
	return NULL;
}

static inline bool
qp_shelf_put(struct qpool *pool, qp_slot *slot, qp_state *from)
{
	(void)pool;
	(void)slot;
	(void)from;
	return false;
}

static inline qp_ended
qp_shelf_end(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told)
{
	return qp_slot_end(slot, turn, how, told);
}

static inline bool
qp_shelf_watch(qp_slot *slot, uint64_t turn, unsigned what)
{
	return qp_slot_watch(slot, turn, what);
}

static inline void
qp_shelf_shut_locked(struct qpool *pool)
{
	(void)pool;
}

static inline void
qp_shelf_make_exact_locked(struct qpool *pool)
{
	(void)pool;
}

static inline bool
qp_shelf_mind_line_locked(struct qpool *pool)
{
	(void)pool;
	return false;
}

static inline bool
qp_shelf_has_idle(const struct qpool *pool)
{
	(void)pool;
	return false;
}

static inline bool
qp_shelf_is_settled_locked(const struct qpool *pool)
{
	(void)pool;
	return true;
}

static inline bool
qp_shelf_is_being_taken_locked(const struct qpool *pool)
{
	(void)pool;
	return false;
}

static inline bool
qp_shelf_is_spread_locked(const struct qpool *pool)
{
	(void)pool;
	return false;
}

static inline void
qp_shelf_gather_locked(struct qpool *pool)
{
	(void)pool;
}

static inline void
qp_shelf_lay_locked(struct qpool *pool, qp_slot *slot)
{
	(void)pool;
	(void)slot;
}

static inline void
qp_shelf_retime_locked(qp_slot *slot)
{
	(void)slot;
}

static inline void
qp_shelf_leave_locked(qp_slot *slot)
{
	(void)slot;
}

static inline bool
qp_shelf_has(const qp_slot *slot)
{
	(void)slot;
	return false;
}

static inline bool
qp_shelf_is_pinned_locked(const struct qpool *pool)
{
	(void)pool;
	return false;
}

static inline bool
qp_shelf_is_valid_locked(const struct qpool *pool)
{
	(void)pool;
	return true;
}

#endif
#endif
