/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tally: what happened since the pool was made.  Acquires are not here: they are the slots' turns, so that
 * the common path counts nothing shared.  Guarded by the pool's lock; every counter only grows.
 */
#ifndef QP_CORE_TALLY_H
#define QP_CORE_TALLY_H

#include <queuepool.h>

typedef struct qp_tally {
	uint64_t waited, timeouts, refusals, cancels;
	uint64_t opens, open_failures, checks_failed, resets_failed, misuses;
	uint64_t closes[16]; /* by why; 0: detached */
	uint64_t wait_ns, wait_ns_max, open_ns, open_ns_max;
	uint32_t lent_peak, open_peak, waiting_peak;
} qp_tally;

void qp_tally_wait(qp_tally *tally, int64_t took_ns);
void qp_tally_open(qp_tally *tally, int64_t took_ns, bool succeeded);
void qp_tally_peak(uint32_t *peak, uint32_t now);
/* Add what another one counted; peaks are not sums, and stay. */
void qp_tally_add(qp_tally *tally, const qp_tally *more);
/* Copy into the public struct what comes from here. */
void qp_tally_report(const qp_tally *tally, qpool_stats *out);

#endif
