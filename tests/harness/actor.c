/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * actor: threads for tests.
 */
#include "actor.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t order_mutex = PTHREAD_MUTEX_INITIALIZER;

static void *
acquire(void *argument)
{
	actor *a = argument;

	if (a->keyed != NULL)
		a->err =
		    qpool_keyed_acquire_with(a->keyed, a->key, &a->request, &a->lease, &a->error);
	else
		a->err = qpool_acquire_with(a->pool, &a->request, &a->lease, &a->error);
	if (a->err == QPOOL_OK && a->order != NULL) {
		pthread_mutex_lock(&order_mutex);
		a->rank = ++*a->order;
		pthread_mutex_unlock(&order_mutex);
	}
	__atomic_store_n(&a->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

bool
actor_is_done(const actor *a)
{
	return __atomic_load_n(&a->done, __ATOMIC_ACQUIRE) != 0;
}

void
actor_runs(pthread_t *thread, void *(*body)(void *), void *argument)
{
	if (pthread_create(thread, NULL, body, argument) != 0) {
		fprintf(stderr, "no thread for an actor\n");
		abort();
	}
}

void
actor_acquires_with(actor *a, qpool *pool, const qpool_request *request)
{
	memset(a, 0, sizeof *a);
	a->pool = pool;
	a->request = *request;
	actor_runs(&a->thread, acquire, a);
}

void
actor_acquires(actor *a, qpool *pool, qpool_nsec timeout)
{
	actor_acquires_in_order(a, pool, timeout, NULL);
}

void
actor_acquires_in_order(actor *a, qpool *pool, qpool_nsec timeout, unsigned *order)
{
	memset(a, 0, sizeof *a);
	a->pool = pool;
	a->request = qpool_request_init();
	a->request.timeout = timeout;
	a->order = order;
	actor_runs(&a->thread, acquire, a);
}

void
actor_acquires_key_with(actor *a, qpool_keyed *keyed, const char *key, const qpool_request *request)
{
	memset(a, 0, sizeof *a);
	a->keyed = keyed;
	a->key = key;
	a->request = *request;
	actor_runs(&a->thread, acquire, a);
}

void
actor_acquires_key(actor *a, qpool_keyed *keyed, const char *key, qpool_nsec timeout)
{
	qpool_request request = qpool_request_init();

	request.timeout = timeout;
	actor_acquires_key_with(a, keyed, key, &request);
}

qpool_err
actor_join(actor *a)
{
	pthread_join(a->thread, NULL);
	return a->err;
}

qpool_stats
stats_of(const qpool *pool)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(pool, &stats);
	return stats;
}

void
await_waiting(qpool *pool, unsigned count)
{
	while (stats_of(pool).waiting != count)
		sched_yield();
}

qpool_stats
stats_of_key(const qpool_keyed *keyed, const char *key)
{
	qpool_stats stats = qpool_stats_init();

	qpool_keyed_get_stats(keyed, key, &stats);
	return stats;
}

void
await_key_waiting(qpool_keyed *keyed, const char *key, unsigned count)
{
	while (stats_of_key(keyed, key).waiting != count)
		sched_yield();
}

void
await_stats(qpool *pool, bool (*satisfied)(const qpool_stats *stats))
{
	qpool_stats stats;

	do {
		sched_yield();
		stats = stats_of(pool);
	} while (!satisfied(&stats));
}

static void
must_be_whole(qpool_stats s)
{
	if (!s.exact || s.idle + s.empty != s.max_size || s.waiting != 0) {
		fprintf(stderr,
		    "not whole: exact %u, max %u, empty %u opening %u idle %u checking %u leased %u "
		    "resetting %u closing %u, waiting %u\n",
		    s.exact, s.max_size, s.empty, s.opening, s.idle, s.checking, s.leased,
		    s.resetting, s.closing, s.waiting);
		abort();
	}
}

void
assert_whole(qpool *pool)
{
	must_be_whole(stats_of(pool));
}

void
assert_keyed_whole(qpool_keyed *keyed)
{
	must_be_whole(stats_of_key(keyed, NULL));
}
