/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The crew where it is hard: several things due at once, one worker for all of it, starts and stops that
 * cross.  test_worker has what a crew is for.
 */
#include "virtual.h"

static qpool *
pool_with_workers(fake *peer, const qpool_options *options, unsigned workers)
{
	qpool *pool = pool_of(peer, fake_ops(), options);
	qpool_error error;

	if (qpool_start(pool, workers, &error) != QPOOL_OK)
		fail_msg("qpool_start: %s", error.message);
	return pool;
}

static void
who_waits_hastens_the_probe_with_any_number_of_workers(void **state)
{
	int64_t now_ns = QPOOL_SEC(1000);

	for (unsigned workers = 1; workers <= 3; workers++) {
		fake *peer = fake_new();
		qpool_options o = qpool_options_init();
		qpool *pool;
		actor a;

		(void)state;
		o.min_idle = 1;
		o.retry_min = o.retry_max = QPOOL_SEC(5);
		o.down_after = QPOOL_FOREVER;
		fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
		pool = pool_with_workers(peer, &o, workers);
		qp_testing_await_parked(workers); /* it failed, and one of them keeps the pause */
		actor_acquires(&a, pool, QPOOL_FOREVER);
		qp_testing_await_parked(workers + 1); /* somebody asks: the pause is shorter now */
		now_ns += QPOOL_MSEC(100);
		assert_true(qp_testing_next_deadline() <= now_ns);
		qp_testing_clock_advance(QPOOL_MSEC(100));
		assert_int_equal(actor_join(&a), QPOOL_OK);
		qpool_release(&a.lease);
		end_pool(pool, peer);
	}
}

static bool
three_wait(const qpool_stats *s)
{
	return s->waiting == 3;
}

static void
who_is_opened_for_does_not_count_as_waiting(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	qpool *pool;
	actor a[3];

	(void)state;
	o.max_size = 3;
	o.max_waiters = QPOOL_ZERO32;
	pool = pool_with_workers(peer, &o, 1);
	fake_gate_shut(peer, FAKE_OPEN);
	for (unsigned i = 0; i < 3; i++) /* three are empty: without workers each would open one */
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
	await_stats(pool, three_wait);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_EBUSY);
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(actor_join(&a[i]), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_EBUSY);
	for (unsigned i = 0; i < 3; i++)
		qpool_release(&a[i].lease);
	end_pool(pool, peer);
}

typedef struct stops {
	qpool *pool;
	pthread_barrier_t both;
} stops;

#define STOPS 1000

static void *
only_stops(void *argument)
{
	stops *s = argument;

	for (unsigned i = 0; i < STOPS; i++) {
		pthread_barrier_wait(&s->both);
		qpool_stop(s->pool);
		pthread_barrier_wait(&s->both); /* back, with no other stop to help it */
	}
	return NULL;
}

static void
a_stop_does_not_wait_for_those_who_came_after_it(void **state)
{
	fake *peer = fake_new();
	stops s = {.pool = pool_of(peer, fake_ops(), NULL)};
	pthread_t thread;

	(void)state;
	pthread_barrier_init(&s.both, NULL, 2);
	actor_runs(&thread, only_stops, &s);
	for (unsigned i = 0; i < STOPS; i++) {
		assert_int_equal(qpool_start(s.pool, 1, NULL), QPOOL_OK);
		pthread_barrier_wait(&s.both);
		assert_int_equal(qpool_stop(s.pool), QPOOL_OK);
		if (qpool_start(s.pool, 1, NULL) != QPOOL_OK)
			assert_int_equal(stats_of(s.pool).workers, 0);
		pthread_barrier_wait(&s.both);
		assert_int_equal(qpool_stop(s.pool), QPOOL_OK);
	}
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&s.both);
	end_pool(s.pool, peer);
}

static bool
two_are_closing(const qpool_stats *s)
{
	return s->closing == 2;
}

static void
opens_do_not_stand_behind_closes(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 1);
	qpool_lease leases[2];
	actor a;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		leases[i] = must_acquire(pool);
	fake_gate_shut(peer, FAKE_CLOSE);
	for (unsigned i = 0; i < 2; i++)
		qpool_discard(&leases[i]);
	await_stats(pool, two_are_closing);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	fake_gate_pass(peer, FAKE_CLOSE, 1); /* the worker is free for one thing */
	assert_int_equal(actor_join(&a), QPOOL_OK);
	fake_gate_open(peer, FAKE_CLOSE);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
opens_do_not_stand_behind_a_pass(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease leases[4];
	qpool *pool;
	actor a;

	(void)state;
	o.max_size = 4;
	pool = pool_with_workers(peer, &o, 1);
	for (unsigned i = 0; i < 4; i++)
		leases[i] = must_acquire(pool);
	fake_gate_shut(peer, FAKE_CLOSE);
	for (unsigned i = 0; i < 4; i++)
		qpool_release(&leases[i]);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(601)); /* all have been idle too long */
	fake_gate_await(peer, FAKE_CLOSE, 1);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	fake_gate_pass(peer, FAKE_CLOSE, 1); /* one slot is empty */
	assert_int_equal(actor_join(&a), QPOOL_OK);
	fake_gate_open(peer, FAKE_CLOSE);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(who_waits_hastens_the_probe_with_any_number_of_workers),
	    VIRTUAL(who_is_opened_for_does_not_count_as_waiting),
	    cmocka_unit_test(a_stop_does_not_wait_for_those_who_came_after_it),
	    VIRTUAL(opens_do_not_stand_behind_closes),
	    VIRTUAL(opens_do_not_stand_behind_a_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
