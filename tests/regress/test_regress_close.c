/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * close: the pool ended while something was on its way, and the two did not know of each other.
 */
#include "regress.h"

#include <dirent.h>
#include <malloc.h>

static void *
closes(void *argument)
{
	if (qpool_close(argument, QPOOL_FOREVER) != QPOOL_OK)
		abort();
	return NULL;
}

/* Somebody is inside `step`; the pool closes meanwhile; nothing is left, and nothing became idle. */
static void
close_meets(fake_step step, uint32_t flags, unsigned workers)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	actor inside, waiter;
	pthread_t closer;
	qpool_lease lease;
	qpool *pool;

	options.check_after = QPOOL_ZERO;
	options.flags = flags;
	pool = pool_of(peer, fake_ops(), &options);
	if (workers > 0)
		must_start(pool, workers);
	if (step == FAKE_CHECK) { /* there must be one to check */
		lease = must_acquire(pool);
		must_release(&lease);
		await_idle(pool, 1);
	}
	fake_gate_shut(peer, step);
	actor_acquires(&inside, pool, QPOOL_FOREVER);
	fake_gate_await(peer, step, 1);
	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	await_waiting(pool, workers > 0 && step == FAKE_OPEN ? 2 : 1);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	assert_int_equal(actor_join(&waiter), QPOOL_ECLOSED);
	actor_runs(&closer, closes, pool);
	fake_gate_open(peer, step);
	if (actor_join(&inside) == QPOOL_OK)
		must_release(&inside.lease);
	else
		assert_int_equal(inside.err, QPOOL_ECLOSED);
	pthread_join(closer, NULL);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(stats_of(pool).idle, 0);
	assert_int_equal(stats_of(pool).workers, 0);
	end_pool(pool, peer);
}

static void *
releases(void *argument)
{
	(void)qpool_release(argument);
	return NULL;
}

/* The same for what happens after a lease. */
static void
close_meets_return(fake_step step, uint32_t flags, unsigned workers)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	pthread_t releaser, closer;
	qpool_lease lease;
	qpool *pool;

	options.flags = flags;
	pool = pool_of(peer, fake_ops(), &options);
	if (workers > 0)
		must_start(pool, workers);
	lease = must_acquire(pool);
	if (step == FAKE_CLOSE)
		assert_int_equal(qpool_spoil(&lease), QPOOL_OK);
	fake_gate_shut(peer, step);
	actor_runs(&releaser, releases, &lease);
	fake_gate_await(peer, step, 1);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	actor_runs(&closer, closes, pool);
	fake_gate_open(peer, step);
	pthread_join(releaser, NULL);
	pthread_join(closer, NULL);
	assert_int_equal(fake_live(peer), 0);
	end_pool(pool, peer);
}

/* psycopg/psycopg#784: opened after the close, and put into the closed pool. */
static void
psycopg_784_nothing_becomes_idle_once_the_pool_closes(void **state)
{
	(void)state;
	close_meets(FAKE_OPEN, 0, 0);
	close_meets(FAKE_OPEN, 0, 1);
	close_meets(FAKE_CHECK, 0, 0);
	close_meets(FAKE_CHECK, 0, 1);
	close_meets_return(FAKE_RESET, 0, 0);
	close_meets_return(FAKE_RESET, QPOOL_RESET_ON_WORKERS, 1);
	close_meets_return(FAKE_CLOSE, 0, 0);
	close_meets_return(FAKE_CLOSE, 0, 1);
}

static void
looks_at_the_pool(fake *peer, fake_step step, void *argument)
{
	qpool **pool = argument;
	qpool_stats stats = qpool_stats_init();
	qpool_lease lease;

	(void)peer, (void)step;
	qpool_get_stats(*pool, &stats);
	if (qpool_acquire(*pool, QPOOL_NOWAIT, &lease, NULL) == QPOOL_OK)
		(void)qpool_release(&lease);
	(void)qpool_maintain(*pool);
}

