/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * release: the way back.  Exactly one caller ends a turn; from then on the slot is that thread's until it
 * is idle, empty, or a worker's.  Nothing here allocates, and nothing can fail but misuse.
 */
#include "core/exchange.h"
#include "core/fork.h"
#include "core/notice.h"
#include "core/open.h"
#include "core/reset.h"

static bool
is_empty(const qpool_lease *lease)
{
	return lease->slot_ == NULL && lease->turn_ == 0 && lease->resource == NULL;
}

/* The slot a lease points at, or NULL when it points at none of ours. */
static qp_slot *
pointed_at(const qpool_lease *lease)
{
	qp_slot *slot = lease != NULL ? lease->slot_ : NULL;

	if (slot == NULL || (uintptr_t)slot % _Alignof(qp_slot) != 0 ||
	    slot->magic != QP_SLOT_MAGIC)
		return NULL;
	return slot;
}

/* The same, in a pool that is this process's. */
static qp_slot *
slot_of(const qpool_lease *lease)
{
	qp_slot *slot = pointed_at(lease);

	if (slot != NULL)
		qp_fork_look(slot->pool);
	return slot;
}

/* The slot whose lease this is, while it is out; else the misuse is told. */
static qp_slot *
held(const qpool_lease *lease, const char *what)
{
	qp_slot *slot = slot_of(lease);

	if (slot == NULL || qp_slot_is_out(slot, lease->turn_))
		return slot;
	(void)qp_pool_misuse(slot->pool, what);
	return NULL;
}

/* End the lease and empty it; NULL, and nothing changed, when it is not out or somebody else ends a copy
 * of it at this moment. */
static qp_slot *
claim(qpool_lease *lease, const char *what)
{
	qp_slot *slot = held(lease, what);

	if (slot == NULL)
		return NULL;
	if (!qp_slot_end(slot, lease->turn_)) {
		(void)qp_pool_misuse(slot->pool, what);
		return NULL;
	}
	*lease = (qpool_lease)QPOOL_LEASE_INIT;
	return slot;
}

/* The lease has ended, the slot is ours. */
static void
give_back(qpool *pool, qp_slot *slot)
{
	int64_t now_ns = qp_clock_coarse();
	qpool_why why = qp_expiry_of_returned(&pool->config.limits, slot, now_ns);

	qp_notice_slot(pool, QPOOL_EV_RELEASED, slot, now_ns - slot->leased_ns);
	slot->used_ns = now_ns;
	slot->site = slot->label = NULL;
	if (QP_UNLIKELY(qp_fork_is_inherited(slot))) {
		qp_open_retire(pool, slot, QP_LEASED, QPOOL_WHY_CLOSED, NULL);
	} else if (why != QP_WHY_NONE) {
		qp_open_retire(pool, slot, QP_LEASED, why, NULL);
	} else if (pool->ops.reset != NULL) {
		qp_slot_move(slot, QP_LEASED, QP_RESETTING);
		qp_reset_begin(pool, slot);
	} else {
		qp_open_keep(pool, slot, QP_LEASED);
	}
}

static qpool_err
end(qpool_lease *lease, bool spoil)
{
	uint32_t generation;
	qp_slot *slot;

	if (lease == NULL)
		return QPOOL_EINVAL;
	if (is_empty(lease))
		return QPOOL_OK;
	slot =
	    claim(lease, "a lease was ended that is not out: it was ended before, or never taken");
	if (slot == NULL)
		return QPOOL_EMISUSE;
	slot->spoiled = slot->spoiled || spoil;
	generation = slot->generation;
	give_back(slot->pool, slot);
	/* The way back runs user code, which may have forked. */
	return QP_LIKELY(generation == qp_forkmark_now()) ? QPOOL_OK : QPOOL_EFORKED;
}

qpool_err
qpool_release(qpool_lease *lease)
{
	return end(lease, false);
}

qpool_err
qpool_discard(qpool_lease *lease)
{
	return end(lease, true);
}

qpool_err
qpool_spoil(qpool_lease *lease)
{
	qp_slot *slot;

	if (lease == NULL)
		return QPOOL_EINVAL;
	if (is_empty(lease))
		return QPOOL_OK;
	slot = held(lease, "a lease was spoiled that is not out");
	if (slot == NULL)
		return QPOOL_EMISUSE;
	slot->spoiled = true;
	return QPOOL_OK;
}

void *
qpool_detach(qpool_lease *lease)
{
	qp_wakes wakes = QP_WAKES_INIT;
	void *resource;
	qp_slot *slot;
	qpool *pool;

	if (lease == NULL || is_empty(lease))
		return NULL;
	slot = claim(lease, "a lease was detached that is not out");
	if (slot == NULL)
		return NULL;
	pool = slot->pool;
	resource = slot->resource;
	qp_notice_slot(pool, QPOOL_EV_RELEASED, slot, qp_clock_coarse() - slot->leased_ns);
	qp_pool_lock(pool);
	pool->tally.closes[0]++;
	qp_exchange_put_empty_locked(pool, slot, QP_LEASED);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
	return resource;
}

void
qpool_label(qpool_lease *lease, const char *label)
{
	qp_slot *slot = slot_of(lease);

	if (slot != NULL && qp_slot_is_out(slot, lease->turn_))
		slot->label = label;
}

qpool *
qpool_of(const qpool_lease *lease)
{
	const qp_slot *slot = pointed_at(lease);

	return slot != NULL ? slot->pool : NULL;
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
