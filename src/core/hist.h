/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hist: durations as counts in buckets, and which leases are measured exactly.  Adding is wait-free but for a
 * new maximum, and needs no lock; nothing here reads a clock.  line, open, acquire and release come in.
 *
 * Buckets are log-linear: 0 to 15 ns one each, then 16 to every doubling, so a bucket's bound is at most 1/16
 * above any duration in it, and 960 hold every duration there is.
 */
#ifndef QP_CORE_HIST_H
#define QP_CORE_HIST_H

#include <queuepool.h>

#include "platform/atomic.h"

/* Reading the exact clock twice a lease would cost more than the lease: one in so many is. */
#define QP_HIST_EVERY 64u

typedef struct qp_hist {
	/* atomic: only grow, each by itself */
	qp_atomic_u64 sum_ns, max_ns;
	qp_atomic_u64 bucket[QPOOL_HIST_BUCKETS];
} qp_hist;

/* The three of a pool. */
typedef struct qp_hists {
	qp_hist wait, open, held;
} qp_hists;

/* Which bucket counts it; negative counts as 0. */
unsigned qp_hist_index(int64_t took_ns);
void qp_hist_add(qp_hist *hist, int64_t took_ns);
/* What was added so far; count is the sum of the buckets, whatever is being added. */
void qp_hist_report(const qp_hist *hist, qpool_hist *out);
/* Is a slot's nth lease (from 1) measured? */
bool qp_hist_samples(uint64_t nth);

#endif
