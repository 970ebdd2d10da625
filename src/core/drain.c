/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drain: refuse, wake, close, wait, and let go.
 *
 * From closing on nothing becomes idle: the thread that brings a resource back closes it.  quiet
 * (pool.h) means that nothing can come back any more.  Then exactly one thread runs destroy: a
 * closer that sees it or, for a freed pool, the thread that leaves the lock last.  A pool may be
 * freed while threads are inside qpool_close, by a callback of theirs or by another thread: then
 * the last closer to leave ends the pool.
 */
#include "core/drain.h"

#include "core/exchange.h"
#include "core/keyed.h"
#include "core/maintain.h"
#include "core/steps.h"
#include "core/worker.h"

static void
begin_closing(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;

	qp_pool_lock(pool);
	qp_shelf_shut_locked(pool);
	pool->closing = true;
	qp_crew_dismiss_locked(pool, &wakes);
	qp_gate_refuse_locked(pool, &wakes);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
	(void)qp_maintain_pass(pool);
	if (pool->keyed != NULL)
		qp_keyed_close_all(pool->keyed);
}

static bool
has_ended(const qpool *pool)
{
	return pool->ended;
}

/* One thread runs destroy; the other closers wait for it. */
static bool
end_when_quiet(qpool *pool, int64_t deadline_ns)
{
	bool quiet;

	qp_pool_lock(pool);
	quiet = qp_pool_await_locked(pool, qp_pool_is_left_locked, deadline_ns);
	if (quiet && pool->ending) {
		quiet = qp_pool_await_locked(pool, has_ended, deadline_ns);
	} else if (quiet && qp_pool_is_quiet_locked(
				pool)) { /* else the last lease from before the fork ends it */
		pool->ending = true;
		qp_pool_unlock(pool, NULL);
		qp_step_destroy(pool);
		qp_pool_lock(pool);
		pool->ended = true;
	}
	qp_pool_unlock(pool, NULL);
	return quiet;
}

qpool_err
qp_drain_close(qpool *pool, qpool_nsec timeout)
{
	int64_t timeout_ns, deadline_ns;
	qp_mark here;
	bool done;

	if (qp_options_timeout(&pool->dials, timeout, &timeout_ns, NULL) != QPOOL_OK)
		return QPOOL_EINVAL;
	if (qp_step_is_inside(pool))
		return qp_pool_misuse(pool, "qpool_close inside a callback would wait for itself");
	deadline_ns = qp_clock_after(qp_clock_now(), timeout_ns);
	qp_pool_lock(pool);
	pool->closers++;
	qp_trail_enter(&here, pool, QP_IN_CLOSE, NULL);
	qp_pool_unlock(pool, NULL);
	begin_closing(pool);
	done = qp_crew_await(pool, deadline_ns) && end_when_quiet(pool, deadline_ns);
	qp_pool_lock(pool);
	qp_trail_leave(&here);
	pool->closers--;
	qp_pool_unlock(pool, NULL);
	return done ? QPOOL_OK : QPOOL_ETIMEOUT;
}

qpool_err
qpool_close(qpool *pool, qpool_nsec timeout)
{
	qpool_err err = qp_pool_look_whole(pool, "qpool_close", NULL);

	return err != QPOOL_OK ? err : qp_drain_close(pool, timeout);
}

static bool
has_leases(qpool *pool)
{
	bool any = false;

	qp_pool_lock(pool);
	for (uint32_t i = 0; i < pool->fresh && !any; i++)
		any = qp_slot_state(qp_pool_slot(pool, i)) == QP_LEASED;
	qp_pool_unlock(pool, NULL);
	return any;
}

void
qp_drain_free(qpool *pool)
{
	begin_closing(pool);
	if (!qp_step_is_inside(pool) && !has_leases(pool))
		(void)qp_crew_await(pool, QP_TIME_NEVER);
	qp_pool_lock(pool);
	qp_crew_abandon_locked(pool);
	pool->freed = true;
	qp_pool_unlock(pool, NULL);
}

void
qpool_free(qpool *pool)
{
	if (qp_pool_look_whole(pool, "qpool_free", NULL) == QPOOL_OK)
		qp_drain_free(pool);
}

void
qp_drain_end(qpool *pool)
{
	if (!pool->ended)
		qp_step_destroy(pool);
	qp_pool_dispose(pool);
}
