/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * actor: somebody else, on a thread of its own, who acquires.  Tests start actors, wait until they stand
 * where they should, and ask afterwards what became of them.
 */
#ifndef HARNESS_ACTOR_H
#define HARNESS_ACTOR_H

#include <queuepool.h>

#include <pthread.h>

typedef struct actor {
	pthread_t thread;
	qpool *pool;
	qpool_keyed *keyed; /* or of this one, by this key */
	const char *key;
	qpool_request request;
	qpool_lease lease;
	qpool_error error;
	qpool_err err;
	unsigned *order; /* if set: *order is counted up on success, under order_mutex, into rank */
	unsigned rank;
	unsigned done; /* atomic: see actor_is_done */
} actor;

/* Begin an acquire. */
void actor_acquires(actor *a, qpool *pool, qpool_nsec timeout);
void actor_acquires_with(actor *a, qpool *pool, const qpool_request *request);
/* The same, and note as which of several it was served. */
void actor_acquires_in_order(actor *a, qpool *pool, qpool_nsec timeout, unsigned *order);
void actor_acquires_key(actor *a, qpool_keyed *keyed, const char *key, qpool_nsec timeout);
void actor_acquires_key_with(
    actor *a, qpool_keyed *keyed, const char *key, const qpool_request *request);
/* Has its acquire returned? */
bool actor_is_done(const actor *a);
/* Wait for its end. */
qpool_err actor_join(actor *a);
/* Any function on a thread. */
void actor_runs(pthread_t *thread, void *(*body)(void *), void *argument);

/* Until this many stand in line; looks again and again, letting others run. */
void await_waiting(qpool *pool, unsigned count);
/* Until the pool's stats satisfy the test. */
void await_stats(qpool *pool, bool (*satisfied)(const qpool_stats *stats));
qpool_stats stats_of(const qpool *pool);
/* The same of a keyed pool: of one key, or, with NULL, of all. */
qpool_stats stats_of_key(const qpool_keyed *keyed, const char *key);
void await_key_waiting(qpool_keyed *keyed, const char *key, unsigned count);
void assert_keyed_whole(qpool_keyed *keyed);
/* All slots idle or empty: nothing was lost. */
void assert_whole(qpool *pool);

#endif
