/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ratio: threads are made anew for each rate; so a rate counts their making, which is little beside the work.
 */
#include "ratio.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_MOST = 64 };

typedef struct crowd {
	void (*one)(void);
	int count;
} crowd;

double
ratio_now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void *
work(void *argument)
{
	const crowd *c = argument;

	for (int i = 0; i < c->count; i++)
		c->one();
	return NULL;
}

double
ratio_rate(int threads, void (*one)(void), int count)
{
	crowd c = {one, count};
	pthread_t ids[THREADS_MOST];
	double begun = ratio_now();

	for (int i = 0; i < threads; i++)
		if (threads > THREADS_MOST || pthread_create(&ids[i], NULL, work, &c) != 0) {
			(void)fprintf(stderr, "bench: no %d threads are to be had\n", threads);
			exit(1);
		}
	for (int i = 0; i < threads; i++)
		(void)pthread_join(ids[i], NULL);
	return threads * count / (ratio_now() - begun);
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
ratio_median(int count, double *values)
{
	qsort(values, (size_t)count, sizeof *values, by_size);
	return values[count / 2];
}
