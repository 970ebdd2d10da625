/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shelf: take, put and end without the lock; shut, gather and lay under it.
 *
 * Of a put and a thread that shuts, one sees the other.  The put stores, then looks whether the
 * shelf is shut; the other shuts, makes a membarrier, then gathers.  A put that stored too late to be
 * gathered sees it shut, takes the slot back, and returns it by the lock.  Between its store and its look
 * the slot is not its own any more, and the pool may end: the hazard keeps the memory.
 */
#include "core/shelf.h"

#if QP_FAST

#include "core/fork.h"
#include "core/notice.h"
#include "core/pool.h"
#include "core/shelf_words.h"
#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/hazard.h"
#include "platform/membarrier.h"
#include "platform/park.h"

#define IDLE QP_CELL_IDLE
/* Until so long after somebody relied on it, the shelf stays shut: a membarrier costs as much as
 * a thousand leases, and who waited once often waits again. */
#ifndef QP_SHELF_QUIET_NS
#define QP_SHELF_QUIET_NS 8000000
#endif
/* More takes by the lock than this in a tick, though the shelf is open: then threads get cells of their own, for
 * a while. */
#ifndef QP_SHELF_CROWD
#define QP_SHELF_CROWD 1024u
#endif
#define TICK_NS       4000000
#define PAUSE_NS      8000000
#define PAUSE_MOST_NS 1000000000
#define SOON_NS       20000000
/* Instead of a membarrier that is refused later on; see the decision. */
#define DRAINED_NS 10000000

/* ---- life ---- */

void
qp_shelf_begin(qpool *pool)
{
	pool->shelf_books.settled = pool->shelf_books.exact = true;
	/* relaxed: nobody else knows the pool yet. */
	qp_store_relaxed(&pool->shelf.ctl, QP_SHELF_SHUT);
	qp_storei64_relaxed(&pool->shelf.narrow_ns, QP_TIME_NEVER);
}

