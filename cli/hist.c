/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hist: the bucket of a value is its highest bit and the four below it.
 */
#include "hist.h"

#include <stddef.h>

static size_t
bucket_of(uint64_t ns)
{
	if (ns < (1u << HIST_STEP_BITS))
		return (size_t)ns;
	if (ns >> HIST_TOP_BITS)
		return HIST_BUCKETS - 1;
	unsigned top = 63u - (unsigned)__builtin_clzll(ns);
	unsigned shift = top - HIST_STEP_BITS;
	return ((size_t)(shift + 1) << HIST_STEP_BITS) +
	       (size_t)((ns >> shift) & ((1u << HIST_STEP_BITS) - 1));
}

/* The largest value that falls into it. */
static uint64_t
upper_edge(size_t bucket)
{
	if (bucket < (1u << HIST_STEP_BITS))
		return bucket;
	unsigned shift = (unsigned)(bucket >> HIST_STEP_BITS) - 1;
	uint64_t lead = (bucket & ((1u << HIST_STEP_BITS) - 1)) | (1u << HIST_STEP_BITS);
	return ((lead + 1) << shift) - 1;
}

void
hist_add(struct hist *hist, int64_t ns)
{
	uint64_t value = ns > 0 ? (uint64_t)ns : 0;
	hist->count++;
	hist->sum += value;
	if (value > hist->max)
		hist->max = value;
	hist->bucket[bucket_of(value)]++;
}

void
hist_merge(struct hist *into, const struct hist *from)
{
	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
	for (size_t i = 0; i < HIST_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

int64_t
hist_percentile(const struct hist *hist, double share)
{
	uint64_t seen = 0;
	double rank = share * (double)hist->count;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->bucket[i];
		if (hist->bucket[i] > 0 && (double)seen >= rank) {
			uint64_t edge = upper_edge(i);
			return (int64_t)(edge < hist->max ? edge : hist->max);
		}
	}
	return (int64_t)hist->max;
}

int64_t
hist_mean(const struct hist *hist)
{
	return hist->count > 0 ? (int64_t)(hist->sum / hist->count) : 0;
}
