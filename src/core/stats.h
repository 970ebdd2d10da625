/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats: snapshots, for the verbs that give them out: of one pool, or of all a keyed pool's together.
 */
#ifndef QP_CORE_STATS_H
#define QP_CORE_STATS_H

#include "core/pool.h"

/* Of one pool.  Takes the lock; *now was initialised. */
void qp_stats_read(qpool *pool, qpool_stats *now);

/* Of several: start from all zero, add each, in one hold of their lock, then report. */
typedef struct qp_stats_sum {
	uint32_t counts[QP_STATES], waiting, down, inherited;
	uint64_t lent;
	qp_tally tally;
	bool moved; /* something did while it was read */
} qp_stats_sum;

void qp_stats_add_locked(qp_stats_sum *sum, const qpool *pool);
/* All but max_size and what depends on it, and peaks. */
void qp_stats_report(const qp_stats_sum *sum, qpool_stats *now);

#endif