/* psycopg/psycopg#810: the mend of that one waited for a worker who waited for the closer's lock. */
static void
psycopg_810_close_waits_for_workers_that_use_the_pool(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS(300); i++) {
		fake *peer = fake_new();
		qpool_options options = sized(4);
		qpool *pool;

		options.min_idle = 4;
		pool = pool_of(peer, fake_ops(), &options);
		fake_hook_on(peer, FAKE_OPEN, looks_at_the_pool, &pool);
		fake_hook_on(peer, FAKE_CLOSE, looks_at_the_pool, &pool);
		must_start(pool, 2);
		await_calls(peer, FAKE_OPEN, i % 5);
		end_pool(pool, peer);
	}
}

/* jackc/puddle#8: closed while one was being made; the maker left without unlocking. */
static void
puddle_8_every_verb_works_after_an_open_that_met_the_close(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease;
	actor opener;

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&opener, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&opener), QPOOL_ECLOSED);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_ECLOSED);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_ECLOSED);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_ECLOSED);
	assert_int_equal(qpool_stop(pool), QPOOL_OK);
	assert_int_equal(qpool_maintain(pool), 0);
	assert_whole(pool);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_OK);
	end_pool(pool, peer);
}

static qp_atomic_u32 destroyed;

static void
destroys_and_tells(void *user)
{
	fake_ops().destroy(user);
	qp_store_release(&destroyed, 1);
}

/* For pools that may end on a thread we cannot join: its own worker's. */
static qpool_ops
ops_that_tell_when_destroyed(void)
{
	qpool_ops ops = fake_ops();

	ops.destroy = destroys_and_tells;
	qp_store_release(&destroyed, 0);
	return ops;
}

static void
await_destroyed(void)
{
	while (qp_load_acquire(&destroyed) == 0)
		sched_yield();
}

/* varnishcache/varnish-cache#4263, #3957: the last reference was dropped outside the lock, and freed what
 * another one still held. */
static void
varnish_4263_last_release_and_free_may_meet(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS(1000); i++) {
		fake *peer = fake_new();
		qpool_options options = sized(2);
		qpool *pool = pool_of(peer, ops_that_tell_when_destroyed(), &options);
		qpool_lease first = must_acquire(pool), second = must_acquire(pool);
		pthread_t releaser;

		if (i % 3 == 0)
			must_start(pool, 1);
		must_release(&second);
		actor_runs(&releaser, releases, &first);
		qpool_free(pool);
		pthread_join(releaser, NULL);
		await_destroyed();
		fake_end(peer);
	}
}

/* oven-sh/bun#32380: what a woken waiter stood on was freed before it had stepped off. */
static void
bun_32380_pool_outlives_the_waiters_it_woke(void **state)
{
	enum { WAITERS = 4 };

	(void)state;
	for (unsigned i = 0; i < ROUNDS(300); i++) {
		fake *peer = fake_new();
		qpool_options options = sized(1);
		qpool *pool = pool_of(peer, fake_ops(), &options);
		qpool_lease lease = must_acquire(pool);
		actor actors[WAITERS];

		for (unsigned k = 0; k < WAITERS; k++)
			actor_acquires(&actors[k], pool, QPOOL_FOREVER);
		await_waiting(pool, WAITERS);
		qpool_free(pool);
		if (i % 2 == 0)
			must_release(&lease);
		for (unsigned k = 0; k < WAITERS; k++)
			assert_int_equal(actor_join(&actors[k]), QPOOL_ECLOSED);
		must_release(&lease); /* or nothing, when it has ended */
		fake_end(peer);
	}
}

static void
frees_the_pool(fake *peer, fake_step step, void *argument)
{
	qpool **pool = argument;

	fake_hook_on(peer, step, NULL, NULL);
	qpool_free(*pool);
}

/* apr-util 90f12478: the mutex was destroyed while it was held.  (The lock of ours asserts that it is not,
 * when it is destroyed and when a callback begins.) */
static void
apr_util_90f12478_pool_freed_inside_a_callback_is_unlocked(void **state)
{
	const fake_step steps[] = {FAKE_RESET, FAKE_CLOSE};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fake *peer = fake_new();
		qpool *pool = pool_of(peer, ops_that_tell_when_destroyed(), NULL);
		qpool_lease lease = must_acquire(pool);

		fake_hook_on(peer, steps[i % 2], frees_the_pool, &pool);
		if (i < 2) { /* on our own thread, else on a worker's */
			assert_int_equal(
			    i == 0 ? qpool_release(&lease) : qpool_discard(&lease), QPOOL_OK);
		} else {
			must_start(pool, 1);
			if (i == 2)
				fake_fail(peer, FAKE_RESET, 1, QPOOL_EAGAIN);
			assert_int_equal(
			    i == 2 ? qpool_release(&lease) : qpool_discard(&lease), QPOOL_OK);
		}
		await_destroyed();
		fake_end(peer);
	}
}

