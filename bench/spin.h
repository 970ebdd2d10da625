/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spin: work that takes a known time on a core of its own, and looks at no clock: a thread that is put
 * aside in it has as much left to do as before.  W3, W5 and mixed come in.
 */
#ifndef BENCH_SPIN_H
#define BENCH_SPIN_H

#include <stdint.h>

/* Measure how fast this machine spins.  Before any thread spins; again is allowed. */
void spin_calibrate(void);
void spin_for(int64_t ns);

/* Between two looks at what another thread will write. */
static inline void
spin_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

#endif
