/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control: what an operator says to a pool at work: pause, resume, renew.  It closes nothing itself
 * and never takes a resource from its holder.
 */
#include "core/exchange.h"
#include "core/maintain.h"

static void
set_paused(qpool *pool, bool paused)
{
	qp_wakes wakes = QP_WAKES_INIT;

	if (qp_pool_look_whole(pool, paused ? "qpool_pause" : "qpool_resume", NULL) != QPOOL_OK)
		return;
	qp_pool_lock(pool);
	qp_shelf_shut_locked(pool);
	pool->paused = paused;
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
}

void
qpool_pause(qpool *pool)
{
	set_paused(pool, true);
}

void
qpool_resume(qpool *pool)
{
	set_paused(pool, false);
}

/* A maintenance pass closes what is idle.  What is lent, opening, or just taken is found outdated
 * by its owner, before it would be lent or put back. */
void
qpool_renew(qpool *pool)
{
	qp_mark visit;

	if (qp_pool_look(pool, NULL) != QPOOL_OK)
		return;
	qp_pool_lock(pool);
	qp_pool_visit_locked(pool, &visit);
	qp_shelf_shut_locked(pool); /* what comes back later is judged under the lock */
	/* relaxed: written under the lock; see qp_pool_is_renewed. */
	qp_store64_relaxed(&pool->renewals, qp_load64_relaxed(&pool->renewals) + 1);
	qp_pool_unlock(pool, NULL);
	qp_maintain_now(pool);
	qp_pool_leave(pool, &visit);
}
