/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock: nanoseconds on the monotonic clock, the only time there is.  Every room reads time
 * here.  It never reads wall time: a step of the wall clock must not expire anything.  Under
 * test it is a virtual clock.
 */
#ifndef QP_PLATFORM_CLOCK_H
#define QP_PLATFORM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define QP_TIME_NEVER INT64_MAX

/* Now, exactly; about 20 ns. */
int64_t qp_clock_now(void);
/* Now, as of the last tick: some milliseconds late at most, never ahead of qp_clock_now;
 * about 3 ns. */
int64_t qp_clock_coarse(void);
/* How long the machine has been suspended since it started; grows only while it is, when the clocks
 * above stand still.  About 50 ns.  0 on a system that cannot tell. */
int64_t qp_clock_frozen(void);
/* now + span; QP_TIME_NEVER if that is beyond the end of time.  now may lie before the clock began; span is not
 * negative. */
static inline int64_t
qp_clock_after(int64_t now, int64_t span)
{
	bool is_beyond = span == QP_TIME_NEVER || (now > 0 && span >= QP_TIME_NEVER - now);

	return is_beyond ? QP_TIME_NEVER : now + span;
}

#endif
