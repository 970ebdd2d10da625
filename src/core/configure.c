/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * configure: qpool_configure, new limits for a pool at work.  Everything is checked, and allocated,
 * before anything changes; then all limits change in one hold of the lock, waiters that can now be
 * served are served, and idle resources that are now too many are closed.  It never takes a
 * resource from its holder.
 */
#include "core/error.h"
#include "core/exchange.h"
#include "core/maintain.h"
#include "core/notice.h"
#include "core/worker.h"

#include <inttypes.h>

/* A collector that wants more than max_size would wait for ever, holding what it has and keeping
 * others behind it. */
static void
refuse_collector_locked(qpool *pool, qp_wakes *wakes)
{
	qp_waiter *waiter = pool->waitq.head;
	qp_atomic_u32 *word;

	while (waiter != NULL && waiter->wants <= pool->config.max_size)
		waiter = waiter->next;
	if (waiter == NULL || waiter->away) /* a collector that is away sees it when it is back */
		return;
	word = &waiter->word;
	qp_waitq_fail(&pool->waitq, waiter, QPOOL_EINVAL);
	qp_wakes_add(wakes, word);
}

static void
change_locked(qpool *pool, const qp_config *merged, qp_wakes *wakes)
{
	qp_options_apply(&pool->config, merged);
	qp_options_dial(&pool->dials, merged);
	qp_backoff_set(
	    &pool->backoff, merged->retry_min_ns, merged->retry_max_ns, merged->down_after_ns);
	refuse_collector_locked(pool, wakes);
	qp_crew_hasten_locked(pool, wakes);
	qp_exchange_settle_locked(pool, NULL, wakes);
}

/* True: done, *err says how.  False: *slots slots are needed first. */
static bool
try_locked(qpool *pool, const qpool_options *options, qpool_err *err, uint32_t *slots,
    qp_wakes *wakes, qpool_error *error)
{
	qp_config merged = pool->config;

	*err = pool->closing ? qp_error_set(error, QPOOL_ECLOSED, "pool '%s' is closing or closed",
				   pool->name)
	                     : qp_options_merge(&merged, options, error);
	*slots = merged.max_size;
	if (*err != QPOOL_OK)
		return true;
	if (merged.max_size > pool->slots)
		return false;
	change_locked(pool, &merged, wakes);
	return true;
}

static qpool_err
change(qpool *pool, const qpool_options *options, qpool_error *error)
{
	uint32_t slots = 0;
	qpool_err err;

	for (;;) {
		qp_wakes wakes = QP_WAKES_INIT;
		bool done;
		qp_pool_lock(pool);
		qp_shelf_shut_locked(pool);
		done = try_locked(pool, options, &err, &slots, &wakes, error);
		qp_pool_unlock(pool, &wakes);
		if (done)
			return err;
		if (!qp_pool_reserve(pool, slots))
			return qp_error_set(error, QPOOL_ENOMEM,
			    "no memory for %" PRIu32 " slots of pool '%s'; nothing was changed",
			    slots, pool->name);
	}
}

static bool
has_idle_surplus(qpool *pool)
{
	bool any;

	qp_pool_lock(pool);
	any = pool->idle.count > 0 && qp_pool_surplus_locked(pool) > 0;
	qp_pool_unlock(pool, NULL);
	return any;
}

qpool_err
qpool_configure(qpool *pool, const qpool_options *options, qpool_error *error)
{
	qpool_err err = qp_pool_look_whole(pool, "qpool_configure", error);
	qp_mark visit;

	if (err != QPOOL_OK)
		return err;
	qp_pool_visit(pool, &visit);
	err = change(pool, options, error);
	if (err == QPOOL_OK) {
		qp_notice_pool(pool, QPOOL_EV_CONFIGURED, 0, NULL, NULL);
		if (has_idle_surplus(pool))
			qp_maintain_now(pool);
	}
	qp_pool_leave(pool, &visit);
	return err;
}
