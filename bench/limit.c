/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit: one loop for each.  Nothing here may be hoisted out of its loop or folded away.
 */
#include "limit.h"

#include "peer.h"
#include "timing.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Alignas(128) struct {
	_Atomic uint32_t first, second;
} line;
static _Alignas(128) pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Alignas(128) pthread_mutex_t other_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Alignas(128) uint32_t nobody;
static _Thread_local _Alignas(128) _Atomic uint32_t own;
static volatile int64_t sink;

/* Expected values stay in registers: nothing is counted but the instructions. */
static void
one_cmpxchg(unsigned count)
{
	uint32_t first = atomic_load(&line.first);

	while (count-- > 0)
		if (atomic_compare_exchange_strong(&line.first, &first, first + 1))
			first++;
}

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
store_pair(unsigned count)
{
	while (count-- > 0) {
		atomic_store_explicit(&line.first, count, memory_order_release);
		atomic_store_explicit(&line.second, count, memory_order_release);
	}
}

/* Until it succeeds: one more each turn. */
static void
cmpxchg_shared(unsigned count)
{
	while (count-- > 0) {
		uint32_t seen = atomic_load_explicit(&line.first, memory_order_relaxed);

		while (!atomic_compare_exchange_weak(&line.first, &seen, seen + 1))
			;
	}
}

static void
cmpxchg_own(unsigned count)
{
	uint32_t seen = atomic_load(&own);

	while (count-- > 0)
		if (atomic_compare_exchange_strong(&own, &seen, seen + 1))
			seen++;
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
mutex_pairs(unsigned count)
{
	while (count-- > 0) {
		(void)pthread_mutex_lock(&mutex);
		(void)pthread_mutex_unlock(&mutex);
		(void)pthread_mutex_lock(&other_mutex);
		(void)pthread_mutex_unlock(&other_mutex);
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

/* What a lease with a begin and an end in time asks for at least. */
static void
stamped_cmpxchg(unsigned count)
{
	while (count-- > 0) {
		sink = timing_read(CLOCK_MONOTONIC_COARSE);
		one_cmpxchg(1);
		sink = timing_read(CLOCK_MONOTONIC_COARSE);
	}
}

#if defined(__x86_64__)
static void
clock_tsc(unsigned count)
{
	while (count-- > 0)
		sink = (int64_t)__builtin_ia32_rdtsc();
}
#endif

static void
which_cpu(unsigned count)
{
	while (count-- > 0)
		sink = sched_getcpu();
}

static void
system_call(unsigned count)
{
	while (count-- > 0)
		sink = syscall(SYS_getppid);
}

static void
futex_wake(unsigned count)
{
	while (count-- > 0)
		sink = syscall(SYS_futex, &nobody, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool
membarrier_is_there(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static void
membarrier_pass(unsigned count)
{
	while (count-- > 0)
		sink = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

#define BOTH (PEER_W1 | PEER_W2)

const limit limits[] = {
    {"cmpxchg1", "one lock cmpxchg", PEER_W1, one_cmpxchg, NULL, NULL},
    {"cmpxchg2", "two lock cmpxchg on one line", PEER_W1, two_cmpxchg, NULL, NULL},
    {"cmpxchg_shared", "cmpxchg, all on one line", PEER_W2, cmpxchg_shared, NULL, NULL},
    {"cmpxchg_own", "cmpxchg, each on its line", PEER_W2, cmpxchg_own, NULL, NULL},
    {"store_pair", "two plain stores", PEER_W1, store_pair, NULL, NULL},
    {"mutex_pair", "mutex lock and unlock", BOTH, mutex_pair, NULL, NULL},
    {"mutex_pairs", "two mutexes, one after the other", PEER_W1, mutex_pairs, NULL, NULL},
    {"clock_monotonic", "clock, MONOTONIC", PEER_W1, clock_monotonic, NULL, NULL},
    {"clock_coarse", "clock, MONOTONIC_COARSE", PEER_W1, clock_coarse, NULL, NULL},
    {"stamped_cmpxchg", "one cmpxchg between two COARSE clocks", PEER_W1, stamped_cmpxchg, NULL,
	NULL},
#if defined(__x86_64__)
    {"rdtsc", "clock, rdtsc", PEER_W1, clock_tsc, NULL, NULL},
#endif
    {"getcpu", "sched_getcpu", PEER_W1, which_cpu, NULL, NULL},
    {"system_call", "a system call", PEER_W1, system_call, NULL, NULL},
    {"futex_wake", "futex wake of nobody", PEER_W1, futex_wake, NULL, NULL},
    {"membarrier", "membarrier, others idle", PEER_W1, membarrier_pass, NULL, membarrier_is_there},
    {"membarrier_beside", "membarrier, one beside it runs", PEER_W2, membarrier_pass, cmpxchg_own,
	membarrier_is_there},
};
const unsigned limit_count = sizeof limits / sizeof limits[0];
