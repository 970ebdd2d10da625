/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One pass: what it closes, and that it never gets in anybody's way.
 */
#include "virtual.h"

/* `count` idle ones, number 1 the oldest. */
static void
fill(qpool *pool, unsigned count)
{
	qpool_lease leases[200];

	for (unsigned i = 0; i < count; i++)
		leases[i] = must_acquire(pool);
	for (unsigned i = 0; i < count; i++)
		qpool_release(&leases[i]);
}

static void
a_pass_closes_what_is_past_its_limits_only(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease fresh;

	(void)state;
	fill(pool, 6);
	qp_testing_clock_advance(QPOOL_SEC(400));
	fresh = must_acquire(pool);
	qpool_release(&fresh);
	assert_int_equal(qpool_maintain(pool), 0);
	qp_testing_clock_advance(QPOOL_SEC(201));
	assert_int_equal(qpool_maintain(pool), 5);
	assert_int_equal(fake_live(peer), 1);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_IDLE], 5);
	assert_int_equal(qpool_maintain(pool), 0);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_pass_over_more_than_one_stride_finds_all(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;

	(void)state;
	o.max_size = 200;
	pool = pool_of(peer, fake_ops(), &o);
	fill(pool, 200);
	qp_testing_clock_advance(QPOOL_SEC(601));
	assert_int_equal(qpool_maintain(pool), 200);
	assert_int_equal(fake_live(peer), 0);
	end_pool(pool, peer);
}

static void *
run_pass(void *argument)
{
	return (void *)(uintptr_t)qpool_maintain(argument);
}

static void
a_slow_close_holds_up_nothing_but_itself(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	pthread_t sweeper;
	void *closed;

	(void)state;
	fill(pool, 5);
	qp_testing_clock_advance(QPOOL_SEC(601));
	fake_gate_shut(peer, FAKE_CLOSE);
	actor_runs(&sweeper, run_pass, pool);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	assert_int_equal(stats_of(pool).closing, 1); /* one at a time, */
	assert_int_equal(stats_of(pool).idle, 4);    /* the others stay where they are */
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(sweeper, &closed);
	assert_int_equal((uintptr_t)closed, 5);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
takers_are_served_while_a_pass_closes(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease kept[2], lease;
	pthread_t sweeper;

	(void)state;
	fill(pool, 4);
	kept[0] = must_acquire(pool);
	kept[1] = must_acquire(pool);
	qp_testing_clock_advance(QPOOL_SEC(601));
	qpool_release(&kept[0]);
	qpool_release(&kept[1]); /* two fresh, two past their time */
	fake_gate_shut(peer, FAKE_CLOSE);
	actor_runs(&sweeper, run_pass, pool);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_OK);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(sweeper, NULL);
	assert_int_equal(fake_live(peer), 2);
	end_pool(pool, peer);
}

static void
two_passes_at_once_close_each_one_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	pthread_t sweeper;
	void *theirs;
	size_t ours;

	(void)state;
	fill(pool, 8);
	qp_testing_clock_advance(QPOOL_SEC(601));
	actor_runs(&sweeper, run_pass, pool);
	ours = qpool_maintain(pool);
	pthread_join(sweeper, &theirs);
	assert_int_equal(ours + (uintptr_t)theirs, 8);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 8);
	end_pool(pool, peer);
}

static void
no_pool_no_pass(void **state)
{
	(void)state;
	assert_int_equal(qpool_maintain(NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_pass_closes_what_is_past_its_limits_only),
	    VIRTUAL(a_pass_over_more_than_one_stride_finds_all),
	    VIRTUAL(a_slow_close_holds_up_nothing_but_itself),
	    VIRTUAL(takers_are_served_while_a_pass_closes),
	    VIRTUAL(two_passes_at_once_close_each_one_once),
	    VIRTUAL(no_pool_no_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
