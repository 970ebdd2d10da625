/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * release: the way back.  Exactly one caller ends a turn; from then on that thread
 * owns the slot until it is idle, empty, or handed to a worker.  Nothing here
 * allocates, and only misuse can fail.
 */
#include "core/release.h"

#include "core/exchange.h"
#include "core/fork.h"
#include "core/hist.h"
#include "core/lease.h"
#include "core/notice.h"
#include "core/open.h"
#include "core/quick.h"
#include "core/reset.h"

static bool
is_empty(const qpool_lease *lease)
{
	return lease->slot_ == NULL && lease->turn_ == 0 && lease->resource == NULL;
}

/* How long the lease lasted, by the clock it was stamped with. */
static int64_t
held_for(qpool *pool, const qp_slot *slot, int64_t coarse_ns)
{
	int64_t leased_ns = qp_loadi64_relaxed(&qp_slot_note(slot)->leased_ns), held_ns;

	if (QP_LIKELY(!qp_hist_samples(qp_slot_lent(slot))))
		return coarse_ns - leased_ns;
	held_ns = qp_clock_now() - leased_ns;
	qp_hist_add(&pool->hists->held, held_ns);
	return held_ns;
}

/* The holder keeps the resource: the slot becomes empty. */
static void
give_up(qpool *pool, qp_slot *slot)
{
	qp_wakes wakes = QP_WAKES_INIT;

	qp_pool_lock(pool);
	pool->tally.closes[0]++;
	qp_exchange_put_empty_locked(pool, slot, QP_LEASED);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
}

static void
give_back(qpool *pool, qp_slot *slot, int64_t now_ns)
{
	qpool_why why = qp_expiry_of_returned(&pool->dials.bounds, slot, now_ns);

	qp_storei64_release(&slot->used_ns, now_ns);
	if (why != QPOOL_WHY_DISCARDED && qp_pool_is_renewed(pool, slot))
		why = QPOOL_WHY_RENEWED;
	if (why != QP_WHY_NONE) {
		qp_open_retire(pool, slot, QP_LEASED, why, NULL);
	} else if (pool->ops.reset != NULL) {
		qp_slot_move(slot, QP_LEASED, QP_RESETTING);
		qp_reset_begin(pool, slot);
	} else {
		qp_open_keep(pool, slot, QP_LEASED);
	}
}

void
qp_release_finish(qp_slot *slot, qp_end how, unsigned told)
{
	qpool *pool = qp_slot_pool(slot);
	int64_t now_ns = qp_clock_coarse(), held_ns = held_for(pool, slot, now_ns);

	if (QP_UNLIKELY(told & QP_TOLD_LONG))
		qp_notice_lease(pool, QPOOL_EV_HELD_BACK, slot, held_ns);
	qp_notice_slot(pool, QPOOL_EV_RELEASED, slot, held_ns);
	if (how == QP_END_DETACH) {
		give_up(pool, slot);
		return;
	}
	slot->spoiled = slot->spoiled || how == QP_END_DISCARD;
	give_back(pool, slot, now_ns);
}

/* End the lease and empty it.  EMISUSE, with nothing changed, when it is not out or another thread
 * ends a copy of it at the same moment. */
static qpool_err
end(qpool_lease *lease, qp_end how, const char *what)
{
	qp_slot *slot = qp_lease_held(lease, what);
	uint32_t born;
	unsigned told;

	if (slot == NULL)
		return QPOOL_EMISUSE;
	born = qp_load_relaxed(&slot->born);
	switch (qp_shelf_end(slot, lease->turn_, how, &told)) {
	case QP_ENDED_STALE:
		return qp_pool_misuse(qp_slot_pool(slot), what);
	case QP_ENDED_OURS:
		*lease = (qpool_lease)QPOOL_LEASE_INIT;
		qp_release_finish(slot, how, told);
		break;
	case QP_ENDED_LEFT:
		*lease = (qpool_lease)QPOOL_LEASE_INIT;
		break;
	}
	/* Giving back runs user code, which may have forked. */
	return QP_LIKELY(!qp_fork_is_before(born)) ? QPOOL_OK : QPOOL_EFORKED;
}

static qpool_err
give(qpool_lease *lease, qp_end how)
{
	if (lease == NULL)
		return QPOOL_EINVAL;
	if (is_empty(lease))
		return QPOOL_OK;
	return end(
	    lease, how, "a lease was ended that is not out: it was ended before, or never taken");
}

qpool_err
qp_release_whole(qpool_lease *lease)
{
	return give(lease, QP_END_RELEASE);
}

qpool_err
qpool_discard(qpool_lease *lease)
{
	return give(lease, QP_END_DISCARD);
}

qpool_err
qpool_spoil(qpool_lease *lease)
{
	qp_slot *slot;

	if (lease == NULL)
		return QPOOL_EINVAL;
	if (is_empty(lease))
		return QPOOL_OK;
	slot = qp_lease_held(lease, "a lease was spoiled that is not out");
	if (slot == NULL)
		return QPOOL_EMISUSE;
	slot->spoiled = true;
	return QPOOL_OK;
}

void *
qpool_detach(qpool_lease *lease)
{
	void *resource;

	if (lease == NULL || is_empty(lease))
		return NULL;
	resource = lease->resource; /* read it first: the end may be left to another thread */
	return end(lease, QP_END_DETACH, "a lease was detached that is not out") != QPOOL_EMISUSE
	           ? resource
	           : NULL;
}

void
qpool_scope_end(qpool_lease *lease)
{
	(void)qpool_release(lease);
}

void
qpool_scope_fail(qpool_lease *lease)
{
	(void)qpool_discard(lease);
}
