/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock: CLOCK_MONOTONIC and its coarse twin, which Linux answers in user space.
 */
#include "platform/clock.h"

#include "platform/assert.h"
#include "platform/testing.h"

#include <time.h>

static int64_t
read_clock(clockid_t which)
{
	struct timespec now;

	QP_MUST(clock_gettime(which, &now) == 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
qp_clock_now(void)
{
#if QP_TESTING
	int64_t virtual_ns;
	if (qp_testing_clock(&virtual_ns))
		return virtual_ns;
#endif
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
qp_clock_coarse(void)
{
#if QP_TESTING
	int64_t virtual_ns;
	if (qp_testing_clock(&virtual_ns))
		return virtual_ns;
#endif
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

/* The boot clock goes on while the machine is suspended; the monotonic clock stands still.  Boot
 * first: an interruption between the two reads makes the difference smaller, never larger, so it
 * never looks like a freeze. */
int64_t
qp_clock_frozen(void)
{
#if QP_TESTING
	int64_t virtual_ns;
	if (qp_testing_frozen(&virtual_ns))
		return virtual_ns;
#endif
#ifdef CLOCK_BOOTTIME
	int64_t boot_ns = read_clock(CLOCK_BOOTTIME);

	return boot_ns - read_clock(CLOCK_MONOTONIC);
#else
	return 0;
#endif
}
