/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shelf_words: what a cell's word says, and the few instructions of the fast engine in which a slot
 * changes hands.  shelf and quick call in, nobody else.
 */
#ifndef QP_CORE_SHELF_WORDS_H
#define QP_CORE_SHELF_WORDS_H

#include "core/pool.h"
#include "platform/compiler.h"
#include "platform/hazard_own.h"

#if QP_FAST

#define QP_CELL_IDLE 1u

static inline qp_slot *
qp_shelf_slot(uint64_t held)
{
	return (qp_slot *)(uintptr_t)(held & ~(uint64_t)QP_CELL_IDLE);
}

static inline uint64_t
qp_shelf_word(const qp_slot *slot)
{
	return (uint64_t)(uintptr_t)slot;
}

/* The cell of the calling thread. */
static inline qp_cell *
qp_shelf_home(const qpool *pool, const qp_hazard *own, uint64_t ctl)
{
	return &pool->shelf.cells[own->number & (ctl / QP_SHELF_SPREAD & QP_SHELF_SPREADS)];
}

/* Where this slot lies, or the cell before the first. */
static inline qp_cell *
qp_shelf_cell(const qpool *pool, const qp_slot *slot)
{
	return &pool->shelf.cells[(int)slot->lies - 1];
}

/* Take what lies idle in this cell: `after` is BUSY or EMPTY. */
static inline bool
qp_shelf_swap(qp_cell *cell, uint64_t idle, uint64_t after)
{
	/* acq_rel, pairs with the release in qp_shelf_let_lie. */
	return qp_cas64_acq_rel(&cell->held, idle, after);
}

/* Is the head of the line so old that nobody may pass it?  Asked of a FENCED shelf. */
static inline bool
qp_shelf_is_stopped(const qpool *pool)
{
	/* relaxed: what comes between a look and a swap is one release under way. */
	int64_t stop_ns = qp_loadi64_relaxed(&pool->shelf.stop_ns);

	return stop_ns != QP_TIME_NEVER && qp_clock_now() >= stop_ns;
}

/* The slot, IDLE by now, is its owner's no longer.  false: the shelf was shut meanwhile, and the slot has
 * been taken back.  Inside the hazard, after a look at ctl. */
static inline bool
qp_shelf_let_lie(const qpool *pool, qp_cell *cell, const qp_slot *slot)
{
	uint64_t busy = qp_shelf_word(slot), laid = cell->laid;

	qp_store64_release(&cell->held, busy + QP_CELL_IDLE);
	if (QP_UNLIKELY(laid & QP_SHELF_FENCED))
		qp_fence_seq_cst(); /* the other half is the fence in seal_locked */
	else
		qp_fence_compiler(); /* the other half is the membarrier of who shuts it */
	/* acquire: as ever.  False too when somebody else took it: whoever it was is told. */
	return QP_LIKELY(qp_load64_acquire(&pool->shelf.ctl) == laid) ||
	       !qp_shelf_swap(cell, busy + QP_CELL_IDLE, busy);
}

/* Wait a moment for what lies in this cell to become idle, and take it; 0: not worth it, or it did not. */
uint64_t qp_shelf_await(qpool *pool, qp_cell *cell, uint64_t ctl);

#endif
#endif
