/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Suspicion: idle ones are asked before their next use, once, because somebody said so or because the machine
 * was frozen.
 */
#include "virtual.h"

static qpool *
pool_never_checked(fake *peer, qpool_ops ops)
{
	qpool_options o = qpool_options_init();

	o.check_after = QPOOL_FOREVER;
	return pool_of(peer, ops, &o);
}

static void
take_and_give(qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

static void
idle_ones_are_checked_before_their_next_use(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_never_checked(peer, fake_ops());
	qpool_lease one = must_acquire(pool), two = must_acquire(pool);

	(void)state;
	qpool_release(&one);
	qpool_release(&two);
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0);
	qpool_suspect(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0); /* only when it is used */
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	take_and_give(pool); /* it was asked */
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	one = must_acquire(pool);
	two = must_acquire(pool); /* the other one was not */
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 2);
	qpool_release(&one);
	qpool_release(&two);
	end_pool(pool, peer);
}

static void
one_that_does_not_answer_is_closed(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_never_checked(peer, fake_ops());
	qpool_lease lease;

	(void)state;
	take_and_give(pool);
	qpool_suspect(pool);
	fake_fail(peer, FAKE_CHECK, 1, QPOOL_ECHECK);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 2);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_CHECK], 1);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
one_that_was_lent_is_asked_when_it_is_back(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_never_checked(peer, fake_ops());
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_suspect(pool);
	qpool_release(&lease);
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	end_pool(pool, peer);
}

static void
suspect_from_inside(fake *peer, fake_step step, void *argument)
{
	(void)peer;
	(void)step;
	qpool_suspect(argument);
}

static void
an_answer_under_way_says_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_never_checked(peer, fake_ops());

	(void)state;
	take_and_give(pool);
	qpool_suspect(pool);
	fake_hook_on(peer, FAKE_CHECK, suspect_from_inside, pool);
	take_and_give(pool);
	fake_hook_on(peer, FAKE_CHECK, NULL, NULL);
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 2);
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 2);
	end_pool(pool, peer);
}

static void
without_check_peek_alone_speaks(void **state)
{
	fake *peer = fake_new();
	qpool_ops ops = fake_ops();
	qpool *pool;

	(void)state;
	ops.check = NULL;
	pool = pool_never_checked(peer, ops);
	take_and_give(pool);
	qpool_suspect(pool);
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_PEEK), 1);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0);
	end_pool(pool, peer);
	peer = fake_new();
	pool = pool_never_checked(peer, fake_ops_plain());
	take_and_give(pool);
	qpool_suspect(pool);
	take_and_give(pool); /* nobody to ask */
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	end_pool(pool, peer);
}

static bool
one_is_idle(const qpool_stats *s)
{
	return s->idle == 1 && s->opening == 0;
}

static bool
one_is_leased(const qpool_stats *s)
{
	return s->leased == 1;
}

/* Opened since the waiter came, so that no limit holds for it; a suspicion does. */
static void
a_fresh_one_is_asked_all_the_same(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	actor a;

	(void)state;
	o.check_after = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qpool_pause(pool);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	assert_int_equal(qpool_wait_ready(pool, 1, QPOOL_FOREVER, NULL), QPOOL_OK);
	await_stats(pool, one_is_idle);
	qpool_suspect(pool);
	qpool_resume(pool);
	await_stats(pool, one_is_leased);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
a_frozen_machine_is_noticed(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_never_checked(peer, fake_ops());

	(void)state;
	take_and_give(pool);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0);
	qp_testing_freeze(QPOOL_SEC(3600));
	take_and_give(pool); /* looked at less than 100 ms ago */
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0);
	qp_testing_clock_advance(QPOOL_MSEC(100) - 1);
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 0);
	qp_testing_clock_advance(1);
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	take_and_give(pool); /* once a freeze */
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	end_pool(pool, peer);
}

static void
short_freezes_are_summed(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_never_checked(peer, fake_ops());

	(void)state;
	take_and_give(pool);
	for (unsigned i = 1; i <= 3; i++) {
		qp_testing_freeze(QPOOL_MSEC(400));
		qp_testing_clock_advance(QPOOL_MSEC(100));
		take_and_give(pool);
		assert_int_equal(fake_calls(peer, FAKE_CHECK), i == 3);
	}
	end_pool(pool, peer);
}

static void
a_pass_looks_too(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_never_checked(peer, fake_ops());

	(void)state;
	take_and_give(pool);
	qp_testing_freeze(QPOOL_SEC(2));
	qp_testing_clock_advance(QPOOL_MSEC(100));
	(void)qpool_maintain(pool);
	qp_testing_freeze(-QPOOL_SEC(2)); /* so that the acquire would see none by itself */
	take_and_give(pool);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	end_pool(pool, peer);
}

static void
no_pool_no_suspicion(void **state)
{
	(void)state;
	qpool_suspect(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(idle_ones_are_checked_before_their_next_use),
	    VIRTUAL(one_that_does_not_answer_is_closed),
	    VIRTUAL(one_that_was_lent_is_asked_when_it_is_back),
	    VIRTUAL(an_answer_under_way_says_nothing),
	    VIRTUAL(without_check_peek_alone_speaks),
	    VIRTUAL(a_fresh_one_is_asked_all_the_same),
	    VIRTUAL(a_frozen_machine_is_noticed),
	    VIRTUAL(short_freezes_are_summed),
	    VIRTUAL(a_pass_looks_too),
	    VIRTUAL(no_pool_no_suspicion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
