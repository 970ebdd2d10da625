/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tally: sums and maxima.
 */
#include "core/tally.h"

static void
add_time(uint64_t *sum, uint64_t *max, int64_t took_ns)
{
	uint64_t took = took_ns > 0 ? (uint64_t)took_ns : 0;

	*sum += took;
	if (took > *max)
		*max = took;
}

void
qp_tally_wait(qp_tally *tally, int64_t took_ns)
{
	tally->waited++;
	add_time(&tally->wait_ns, &tally->wait_ns_max, took_ns);
}

void
qp_tally_open(qp_tally *tally, int64_t took_ns, bool succeeded)
{
	if (succeeded)
		tally->opens++;
	else
		tally->open_failures++;
	add_time(&tally->open_ns, &tally->open_ns_max, took_ns);
}

void
qp_tally_peak(uint32_t *peak, uint32_t now)
{
	if (now > *peak)
		*peak = now;
}

void
qp_tally_add(qp_tally *tally, const qp_tally *more)
{
	tally->waited += more->waited;
	tally->timeouts += more->timeouts;
	tally->refusals += more->refusals;
	tally->cancels += more->cancels;
	tally->opens += more->opens;
	tally->open_failures += more->open_failures;
	tally->checks_failed += more->checks_failed;
	tally->resets_failed += more->resets_failed;
	tally->misuses += more->misuses;
	for (unsigned why = 0; why < sizeof tally->closes / sizeof tally->closes[0]; why++)
		tally->closes[why] += more->closes[why];
	tally->wait_ns += more->wait_ns;
	tally->open_ns += more->open_ns;
	if (more->wait_ns_max > tally->wait_ns_max)
		tally->wait_ns_max = more->wait_ns_max;
	if (more->open_ns_max > tally->open_ns_max)
		tally->open_ns_max = more->open_ns_max;
}

void
qp_tally_report(const qp_tally *tally, qpool_stats *out)
{
	out->acquires_waited = tally->waited;
	out->timeouts = tally->timeouts;
	out->refusals = tally->refusals;
	out->cancels = tally->cancels;
	out->opens = tally->opens;
	out->open_failures = tally->open_failures;
	out->checks_failed = tally->checks_failed;
	out->resets_failed = tally->resets_failed;
	out->misuses = tally->misuses;
	memcpy(out->closes, tally->closes, sizeof out->closes);
	out->wait_ns = tally->wait_ns;
	out->wait_ns_max = tally->wait_ns_max;
	out->open_ns = tally->open_ns;
	out->open_ns_max = tally->open_ns_max;
	out->open_peak = tally->open_peak;
	out->leased_peak = tally->lent_peak;
	out->waiting_peak = tally->waiting_peak;
}
