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

static void
set_answered(qp_slot *slot, int64_t answered_ns)
{
	qp_answers *answers = qp_slot_answers(slot);

	slot->owes = false;
	if (answers == NULL)
		return;
	answers->answered_ns = answered_ns;
	answers->unanswered_ns = 0;
}

void
qp_check_begin(qp_slot *slot)
{
	set_answered(slot, 0);
}

bool
qp_check_is_trusted(const qpool *pool, const qp_slot *slot)
{
	const qp_answers *answers = qp_slot_answers(slot);

	/* Of one that cannot be asked nobody knows when it was opened; so say no. */
	return qp_suspect_last(pool) == (answers != NULL ? answers->asked : 0);
}

void
qp_check_passed(qp_slot *slot)
{
	set_answered(slot, qp_clock_coarse());
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
	qp_answers *answers = qp_slot_answers(slot);

	if (qp_fork_is_inherited(slot))
		return false;
	if (qp_crew_offer(pool, slot))
		return true;
	if (!is_late)
		return false; /* check gave up before its time was over */
	/* All callers may be as short of time as this one.  A resource that has not answered them
	 * for as long as one check may take has been asked long enough; else nobody would ever be
	 * rid of it. */
	answers->unanswered_ns += asked_ns;
	slot->owes = answers->unanswered_ns > 0;
	if (answers->unanswered_ns >= qp_loadi64_relaxed(&pool->dials.step_budget_ns))
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
		qp_slot_answers(slot)->asked = suspicion;
	}
	qp_open_keep(pool, slot, QP_CHECKING);
}
