/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The crew: opens, closes and resets on its threads, min_idle, passes, and that it sleeps when there is
 * nothing to do.
 */
#include "virtual.h"

#include <sched.h>

static qpool *
pool_with_workers(fake *peer, const qpool_options *options, unsigned workers)
{
	qpool *pool = pool_of(peer, fake_ops(), options);
	qpool_error error;

	if (qpool_start(pool, workers, &error) != QPOOL_OK)
		fail_msg("qpool_start: %s", error.message);
	return pool;
}

static bool
one_is_idle(const qpool_stats *s)
{
	return s->idle == 1 && s->closing == 0 && s->opening == 0;
}

static bool
all_are_empty(const qpool_stats *s)
{
	return s->empty == s->max_size;
}

static bool
three_are_idle(const qpool_stats *s)
{
	return s->idle == 3 && s->opening == 0;
}

static void
opens_run_on_a_worker(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 2);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	assert_true(fake_last_open(peer).on_worker);
	assert_int_equal(fake_last_open(peer).budget, QPOOL_SEC(10));
	assert_int_equal(stats_of(pool).workers, 2);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
a_waiter_takes_whichever_comes_first(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease held;
	qpool *pool;
	actor a;

	(void)state;
	o.max_overtake = QPOOL_ZERO;
	pool = pool_with_workers(peer, &o, 1);
	held = must_acquire(pool);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1); /* one is being opened for it, slowly */
	qpool_release(&held);
	assert_int_equal(actor_join(&a), QPOOL_OK); /* but this one came first */
	assert_int_equal(fake_of(&a.lease)->number, 1);
	fake_gate_open(peer, FAKE_OPEN);
	await_stats(pool, one_is_idle); /* and the other is kept */
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
an_open_survives_its_askers_timeout(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 1);
	qpool_lease lease;
	actor a;

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a, pool, QPOOL_MSEC(5));
	fake_gate_await(peer, FAKE_OPEN, 1);
	qp_testing_await_parked(1); /* the asker; the worker is inside open */
	qp_testing_clock_advance(QPOOL_MSEC(5));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT); /* whatever hangs elsewhere */
	assert_string_equal(a.error.message,
	    "none came free: pool 'fake' gave nothing within 5 ms: 0 of 10 lent, 0 open, 1 opening, 0 more wait");
	fake_gate_open(peer, FAKE_OPEN);
	await_stats(pool, one_is_idle);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_OK);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
nowait_never_opens_here_but_asks_the_workers_to(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 1);
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	await_stats(pool, one_is_idle);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
closes_run_on_a_worker(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 1);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	fake_gate_shut(peer, FAKE_CLOSE);
	assert_int_equal(qpool_discard(&lease), QPOOL_OK); /* returns though close hangs */
	fake_gate_await(peer, FAKE_CLOSE, 1);
	assert_int_equal(stats_of(pool).closing, 1);
	fake_gate_open(peer, FAKE_CLOSE);
	await_stats(pool, all_are_empty);
	end_pool(pool, peer);
}

static void
resets_run_on_a_worker_when_asked(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.flags = QPOOL_RESET_ON_WORKERS;
	pool = pool_with_workers(peer, &o, 1);
	lease = must_acquire(pool);
	fake_of(&lease)->dirty = true;
	fake_gate_shut(peer, FAKE_RESET);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	fake_gate_await(peer, FAKE_RESET, 1);
	assert_int_equal(stats_of(pool).resetting, 1);
	fake_gate_open(peer, FAKE_RESET);
	lease = must_acquire(pool);
	fake_use(&lease);
	fake_unuse(&lease);
	assert_true(fake_of(&lease)->number != 1 || fake_of(&lease)->on_worker);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
a_reset_that_says_again_is_run_again_on_a_worker(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 1);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	fake_fail(peer, FAKE_RESET, 1, QPOOL_EAGAIN);
	qpool_release(&lease);
	await_stats(pool, one_is_idle);
	assert_int_equal(fake_calls(peer, FAKE_RESET), 2);
	lease = must_acquire(pool);
	assert_true(fake_of(&lease)->on_worker);
	fake_fail(peer, FAKE_RESET, 2, QPOOL_EAGAIN); /* once here, once there: enough */
	qpool_release(&lease);
	await_stats(pool, all_are_empty);
	assert_int_equal(stats_of(pool).resets_failed, 1);
	end_pool(pool, peer);
}

static void
min_idle_is_kept_warm(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.min_idle = 3;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 0); /* by workers only */
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	await_stats(pool, three_are_idle);
	lease = must_acquire(pool);
	await_stats(pool, three_are_idle);
	assert_int_equal(fake_live(peer), 4);
	qpool_discard(&lease);
	await_stats(pool, three_are_idle);
	assert_int_equal(fake_opening_peak(peer) <= 2, 1);
	end_pool(pool, peer);
}

