/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats: the snapshot of one pool, or of all pools of a keyed pool.  qpool_get_stats and
 * keyed_verbs call in.  stats changes nothing.
 */
#ifndef QP_CORE_STATS_H
#define QP_CORE_STATS_H

#include "core/pool.h"

/* The snapshot of one pool.  Takes the lock; *now must be initialised. */
void qp_stats_read(qpool *pool, qpool_stats *now);

/* The sum of several pools: start from all zero, add each in one hold of their lock, then
 * report. */
typedef struct qp_stats_sum {
	uint32_t counts[QP_STATES], waiting, down, inherited;
	uint64_t lent;
	qp_tally tally;
	bool moved; /* a slot moved while it was read */
} qp_stats_sum;

void qp_stats_add_locked(qp_stats_sum *sum, const qpool *pool);
/* Fill *now, except max_size, what depends on it, and the peaks. */
void qp_stats_report(const qp_stats_sum *sum, qpool_stats *now);

#endif
