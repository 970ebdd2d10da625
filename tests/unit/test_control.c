/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pause, resume, renew: who waits and for how long, and that nothing of before a renewal is lent after it.
 */
#include "virtual.h"

static qpool *
pool_sized(fake *peer, uint32_t max_size)
{
	qpool_options o = qpool_options_init();

	o.max_size = max_size;
	return pool_of(peer, fake_ops(), &o);
}

static void
take_and_give(qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

static void *
give_one(void *lease)
{
	(void)qpool_release(lease);
	return NULL;
}

/* ---- pause ---- */

static void
a_paused_pool_lends_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 2);
	qpool_lease lease;
	qpool_error error;
	actor a;

	(void)state;
	take_and_give(pool);
	qpool_pause(pool);
	qpool_pause(pool);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error), QPOOL_EAGAIN);
	assert_string_equal(error.message, "pool 'fake' is paused, and the call may not wait");
	actor_acquires(&a, pool, QPOOL_SEC(5));
	qp_testing_await_parked(1);
	assert_int_equal(stats_of(pool).idle, 1);
	assert_int_equal(stats_of(pool).waiting, 1);
	qp_testing_clock_advance(QPOOL_SEC(5) - 1);
	assert_int_equal(stats_of(pool).timeouts, 0);
	qp_testing_clock_advance(1);
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	assert_string_equal(a.error.message,
	    "paused: pool 'fake' gave nothing within 5 s: 0 of 2 lent, "
	    "1 open, 0 opening, 0 more wait");
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1); /* nor was one opened */
	qpool_resume(pool);                               /* ends both */
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error), QPOOL_OK);
	qpool_release(&lease);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, &error), QPOOL_OK);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
resume_serves_the_whole_line_in_order(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	actor a[4];

	(void)state;
	o.max_size = 4;
	o.max_opening = 1;
	pool = pool_of(peer, fake_ops(), &o);
	take_and_give(pool);
	qpool_pause(pool);
	for (unsigned i = 0; i < 4; i++) {
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	qp_testing_await_parked(4);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	qpool_resume(pool);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(actor_join(&a[i]), QPOOL_OK);
	assert_int_equal(stats_of(pool).leased, 4);
	/* The one that is open is the first one's, whichever of them runs first. */
	assert_int_equal(fake_of(&a[0].lease)->number, 1);
	for (unsigned i = 0; i < 4; i++)
		qpool_release(&a[i].lease);
	end_pool(pool, peer);
}

static void
what_comes_back_meanwhile_is_idle(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 1);
	qpool_lease lease = must_acquire(pool);
	actor a;

	(void)state;
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	qp_testing_clock_advance(QPOOL_SEC(1)); /* old enough to be given it */
	qpool_pause(pool);
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).idle, 1);
	assert_int_equal(stats_of(pool).waiting, 1);
	qpool_resume(pool);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static bool
one_is_idle(const qpool_stats *s)
{
	return s->idle == 1 && s->opening == 0;
}

static void
workers_keep_warm_but_open_for_nobody(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	actor a[3];

	(void)state;
	o.min_idle = 1;
	pool = pool_of(peer, fake_ops(), &o);
	qpool_pause(pool);
	for (unsigned i = 0; i < 3; i++)
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
	await_waiting(pool, 3);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	await_stats(pool, one_is_idle);
	qp_testing_await_parked(4);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	qpool_resume(pool);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(actor_join(&a[i]), QPOOL_OK);
	for (unsigned i = 0; i < 3; i++)
		qpool_release(&a[i].lease);
	end_pool(pool, peer);
}

static void
nobody_asks_for_an_open_in_a_paused_pool(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 2);
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	qpool_pause(pool);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	qpool_resume(pool);
	qp_testing_await_parked(1);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 0);
	end_pool(pool, peer);
}

static void
a_pool_that_is_down_lets_its_takers_wait_while_paused(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 1);
	qpool_lease lease;
	actor a;

	(void)state;
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EDENIED);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_EDENIED);
	assert_int_equal(stats_of(pool).down, 1);
	qpool_pause(pool);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(stats_of(pool).waiting, 1);
	qpool_resume(pool);
	assert_int_equal(actor_join(&a), QPOOL_EDENIED); /* as before the pause */
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_OK);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* It was not for him that min_idle was to be kept. */
static void
a_failed_open_is_not_told_to_one_who_waits_for_the_end_of_a_pause(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	actor a;

	(void)state;
	o.min_idle = 1;
	o.open_failure = QPOOL_OPEN_TELL;
	pool = pool_of(peer, fake_ops(), &o);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	qpool_pause(pool);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	while (stats_of(pool).open_failures == 0)
		;
	qp_testing_await_parked(2);
	assert_int_equal(stats_of(pool).waiting, 1);
	qpool_resume(pool);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
close_ends_the_wait_of_a_pause(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 1);
	actor a;

	(void)state;
	take_and_give(pool);
	qpool_pause(pool);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	assert_int_equal(actor_join(&a), QPOOL_ECLOSED);
	qpool_pause(pool);
	qpool_resume(pool);
	end_pool(pool, peer);
}

