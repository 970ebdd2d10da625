/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way out: lazy opening, newest first, what expires or fails on the way, arguments.
 */
#include "virtual.h"

#include <errno.h>

static void
nothing_is_opened_before_it_is_asked_for(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease;

	(void)state;
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 0);
	lease = must_acquire(pool);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	assert_int_equal(stats_of(pool).leased, 1);
	assert_int_equal(stats_of(pool).empty, 9);
	assert_ptr_equal(qpool_of(&lease), pool);
	qpool_release(&lease);
	assert_null(lease.resource);
	assert_int_equal(stats_of(pool).idle, 1);
	end_pool(pool, peer);
}

static void
the_newest_idle_one_is_lent_first(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease a = must_acquire(pool), b = must_acquire(pool), c = must_acquire(pool);

	(void)state;
	qpool_release(&b);
	qpool_release(&a);
	qpool_release(&c);
	a = must_acquire(pool);
	assert_int_equal(fake_of(&a)->number, 3);
	b = must_acquire(pool);
	assert_int_equal(fake_of(&b)->number, 1);
	qpool_release(&a);
	qpool_release(&b);
	end_pool(pool, peer);
}

static void
the_oldest_first_when_asked(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease a, b;

	(void)state;
	assert_int_equal(o.order, QPOOL_NEWEST_FIRST);
	o.order = QPOOL_OLDEST_FIRST;
	pool = pool_of(peer, fake_ops(), &o);
	a = must_acquire(pool);
	b = must_acquire(pool);
	qpool_release(&b);
	qpool_release(&a);
	a = must_acquire(pool);
	assert_int_equal(fake_of(&a)->number, 2);
	qpool_release(&a);
	end_pool(pool, peer);
}

static void
callers_that_never_overlap_use_one_resource(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	for (int i = 0; i < 50; i++) {
		actor a;
		actor_acquires(&a, pool, QPOOL_FOREVER);
		assert_int_equal(actor_join(&a), QPOOL_OK);
		qpool_release(&a.lease);
	}
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	assert_int_equal(stats_of(pool).acquires, 50);
	end_pool(pool, peer);
}

static void
one_idle_too_long_is_closed_and_replaced(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(600));
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 1);
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(600) + 1);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 2);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_IDLE);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_IDLE], 1);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
one_open_too_long_is_closed_at_acquire(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease lease;

	(void)state;
	o.max_idle = QPOOL_FOREVER;
	o.age_jitter = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(1800) - 1);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 1);
	qpool_release(&lease);
	qp_testing_clock_advance(1);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 2);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_AGE);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
ages_are_spread_by_jitter(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease leases[200];
	qpool *pool;
	size_t gone = 0, steps = 0;

	(void)state;
	o.max_size = 200;
	o.max_idle = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	for (int i = 0; i < 200; i++)
		leases[i] = must_acquire(pool);
	for (int i = 0; i < 200; i++)
		qpool_release(&leases[i]);
	qp_testing_clock_advance(QPOOL_SEC(1620) - 1); /* 90 %: none may be gone yet */
	assert_int_equal(qpool_maintain(pool), 0);
	for (int i = 0; i < 10; i++) {
		size_t now;
		qp_testing_clock_advance(QPOOL_SEC(18));
		now = qpool_maintain(pool);
		assert_true(now < 60); /* no wave: a tenth of 200 is 20 */
		steps += now > 0;
		gone += now;
	}
	qp_testing_clock_advance(1);
	gone += qpool_maintain(pool);
	assert_int_equal(gone, 200);
	assert_true(steps >= 8);
	end_pool(pool, peer);
}

static void
with_limits_of_zero_each_lease_has_its_own(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;

	(void)state;
	o.max_idle = o.max_age = QPOOL_ZERO;
	o.max_uses = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops(), &o);
	for (unsigned i = 1; i < 5; i++) {
		qpool_lease lease = must_acquire(pool);
		assert_int_equal(fake_of(&lease)->number, i);
		qpool_release(&lease);
		assert_int_equal(fake_live(peer), 0);
	}
	end_pool(pool, peer);
}

static void
peek_is_asked_on_every_acquire_of_an_idle_one(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	assert_int_equal(fake_calls(peer, FAKE_PEEK), 0); /* just opened */
	qpool_release(&lease);
	lease = must_acquire(pool);
	assert_int_equal(fake_calls(peer, FAKE_PEEK), 1);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0);
	fake_of(&lease)->unsure = true;
	qpool_release(&lease);
	lease = must_acquire(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	assert_int_equal(fake_of(&lease)->budget, QPOOL_SEC(1));
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
a_check_is_asked_after_sitting_idle(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(30) - 1);
	lease = must_acquire(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0);
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(30));
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(10), &lease, NULL), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	assert_int_equal(fake_of(&lease)->budget, QPOOL_MSEC(10)); /* the time left is less */
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(31));
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_OK);
	assert_int_equal(fake_of(&lease)->budget, QPOOL_SEC(1));
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
dead_ones_are_never_lent(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease leases[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		leases[i] = must_acquire(pool);
	for (int i = 0; i < 5; i++)
		qpool_release(&leases[i]);
	fake_kill_all(peer);
	leases[0] = must_acquire(pool);
	assert_false(fake_of(&leases[0])->dead);
	assert_int_equal(fake_of(&leases[0])->number, 6);
	assert_int_equal(fake_live(peer), 1);
	assert_int_equal(stats_of(pool).checks_failed, 5);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_CHECK], 5);
	qpool_release(&leases[0]);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_failing_check_is_not_the_acquirers_failure(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(31));
	fake_fail(peer, FAKE_CHECK, 1, (qpool_err)12345); /* nonsense counts as a failure */
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 2);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_CHECK);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
nowait_takes_what_is_idle_or_opens_but_never_waits(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease lease, none;
	qpool_error error;

	(void)state;
	o.max_size = 1;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error), QPOOL_OK);
	assert_int_equal(fake_last_open(peer).budget, QPOOL_SEC(10));
	none = lease;
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &none, &error), QPOOL_EAGAIN);
	assert_null(none.resource);
	assert_null(none.slot_);
	assert_string_equal(
	    error.message, "nothing is idle in pool 'fake', and the call may not wait");
	qpool_release(&lease);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error), QPOOL_OK);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
