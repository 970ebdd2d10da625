/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shelf: take, put and end without the lock.
 *
 * Of a put and a thread that shuts, one sees the other.  The put stores, then looks whether the
 * shelf is shut; the other shuts, makes a membarrier, then gathers.  A put that stored too late to be
 * gathered sees it shut, takes the slot back, and returns it by the lock.  Between its store and its look
 * the slot is not its own any more, and the pool may end: the hazard keeps the memory.
 */
#include "core/shelf.h"

#if QP_FAST

#include "core/fork.h"
#include "core/pool.h"
#include "core/shelf_words.h"
#include "platform/alloc.h"
#include "platform/hazard_own.h"
#include "platform/membarrier.h"
#include "platform/park.h"

#define IDLE QP_CELL_IDLE
/* Looks at a cell in which somebody may put something at any moment: about a microsecond. */
#ifndef QP_SHELF_LOOKS
#define QP_SHELF_LOOKS 40u
#endif
/* Luck is 1 to LUCK_MOST; below that one wait in TRY_ONE_IN is tried, and counted down to OUT_OF_LUCK. */
#define LUCK_MOST   16u
#define OUT_OF_LUCK 100u
#define TRY_ONE_IN  32u

/* ---- life ---- */

void
qp_shelf_begin(qpool *pool)
{
	pool->shelf_books = (qp_shelf_books){.exact = true, .narrow_ns = QP_TIME_NEVER};
	/* relaxed: nobody else knows the pool yet. */
	qp_store64_relaxed(&pool->shelf.ctl, QP_SHELF_SHUT);
	qp_storei64_relaxed(&pool->shelf.review_ns, QP_TIME_NEVER);
	qp_storei64_relaxed(&pool->shelf.stop_ns, QP_TIME_NEVER);
	qp_store_relaxed(&pool->shelf.luck, LUCK_MOST);
}

bool
qp_shelf_make(qpool *pool)
{
	qp_shelf *shelf = &pool->shelf;

	if (pool->config.oldest_first)
		return true;
	pool->shelf_books.only_fenced = !qp_membarrier_begin();
	shelf->count = 1;
	while (shelf->count <= QP_SHELF_SPREADS && shelf->count < pool->config.max_size)
		shelf->count *= 2;
	shelf->block = qp_alloc_zero(shelf->count + 2, QP_CELL_BYTES);
	if (shelf->block == NULL) {
		shelf->count = 0;
		return false;
	}
	shelf->cells = (qp_cell *)(((uintptr_t)shelf->block + QP_CELL_BYTES - 1) &
				   ~(uintptr_t)(QP_CELL_BYTES - 1)) +
	               1;
	return true;
}

void
qp_shelf_dispose(qpool *pool)
{
	if (pool->shelf.count == 0)
		return;
	qp_hazard_await(pool);
	qp_alloc_free(pool->shelf.block);
}

void
qp_shelf_anew(qpool *pool)
{
	const qp_shelf *shelf = &pool->shelf;

	pool->shelf_books = (qp_shelf_books){
	    .exact = true,
	    .only_fenced = pool->shelf_books.only_fenced,
	    .changes = pool->shelf_books.changes,
	    .narrow_ns = QP_TIME_NEVER,
	};
	/* relaxed, both: published with the pool. */
	qp_store64_relaxed(&pool->shelf.ctl, QP_SHELF_SHUT);
	for (uint32_t i = 0; i < shelf->count; i++)
		qp_store64_relaxed(&shelf->cells[i].held, 0);
}

void
qp_shelf_greet(const qpool *pool)
{
	if (pool->shelf.count > 0 && qp_hazard_own() == NULL)
		(void)qp_hazard_join(); /* a thread that cannot join goes by the lock */
}

/* ---- without the lock ---- */

/* How often has waiting paid lately?  0: do not.  Only where nothing else is idle and nobody is in line. */
static uint32_t
luck_of(qpool *pool, uint64_t ctl)
{
	/* relaxed, all: guesses. */
	uint32_t luck = qp_load_relaxed(&pool->shelf.luck);

	if ((ctl & QP_SHELF_SHUT) || (ctl / QP_SHELF_SPREAD & QP_SHELF_SPREADS) != 0 ||
	    qp_load_relaxed(&pool->shelf.dry) == 0 ||
	    qp_loadi64_relaxed(&pool->shelf.stop_ns) != QP_TIME_NEVER)
		return 0;
	if (luck >= OUT_OF_LUCK) {
		qp_store_relaxed(&pool->shelf.luck, luck == OUT_OF_LUCK ? 1 : luck - 1);
		return 0;
	}
	return luck;
}

QP_COLD uint64_t
qp_shelf_await(qpool *pool, qp_cell *cell, uint64_t ctl)
{
	uint32_t luck = luck_of(pool, ctl);

	if (luck == 0)
		return 0;
	for (unsigned i = 0; i < QP_SHELF_LOOKS; i++) {
		uint64_t held = qp_load64_relaxed(&cell->held); /* relaxed: the swap orders */
		if ((held & IDLE) && qp_shelf_swap(cell, held, held - IDLE)) {
			if (luck < LUCK_MOST)
				qp_store_relaxed(&pool->shelf.luck, luck + 1);
			return held;
		}
		if (held == 0 || qp_load64_acquire(&pool->shelf.ctl) != ctl)
			break;
		qp_pause();
	}
	qp_store_relaxed(&pool->shelf.luck, luck > 1 ? luck - 1 : OUT_OF_LUCK + TRY_ONE_IN);
	return 0;
}

