/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * quick: what acquire, expiry, slot, hist, release and shelf do on the common way, in a row.  For each step the
 * room that it is taken from says why.  Of ctl it wants neither SHUT nor WHOLE.
 */
#include "core/quick.h"

#include "core/fork.h"
#include "core/hist.h"
#include "core/open.h"
#include "core/release.h"
#include "core/shelf_words.h"
#include "platform/clock_inline.h"

#if QP_FAST

static inline bool
is_quick(uint64_t ctl)
{
	return QP_LIKELY((ctl & (QP_SHELF_SHUT | QP_SHELF_WHOLE)) == 0);
}

static inline bool
is_ours(const qpool *pool)
{
	/* acquire: as in qp_fork_look.  A key's pool has no shelf: its ctl stays SHUT. */
	if (QP_UNLIKELY(pool == NULL) || QP_UNLIKELY(pool->magic != QP_POOL_MAGIC))
		return false;
	return qp_load_acquire(&pool->generation) == qp_forkmark_now();
}

/* As qp_acquire_lend and qp_slot_begin. */
static inline void
lend(qp_slot *slot, qp_note *note, int64_t now_ns, const char *site, uint32_t thread,
    qpool_lease *out)
{
	uint64_t turn = qp_load64_relaxed(&slot->turn) + 1; /* relaxed: only the owner begins it */

	if (QP_UNLIKELY(qp_hist_samples((turn + 1) / 2)))
		now_ns = qp_clock_now();
	qp_slot_hop(slot, QP_IDLE, QP_CHECKING); /* before what is shown changes */
	qp_store64_release(&slot->uses, qp_load64_relaxed(&slot->uses) + 1);
	qp_storei64_release(&note->leased_ns, now_ns);
	qp_store_release(&note->thread, thread);
	qp_storeptr_release(&note->site, site);
	qp_storeptr_release(&note->label, NULL);
	qp_slot_hop(slot, QP_CHECKING, QP_LEASED);
	qp_store64_release(&slot->turn, turn); /* it is not spoiled: that does not lie down */
	out->slot_ = slot;
	/* Else both words are stored by one instruction, from which a processor reads back one of them late. */
	qp_fence_compiler();
	out->resource = slot->resource;
	out->turn_ = turn;
}

/* What lies idle in the cell of this thread, now its own; NULL: nothing. */
static inline qp_slot *
take(qpool *pool, qp_cell *cell, uint64_t ctl)
{
	uint64_t held = qp_load64_relaxed(&cell->held); /* relaxed: the swap orders */

	if (QP_UNLIKELY(!(held & QP_CELL_IDLE)) ||
	    QP_UNLIKELY(!qp_shelf_swap(cell, held, held - QP_CELL_IDLE)))
		held = qp_shelf_await(pool, cell, ctl);
	return qp_shelf_slot(held);
}

/* The time by which the lease is judged; 0: the coarse clock will do; QP_TIME_NEVER: there is to be no
 * lease, because the head of the line is old.  What tells that is the exact clock. */
static inline int64_t
time_of(const qpool *pool, uint64_t ctl)
{
	int64_t stop_ns, now_ns;

	if (QP_LIKELY(!(ctl & QP_SHELF_FENCED)))
		return 0;
	/* relaxed: what comes between a look and a swap is one release under way. */
	stop_ns = qp_loadi64_relaxed(&pool->shelf.stop_ns);
	if (stop_ns == QP_TIME_NEVER)
		return 0;
	now_ns = qp_clock_now();
	return now_ns < stop_ns ? now_ns : QP_TIME_NEVER;
}

/* True: *out is the lease.  False: nothing was done, or *slot is the caller's, CHECKING, and to be judged.  *looked:
 * what could be taken from the shelf has been. */
static inline bool
acquire(qpool *pool, qpool_lease *out, const char *site, qp_slot **slot, bool *looked)
{
	qp_hazard *own = qp_hazard_own();
	int64_t now_ns;
	uint64_t ctl;
	qp_cell *cell;

	if (own == NULL || !is_ours(pool))
		return false;
	ctl = qp_load64_acquire(&pool->shelf.ctl);
	if (!is_quick(ctl))
		return false;
	*looked = true;
	now_ns = time_of(pool, ctl);
	if (QP_UNLIKELY(now_ns == QP_TIME_NEVER))
		return false;
	cell = qp_shelf_home(pool, own, ctl);
	*slot = take(pool, cell, ctl);
	if (QP_UNLIKELY(*slot == NULL))
		return false;
	if (QP_LIKELY(now_ns == 0))
		now_ns = qp_clock_coarse_inline();
	if (QP_LIKELY(now_ns <= cell->until_ns)) {
		lend(*slot, cell->note, now_ns, site, own->thread, out);
		return true;
	}
	qp_slot_move(*slot, QP_IDLE, QP_CHECKING);
	return false;
}

qpool_err
qpool_acquire_at(
    qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error, const char *site)
{
	qp_slot *slot = NULL;
	bool looked = false;

	if (QP_LIKELY(out != NULL) && QP_LIKELY(timeout >= QPOOL_DEFAULT) &&
	    QP_LIKELY(acquire(pool, out, site, &slot, &looked)))
		return QPOOL_OK;
	return qp_acquire_whole(pool, timeout, out, error, site, looked, slot);
}

