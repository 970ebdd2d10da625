/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hist: durations as counts in buckets, and which leases are measured exactly.  line, open and
 * release add, acquire asks which leases to measure, stats reads; no lock is needed.  Adding is
 * wait-free except for a new maximum.  Nothing here reads a clock.
 *
 * Buckets are log-linear: one for each of 0 to 15 ns, then 16 for every doubling.  So a bucket's
 * bound is at most 1/16 above any duration in it, and 960 buckets hold every possible duration.
 */
#ifndef QP_CORE_HIST_H
#define QP_CORE_HIST_H

#include <queuepool.h>

#include "platform/atomic.h"

/* Reading the exact clock twice per lease would cost more than the lease: one lease in
 * 64 is measured. */
#define QP_HIST_EVERY 64u

typedef struct qp_hist {
	/* atomic: each only grows, independently */
	qp_atomic_u64 sum_ns, max_ns;
	qp_atomic_u64 bucket[QPOOL_HIST_BUCKETS];
} qp_hist;

/* The three histograms of a pool. */
typedef struct qp_hists {
	qp_hist wait, open, held;
} qp_hists;

/* The bucket of a duration; a negative one counts as 0. */
unsigned qp_hist_index(int64_t took_ns);
void qp_hist_add(qp_hist *hist, int64_t took_ns);
/* What was added so far; count is the sum of the buckets read, even while others add. */
void qp_hist_report(const qp_hist *hist, qpool_hist *out);
/* Is a slot's nth lease (from 1) measured exactly? */
static inline bool
qp_hist_samples(uint64_t nth)
{
	return (nth - 1) % QP_HIST_EVERY == 0;
}

#endif
