/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hist: how long things took: a log-linear histogram of nanoseconds, sixteen steps to each doubling,
 * so a percentile is at most 6 % above the truth.  One thread adds; merge when the thread has ended.
 */
#ifndef CLI_HIST_H
#define CLI_HIST_H

#include <stdint.h>

#define HIST_STEP_BITS 4
#define HIST_TOP_BITS  44 /* 2^44 ns is five hours; longer ones count as that, max stays exact */
#define HIST_BUCKETS   ((HIST_TOP_BITS - HIST_STEP_BITS + 1) << HIST_STEP_BITS)

struct hist {
	uint64_t count, sum, max;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *hist, int64_t ns);
void hist_merge(struct hist *into, const struct hist *from);
/* The time within which `share` (0 to 1) of all lie; 0 when empty. */
int64_t hist_percentile(const struct hist *hist, double share);
int64_t hist_mean(const struct hist *hist);

#endif
