/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * suspect: one number, and a look at two clocks.
 */
#include "core/suspect.h"

void
qp_suspect_begin(qpool *pool)
{
	pool->frozen_ns = qp_clock_frozen();
	/* relaxed: no other thread knows the pool yet. */
	qp_storei64_relaxed(&pool->thaw_ns, qp_clock_after(qp_clock_coarse(), QP_SUSPECT_EVERY_NS));
}

uint64_t
qp_suspect_last(const qpool *pool)
{
	/* relaxed: a thread that learned of a suspicion from the thread that raised it sees it;
	 * others may see it a moment late. */
	return qp_load64_relaxed(&pool->suspicions);
}

static void
suspect_locked(qpool *pool)
{
	/* relaxed: written under the lock; see qp_suspect_last. */
	qp_store64_relaxed(&pool->suspicions, qp_load64_relaxed(&pool->suspicions) + 1);
}

void
qp_suspect_if_frozen_locked(qpool *pool, int64_t now_ns)
{
	int64_t frozen_ns;

	if (!qp_suspect_is_time(pool, now_ns))
		return;
	frozen_ns = qp_clock_frozen();
	/* Since the last suspicion, not since the last look: many short freezes add up
	 * to a long one. */
	if (frozen_ns - pool->frozen_ns > QP_SUSPECT_FROZEN_NS) {
		pool->frozen_ns = frozen_ns;
		suspect_locked(pool);
	}
	qp_storei64_relaxed(&pool->thaw_ns, qp_clock_after(now_ns, QP_SUSPECT_EVERY_NS));
}

void
qp_suspect_look(qpool *pool, int64_t now_ns)
{
	qp_pool_lock(pool);
	qp_suspect_if_frozen_locked(pool, now_ns);
	qp_pool_unlock(pool, NULL);
}

void
qpool_suspect(qpool *pool)
{
	if (qp_pool_look(pool, NULL) != QPOOL_OK)
		return;
	qp_pool_lock(pool);
	suspect_locked(pool);
	qp_pool_unlock(pool, NULL);
}
