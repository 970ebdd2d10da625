/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hand_pool: the pool one writes by hand, written well: a mutex, a condition variable and an array used
 * newest first, opening on demand.  Two peers come in: as it is, and with the clock read on both ways.
 * Static, so that either is whole in its own translation unit.  It has no limits, no deadline, no order
 * among waiters.
 */
#ifndef BENCH_HAND_POOL_H
#define BENCH_HAND_POOL_H

#include "fail.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

typedef struct hand_thing {
	int64_t returned_ns;
} hand_thing;

typedef struct hand_pool {
	pthread_mutex_t mutex;
	pthread_cond_t returned;
	unsigned capacity, open, idle;
	void **newest_last; /* the first `idle` are idle; each a hand_thing */
	hand_thing *things; /* the first `open` are open */
} hand_pool;

static inline hand_pool *
hand_pool_make(unsigned capacity)
{
	hand_pool *pool = calloc(1, sizeof *pool);
	pthread_condattr_t monotonic;

	if (pool == NULL)
		return NULL;
	pool->newest_last = calloc(capacity, sizeof(void *));
	pool->things = calloc(capacity, sizeof *pool->things);
	if (pool->newest_last == NULL || pool->things == NULL) {
		free(pool->newest_last);
		free(pool->things);
		free(pool);
		return NULL;
	}
	(void)pthread_mutex_init(&pool->mutex, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&pool->returned, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	pool->capacity = capacity;
	return pool;
}

static inline hand_thing *
hand_pool_get(hand_pool *pool)
{
	hand_thing *thing;

	(void)pthread_mutex_lock(&pool->mutex);
	while (pool->idle == 0 && pool->open == pool->capacity)
		(void)pthread_cond_wait(&pool->returned, &pool->mutex);
	if (pool->idle > 0)
		thing = pool->newest_last[--pool->idle];
	else
		thing = &pool->things[pool->open++];
	(void)pthread_mutex_unlock(&pool->mutex);
	return thing;
}

/* NULL: none came back until then, by CLOCK_MONOTONIC. */
static inline hand_thing *
hand_pool_get_until(hand_pool *pool, int64_t until_ns)
{
	struct timespec until = {
	    .tv_sec = (time_t)(until_ns / 1000000000),
	    .tv_nsec = (long)(until_ns % 1000000000),
	};
	hand_thing *thing = NULL;
	int error = 0;

	(void)pthread_mutex_lock(&pool->mutex);
	while (pool->idle == 0 && pool->open == pool->capacity && error == 0)
		error = pthread_cond_timedwait(&pool->returned, &pool->mutex, &until);
	if (pool->idle > 0)
		thing = pool->newest_last[--pool->idle];
	else if (pool->open < pool->capacity)
		thing = &pool->things[pool->open++];
	(void)pthread_mutex_unlock(&pool->mutex);
	return thing;
}

static inline void
hand_pool_put(hand_pool *pool, hand_thing *thing)
{
	(void)pthread_mutex_lock(&pool->mutex);
	pool->newest_last[pool->idle++] = thing;
	(void)pthread_mutex_unlock(&pool->mutex);
	(void)pthread_cond_signal(&pool->returned);
}

static inline void
hand_pool_unmake(hand_pool *pool)
{
	if (pool->idle != pool->open)
		fail("the hand-written pool lost %u of %u", pool->open - pool->idle, pool->open);
	(void)pthread_cond_destroy(&pool->returned);
	(void)pthread_mutex_destroy(&pool->mutex);
	free(pool->newest_last);
	free(pool->things);
	free(pool);
}

#endif
