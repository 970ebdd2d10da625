/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * own: bugs that this pool had itself, each found before anybody met it.
 */
#include "regress.h"

static int64_t
now(void)
{
	int64_t now_ns = 0;

	assert_true(qp_testing_clock(&now_ns));
	return now_ns;
}

/* The worker that keeps the time slept until the next maintenance; those called after it for an earlier
 * probe found that it was not time yet, saw a timekeeper, and slept without an alarm. */
static void
own_timekeeper_sleeps_no_longer_than_the_next_probe(void **state)
{
	enum { WORKERS = 3 };
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	qpool_lease leases[3];
	actor waiter;
	qpool *pool;

	(void)state;
	options.max_size = 3;
	pool = pool_of(peer, fake_ops(), &options);
	must_start(pool, WORKERS);
	for (unsigned i = 0; i < 3; i++)
		leases[i] = must_acquire(pool);
	must_release(&leases[0]); /* idle: from now on there is maintenance to do */
	qp_testing_await_parked(WORKERS);
	/* Two go and come back: they lie in front of the one that keeps that time. */
	fake_gate_shut(peer, FAKE_CLOSE);
	assert_int_equal(qpool_discard(&leases[1]), QPOOL_OK);
	assert_int_equal(qpool_discard(&leases[2]), QPOOL_OK);
	fake_gate_await(peer, FAKE_CLOSE, 2);
	fake_gate_open(peer, FAKE_CLOSE);
	await_calls(peer, FAKE_CLOSE, 2);
	await_idle(pool, 1);
	qp_testing_await_parked(WORKERS);
	leases[0] = must_acquire(pool);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	for (unsigned i = 0; i < 10; i++) {
		await_calls(peer, FAKE_OPEN, 4 + i);
		qp_testing_await_parked(WORKERS + 1);
		assert_in_range(qp_testing_next_deadline(), 0, (uint64_t)(now() + QPOOL_MSEC(100)));
		qp_testing_clock_advance(QPOOL_MSEC(100));
	}
	must_release(&leases[0]);
	join_and_release(&waiter);
	end_pool(pool, peer);
}

static void *
stops(void *argument)
{
	if (qpool_stop(argument) != QPOOL_OK)
		abort();
	return NULL;
}

/* Of two that stopped the same workers the one that looked later saw those that a third had started since,
 * and waited for them. */
static void
own_stop_does_not_wait_for_workers_started_after_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops_plain(), NULL);
	qpool_err err;

	(void)state;
	for (unsigned i = 0; i < ROUNDS(300); i++) {
		pthread_t stoppers[2];

		must_start(pool, 1);
		actor_runs(&stoppers[0], stops, pool);
		actor_runs(&stoppers[1], stops, pool);
		while (stats_of(pool).workers > 0)
			sched_yield();
		while ((err = qpool_start(pool, 2, NULL)) == QPOOL_EMISUSE)
			sched_yield(); /* the old ones are being joined */
		assert_int_equal(err, QPOOL_OK);
		pthread_join(stoppers[0], NULL);
		pthread_join(stoppers[1], NULL);
		assert_int_equal(qpool_stop(pool), QPOOL_OK);
	}
	end_pool(pool, peer);
}

static void
frees(fake *peer, fake_step step, void *argument)
{
	qpool **pool = argument;

	fake_hook_on(peer, step, NULL, NULL);
	qpool_free(*pool);
}

/* A pool that was freed inside the callback of a close: the close went on in memory that was gone. */
static void
own_pool_may_be_freed_inside_the_callbacks_of_its_close(void **state)
{
	const fake_step steps[] = {FAKE_CLOSE, FAKE_DESTROY};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fake *peer = fake_new();
		qpool *pool = pool_of(peer, fake_ops(), NULL);
		qpool_lease leases[3];

		for (unsigned k = 0; k < 3; k++)
			leases[k] = must_acquire(pool);
		for (unsigned k = 0; k < 3; k++)
			must_release(&leases[k]);
		if (i >= 2)
			must_start(pool, 2);
		fake_hook_on(peer, steps[i % 2], frees, &pool);
		assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
		fake_end(peer);
	}
}

static void *
closes(void *argument)
{
	if (qpool_close(argument, QPOOL_FOREVER) != QPOOL_OK)
		abort();
	return NULL;
}

/* A pool that was freed while others waited in close: the end of its last lease freed it under them. */
static void
own_pool_outlives_those_who_wait_in_close(void **state)
{
	enum { CLOSERS = 3 };

	(void)state;
	for (unsigned i = 0; i < ROUNDS(300); i++) {
		fake *peer = fake_new();
		qpool *pool = pool_of(peer, fake_ops(), NULL);
		qpool_lease lease = must_acquire(pool);
		pthread_t closers[CLOSERS];

		for (unsigned k = 0; k < CLOSERS; k++)
			actor_runs(&closers[k], closes, pool);
		qp_testing_await_parked(CLOSERS); /* for the lease */
		qpool_free(pool);
		must_release(&lease);
		for (unsigned k = 0; k < CLOSERS; k++)
			pthread_join(closers[k], NULL);
		fake_end(peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(own_timekeeper_sleeps_no_longer_than_the_next_probe),
	    IN_REAL_TIME(own_stop_does_not_wait_for_workers_started_after_it),
	    IN_VIRTUAL_TIME(own_pool_may_be_freed_inside_the_callbacks_of_its_close),
	    IN_VIRTUAL_TIME(own_pool_outlives_those_who_wait_in_close),
	};
	return RUN(tests);
}