bad_arguments_are_named(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	qpool_error error;

	(void)state;
	assert_int_equal(qpool_acquire(NULL, 0, &lease, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, "pool is NULL");
	assert_int_equal(qpool_acquire(pool, 0, NULL, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_acquire(pool, -3, &lease, &error), QPOOL_EINVAL);
	assert_memory_equal(error.message, "timeout is -3 ns; it must be", 28);
	assert_int_equal(qpool_acquire(pool, QPOOL_ZERO, &lease, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_acquire_with(pool, NULL, &lease, &error), QPOOL_EINVAL);
	request.interrupt_every = -1;
	assert_int_equal(qpool_acquire_with(pool, &request, &lease, &error), QPOOL_EINVAL);
	assert_memory_equal(error.message, "interrupt_every is -1 ns", 24);
	request.size = 1;
	assert_int_equal(qpool_acquire_with(pool, &request, &lease, &error), QPOOL_EINVAL);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 0);
	assert_int_equal(stats_of(pool).acquires, 0);
	end_pool(pool, peer);
}

static void
the_function_behind_the_macro_works_too(void **state)
{
	qpool_err (*acquire)(qpool *, qpool_nsec, qpool_lease *, qpool_error *) = qpool_acquire;
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease;

	(void)state;
	assert_int_equal(acquire(pool, QPOOL_DEFAULT, &lease, NULL), QPOOL_OK);
	qpool_release(&lease);
	assert_int_equal(qpool_acquire_at(pool, 0, &lease, NULL, QPOOL_SITE), QPOOL_OK);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
errno_and_error_are_left_alone_on_success(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_error error, before;
	qpool_lease lease;

	(void)state;
	memset(&error, 0x5a, sizeof error);
	before = error;
	errno = 4711;
	assert_int_equal(qpool_acquire(pool, QPOOL_DEFAULT, &lease, &error), QPOOL_OK);
	qpool_release(&lease);
	assert_int_equal(errno, 4711);
	assert_memory_equal(&error, &before, sizeof error);
	end_pool(pool, peer);
}

static void
take_100_ms(fake *peer, fake_step step, void *argument)
{
	(void)peer, (void)step, (void)argument;
	qp_testing_clock_advance(QPOOL_MSEC(100));
}

static void
a_late_acquire_touches_no_other_one(void **state)
{
	static const fake_step slow[] = {FAKE_CHECK, FAKE_CLOSE};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fake *peer = fake_new();
		qpool_options o = qpool_options_init();
		qpool_lease lease, leases[3];
		qpool_error error;
		qpool *pool;
		o.max_idle = slow[i] == FAKE_CLOSE ? QPOOL_SEC(40) : QPOOL_FOREVER;
		pool = pool_of(peer, fake_ops(), &o);
		for (unsigned k = 0; k < 3; k++)
			leases[k] = must_acquire(pool);
		for (unsigned k = 0; k < 3; k++)
			qpool_release(&leases[k]);
		qp_testing_clock_advance(QPOOL_SEC(50));
		fake_fail(peer, FAKE_CHECK, 1, QPOOL_ECHECK);
		fake_hook_on(peer, slow[i], take_100_ms, NULL);
		assert_int_equal(
		    qpool_acquire(pool, QPOOL_MSEC(50), &lease, &error), QPOOL_ETIMEOUT);
		fake_hook_on(peer, slow[i], NULL, NULL);
		assert_int_equal(fake_calls(peer, slow[i]), 1);
		assert_int_equal(fake_live(peer), 2); /* the healthy ones are left alone */
		assert_whole(pool);
		end_pool(pool, peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(nothing_is_opened_before_it_is_asked_for),
	    VIRTUAL(the_newest_idle_one_is_lent_first),
	    VIRTUAL(the_oldest_first_when_asked),
	    VIRTUAL(callers_that_never_overlap_use_one_resource),
	    VIRTUAL(one_idle_too_long_is_closed_and_replaced),
	    VIRTUAL(one_open_too_long_is_closed_at_acquire),
	    VIRTUAL(ages_are_spread_by_jitter),
	    VIRTUAL(with_limits_of_zero_each_lease_has_its_own),
	    VIRTUAL(peek_is_asked_on_every_acquire_of_an_idle_one),
	    VIRTUAL(a_check_is_asked_after_sitting_idle),
	    VIRTUAL(dead_ones_are_never_lent),
	    VIRTUAL(a_failing_check_is_not_the_acquirers_failure),
	    VIRTUAL(nowait_takes_what_is_idle_or_opens_but_never_waits),
	    VIRTUAL(bad_arguments_are_named),
	    VIRTUAL(the_function_behind_the_macro_works_too),
	    VIRTUAL(errno_and_error_are_left_alone_on_success),
	    VIRTUAL(a_late_acquire_touches_no_other_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
