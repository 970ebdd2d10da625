/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * expiry: pure judgement.  Limits, a resource's times and now go in; a reason to close it, or
 * none, comes out.  It has no state, no clock and no lock; acquire, release, maintain and
 * worker ask.  It judges the age now against the limit now, so that a changed limit applies to
 * what is open already.
 */
#ifndef QP_CORE_EXPIRY_H
#define QP_CORE_EXPIRY_H

#include "core/slot.h"

#define QP_WHY_NONE ((qpool_why)0)

/* Times in nanoseconds; QPOOL_FOREVER and QPOOL_NOLIMIT mean no limit. */
typedef struct qp_limits {
	int64_t max_idle_ns, max_age_ns, check_after_ns;
	uint32_t max_uses;
	uint32_t age_jitter_percent;
} qp_limits;

/* The same limits, read by verbs while qpool_configure may change them. */
typedef struct qp_bounds {
	/* atomic: written under the pool's lock, read by anyone without it */
	qp_atomic_i64 max_idle_ns, max_age_ns, check_after_ns;
	qp_atomic_u64 max_uses; /* no limit: UINT64_MAX, so that it is above every count */
	qp_atomic_u32 age_jitter_percent;
} qp_bounds;

#define QP_EXPIRY_DRAWS 50000 /* in 16 bits */

void qp_expiry_set(qp_bounds *bounds, const qp_limits *limits);
/* The age at which a resource expires.  `draw`, the resource's own, evenly spread over 0 ..
 * QP_EXPIRY_DRAWS, says how much of the jitter is taken off.  QPOOL_FOREVER: never. */
int64_t qp_expiry_age(const qp_bounds *bounds, int64_t draw);
/* Why an idle resource may no longer be lent, or QP_WHY_NONE. */
qpool_why qp_expiry_of_idle(const qp_bounds *bounds, const qp_slot *slot, int64_t now_ns);
/* Why a resource that comes back may not be lent again, or QP_WHY_NONE. */
qpool_why qp_expiry_of_returned(const qp_bounds *bounds, const qp_slot *slot, int64_t now_ns);
/* Has it been idle, and unasked since it answered, so long that the peer must be asked? */
bool qp_expiry_needs_check(
    const qp_bounds *bounds, const qp_slot *slot, int64_t answered_ns, int64_t now_ns);
/* Can anything idle ever expire by time alone? */
bool qp_expiry_is_timed(const qp_limits *limits);

#endif
