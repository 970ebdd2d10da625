/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maintain: find a slot that must go, take it, close it, go on.
 */
#include "core/maintain.h"

#include "core/open.h"
#include "core/suspect.h"
#include "core/watch.h"
#include "core/worker.h"

/* At most so many slots are looked at in one hold of the lock. */
#define STRIDE 64u

static qp_slot *
take(qpool *pool, qp_slot *slot, qpool_why why)
{
	qp_idle_remove(&pool->idle, slot);
	qp_slot_set_why(slot, why);
	qp_slot_move(slot, QP_IDLE, QP_CLOSING);
	pool->owned++;
	pool->leaving++;
	return slot;
}

qp_slot *
qp_maintain_take_locked(qpool *pool, uint32_t *index, int64_t now_ns)
{
	uint32_t end = *index + STRIDE < pool->fresh ? *index + STRIDE : pool->fresh;

	qp_shelf_gather_locked(pool);
	if (pool->idle.count > 0 && !pool->closing && qp_pool_surplus_locked(pool) > 0)
		return take(pool, pool->idle.oldest, QPOOL_WHY_SHRUNK);
	while (*index < end) {
		qp_slot *slot = qp_pool_slot(pool, (*index)++);
		qpool_why why = QPOOL_WHY_CLOSED;
		if (qp_slot_state(slot) != QP_IDLE || qp_shelf_has(slot))
			continue;
		if (!pool->closing)
			why = qp_pool_is_renewed(pool, slot)
			          ? QPOOL_WHY_RENEWED
			          : qp_expiry_of_idle(&pool->dials.bounds, slot, now_ns);
		if (why != QP_WHY_NONE)
			return take(pool, slot, why);
	}
	return NULL;
}

size_t
qp_maintain_pass(qpool *pool)
{
	size_t closed = 0;
	uint32_t index = 0;
	bool more = true;

	while (more) {
		qp_slot *slot;
		qp_pool_lock(pool);
		slot = qp_maintain_take_locked(pool, &index, qp_clock_now());
		more = index < pool->fresh;
		qp_pool_unlock(pool, NULL);
		if (slot != NULL) {
			qp_open_undo(pool, slot);
			closed++;
		}
	}
	return closed;
}

void
qp_maintain_now(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;
	bool served;

	qp_pool_lock(pool);
	served = qp_crew_pass_locked(pool, &wakes);
	qp_pool_unlock(pool, &wakes);
	if (!served)
		(void)qp_maintain_pass(pool);
}

size_t
qpool_maintain(qpool *pool)
{
	size_t closed;
	qp_mark visit;

	if (qp_pool_look(pool, NULL) != QPOOL_OK)
		return 0;
	qp_pool_visit(pool, &visit);
	qp_suspect_if_frozen(pool, qp_clock_coarse());
	closed = qp_maintain_pass(pool);
	(void)qp_watch_all(pool, true);
	qp_pool_leave(pool, &visit);
	return closed;
}
