/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * expiry: the limits, and the order in which they are named.
 */
#include "core/expiry.h"

/* relaxed, all of them: each limit is valid by itself, and a changed one may be seen
 * a moment late. */
void
qp_expiry_set(qp_bounds *bounds, const qp_limits *limits)
{
	qp_storei64_relaxed(&bounds->max_idle_ns, limits->max_idle_ns);
	qp_storei64_relaxed(&bounds->max_age_ns, limits->max_age_ns);
	qp_storei64_relaxed(&bounds->check_after_ns, limits->check_after_ns);
	qp_store64_relaxed(
	    &bounds->max_uses, limits->max_uses == QPOOL_NOLIMIT ? UINT64_MAX : limits->max_uses);
	qp_store_relaxed(&bounds->age_jitter_percent, limits->age_jitter_percent);
}

int64_t
qp_expiry_age(const qp_bounds *bounds, int64_t draw)
{
	int64_t max_age_ns = qp_loadi64_relaxed(&bounds->max_age_ns), most_off_ns;

	if (max_age_ns == QPOOL_FOREVER)
		return QPOOL_FOREVER;
	/* Divide first: an age of centuries must not overflow. */
	most_off_ns = max_age_ns / 100 * qp_load_relaxed(&bounds->age_jitter_percent);
	return max_age_ns - most_off_ns / QP_EXPIRY_DRAWS * draw;
}

static qpool_why
of_age_or_uses(const qp_bounds *bounds, const qp_slot *slot, int64_t now_ns)
{
	int64_t age_ns = qp_expiry_age(bounds, slot->age_draw);
	uint64_t max_uses = qp_load64_relaxed(&bounds->max_uses);

	if (now_ns - qp_loadi64_relaxed(&slot->opened_ns) >= age_ns && age_ns != QPOOL_FOREVER)
		return QPOOL_WHY_AGE;
	if (max_uses != UINT64_MAX && qp_load64_relaxed(&slot->uses) >= max_uses)
		return QPOOL_WHY_USES;
	return QP_WHY_NONE;
}

qpool_why
qp_expiry_of_idle(const qp_bounds *bounds, const qp_slot *slot, int64_t now_ns)
{
	/* Nothing is idle for longer than for ever, so "no limit" needs no case of its own. */
	if (now_ns - qp_loadi64_relaxed(&slot->used_ns) > qp_loadi64_relaxed(&bounds->max_idle_ns))
		return QPOOL_WHY_IDLE;
	return of_age_or_uses(bounds, slot, now_ns);
}

qpool_why
qp_expiry_of_returned(const qp_bounds *bounds, const qp_slot *slot, int64_t now_ns)
{
	return slot->spoiled ? QPOOL_WHY_DISCARDED : of_age_or_uses(bounds, slot, now_ns);
}

bool
qp_expiry_needs_check(
    const qp_bounds *bounds, const qp_slot *slot, int64_t answered_ns, int64_t now_ns)
{
	int64_t check_after_ns = qp_loadi64_relaxed(&bounds->check_after_ns);
	int64_t known_ns = qp_loadi64_relaxed(&slot->used_ns);

	if (check_after_ns == QPOOL_FOREVER)
		return false;
	if (known_ns < answered_ns)
		known_ns = answered_ns;
	return now_ns - known_ns >= check_after_ns;
}

bool
qp_expiry_is_timed(const qp_limits *limits)
{
	return limits->max_idle_ns != QPOOL_FOREVER || limits->max_age_ns != QPOOL_FOREVER;
}