static void
misbehaves(fake *peer, fake_step step, void *argument)
{
	qpool **pool = argument;
	qpool_lease lease;

	(void)step;
	if (fake_calls(peer, FAKE_CLOSE) % 3 != 0)
		return;
	errno = EIO;
	if (qpool_acquire(*pool, QPOOL_FOREVER, &lease, NULL) == QPOOL_OK)
		abort();
	(void)qpool_stop(*pool);
	(void)qpool_maintain(*pool);
}

/* apr-util PR 45086: the first destructor that failed ended the clean-up, and the rest leaked. */
static void
apr_util_45086_all_are_closed_though_some_closes_misbehave(void **state)
{
	enum { SLOTS = 20 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease leases[SLOTS];

	(void)state;
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	for (unsigned i = 0; i < SLOTS; i++)
		must_release(&leases[i]);
	fake_hook_on(peer, FAKE_CLOSE, misbehaves, &pool);
	errno = 0;
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	assert_int_equal(errno, 0);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), SLOTS);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_CLOSED], SLOTS);
	end_pool(pool, peer);
}

/* swaldman/c3p0#165: it still connected long after it was closed. */
static void
c3p0_165_no_callback_begins_after_close_returned(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(4);
	unsigned calls[FAKE_STEPS];
	qpool_lease lease;
	qpool *pool;

	(void)state;
	options.min_idle = 3;
	options.retry_min = options.retry_max = 0;
	pool = pool_of(peer, fake_ops(), &options);
	must_start(pool, 2);
	await_idle(pool, 3);
	lease = must_acquire(pool);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN); /* retries would go on for ever */
	assert_int_equal(qpool_discard(&lease), QPOOL_OK);
	await_calls(peer, FAKE_OPEN, 4);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	for (fake_step step = 0; step < FAKE_STEPS; step++)
		calls[step] = fake_calls(peer, step);
	for (unsigned i = 0; i < 100; i++)
		qp_testing_clock_advance(QPOOL_SEC(60));
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_ECLOSED);
	assert_int_equal(qpool_maintain(pool), 0);
	assert_int_equal(qp_testing_parked(), 0);
	for (fake_step step = 0; step < FAKE_STEPS; step++)
		assert_int_equal(fake_calls(peer, step), calls[step]);
	end_pool(pool, peer);
}

/* sqlalchemy ticket 2522, and notes of commons-pool: those who waited were not all told. */
static void
sqlalchemy_2522_close_tells_a_thousand_waiters(void **state)
{
	enum { MOST = 1000 };
	static actor actors[MOST];
	unsigned waiters = ROUNDS(MOST);
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	for (unsigned i = 0; i < waiters; i++)
		actor_acquires(&actors[i], pool, QPOOL_SEC(60));
	await_waiting(pool, waiters);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT); /* the lease */
	for (unsigned i = 0; i < waiters; i++)
		assert_int_equal(actor_join(&actors[i]), QPOOL_ECLOSED); /* time stood still */
	must_release(&lease);
	end_pool(pool, peer);
}

static void
acquires_and_releases(fake *peer, fake_step step, void *argument)
{
	qpool **pool = argument;
	qpool_lease lease;

	(void)peer, (void)step;
	if (qpool_acquire(*pool, QPOOL_NOWAIT, &lease, NULL) == QPOOL_OK)
		(void)qpool_release(&lease);
}

/* psycopg/psycopg#1124: a close that gave something back to the pool went round for ever. */
static void
psycopg_1124_close_that_uses_the_pool_comes_to_an_end(void **state)
{
	enum { SLOTS = 5 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease leases[SLOTS];

	(void)state;
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	for (unsigned i = 0; i < SLOTS; i++)
		must_release(&leases[i]);
	fake_hook_on(peer, FAKE_CLOSE, acquires_and_releases, &pool);
	qp_testing_clock_advance(QPOOL_SEC(601));
	(void)qpool_maintain(pool); /* each close finds the next one expired */
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), SLOTS);
	assert_whole(pool);
	end_pool(pool, peer);
}