bool
qp_shelf_make(qpool *pool)
{
	qp_shelf *shelf = &pool->shelf;

	if (pool->config.oldest_first || !qp_membarrier_begin())
		return true;
	shelf->count = 1;
	while (shelf->count <= QP_SHELF_SPREADS && shelf->count < pool->config.max_size)
		shelf->count *= 2;
	shelf->block = qp_alloc_zero(shelf->count + 1, QP_CELL_BYTES);
	if (shelf->block == NULL) {
		shelf->count = 0;
		return false;
	}
	shelf->cells = (qp_cell *)(((uintptr_t)shelf->block + QP_CELL_BYTES - 1) &
				   ~(uintptr_t)(QP_CELL_BYTES - 1));
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

	pool->shelf_books =
	    (qp_shelf_books){.settled = true, .exact = true, .changes = pool->shelf_books.changes};
	/* relaxed, both: published with the pool. */
	qp_store_relaxed(&pool->shelf.ctl, QP_SHELF_SHUT);
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

static bool
is_shut(const qpool *pool)
{
	/* acquire, pairs with the release in open_locked. */
	return qp_load_acquire(&pool->shelf.ctl) & QP_SHELF_SHUT;
}

qp_slot *
qp_shelf_take(qpool *pool)
{
	uint32_t ctl = qp_load_acquire(&pool->shelf.ctl);
	const qp_hazard *own = ctl & QP_SHELF_SHUT ? NULL : qp_hazard_own();
	qp_cell *cell;
	uint64_t held;
	qp_slot *slot;

	if (own == NULL)
		return NULL;
	cell = qp_shelf_home(pool, own, ctl);
	held = qp_load64_relaxed(&cell->held); /* relaxed: the swap orders */
	if (!(held & IDLE) || !qp_shelf_swap(cell, held, held - IDLE))
		return NULL;
	slot = qp_shelf_slot(held);
	qp_slot_move(slot, QP_IDLE, QP_CHECKING);
	return slot;
}

/* May this slot go back to its cell, as far as its owner can tell? */
static qp_hazard *
may_put(const qpool *pool, const qp_slot *slot)
{
	if (slot->cell == NULL || is_shut(pool) || slot->unanswered_ns > 0 ||
	    qp_pool_is_renewed(pool, slot) || qp_fork_is_inherited(slot) ||
	    qp_loadi64_relaxed(&slot->used_ns) >= qp_loadi64_relaxed(&pool->shelf.narrow_ns))
		return NULL; /* in the last case the next acquire narrows it */
	return qp_hazard_own();
}

/* Both limits that come with time, in one instant. */
static void
set_until(const qpool *pool, qp_slot *slot)
{
	int64_t idle_ns = qp_loadi64_relaxed(&pool->dials.bounds.max_idle_ns);
	int64_t until_ns = qp_clock_after(qp_loadi64_relaxed(&slot->used_ns), idle_ns);

	slot->until_ns = until_ns < slot->age_last_ns ? until_ns : slot->age_last_ns;
}

bool
qp_shelf_put(qpool *pool, qp_slot *slot, qp_state *from)
{
	qp_hazard *own = may_put(pool, slot);
	bool is_there;

	if (own == NULL)
		return false;
	qp_hazard_enter(own, pool);
	if (QP_UNLIKELY(qp_load_acquire(&pool->shelf.ctl) != slot->laid)) {
		qp_hazard_leave(own);
		return false;
	}
	set_until(pool, slot);
	qp_slot_move(slot, *from, QP_IDLE);
	is_there = qp_shelf_let_lie(pool, slot);
	qp_hazard_leave(own);
	if (QP_LIKELY(is_there))
		return true;
	qp_slot_move(slot, QP_IDLE, QP_CHECKING);
	*from = QP_CHECKING;
	return false;
}

/* The thread that took the lease ends it while the shelf is open. */
static bool
end_plainly(qpool *pool, qp_slot *slot, uint64_t turn)
{
	qp_hazard *own = is_shut(pool) ? NULL : qp_hazard_own();
	bool done;

	if (own == NULL)
		return false;
	qp_hazard_enter(own, pool);
	done = QP_LIKELY(!is_shut(pool)) && qp_slot_end_plainly(slot, turn);
	qp_hazard_leave(own);
	return done;
}

static void shut_locked(qpool *pool, bool exactly);

static QP_COLD qp_ended
end_elsewhere(qpool *pool, qp_slot *slot, uint64_t turn, qp_end how, unsigned *told)
{
	qp_ended ended;

	qp_pool_lock(pool);
	shut_locked(pool, true);
	ended = qp_slot_end(slot, turn, how, told);
	qp_pool_unlock(pool, NULL);
	return ended;
}

qp_ended
qp_shelf_end(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told)
{
	qpool *pool = slot->pool;
	bool is_taker;

	if (pool->shelf.count == 0)
		return qp_slot_end(slot, turn, how, told);
	/* relaxed: for the taker it is its own number until it ends the lease; of others, at most
	 * one has the number that it may read here. */
	is_taker = qp_load64_relaxed(&slot->thread) == qp_thread_id();
	*told = 0;
	if (QP_LIKELY(is_taker) && QP_LIKELY(end_plainly(pool, slot, turn)))
		return QP_ENDED_OURS;
	return is_taker ? qp_slot_end(slot, turn, how, told)
	                : end_elsewhere(pool, slot, turn, how, told);
}

bool
qp_shelf_watch(qp_slot *slot, uint64_t turn, unsigned what)
{
	qpool *pool = slot->pool;
	bool watches;

	if (pool->shelf.count == 0)
		return qp_slot_watch(slot, turn, what);
	qp_pool_lock(pool);
	shut_locked(pool, true);
	watches = qp_slot_watch(slot, turn, what);
	qp_pool_unlock(pool, NULL);
	return watches;
}

/* ---- under the lock ---- */

/* Who sleeps, or was promised that nothing idle lies about, must be told of returns. */
static bool
somebody_relies(const qpool *pool)
{
	return pool->waitq.head != NULL || pool->readies != NULL || pool->paused || pool->closing ||
	       pool->crew.alive > 0 || qp_pool_surplus_locked(pool) > 0;
}

static void
barrier(void)
{
	qp_atomic_u32 word = {0};

	if (!qp_membarrier())
		(void)qp_park(&word, 0, qp_clock_after(qp_clock_now(), DRAINED_NS));
}

/* One round: leave the lock, make sure, take it again.  The pin keeps the shelf shut and the pool alive. */
static QP_COLD void
make_sure_locked(qpool *pool, bool exactly)
{
	qp_shelf_books *books = &pool->shelf_books;
	bool was_settled = books->settled;

	qp_store_release(&pool->shelf.ctl, books->changes | QP_SHELF_SHUT);
	books->pins++;
	qp_pool_unlock(pool, NULL);
	if (!was_settled)
		barrier();
	if (exactly)
		qp_hazard_await(pool);
	qp_pool_lock(pool);
	books->pins--;
	qp_shelf_gather_locked(pool); /* nothing, if another thread has settled it meanwhile */
	books->settled = true;
	books->exact = books->exact || exactly;
}

static void
shut_locked(qpool *pool, bool exactly)
{
	const qp_shelf_books *books = &pool->shelf_books;

	if (pool->shelf.count == 0)
		return;
	pool->shelf_books.since_ns = qp_clock_coarse();
	while (!(exactly ? books->exact : books->settled))
		make_sure_locked(pool, exactly);
}

void
qp_shelf_shut_locked(qpool *pool)
{
	shut_locked(pool, false);
}

bool
qp_shelf_is_settled(const qpool *pool)
{
	return pool->shelf_books.settled || pool->shelf.count == 0;
}

bool
qp_shelf_is_pinned(const qpool *pool)
{
	return pool->shelf_books.pins > 0;
}

/* Once settled, a cell is idle only until the one who put it there takes it back: and with waiters
 * in line, nobody may make a slot idle without settle.  So then this does nothing. */
void
qp_shelf_gather_locked(qpool *pool)
{
	if (pool->shelf_books.settled)
		return;
	for (uint32_t i = 0; i < pool->shelf.count; i++) {
		qp_cell *cell = &pool->shelf.cells[i];
		uint64_t held = qp_load64_relaxed(&cell->held); /* relaxed: the swap orders */
		if (!(held & IDLE) || !qp_shelf_swap(cell, held, 0))
			continue;
		qp_shelf_forget(qp_shelf_slot(held));
		pool->owned--;
		qp_idle_push(&pool->idle, qp_shelf_slot(held));
	}
}

/* Must a lease of this pool be asked, reset or told of? */
static bool
is_whole(const qpool *pool)
{
	return pool->ops.peek != NULL || pool->ops.check != NULL || pool->ops.reset != NULL ||
	       qp_notice_is_wanted(pool, QPOOL_EV_ACQUIRED) ||
	       qp_notice_is_wanted(pool, QPOOL_EV_RELEASED);
}

/* Open it, or change how it is spread.  What was laid before goes by the lock once more. */
static void
set_ctl_locked(qpool *pool)
{
	qp_shelf_books *books = &pool->shelf_books;

	books->settled = books->exact = false;
	books->changes += QP_SHELF_ONCE;
	/* release, pairs with the acquire in is_shut. */
	qp_store_release(&pool->shelf.ctl, books->changes | books->mask * QP_SHELF_SPREAD |
					       (is_whole(pool) ? QP_SHELF_WHOLE : 0u));
}

static void
set_narrow_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	/* relaxed: see shelf.h. */
	qp_storei64_relaxed(&pool->shelf.narrow_ns,
	    books->mask > 0 ? qp_clock_after(now_ns, books->pause_ns) : QP_TIME_NEVER);
}