static void
workers_make_the_pass_when_it_is_due(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.max_idle = QPOOL_SEC(60);
	pool = pool_with_workers(peer, &o, 3);
	lease = must_acquire(pool);
	qpool_release(&lease);
	qp_testing_await_parked(3);
	for (int i = 0; i < 3; i++) { /* a pass at 30 and 60 finds nothing, the third does */
		assert_int_equal(fake_live(peer), 1);
		assert_int_equal(qp_testing_next_deadline(), QPOOL_SEC(1000 + 30 * (i + 1)));
		qp_testing_clock_advance(QPOOL_SEC(30));
		if (i < 2)
			qp_testing_await_parked(3);
	}
	await_stats(pool, all_are_empty);
	/* Nothing is idle, nothing can expire: no worker has an alarm. */
	qp_testing_await_parked(3);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	end_pool(pool, peer);
}

static void
an_idle_crew_keeps_one_clock_and_without_limits_none(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.max_idle = o.max_age = QPOOL_FOREVER;
	pool = pool_with_workers(peer, &o, 2);
	qp_testing_await_parked(2);
	lease = must_acquire(pool);
	qpool_release(&lease);
	qp_testing_await_parked(2);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	end_pool(pool, peer);
}

static void
a_failed_open_is_tried_again_for_who_waits(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 2);
	actor a;

	(void)state;
	fake_fail(peer, FAKE_OPEN, 3, QPOOL_EOPEN);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	for (unsigned i = 1; i <= 3; i++) {
		while (fake_calls(peer, FAKE_OPEN) < i)
			sched_yield();
		qp_testing_await_parked(3); /* the waiter and both workers */
		qp_testing_clock_advance(QPOOL_MSEC(100));
	}
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 4);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
with_tell_the_waiter_it_was_opened_for_is_told(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease held;
	qpool *pool;
	actor first, second;

	(void)state;
	o.open_failure = QPOOL_OPEN_TELL;
	o.max_size = 2;
	pool = pool_with_workers(peer, &o, 1);
	held = must_acquire(pool);
	fake_gate_shut(peer, FAKE_OPEN);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	actor_acquires(&first, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	actor_acquires(&second, pool, QPOOL_FOREVER);
	await_waiting(pool, 2);
	fake_gate_await(peer, FAKE_OPEN, 1);
	fake_gate_pass(peer, FAKE_OPEN, 1);
	assert_int_equal(actor_join(&first), QPOOL_EOPEN);
	assert_memory_equal(first.error.message, "fake refuses to open", 20);
	assert_int_equal(stats_of(pool).waiting, 1);
	fake_gate_open(peer, FAKE_OPEN);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(actor_join(&second), QPOOL_OK);
	qpool_release(&second.lease);
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
denied_with_workers_fails_all_at_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 1);
	actor a[3];

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	for (unsigned i = 0; i < 3; i++)
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
	await_waiting(pool, 3);
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(actor_join(&a[i]), QPOOL_EDENIED);
	end_pool(pool, peer);
}

static void
down_with_workers_a_failing_acquire_asks_for_the_next_probe(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 1);
	qpool_lease lease;
	unsigned before;

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_EDENIED);
	qp_testing_await_parked(1);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_EDENIED);
	fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
	before = fake_calls(peer, FAKE_OPEN);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	await_stats(pool, one_is_idle);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), before + 1);
	lease = must_acquire(pool);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