/* The slot of a lease that was taken by this thread in this process, as far as can be told. */
static inline qp_slot *
slot_of(const qpool_lease *lease, const qp_hazard *own)
{
	qp_slot *slot = lease->slot_;

	if (QP_UNLIKELY(!qp_chunk_knows(slot)) || QP_UNLIKELY(qp_fork_is_inherited(slot)) ||
	    QP_UNLIKELY(qp_load_relaxed(&qp_slot_note(slot)->thread) != own->thread))
		return NULL;
	return slot;
}

/* End the lease.  false: it is not out, or something was told of it, or somebody else ends it, or tells of it, at
 * the same moment. */
static inline bool
end(qp_slot *slot, uint64_t turn, uint64_t ctl)
{
	/* relaxed: if it is out, and this thread took it, it is this thread's own. */
	if (QP_UNLIKELY(turn != qp_load64_relaxed(&slot->turn)) || QP_UNLIKELY((turn & 1) == 0) ||
	    QP_UNLIKELY(turn > QP_TURN_MOST))
		return false;
	if (QP_UNLIKELY(ctl & QP_SHELF_FENCED))
		return qp_cas64_acq_rel(&slot->turn, turn, turn + 1);
	qp_store64_release(&slot->turn, turn + 1); /* as qp_slot_end_plainly */
	return true;
}

/* May it lie down again, and is it not one of those that are measured?  Asked by the owner. */
static inline bool
may_lie(const qpool *pool, const qp_cell *cell, const qp_slot *slot, uint64_t turn, uint64_t ctl,
    int64_t now_ns)
{
	if (QP_UNLIKELY(ctl & QP_SHELF_FENCED) &&
	    (now_ns >= qp_loadi64_relaxed(&pool->shelf.review_ns) ||
		now_ns >= qp_loadi64_relaxed(&pool->shelf.stop_ns)))
		return false; /* in the last case it is the old head's */
	return QP_LIKELY(ctl == cell->laid) && QP_LIKELY(now_ns <= cell->age_last_ns) &&
	       QP_LIKELY(!slot->spoiled) &&
	       QP_LIKELY(qp_load64_relaxed(&slot->uses) <
			 qp_load64_relaxed(&pool->dials.bounds.max_uses)) &&
	       QP_LIKELY(!qp_hist_samples((turn + 1) / 2));
}

/* As give_back and qp_shelf_put, in the hazard in which the lease ended. */
static inline bool
put(qpool *pool, qp_cell *cell, qp_slot *slot, int64_t now_ns)
{
	int64_t idle_ns = qp_loadi64_relaxed(&pool->dials.bounds.max_idle_ns);
	int64_t left_ns = cell->age_last_ns - now_ns; /* not negative: may_lie */

	qp_storei64_release(&slot->used_ns, now_ns);
	cell->until_ns = now_ns + (idle_ns < left_ns ? idle_ns : left_ns);
	qp_slot_hop(slot, QP_LEASED, QP_IDLE);
	return qp_shelf_let_lie(pool, cell, slot);
}

/* The lease has ended, and the rest goes the whole way: from LEASED, or, if the shelf was shut at the same moment,
 * from IDLE. */
static QP_COLD qpool_err
finish(qp_slot *slot, bool was_idle)
{
	uint32_t here = qp_forkmark_now();

	if (was_idle) {
		qp_slot_move(slot, QP_IDLE, QP_CHECKING);
		qp_open_keep(qp_slot_pool(slot), slot, QP_CHECKING);
	} else {
		qp_release_finish(slot, QP_END_RELEASE, 0);
	}
	return here == qp_forkmark_now() ? QPOOL_OK : QPOOL_EFORKED; /* a close may have forked */
}

qpool_err
qpool_release(qpool_lease *lease)
{
	qp_hazard *own = qp_hazard_own();
	qp_slot *slot;
	int64_t now_ns;
	qpool *pool;
	uint64_t turn, ctl;
	bool lies, is_there = false;
	qp_cell *cell;

	if (own == NULL || QP_UNLIKELY(lease == NULL) || (slot = slot_of(lease, own)) == NULL)
		return qp_release_whole(lease);
	pool = qp_slot_pool(slot);
	turn = lease->turn_;
	now_ns = qp_clock_coarse_inline();
	qp_hazard_enter(own, pool);
	ctl = qp_load64_acquire(&pool->shelf.ctl);
	if (!is_quick(ctl) || QP_UNLIKELY(!end(slot, turn, ctl))) {
		qp_hazard_leave(own);
		return qp_release_whole(lease);
	}
	cell = qp_shelf_cell(pool, slot);
	lies = may_lie(pool, cell, slot, turn, ctl, now_ns);
	if (QP_LIKELY(lies))
		is_there = put(pool, cell, slot, now_ns);
	qp_hazard_leave(own);
	*lease = (qpool_lease)QPOOL_LEASE_INIT;
	return QP_LIKELY(is_there) ? QPOOL_OK : finish(slot, lies);
}

#else

qpool_err
qpool_acquire_at(
    qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error, const char *site)
{
	return qp_acquire_whole(pool, timeout, out, error, site, false, NULL);
}

qpool_err
qpool_release(qpool_lease *lease)
{
	return qp_release_whole(lease);
}

#endif