/* Threads get in each other's way: spread more, for a while, and for longer if that was tried before. */
static void
widen_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	books->crowd = 0;
	if (2 * books->mask + 1 >= pool->shelf.count)
		return;
	if (now_ns - books->narrowed_ns >= SOON_NS || books->pause_ns == 0)
		books->pause_ns = PAUSE_NS;
	else if (books->pause_ns < PAUSE_MOST_NS)
		books->pause_ns *= 2;
	books->mask = 2 * books->mask + 1;
	set_narrow_locked(pool, now_ns);
	set_ctl_locked(pool);
}

static void
narrow_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	books->mask /= 2;
	books->narrowed_ns = now_ns;
	qp_shelf_gather_locked(pool); /* nobody's cells are among them now */
	set_narrow_locked(pool, now_ns);
	set_ctl_locked(pool);
}

/* An acquire came by the lock although the shelf is open. */
static void
count_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	if (books->mask > 0 && now_ns >= qp_loadi64_relaxed(&pool->shelf.narrow_ns))
		narrow_locked(pool, now_ns);
	if (now_ns - books->tick_ns >= TICK_NS) {
		books->tick_ns = now_ns;
		books->crowd = 0;
	}
	if (++books->crowd > QP_SHELF_CROWD)
		widen_locked(pool, now_ns);
}

