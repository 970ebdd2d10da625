/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maintain: find one, take it, close it, go on after it.
 */
#include "core/maintain.h"

#include "core/open.h"

/* How many slots are looked at in one hold of the lock. */
#define STRIDE 64u

qp_slot *
qp_maintain_take_locked(qpool *pool, uint32_t *index, int64_t now_ns)
{
	uint32_t end = *index + STRIDE < pool->fresh ? *index + STRIDE : pool->fresh;

	while (*index < end) {
		qp_slot *slot = qp_pool_slot(pool, (*index)++);
		qpool_why why = QPOOL_WHY_CLOSED;
		if (qp_slot_state(slot) != QP_IDLE)
			continue;
		if (!pool->closing)
			why = qp_expiry_of_idle(&pool->config.limits, slot, now_ns);
		if (why == QP_WHY_NONE)
			continue;
		qp_idle_remove(&pool->idle, slot);
		slot->why = why;
		qp_slot_move(slot, QP_IDLE, QP_CLOSING);
		pool->owned++;
		pool->leaving++;
		return slot;
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

size_t
qpool_maintain(qpool *pool)
{
	size_t closed;
	qp_mark visit;

	if (qp_pool_look(pool, NULL) != QPOOL_OK)
		return 0;
	qp_pool_visit(pool, &visit);
	closed = qp_maintain_pass(pool);
	qp_pool_leave(pool, &visit);
	return closed;
}
