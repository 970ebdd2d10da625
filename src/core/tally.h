/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tally: counters of what happened since the pool was made.  Acquires are not here: the slots'
 * turns count them, so that the common path writes no shared counter.  line, open, exchange, stats
 * and keyed call in, under the pool's lock.  Counters only grow.
 */
#ifndef QP_CORE_TALLY_H
#define QP_CORE_TALLY_H

#include <queuepool.h>

typedef struct qp_tally {
	uint64_t waited, timeouts, refusals, cancels;
	uint64_t opens, open_failures, checks_failed, resets_failed, misuses;
	uint64_t closes[16]; /* by why; 0: detached or abandoned */
	uint64_t wait_ns, wait_ns_max, open_ns, open_ns_max;
	uint32_t lent_peak, open_peak, waiting_peak;
} qp_tally;

void qp_tally_wait(qp_tally *tally, int64_t took_ns);
void qp_tally_open(qp_tally *tally, int64_t took_ns, bool succeeded);
void qp_tally_peak(uint32_t *peak, uint32_t now);
/* Add the counters of `more`; peaks cannot be added, and stay. */
void qp_tally_add(qp_tally *tally, const qp_tally *more);
/* Copy the counters into the public struct. */
void qp_tally_report(const qp_tally *tally, qpool_stats *out);

#endif