static qpool_err
open_little(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step, (void)error;
	*out = user;
	return QPOOL_OK;
}

static void
close_little(void *user, void *resource, qpool_why why)
{
	(void)user, (void)resource, (void)why;
}

static void
live_and_die(unsigned pools)
{
	qpool_ops ops = qpool_ops_init();
	qpool_options options = sized(4);
	int anything;

	ops.open = open_little;
	ops.close = close_little;
	for (unsigned i = 0; i < pools; i++) {
		qpool *pool;
		qpool_lease lease;

		assert_int_equal(qpool_create(&pool, &options, &ops, &anything, NULL), QPOOL_OK);
		if (i % 4 != 0)
			must_start(pool, 1);
		lease = must_acquire(pool);
		if (i % 2 == 0)
			must_release(&lease);
		qpool_free(pool);
		(void)qpool_release(&lease);
	}
}

static unsigned
entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* Workers of freed pools free what is left of them on their way out.  ThreadSanitizer has a thread of its own, but
 * there no bytes are counted. */
static void
await_own_thread_alone(void)
{
	while (!SANITIZED && entries("/proc/self/task") > 3) /* with . and .. */
		sched_yield();
}

/* golang/go#22699: each pool left a goroutine behind that reset connections. */
static void
go_22699_pools_leave_no_thread_descriptor_or_byte(void **state)
{
	unsigned descriptors;
	size_t bytes;

	(void)state;
	live_and_die(50);
	await_own_thread_alone();
	descriptors = entries("/proc/self/fd");
	bytes = mallinfo2().uordblks;
	live_and_die(ROUNDS(2000));
	await_own_thread_alone();
	assert_int_equal(entries("/proc/self/fd"), descriptors);
	if (!SANITIZED) /* those have a heap of their own, and look for leaks */
		assert_in_range(mallinfo2().uordblks, 0, bytes + 8192);
}

/* ScrollPrize/villa#1688: told to stop between looking and sleeping, the worker never woke. */
static void
villa_1688_workers_stop_whenever_they_are_told(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(4);
	qpool *pool;

	(void)state;
	options.min_idle = 2;
	pool = pool_of(peer, fake_ops_plain(), &options);
	for (unsigned i = 0; i < ROUNDS(1500); i++) {
		must_start(pool, 1 + i % 3);
		assert_int_equal(qpool_stop(pool), QPOOL_OK);
		assert_int_equal(stats_of(pool).workers, 0);
	}
	end_pool(pool, peer);
	for (unsigned i = 0; i < ROUNDS(500); i++) {
		peer = fake_new();
		pool = pool_of(peer, fake_ops_plain(), &options);
		must_start(pool, 1 + i % 3);
		qpool_free(pool);
		fake_end(peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(psycopg_784_nothing_becomes_idle_once_the_pool_closes),
	    IN_VIRTUAL_TIME(psycopg_810_close_waits_for_workers_that_use_the_pool),
	    IN_VIRTUAL_TIME(puddle_8_every_verb_works_after_an_open_that_met_the_close),
	    IN_REAL_TIME(varnish_4263_last_release_and_free_may_meet),
	    IN_REAL_TIME(bun_32380_pool_outlives_the_waiters_it_woke),
	    IN_VIRTUAL_TIME(apr_util_90f12478_pool_freed_inside_a_callback_is_unlocked),
	    IN_VIRTUAL_TIME(apr_util_45086_all_are_closed_though_some_closes_misbehave),
	    IN_VIRTUAL_TIME(c3p0_165_no_callback_begins_after_close_returned),
	    IN_VIRTUAL_TIME(sqlalchemy_2522_close_tells_a_thousand_waiters),
	    IN_VIRTUAL_TIME(psycopg_1124_close_that_uses_the_pool_comes_to_an_end),
	    IN_REAL_TIME(go_22699_pools_leave_no_thread_descriptor_or_byte),
	    IN_REAL_TIME(villa_1688_workers_stop_whenever_they_are_told),
	};
	return RUN(tests);
}