stop_joins_and_the_pool_works_on(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with_workers(peer, NULL, 3);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	assert_int_equal(qpool_stop(pool), QPOOL_OK);
	assert_int_equal(stats_of(pool).workers, 0);
	assert_int_equal(qpool_stop(pool), QPOOL_OK);
	qpool_discard(&lease);
	lease = must_acquire(pool);
	assert_false(fake_last_open(peer).on_worker);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	assert_int_equal(stats_of(pool).workers, 3);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void *
stop(void *argument)
{
	return (void *)(uintptr_t)qpool_stop(argument);
}

static bool
no_worker_is_left(const qpool_stats *s)
{
	return s->workers == 0;
}

static void
when_the_crew_goes_waiters_open_for_themselves(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	pthread_t stopper;
	qpool *pool;
	actor a[2];

	(void)state;
	o.max_opening = 1;
	pool = pool_with_workers(peer, &o, 1);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a[0], pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	actor_acquires(&a[1], pool, QPOOL_FOREVER);
	await_waiting(pool, 2);
	actor_runs(&stopper, stop, pool);
	qp_testing_await_parked(3); /* both waiters, and the stopper: the crew is dismissed */
	fake_gate_pass(peer, FAKE_OPEN, 1);
	await_stats(pool, no_worker_is_left);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&a[0]), QPOOL_OK);
	assert_int_equal(actor_join(&a[1]), QPOOL_OK);
	pthread_join(stopper, NULL);
	qpool_release(&a[0].lease);
	qpool_release(&a[1].lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
start_is_all_or_none(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_error error;

	(void)state;
	for (unsigned i = 1; i <= 4; i++) {
		qp_testing_fail(QP_FAULT_THREAD, i, false);
		assert_int_equal(qpool_start(pool, 4, &error), QPOOL_ESYS);
		assert_int_equal(error.code, QPOOL_ESYS);
		assert_int_not_equal(error.sys_errno, 0);
		assert_non_null(strstr(error.message, "of pool 'fake' could not be started"));
		assert_int_equal(stats_of(pool).workers, 0);
		qp_testing_fail(QP_FAULT_ALLOC, i, false);
		qp_testing_fail(QP_FAULT_THREAD, 0, false);
		assert_int_equal(qpool_start(pool, 4, &error), QPOOL_ENOMEM);
		assert_int_equal(stats_of(pool).workers, 0);
		qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	}
	assert_int_equal(qpool_start(pool, 0, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, "count is 0; it must be 1 to 1024");
	assert_int_equal(qpool_start(pool, 1025, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_start(NULL, 1, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	assert_int_equal(qpool_start(pool, 1024, &error), QPOOL_EINVAL);
	assert_int_equal(stats_of(pool).workers, 1);
	end_pool(pool, peer);
}

static void
limits_of_zero_do_not_chase_their_tail(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;

	(void)state;
	o.max_idle = o.max_age = QPOOL_ZERO;
	o.max_uses = QPOOL_ZERO32;
	pool = pool_with_workers(peer, &o, 2);
	for (unsigned i = 1; i <= 20; i++) {
		qpool_lease lease = must_acquire(pool);
		qp_testing_clock_advance(1);
		qpool_release(&lease);
	}
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 20);
	end_pool(pool, peer);
}

static bool
one_was_opened(const qpool_stats *s)
{
	return s->opens == 1 && s->opening == 0;
}

/* However late it runs: neither a pass nor a newcomer closes as too old what is there for it. */
static void
what_is_opened_for_a_waiter_is_kept_for_it(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	o.max_idle = o.max_age = QPOOL_ZERO;
	o.max_overtake = QPOOL_FOREVER;
	o.max_size = 1;
	pool = pool_with_workers(peer, &o, 1);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	fake_gate_open(peer, FAKE_OPEN);
	await_stats(pool, one_was_opened);
	qp_testing_clock_advance(1);
	assert_int_equal(qpool_maintain(pool), 0);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	qp_testing_hold(false);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

/* Nobody was lent anything: what workers keep warm is no peak of what was. */
static void
what_is_kept_warm_was_not_lent(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;

	(void)state;
	o.min_idle = 3;
	pool = pool_with_workers(peer, &o, 2);
	await_stats(pool, three_are_idle);
	assert_int_equal(stats_of(pool).leased_peak, 0);
	assert_int_equal(stats_of(pool).open_peak, 3);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(opens_run_on_a_worker),
	    VIRTUAL(a_waiter_takes_whichever_comes_first),
	    VIRTUAL(an_open_survives_its_askers_timeout),
	    VIRTUAL(nowait_never_opens_here_but_asks_the_workers_to),
	    VIRTUAL(closes_run_on_a_worker),
	    VIRTUAL(resets_run_on_a_worker_when_asked),
	    VIRTUAL(a_reset_that_says_again_is_run_again_on_a_worker),
	    VIRTUAL(min_idle_is_kept_warm),
	    VIRTUAL(workers_make_the_pass_when_it_is_due),
	    VIRTUAL(an_idle_crew_keeps_one_clock_and_without_limits_none),
	    VIRTUAL(a_failed_open_is_tried_again_for_who_waits),
	    VIRTUAL(with_tell_the_waiter_it_was_opened_for_is_told),
	    VIRTUAL(denied_with_workers_fails_all_at_once),
	    VIRTUAL(down_with_workers_a_failing_acquire_asks_for_the_next_probe),
	    VIRTUAL(stop_joins_and_the_pool_works_on),
	    VIRTUAL(when_the_crew_goes_waiters_open_for_themselves),
	    VIRTUAL(start_is_all_or_none),
	    VIRTUAL(limits_of_zero_do_not_chase_their_tail),
	    VIRTUAL(what_is_opened_for_a_waiter_is_kept_for_it),
	    VIRTUAL(what_is_kept_warm_was_not_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
