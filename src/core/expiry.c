/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * expiry: three limits and the order in which they are named.
 */
#include "core/expiry.h"

#include "platform/clock.h"

int64_t
qp_expiry_at(const qp_limits *limits, int64_t opened_ns, int64_t draw)
{
	int64_t most_off_ns;

	if (limits->max_age_ns == QPOOL_FOREVER)
		return QP_TIME_NEVER;
	/* Divide first: an age of centuries must not overflow. */
	most_off_ns = limits->max_age_ns / 100 * limits->age_jitter_percent;
	return qp_clock_after(opened_ns, limits->max_age_ns - most_off_ns / 1000000 * draw);
}

static qpool_why
of_age_or_uses(const qp_limits *limits, const qp_slot *slot, int64_t now_ns)
{
	if (now_ns >= slot->expires_ns && slot->expires_ns != QP_TIME_NEVER)
		return QPOOL_WHY_AGE;
	if (limits->max_uses != QPOOL_NOLIMIT && qp_load64_relaxed(&slot->uses) >= limits->max_uses)
		return QPOOL_WHY_USES;
	return QP_WHY_NONE;
}

qpool_why
qp_expiry_of_idle(const qp_limits *limits, const qp_slot *slot, int64_t now_ns)
{
	if (limits->max_idle_ns != QPOOL_FOREVER &&
	    now_ns - qp_loadi64_relaxed(&slot->used_ns) > limits->max_idle_ns)
		return QPOOL_WHY_IDLE;
	return of_age_or_uses(limits, slot, now_ns);
}

qpool_why
qp_expiry_of_returned(const qp_limits *limits, const qp_slot *slot, int64_t now_ns)
{
	return slot->spoiled ? QPOOL_WHY_DISCARDED : of_age_or_uses(limits, slot, now_ns);
}

bool
qp_expiry_needs_check(const qp_limits *limits, const qp_slot *slot, int64_t now_ns)
{
	return limits->check_after_ns != QPOOL_FOREVER &&
	       now_ns - qp_loadi64_relaxed(&slot->used_ns) >= limits->check_after_ns;
}

bool
qp_expiry_is_timed(const qp_limits *limits)
{
	return limits->max_idle_ns != QPOOL_FOREVER || limits->max_age_ns != QPOOL_FOREVER;
}
