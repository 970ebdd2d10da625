/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tide: look, let others run, look again; move the clock only when nobody else could.
 */
#include "tide.h"

#include "platform/clock.h"
#include "platform/testing.h"

#include <sched.h>
#include <stddef.h>

void
tide_still(tide_movers *movers, void *of)
{
	unsigned those;

	/* Counted before: one that wakes another and then ends would else leave a sum that is right. */
	while (those = movers(of), qp_testing_parked() != those)
		sched_yield();
}

bool
tide_elapse(tide_movers *movers, tide_reached *reached, void *of, int64_t span_ns)
{
	int64_t now = qp_clock_now(), end = now + span_ns;

	for (;;) {
		int64_t next;
		tide_still(movers, of);
		if (reached != NULL && reached(of))
			return true;
		now = qp_clock_now();
		if (now >= end)
			return false;
		next = qp_testing_next_deadline();
		qp_testing_clock_advance((next < end ? next : end) - now);
	}
}
