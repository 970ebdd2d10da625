/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * timing: the clocks of the benchmark, in nanoseconds.
 */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdint.h>
#include <time.h>

#define TIMING_MSEC INT64_C(1000000)
#define TIMING_SEC  INT64_C(1000000000)

static inline int64_t
timing_read(clockid_t which)
{
	struct timespec now;

	(void)clock_gettime(which, &now);
	return (int64_t)now.tv_sec * TIMING_SEC + now.tv_nsec;
}

static inline int64_t
timing_now(void)
{
	return timing_read(CLOCK_MONOTONIC);
}

/* What this process has spent on all CPUs together. */
static inline int64_t
timing_cpu(void)
{
	return timing_read(CLOCK_PROCESS_CPUTIME_ID);
}

static inline struct timespec
timing_spec(int64_t ns)
{
	struct timespec spec = {
	    .tv_sec = (time_t)(ns / TIMING_SEC),
	    .tv_nsec = (long)(ns % TIMING_SEC),
	};
	return spec;
}

static inline void
timing_sleep(int64_t ns)
{
	struct timespec left = timing_spec(ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) != 0)
		;
}

static inline void
timing_sleep_until(int64_t instant_ns)
{
	struct timespec instant = timing_spec(instant_ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &instant, NULL) != 0)
		;
}

#endif
