/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spin: an empty loop, and how many turns of it a microsecond has.
 */
#include "spin.h"

#include "timing.h"

enum { TRIES = 20, TURNS = 200000 };

static double turns_per_ns = 1;

static void
turn(int64_t count)
{
	while (count-- > 0)
		__asm__ volatile("" ::: "memory");
}

/* The fastest try is the one that nobody disturbed. */
void
spin_calibrate(void)
{
	int64_t least_ns = INT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		int64_t began_ns = timing_now(), took_ns;

		turn(TURNS);
		took_ns = timing_now() - began_ns;
		least_ns = took_ns < least_ns ? took_ns : least_ns;
	}
	turns_per_ns = (double)TURNS / (double)(least_ns > 0 ? least_ns : 1);
}

void
spin_for(int64_t ns)
{
	turn((int64_t)((double)ns * turns_per_ns));
}
