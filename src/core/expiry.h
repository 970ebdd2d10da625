/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * expiry: pure judgement.  Limits, a resource's times and now go in, a reason to close it comes out, or
 * none.  No state, no clock, no lock; acquire, release, maintain and worker ask.
 */
#ifndef QP_CORE_EXPIRY_H
#define QP_CORE_EXPIRY_H

#include "core/slot.h"

#define QP_WHY_NONE ((qpool_why)0)

/* All in nanoseconds; QPOOL_FOREVER and QPOOL_NOLIMIT say no limit. */
typedef struct qp_limits {
	int64_t max_idle_ns, max_age_ns, check_after_ns;
	uint32_t max_uses;
	uint32_t age_jitter_percent;
} qp_limits;

/* When a resource opened now expires; `draw` is even over 0 .. 1'000'000. */
int64_t qp_expiry_at(const qp_limits *limits, int64_t opened_ns, int64_t draw);
/* May an idle one still be lent? */
qpool_why qp_expiry_of_idle(const qp_limits *limits, const qp_slot *slot, int64_t now_ns);
/* May one that comes back be lent again? */
qpool_why qp_expiry_of_returned(const qp_limits *limits, const qp_slot *slot, int64_t now_ns);
/* Has it sat so long that the peer must be asked? */
bool qp_expiry_needs_check(const qp_limits *limits, const qp_slot *slot, int64_t now_ns);
/* Can anything idle ever expire by time alone? */
bool qp_expiry_is_timed(const qp_limits *limits);

#endif