qp_slot *
qp_shelf_take(qpool *pool)
{
	uint64_t ctl = qp_load64_acquire(&pool->shelf.ctl);
	const qp_hazard *own = ctl & QP_SHELF_SHUT ? NULL : qp_hazard_own();
	qp_cell *cell;
	uint64_t held;
	qp_slot *slot;

	if (own == NULL || ((ctl & QP_SHELF_FENCED) && qp_shelf_is_stopped(pool)))
		return NULL;
	cell = qp_shelf_home(pool, own, ctl);
	held = qp_load64_relaxed(&cell->held); /* relaxed: the swap orders */
	if (!(held & IDLE) || !qp_shelf_swap(cell, held, held - IDLE))
		held = qp_shelf_await(pool, cell, ctl);
	if (held == 0)
		return NULL;
	slot = qp_shelf_slot(held);
	qp_slot_move(slot, QP_IDLE, QP_CHECKING);
	return slot;
}

/* May this slot go back to its cell, as far as its owner can tell? */
static qp_hazard *
may_put(const qpool *pool, const qp_slot *slot)
{
	int64_t now_ns;

	/* acquire, pairs with the release in publish_locked. */
	if (!qp_shelf_has(slot) ||
	    qp_load64_acquire(&pool->shelf.ctl) != qp_shelf_cell(pool, slot)->laid || slot->owes ||
	    qp_pool_is_renewed(pool, slot) || qp_fork_is_inherited(slot))
		return NULL;
	now_ns = qp_loadi64_relaxed(&slot->used_ns);
	if (now_ns >= qp_loadi64_relaxed(
			  &pool->shelf.review_ns) || /* the next acquire looks after the shelf */
	    now_ns >= qp_loadi64_relaxed(&pool->shelf.stop_ns)) /* it is the old head's */
		return NULL;
	return qp_hazard_own();
}

/* Both limits that come with time, in one instant. */
static void
set_until(const qpool *pool, qp_cell *cell, const qp_slot *slot)
{
	int64_t idle_ns = qp_loadi64_relaxed(&pool->dials.bounds.max_idle_ns);
	int64_t until_ns = qp_clock_after(qp_loadi64_relaxed(&slot->used_ns), idle_ns);

	cell->until_ns = until_ns < cell->age_last_ns ? until_ns : cell->age_last_ns;
}

bool
qp_shelf_put(qpool *pool, qp_slot *slot, qp_state *from)
{
	qp_hazard *own = may_put(pool, slot);
	bool is_there;
	qp_cell *cell;

	if (own == NULL)
		return false;
	cell = qp_shelf_cell(pool, slot);
	qp_hazard_enter(own, pool);
	if (QP_UNLIKELY(qp_load64_acquire(&pool->shelf.ctl) != cell->laid)) {
		qp_hazard_leave(own);
		return false;
	}
	set_until(pool, cell, slot);
	qp_slot_move(slot, *from, QP_IDLE);
	is_there = qp_shelf_let_lie(pool, cell, slot);
	qp_hazard_leave(own);
	if (QP_LIKELY(is_there))
		return true;
	qp_slot_move(slot, QP_IDLE, QP_CHECKING);
	*from = QP_CHECKING;
	return false;
}

/* Open, and an end may be a plain store. */
static bool
is_plain(const qpool *pool)
{
	/* acquire, pairs with the release in publish_locked. */
	return (qp_load64_acquire(&pool->shelf.ctl) & (QP_SHELF_SHUT | QP_SHELF_FENCED)) == 0;
}

/* The thread that took the lease ends it while the shelf is open. */
static bool
end_plainly(qpool *pool, qp_slot *slot, uint64_t turn)
{
	qp_hazard *own = is_plain(pool) ? qp_hazard_own() : NULL;
	bool done;

	if (own == NULL)
		return false;
	qp_hazard_enter(own, pool);
	done = QP_LIKELY(is_plain(pool)) && qp_slot_end_plainly(slot, turn);
	qp_hazard_leave(own);
	return done;
}

static QP_COLD qp_ended
end_elsewhere(qpool *pool, qp_slot *slot, uint64_t turn, qp_end how, unsigned *told)
{
	qp_ended ended;

	qp_pool_lock(pool);
	qp_shelf_make_exact_locked(pool);
	ended = qp_slot_end(slot, turn, how, told);
	qp_pool_unlock(pool, NULL);
	return ended;
}

qp_ended
qp_shelf_end(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told)
{
	qpool *pool = qp_slot_pool(slot);
	bool is_taker;

	if (pool->shelf.count == 0)
		return qp_slot_end(slot, turn, how, told);
	/* relaxed: for the taker it is its own number until it ends the lease; of others, at most
	 * one has the number that it may read here. */
	is_taker = qp_load_relaxed(&qp_slot_note(slot)->thread) == qp_thread_id();
	*told = 0;
	if (QP_LIKELY(is_taker) && QP_LIKELY(end_plainly(pool, slot, turn)))
		return QP_ENDED_OURS;
	return is_taker ? qp_slot_end(slot, turn, how, told)
	                : end_elsewhere(pool, slot, turn, how, told);
}

bool
qp_shelf_watch(qp_slot *slot, uint64_t turn, unsigned what)
{
	qpool *pool = qp_slot_pool(slot);
	bool watches;

	if (pool->shelf.count == 0)
		return qp_slot_watch(slot, turn, what);
	qp_pool_lock(pool);
	qp_shelf_make_exact_locked(pool);
	watches = qp_slot_watch(slot, turn, what);
	qp_pool_unlock(pool, NULL);
	return watches;
}

#endif
