/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reset: a failure costs the resource, never the slot.
 */
#include "core/reset.h"

#include "core/fork.h"
#include "core/open.h"
#include "core/steps.h"
#include "core/worker.h"

static void
finish(qpool *pool, qp_slot *slot, qpool_err err, const qpool_error *error)
{
	if (err == QPOOL_OK || qp_fork_is_inherited(slot)) { /* keep closes an inherited slot */
		qp_open_keep(pool, slot, QP_RESETTING);
		return;
	}
	qp_pool_lock(pool);
	pool->tally.resets_failed++;
	qp_pool_unlock(pool, NULL);
	qp_open_retire(pool, slot, QP_RESETTING, QPOOL_WHY_RESET, error);
}

void
qp_reset_begin(qpool *pool, qp_slot *slot)
{
	qpool_error error;
	qpool_err err;

	if (pool->config.resets_on_workers && qp_crew_offer(pool, slot))
		return;
	err = qp_step_reset(pool, slot, false, &error);
	if (err == QPOOL_EAGAIN && !qp_fork_is_inherited(slot) && qp_crew_offer(pool, slot))
		return;
	finish(pool, slot, err, &error);
}

void
qp_reset_on_worker(qpool *pool, qp_slot *slot)
{
	qpool_error error;
	qpool_err err = qp_step_reset(pool, slot, true, &error);

	finish(pool, slot, err, &error);
}