bool
qp_shelf_is_spread_locked(const qpool *pool)
{
	return pool->shelf_books.mask > 0;
}

static void
set_age(const qpool *pool, qp_slot *slot)
{
	int64_t age_ns = qp_expiry_age(&pool->dials.bounds, slot->age_draw);
	int64_t opened_ns = qp_loadi64_relaxed(&slot->opened_ns);

	slot->age_last_ns =
	    age_ns == QPOOL_FOREVER ? QP_TIME_NEVER : qp_clock_after(opened_ns, age_ns) - 1;
}

/* May the slot that was just taken lie on the shelf?  Opens it, if it is time. */
static bool
is_open_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	if (!books->settled)
		return !is_shut(pool);
	if (somebody_relies(pool) || books->pins > 0) {
		books->since_ns = now_ns;
		return false;
	}
	if (books->since_ns != 0 && now_ns - books->since_ns < QP_SHELF_QUIET_NS)
		return false;
	set_narrow_locked(pool, now_ns);
	set_ctl_locked(pool);
	return true;
}

void
qp_shelf_lay_locked(qpool *pool, qp_slot *slot)
{
	const qp_hazard *own = pool->shelf.count > 0 ? qp_hazard_own() : NULL;
	int64_t now_ns;
	qp_cell *cell;

	if (own == NULL)
		return;
	now_ns = qp_clock_coarse();
	if (!is_open_locked(pool, now_ns))
		return;
	count_locked(pool, now_ns);
	/* relaxed, both: under the lock nobody lays another slot there. */
	slot->laid = qp_load_relaxed(&pool->shelf.ctl);
	cell = qp_shelf_home(pool, own, slot->laid);
	if (qp_load64_relaxed(&cell->held) != 0) {
		slot->laid = QP_SHELF_NEVER;
		return;
	}
	slot->cell = cell;
	set_age(pool, slot);
	/* release: as in qp_shelf_let_lie, though nobody may take it yet. */
	qp_store64_release(&cell->held, qp_shelf_word(slot));
}

void
qp_shelf_leave_locked(qp_slot *slot)
{
	if (slot->cell == NULL)
		return;
	qp_store64_release(&slot->cell->held, 0);
	qp_shelf_forget(slot);
}

bool
qp_shelf_is_valid_locked(const qpool *pool)
{
	const qp_shelf_books *books = &pool->shelf_books;

	if (pool->shelf.count == 0)
		return true;
	if ((books->exact && !books->settled) || (books->settled && !is_shut(pool)) ||
	    (!books->settled && somebody_relies(pool)))
		return false;
	for (uint32_t i = 0; i < pool->shelf.count; i++) {
		const qp_cell *cell = &pool->shelf.cells[i];
		uint64_t held = qp_load64_relaxed(&cell->held);
		if (held != 0 && qp_shelf_slot(held)->cell != cell)
			return false;
	}
	return true;
}

#endif
