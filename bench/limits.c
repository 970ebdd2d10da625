/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limits: one loop for each.  Nothing here may be hoisted out of its loop or folded away.
 */
#include "limits.h"

#include "timing.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Alignas(128) struct {
	_Atomic uint32_t first, second;
} line;
static _Alignas(128) pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Alignas(128) uint32_t nobody;
static volatile int64_t sink;

/* Expected values stay in registers: nothing is counted but the two instructions. */
static void
two_cmpxchg(unsigned count)
{
	uint32_t first = atomic_load(&line.first), second = atomic_load(&line.second);

	while (count-- > 0) {
		if (atomic_compare_exchange_strong(&line.first, &first, first + 1))
			first++;
		if (atomic_compare_exchange_strong(&line.second, &second, second + 1))
			second++;
	}
}

static void
mutex_pair(unsigned count)
{
	while (count-- > 0) {
		(void)pthread_mutex_lock(&mutex);
		(void)pthread_mutex_unlock(&mutex);
	}
}

static void
clock_monotonic(unsigned count)
{
	while (count-- > 0)
		sink = timing_now();
}

static void
clock_coarse(unsigned count)
{
	while (count-- > 0)
		sink = timing_read(CLOCK_MONOTONIC_COARSE);
}

static void
futex_wake(unsigned count)
{
	while (count-- > 0)
		sink = syscall(SYS_futex, &nobody, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

const limit limits[] = {
    {"cmpxchg2", "two lock cmpxchg on one line", two_cmpxchg},
    {"mutex_pair", "mutex lock and unlock", mutex_pair},
    {"clock_monotonic", "clock, MONOTONIC", clock_monotonic},
    {"clock_coarse", "clock, MONOTONIC_COARSE", clock_coarse},
    {"futex_wake", "futex wake of nobody", futex_wake},
};
const unsigned limit_count = sizeof limits / sizeof limits[0];
