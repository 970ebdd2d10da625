/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dice: numbers that look like chance and are the same in each run, for each pool and thread.  mixed comes in.
 */
#ifndef BENCH_DICE_H
#define BENCH_DICE_H

#include <math.h>
#include <stdint.h>

typedef struct dice {
	uint64_t state; /* any */
} dice;

/* splitmix64 */
static inline uint64_t
dice_next(dice *from)
{
	uint64_t z = (from->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* From 0 to below 1. */
static inline double
dice_share(dice *from)
{
	return (double)(dice_next(from) >> 11) / 9007199254740992.0;
}

/* As many between 1 and 10 as between 10 and 100. */
static inline int64_t
dice_between(dice *from, int64_t least, int64_t most)
{
	return (int64_t)((double)least * pow((double)most / (double)least, dice_share(from)));
}

#endif
