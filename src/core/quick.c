/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * quick: what acquire, expiry, slot, hist, release and shelf do on the common way, in a row.  For each step the
 * room that it is taken from says why.  Of ctl it wants neither SHUT nor WHOLE.
 */
#include "core/quick.h"

#if QP_FAST

#include "core/fork.h"
#include "core/hist.h"
#include "core/open.h"
#include "core/shelf_words.h"
#include "platform/hazard.h"

static bool
is_quick(uint32_t ctl)
{
	return QP_LIKELY((ctl & (QP_SHELF_SHUT | QP_SHELF_WHOLE)) == 0);
}

static bool
is_ours(const qpool *pool)
{
	/* acquire: as in qp_fork_look.  A key's pool has no shelf: its ctl stays SHUT. */
	return pool != NULL && pool->magic == QP_POOL_MAGIC &&
	       qp_load_acquire(&pool->generation) == qp_forkmark_now();
}

/* As qp_acquire_lend and qp_slot_begin. */
static void
lend(qp_slot *slot, int64_t now_ns, const char *site, uint32_t thread, qpool_lease *out)
{
	uint64_t turn = qp_load64_relaxed(&slot->turn) + 1; /* relaxed: only the owner begins it */

	if (QP_UNLIKELY(qp_hist_samples((turn + 1) / 2)))
		now_ns = qp_clock_now();
	qp_storei64_release(&slot->leased_ns, now_ns);
	qp_store64_release(&slot->thread, thread);
	qp_storeptr_release(&slot->site, site);
	qp_storeptr_release(&slot->label, NULL);
	qp_store64_release(&slot->uses, qp_load64_relaxed(&slot->uses) + 1);
	qp_slot_hop(slot, QP_IDLE, QP_LEASED);
	slot->spoiled = false;
	qp_store64_release(&slot->turn, turn);
	out->resource = slot->resource;
	out->slot_ = slot;
	out->turn_ = turn;
}

bool
qp_quick_acquire(qpool *pool, qpool_lease *out, const char *site, qp_slot **slot)
{
	const qp_hazard *own = qp_hazard_own();
	qp_cell *cell;
	uint64_t held;
	int64_t now_ns;
	uint32_t ctl;

	*slot = NULL;
	if (own == NULL || !is_ours(pool) || !is_quick(ctl = qp_load_acquire(&pool->shelf.ctl)))
		return false;
	cell = qp_shelf_home(pool, own, ctl);
	held = qp_load64_relaxed(&cell->held); /* relaxed: the swap orders */
	if (QP_UNLIKELY(!(held & QP_CELL_IDLE)) ||
	    QP_UNLIKELY(!qp_shelf_swap(cell, held, held - QP_CELL_IDLE)))
		return false;
	*slot = qp_shelf_slot(held);
	now_ns = qp_clock_coarse();
	if (QP_LIKELY(now_ns <= (*slot)->until_ns)) {
		lend(*slot, now_ns, site, qp_thread_id(), out);
		return true;
	}
	qp_slot_move(*slot, QP_IDLE, QP_CHECKING);
	return false;
}

/* The slot of a lease that was taken by this thread in this process, as far as can be told. */
static qp_slot *
slot_of(const qpool_lease *lease)
{
	qp_slot *slot = lease->slot_;

	if (slot == NULL || (uintptr_t)slot % _Alignof(qp_slot) != 0 ||
	    slot->magic != QP_SLOT_MAGIC || qp_fork_is_inherited(slot) ||
	    qp_load64_relaxed(&slot->thread) != qp_thread_id())
		return NULL;
	return slot;
}

/* Is it ours to end plainly, may it lie down again, and is it not one of those that are measured?  The turn comes
 * first: if it is out, and this thread took it, the rest is the caller's to read. */
static bool
may_end(const qpool *pool, const qp_slot *slot, uint64_t turn, uint32_t ctl, int64_t now_ns)
{
	return (turn & (~QP_TURN_MOST | 1)) == 1 && turn == qp_load64_relaxed(&slot->turn) &&
	       ctl == slot->laid && now_ns <= slot->age_last_ns && !slot->spoiled &&
	       qp_load64_relaxed(&slot->uses) < qp_load_relaxed(&pool->dials.bounds.max_uses) &&
	       !qp_hist_samples((turn + 1) / 2);
}

/* The shelf was shut at the same moment. */
static QP_COLD qpool_err
go_by_the_lock(qpool *pool, qp_slot *slot)
{
	uint32_t here = qp_forkmark_now();

	qp_slot_move(slot, QP_IDLE, QP_CHECKING);
	qp_open_keep(pool, slot, QP_CHECKING);
	return here == qp_forkmark_now() ? QPOOL_OK : QPOOL_EFORKED; /* a close may have forked */
}

/* As qp_slot_end_plainly, give_back and qp_shelf_put, in one hazard. */
static bool
end_and_put(qpool *pool, qp_slot *slot, uint64_t turn, int64_t now_ns)
{
	int64_t until_ns =
	    qp_clock_after(now_ns, qp_loadi64_relaxed(&pool->dials.bounds.max_idle_ns));

	qp_store64_release(&slot->turn, turn + 1);
	qp_storei64_release(&slot->used_ns, now_ns);
	slot->until_ns = until_ns < slot->age_last_ns ? until_ns : slot->age_last_ns;
	qp_slot_hop(slot, QP_LEASED, QP_IDLE);
	return qp_shelf_let_lie(pool, slot);
}

qpool_err
qp_quick_release(qpool_lease *lease)
{
	qp_slot *slot = slot_of(lease);
	qp_hazard *own = qp_hazard_own();
	uint64_t turn = lease->turn_;
	int64_t now_ns;
	qpool *pool;
	uint32_t ctl;
	bool is_there;

	if (slot == NULL || own == NULL)
		return QP_QUICK_NOTHING;
	pool = slot->pool;
	now_ns = qp_clock_coarse();
	qp_hazard_enter(own, pool);
	ctl = qp_load_acquire(&pool->shelf.ctl);
	if (!is_quick(ctl) || QP_UNLIKELY(!may_end(pool, slot, turn, ctl, now_ns))) {
		qp_hazard_leave(own);
		return QP_QUICK_NOTHING;
	}
	is_there = end_and_put(pool, slot, turn, now_ns);
	qp_hazard_leave(own);
	*lease = (qpool_lease)QPOOL_LEASE_INIT;
	return QP_LIKELY(is_there) ? QPOOL_OK : go_by_the_lock(pool, slot);
}

#endif
