/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random: SplitMix64, seeded by the kernel, or by the clock where the kernel refuses.
 */
#include "platform/random.h"

#include "platform/clock.h"
#include "platform/thread.h"

#include <errno.h>
#include <sys/random.h>

uint64_t
qp_random_seed(void)
{
	int keep = errno, before = qp_thread_shield();
	uint64_t seed;

	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
		seed = (uint64_t)qp_clock_now();
	qp_thread_unshield(before);
	errno = keep;
	return seed;
}

static uint64_t
next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

int64_t
qp_random_upto(uint64_t *state, int64_t most)
{
	return most <= 0 ? 0 : (int64_t)(next(state) % ((uint64_t)most + 1));
}
