/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: children that shared their parents' connections and locks.  All that can happen to a pool in a child is in
 * tests/fork/; here are the ways in which it went wrong elsewhere.
 */
#include "regress.h"

#include "../fork/wire.h"
#include "core/pool.h"

#include <sys/wait.h>
#include <unistd.h>

static qpool *
pool_of_wires(wire *peer)
{
	qpool_options options = sized(3);
	qpool_ops ops = wire_ops();
	qpool_error error;
	qpool *pool = NULL;

	wire_begin(peer);
	if (qpool_create(&pool, &options, &ops, peer, &error) != QPOOL_OK)
		fail_msg("%s", error.message);
	return pool;
}

/* Is there a resource to be had in time, and is it this process's?  0: yes, for _exit. */
static int
misses_own(qpool *pool)
{
	qpool_lease lease;
	qpool_error error;
	pid_t owner;

	if (qpool_acquire(pool, QPOOL_SEC(20), &lease, &error) != QPOOL_OK)
		return 10;
	owner = ((wire_resource *)lease.resource)->owner;
	if (qpool_release(&lease) != QPOOL_OK)
		return 11;
	return owner == getpid() ? 0 : 12;
}

static void
await(pid_t child)
{
	int status = 1;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* The parent goes on with the very same resource. */
static void
end_unharmed(qpool *pool, wire *peer, void *resource)
{
	qpool_lease lease = must_acquire(pool);

	assert_ptr_equal(lease.resource, resource);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(qpool_close(pool, QPOOL_SEC(20)), QPOOL_OK);
	qpool_free(pool);
	wire_end(peer);
}

/* There: the child closed what it found in the pool when it ended, and with it the parent's session. */
static void
connection_pool_175_child_that_closes_its_pool_ends_no_session(void **state)
{
	static wire peer;
	qpool *pool = pool_of_wires(&peer);
	qpool_lease lease = must_acquire(pool);
	void *resource = lease.resource;
	pid_t child;

	(void)state;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	child = wire_fork();
	if (child == 0) {
		if (qpool_close(pool, QPOOL_SEC(20)) != QPOOL_OK)
			_exit(1);
		qpool_free(pool);
		_exit(0);
	}
	await(child);
	end_unharmed(pool, &peer, resource);
}

/* There: what was lent at the fork was given back in the child, reset over the parent's wire, and lent again. */
static void
psycopg2_1205_lease_that_ends_in_the_child_ends_no_session(void **state)
{
	static wire peer;
	qpool *pool = pool_of_wires(&peer);
	qpool_lease lease = must_acquire(pool);
	void *resource = lease.resource;
	pid_t child;

	(void)state;
	child = wire_fork();
	if (child == 0)
		_exit(qpool_release(&lease) == QPOOL_EFORKED ? misses_own(pool) : 1);
	await(child);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	end_unharmed(pool, &peer, resource);
}

static void *
keeps_the_lock(void *argument)
{
	void **both = argument;
	pthread_barrier_t *barrier = both[1];

	qp_pool_lock(both[0]);
	(void)pthread_barrier_wait(barrier);
	(void)pthread_barrier_wait(barrier);
	qp_pool_unlock(both[0], NULL);
	return NULL;
}

static void
seed_31_fork_with_the_lock_held_leaves_no_child_hanging(void **state)
{
	static wire peer;
	qpool *pool = pool_of_wires(&peer);
	qpool_lease lease = must_acquire(pool);
	void *resource = lease.resource;
	pthread_barrier_t barrier;
	void *both[] = {pool, &barrier};
	pthread_t thread;
	pid_t child;

	(void)state;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	actor_runs(&thread, keeps_the_lock, both);
	(void)pthread_barrier_wait(&barrier);
	child = wire_fork();
	if (child == 0) {
		(void)alarm(30);
		_exit(misses_own(pool));
	}
	await(child);
	(void)pthread_barrier_wait(&barrier);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)pthread_barrier_destroy(&barrier);
	end_unharmed(pool, &peer, resource);
}

static void
seed_32_child_takes_nothing_that_its_parent_opened(void **state)
{
	static wire peer;
	qpool *pool = pool_of_wires(&peer);
	qpool_lease lease = must_acquire(pool);
	void *resource = lease.resource;
	pid_t child;

	(void)state;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	child = wire_fork();
	if (child == 0)
		_exit(misses_own(pool));
	await(child);
	end_unharmed(pool, &peer, resource);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_REAL_TIME(connection_pool_175_child_that_closes_its_pool_ends_no_session),
	    IN_REAL_TIME(psycopg2_1205_lease_that_ends_in_the_child_ends_no_session),
	    IN_REAL_TIME(seed_31_fork_with_the_lock_held_leaves_no_child_hanging),
	    IN_REAL_TIME(seed_32_child_takes_nothing_that_its_parent_opened),
	};

	return RUN(tests);
}
