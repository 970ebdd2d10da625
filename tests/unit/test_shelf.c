/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shelf of the fast engine: what lies on it, who takes it off, and that it is spread only as long as threads get in
 * each other's way.  The plain engine has none.  What needs two threads at one moment is tests/explore's.
 */
#include "virtual.h"

#include "core/pool.h"

#if QP_FAST

static qpool *
pool_of_two(fake *peer)
{
	qpool_options o = qpool_options_init();

	o.max_size = 2;
	return pool_of(peer, fake_ops_plain(), &o);
}

static void
lend_once(qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

static uint32_t
idle_on_the_list(qpool *pool)
{
	uint32_t count;

	qp_pool_lock(pool);
	count = pool->idle.count;
	qp_pool_unlock(pool, NULL);
	return count;
}

static qp_shelf_phase
phase_of(qpool *pool)
{
	qp_shelf_phase phase;

	qp_pool_lock(pool);
	phase = pool->shelf_books.phase;
	qp_pool_unlock(pool, NULL);
	return phase;
}

static void
the_second_lease_lies_on_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);

	(void)state;
	lend_once(pool);
	assert_int_equal(idle_on_the_list(pool), 1);
	lend_once(pool);
	assert_int_equal(idle_on_the_list(pool), 0);
	end_pool(pool, peer);
}

static void
a_pause_empties_it_and_it_stays_shut(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);
	qpool_lease lease;

	(void)state;
	lend_once(pool);
	lease = must_acquire(pool);
	qpool_pause(pool);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(idle_on_the_list(pool), 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	qpool_resume(pool);
	lend_once(pool);
	assert_int_equal(phase_of(pool), QP_SHELF_FENCED_OPEN); /* for a while */
	qp_testing_clock_advance(QPOOL_MSEC(8));
	lend_once(pool); /* goes by the lock, and the next one looks after the shelf */
	lend_once(pool);
	if (!pool->shelf_books.only_fenced)
		assert_int_equal(phase_of(pool), QP_SHELF_OPEN);
	assert_int_equal(idle_on_the_list(pool), 0);
	end_pool(pool, peer);
}

/* In real time: who shuts it waits for 10 ms instead. */
static void
a_membarrier_that_is_refused_later_is_the_last_one(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);

	(void)state;
	lend_once(pool);
	lend_once(pool);
	if (!pool->shelf_books.only_fenced)
		assert_int_equal(phase_of(pool), QP_SHELF_OPEN);
	qp_testing_fail(QP_FAULT_MEMBARRIER, 1, true);
	for (unsigned i = 0; i < 3; i++) {
		qpool_pause(pool);
		assert_int_equal(idle_on_the_list(pool), 1);
		qpool_resume(pool);
		lend_once(pool);
		assert_int_equal(phase_of(pool), QP_SHELF_FENCED_OPEN);
		assert_int_equal(idle_on_the_list(pool), 0);
	}
	assert_true(qp_testing_calls(QP_FAULT_MEMBARRIER) <= 1);
	qp_testing_fail(QP_FAULT_MEMBARRIER, 0, false);
	assert_true(pool->shelf_books.only_fenced);
	end_pool(pool, peer);
}

static void
without_membarriers_it_is_always_fenced(void **state)
{
	fake *peer = fake_new();
	qpool *pool;

	(void)state;
	qp_testing_fail(QP_FAULT_MEMBARRIER, 1, true);
	pool = pool_of_two(peer);
	for (unsigned i = 0; i < 3; i++) {
		lend_once(pool);
		lend_once(pool);
		assert_int_equal(phase_of(pool), QP_SHELF_FENCED_OPEN);
		qp_testing_clock_advance(QPOOL_SEC(1));
	}
	assert_int_equal(qp_testing_calls(QP_FAULT_MEMBARRIER), 1); /* it asked once */
	qp_testing_fail(QP_FAULT_MEMBARRIER, 0, false);
	end_pool(pool, peer);
}

static void
what_expires_there_is_not_lent(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	uint64_t first;

	(void)state;
	o.max_size = 2;
	o.max_idle = QPOOL_SEC(1);
	pool = pool_of(peer, fake_ops_plain(), &o);
	lend_once(pool);
	lend_once(pool);
	qp_testing_clock_advance(QPOOL_SEC(1));
	lease = must_acquire(pool);
	first = qpool_resource_id(&lease);
	assert_int_equal(first, 1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(1) + 1);
	lease = must_acquire(pool);
	assert_int_equal(qpool_resource_id(&lease), 2);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(1) + 1);
	assert_int_equal(qpool_maintain(pool), 1);
	end_pool(pool, peer);
}

static void
it_is_spread_for_a_while(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);
	qpool_lease held;

	(void)state;
	lend_once(pool);
	held = must_acquire(pool); /* lies in the one cell */
	for (int i = 0; i < 1100; i++)
		lend_once(pool);
	if (pool->shelf.count > 0)
		assert_int_equal(pool->shelf_books.mask, 1);
	assert_int_equal(qpool_release(&held), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_MSEC(9));
	for (int i = 0; i < 70; i++) /* one in 64 looks whether it is time */
		lend_once(pool);
	assert_int_equal(pool->shelf_books.mask, 0);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(the_second_lease_lies_on_it),
	    VIRTUAL(a_pause_empties_it_and_it_stays_shut),
	    cmocka_unit_test(a_membarrier_that_is_refused_later_is_the_last_one),
	    VIRTUAL(without_membarriers_it_is_always_fenced),
	    VIRTUAL(what_expires_there_is_not_lent),
	    VIRTUAL(it_is_spread_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void
the_plain_engine_has_none(void **state)
{
	(void)state;
	assert_null(qp_shelf_take(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_plain_engine_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