static void
several_at_once_wait_too(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 2);
	qpool_request request = qpool_request_init();
	qpool_lease leases[2];

	(void)state;
	qpool_pause(pool);
	assert_int_equal(qpool_acquire_many(pool, 2, &request, leases, NULL), QPOOL_EAGAIN);
	qpool_resume(pool);
	request.timeout = QPOOL_SEC(1);
	assert_int_equal(qpool_acquire_many(pool, 2, &request, leases, NULL), QPOOL_OK);
	qpool_release(&leases[0]);
	qpool_release(&leases[1]);
	end_pool(pool, peer);
}

/* ---- renew ---- */

static void
idle_ones_go_at_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 3);
	qpool_lease one = must_acquire(pool), two = must_acquire(pool);

	(void)state;
	qpool_release(&one);
	qpool_release(&two);
	qpool_renew(pool);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RENEWED], 2);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_RENEWED);
	one = must_acquire(pool);
	assert_int_equal(fake_of(&one)->number, 3);
	qpool_release(&one);
	qpool_renew(NULL);
	end_pool(pool, peer);
}

static void
lent_ones_go_when_they_come_back(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 3);
	qpool_lease one = must_acquire(pool), two = must_acquire(pool), three;

	(void)state;
	qpool_renew(pool);
	assert_int_equal(fake_live(peer), 2);
	three = must_acquire(pool); /* of after it */
	qpool_release(&one);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RENEWED], 1);
	assert_int_equal(fake_calls(peer, FAKE_RESET), 0); /* no need to make it clean */
	qpool_discard(&two);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_DISCARDED], 1);
	qpool_release(&three);
	assert_int_equal(stats_of(pool).idle, 1);
	end_pool(pool, peer);
}

static void
one_that_is_being_reset_goes_after_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 1);
	qpool_lease lease = must_acquire(pool);
	pthread_t giver;
	actor a;

	(void)state;
	fake_gate_shut(peer, FAKE_RESET);
	actor_runs(&giver, give_one, &lease);
	fake_gate_await(peer, FAKE_RESET, 1);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	qpool_renew(pool);
	fake_gate_open(peer, FAKE_RESET);
	pthread_join(giver, NULL);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(fake_of(&a.lease)->number, 2);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RENEWED], 1);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
what_is_reset_of_before_it_never_is_idle(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 1);
	qpool_lease lease = must_acquire(pool);
	pthread_t giver;

	(void)state;
	fake_gate_shut(peer, FAKE_RESET);
	actor_runs(&giver, give_one, &lease);
	fake_gate_await(peer, FAKE_RESET, 1);
	qpool_renew(pool);
	fake_gate_open(peer, FAKE_RESET);
	pthread_join(giver, NULL);
	assert_int_equal(stats_of(pool).idle, 0);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_RENEWED);
	end_pool(pool, peer);
}

static void
one_that_is_being_opened_is_not_lent(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 1);
	actor a;

	(void)state;
	for (unsigned workers = 0; workers < 2; workers++) {
		if (workers > 0)
			assert_int_equal(qpool_start(pool, workers, NULL), QPOOL_OK);
		fake_gate_shut(peer, FAKE_OPEN);
		actor_acquires(&a, pool, QPOOL_FOREVER);
		fake_gate_await(peer, FAKE_OPEN, 1);
		qpool_renew(pool);
		fake_gate_open(peer, FAKE_OPEN);
		assert_int_equal(actor_join(&a), QPOOL_OK);
		assert_int_equal(fake_of(&a.lease)->number, 2 + 2 * workers);
		assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RENEWED], 1 + workers);
		qpool_discard(&a.lease);
	}
	end_pool(pool, peer);
}

/* Taken by somebody, and inside its check, when the renewal comes: it is still his, and goes when it is back. */
static void
one_that_is_being_checked_was_lent_before(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	actor a;

	(void)state;
	o.check_after = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &o);
	take_and_give(pool);
	fake_gate_shut(peer, FAKE_CHECK);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_CHECK, 1);
	qpool_renew(pool);
	fake_gate_open(peer, FAKE_CHECK);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RENEWED], 1);
	end_pool(pool, peer);
}

