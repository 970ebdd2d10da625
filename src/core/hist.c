/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hist: index, bound and quantile.
 */
#include "core/hist.h"

#define STEP_BITS 4u
#define STEPS     (1u << STEP_BITS) /* per doubling */
#define LAST      959u              /* INT64_MAX is in it */

unsigned
qp_hist_index(int64_t took_ns)
{
	uint64_t took = took_ns > 0 ? (uint64_t)took_ns : 0;
	unsigned shift = 0;

	if (took < STEPS)
		return (unsigned)took;
	/* The leading STEP_BITS + 1 bits: STEPS to 2 * STEPS - 1. */
	shift = 63u - (unsigned)__builtin_clzll(took) - STEP_BITS;
	return shift * STEPS + (unsigned)(took >> shift);
}

qpool_nsec
qpool_hist_bound(unsigned bucket)
{
	unsigned shift;
	uint64_t lead;

	if (bucket < STEPS)
		return bucket;
	if (bucket >= LAST)
		return QPOOL_FOREVER;
	shift = bucket / STEPS - 1;
	lead = bucket % STEPS + STEPS;
	return (qpool_nsec)(((lead + 1) << shift) - 1);
}

void
qp_hist_add(qp_hist *hist, int64_t took_ns)
{
	uint64_t took = took_ns > 0 ? (uint64_t)took_ns : 0;

	/* relaxed: counters, read while they grow. */
	(void)qp_add64_relaxed(&hist->bucket[qp_hist_index(took_ns)], 1);
	(void)qp_add64_relaxed(&hist->sum_ns, took);
	qp_max64_relaxed(&hist->max_ns, took);
}

void
qp_hist_report(const qp_hist *hist, qpool_hist *out)
{
	out->sum_ns = qp_load64_relaxed(&hist->sum_ns);
	out->max_ns = qp_load64_relaxed(&hist->max_ns);
	for (unsigned i = 0; i < QPOOL_HIST_BUCKETS; i++) {
		out->bucket[i] = qp_load64_relaxed(&hist->bucket[i]);
		out->count += out->bucket[i];
	}
}

/* The rank, from 1 to `count`, of the shortest duration that a share q does not exceed. */
static uint64_t
rank_of(double q, uint64_t count)
{
	double exact = q * (double)count;
	uint64_t rank;

	if (!(q > 0)) /* also NaN */
		return 1;
	if (q >= 1)
		return count;
	rank = (uint64_t)exact;
	rank += (double)rank < exact;
	return rank < count ? rank : count; /* a large count is rounded as a double */
}

qpool_nsec
qpool_hist_quantile(const qpool_hist *hist, double q)
{
	uint64_t count = 0, seen = 0, rank;
	unsigned bucket = 0;
	qpool_nsec bound;

	if (hist == NULL || hist->size < offsetof(qpool_hist, bucket) + sizeof hist->bucket)
		return 0;
	for (unsigned i = 0; i < QPOOL_HIST_BUCKETS; i++)
		count += hist->bucket[i];
	if (count == 0)
		return 0;
	rank = rank_of(q, count);
	while ((seen += hist->bucket[bucket]) < rank)
		bucket++;
	bound = qpool_hist_bound(bucket);
	/* The maximum is known exactly. */
	return hist->max_ns < (uint64_t)bound ? (qpool_nsec)hist->max_ns : bound;
}
