/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backoff: one run of failures, its pauses and its end.
 */
#include "core/backoff.h"

#include "platform/clock.h"
#include "platform/random.h"

void
qp_backoff_failed(qp_backoff *backoff, int64_t began_ns, int64_t now_ns, const qpool_error *error,
    uint64_t *random)
{
	bool together = backoff->failures > 0 && began_ns < backoff->last_ns;

	if (backoff->failures == 0) {
		backoff->since_ns = now_ns;
		backoff->ceiling_ns = backoff->retry_min_ns;
	}
	backoff->failures += backoff->failures < UINT32_MAX;
	backoff->error = *error;
	if (together)
		return;
	backoff->last_ns = now_ns;
	backoff->retry_ns = qp_clock_after(now_ns, qp_random_upto(random, backoff->ceiling_ns));
	backoff->ceiling_ns = backoff->ceiling_ns > backoff->retry_max_ns / 2
	                          ? backoff->retry_max_ns
	                          : backoff->ceiling_ns * 2;
}

void
qp_backoff_succeeded(qp_backoff *backoff)
{
	backoff->failures = 0;
}

void
qp_backoff_calm(qp_backoff *backoff)
{
	backoff->failures = 0;
	backoff->told_down = backoff->telling = backoff->owes_up = false;
}

void
qp_backoff_bare(qp_backoff *backoff, int64_t now_ns)
{
	backoff->bare_ns = now_ns;
}

int64_t
qp_backoff_due(const qp_backoff *backoff, bool somebody_asks)
{
	int64_t soon_ns;

	if (backoff->failures == 0)
		return 0;
	soon_ns = qp_clock_after(backoff->last_ns, QP_BACKOFF_ASKED_NS);
	return somebody_asks && soon_ns < backoff->retry_ns ? soon_ns : backoff->retry_ns;
}

int64_t
qp_backoff_hopeless_at(const qp_backoff *backoff)
{
	int64_t from_ns =
	    backoff->bare_ns > backoff->since_ns ? backoff->bare_ns : backoff->since_ns;

	return backoff->failures == 0 ? QP_TIME_NEVER
	                              : qp_clock_after(from_ns, backoff->down_after_ns);
}

bool
qp_backoff_is_hopeless(const qp_backoff *backoff, bool any_exist, int64_t now_ns)
{
	if (backoff->failures == 0 || any_exist)
		return false;
	return backoff->error.code == QPOOL_EDENIED || now_ns >= qp_backoff_hopeless_at(backoff);
}

bool
qp_backoff_is_valid(const qp_backoff *backoff)
{
	return backoff->failures == 0 ||
	       (backoff->since_ns <= backoff->last_ns && backoff->last_ns <= backoff->retry_ns &&
		   backoff->error.code != QPOOL_OK);
}
