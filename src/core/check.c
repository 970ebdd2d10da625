/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check: the verdict on a resource, which needs a check's whole time.
 */
#include "core/check.h"

#include "core/fork.h"
#include "core/open.h"
#include "core/steps.h"
#include "core/suspect.h"
#include "core/worker.h"

void
qp_check_passed(qp_slot *slot)
{
	slot->answered_ns = qp_clock_coarse();
	slot->unanswered_ns = 0;
}

void
qp_check_failed(qpool *pool, qp_slot *slot, const qpool_error *cause)
{
	qp_pool_lock(pool);
	pool->tally.checks_failed++;
	qp_pool_unlock(pool, NULL);
	qp_open_retire(pool, slot, QP_CHECKING, QPOOL_WHY_CHECK, cause);
}

bool
qp_check_put_off(qpool *pool, qp_slot *slot, int64_t asked_ns, bool is_late)
{
	if (qp_fork_is_inherited(slot))
		return false;
	if (qp_crew_offer(pool, slot))
		return true;
	if (!is_late)
		return false; /* check gave up before its time was over */
	/* All callers may be as short of time as this one.  A resource that has not answered them
	 * for as long as one check may take has been asked long enough; else nobody would ever be
	 * rid of it. */
	slot->unanswered_ns += asked_ns;
	if (slot->unanswered_ns >= qp_loadi64_relaxed(&pool->dials.step_budget_ns))
		return false;
	qp_open_keep(pool, slot, QP_CHECKING);
	return true;
}

/* Not while workers stop or the pool closes: nobody would use the resource after the answer. */
static bool
is_worth_asking(qpool *pool)
{
	bool is;

	qp_pool_lock(pool);
	is = qp_crew_serves(&pool->crew) && !pool->closing;
	qp_pool_unlock(pool, NULL);
	return is;
}

void
qp_check_on_worker(qpool *pool, qp_slot *slot)
{
	int64_t budget_ns = qp_loadi64_relaxed(&pool->dials.step_budget_ns);
	/* Read before asking, as in acquire. */
	uint64_t suspicion = qp_suspect_last(pool);
	qpool_error error;

	if (is_worth_asking(pool)) {
		if (qp_step_check(pool, slot, budget_ns, true, &error) != QPOOL_OK) {
			qp_check_failed(pool, slot, &error);
			return;
		}
		qp_check_passed(slot);
		slot->asked = suspicion;
	}
	qp_open_keep(pool, slot, QP_CHECKING);
}