static void
the_crew_closes_them_if_there_is_one(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 3);
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	assert_int_equal(qpool_wait_ready(pool, 3, QPOOL_FOREVER, NULL), QPOOL_OK);
	fake_gate_shut(peer, FAKE_CLOSE);
	qpool_renew(pool); /* returns though closes hang */
	fake_gate_await(peer, FAKE_CLOSE, 1);
	assert_int_equal(stats_of(pool).closing, 1);
	/* What the pass has not reached yet is seen by who would take it. */
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	fake_gate_open(peer, FAKE_CLOSE);
	lease = must_acquire(pool);
	assert_true(fake_of(&lease)->number > 3);
	qpool_release(&lease);
	end_pool(pool, peer);
}

typedef struct several {
	qpool *pool;
	qpool_lease leases[3];
	qpool_err err;
} several;

static void *
take_three(void *argument)
{
	several *s = argument;
	qpool_request request = qpool_request_init();

	request.timeout = QPOOL_FOREVER;
	s->err = qpool_acquire_many(s->pool, 3, &request, s->leases, NULL);
	return NULL;
}

static void
what_was_collected_before_it_is_not_lent(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 3);
	several s = {.pool = pool, .err = QPOOL_OK};
	qpool_lease held = must_acquire(pool);
	pthread_t collector;

	(void)state;
	actor_runs(&collector, take_three, &s);
	await_waiting(pool, 1); /* it has two */
	qpool_renew(pool);
	qpool_release(&held);
	pthread_join(collector, NULL);
	assert_int_equal(s.err, QPOOL_OK);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RENEWED], 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(fake_of(&s.leases[i])->number > 3);
		qpool_release(&s.leases[i]);
	}
	assert_int_equal(stats_of(pool).idle, 3);
	end_pool(pool, peer);
}

static void *
stop(void *pool)
{
	(void)qpool_stop(pool);
	return NULL;
}

static void
what_the_crew_leaves_undone_stop_does(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 3);
	pthread_t stopper;

	(void)state;
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	assert_int_equal(qpool_wait_ready(pool, 3, QPOOL_FOREVER, NULL), QPOOL_OK);
	fake_gate_shut(peer, FAKE_CLOSE);
	qpool_renew(pool);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	actor_runs(&stopper, stop, pool);
	qp_testing_await_parked(1); /* it waits for the worker */
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(stopper, NULL);
	assert_int_equal(stats_of(pool).empty, 3);
	end_pool(pool, peer);
}

static void
renewed_while_paused_and_ready_again(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_sized(peer, 2);
	actor a;

	(void)state;
	take_and_give(pool);
	qpool_pause(pool);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	qpool_renew(pool);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(qpool_wait_ready(pool, 2, QPOOL_SEC(1), NULL), QPOOL_OK);
	assert_int_equal(stats_of(pool).waiting, 1);
	qpool_resume(pool);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_true(fake_of(&a.lease)->number > 1);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 3);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_paused_pool_lends_nothing),
	    VIRTUAL(resume_serves_the_whole_line_in_order),
	    VIRTUAL(what_comes_back_meanwhile_is_idle),
	    VIRTUAL(workers_keep_warm_but_open_for_nobody),
	    VIRTUAL(nobody_asks_for_an_open_in_a_paused_pool),
	    VIRTUAL(a_pool_that_is_down_lets_its_takers_wait_while_paused),
	    VIRTUAL(a_failed_open_is_not_told_to_one_who_waits_for_the_end_of_a_pause),
	    VIRTUAL(close_ends_the_wait_of_a_pause),
	    VIRTUAL(several_at_once_wait_too),
	    VIRTUAL(idle_ones_go_at_once),
	    VIRTUAL(lent_ones_go_when_they_come_back),
	    VIRTUAL(one_that_is_being_reset_goes_after_it),
	    VIRTUAL(what_is_reset_of_before_it_never_is_idle),
	    VIRTUAL(one_that_is_being_opened_is_not_lent),
	    VIRTUAL(one_that_is_being_checked_was_lent_before),
	    VIRTUAL(the_crew_closes_them_if_there_is_one),
	    VIRTUAL(what_was_collected_before_it_is_not_lent),
	    VIRTUAL(what_the_crew_leaves_undone_stop_does),
	    VIRTUAL(renewed_while_paused_and_ready_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
