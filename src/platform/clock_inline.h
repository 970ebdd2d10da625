/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock_inline: qp_clock_coarse in the place where it is read.  A lease reads it twice, and is so short that it would feel
 * the calls.  Only quick comes in here; everybody else reads clock.h.
 */
#ifndef QP_PLATFORM_CLOCK_INLINE_H
#define QP_PLATFORM_CLOCK_INLINE_H

#include "platform/assert.h"
#include "platform/clock.h"
#include "platform/compiler.h"

#include <time.h>

static inline int64_t
qp_clock_coarse_inline(void)
{
#if QP_TESTING
	return qp_clock_coarse();
#else
	struct timespec now;

	QP_MUST(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#endif
}

#endif
