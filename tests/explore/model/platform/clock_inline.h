/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock_inline: stands in front of src/platform/clock_inline.h.  Time is the world's.
 */
#ifndef EXPLORE_MODEL_CLOCK_INLINE_H
#define EXPLORE_MODEL_CLOCK_INLINE_H

#include "platform/clock.h"

static inline int64_t
qp_clock_coarse_inline(void)
{
	return qp_clock_coarse();
}

#endif
