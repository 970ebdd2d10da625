/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line: order, overtaking, hand-over, deadlines, the interrupt hook, refusal.
 */
#include "virtual.h"

#include <sched.h>
#include <stdlib.h>

static qpool *
pool_of_one(fake *peer)
{
	qpool_options o = qpool_options_init();

	o.max_size = 1;
	return pool_of(peer, fake_ops(), &o);
}

static void
waiters_are_served_in_the_order_in_which_they_came(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	unsigned order = 0;
	actor a[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		actor_acquires_in_order(&a[i], pool, QPOOL_FOREVER, &order);
		await_waiting(pool, i + 1);
	}
	qp_testing_clock_advance(QPOOL_MSEC(2)); /* all are older than max_overtake */
	for (unsigned i = 0; i < 8; i++) {
		qpool_release(&held);
		assert_int_equal(actor_join(&a[i]), QPOOL_OK);
		assert_int_equal(a[i].rank, i + 1);
		held = a[i].lease;
	}
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_newcomer_passes_a_young_head_only(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool), mine;
	actor a;

	(void)state;
	actor_acquires(&a, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(1250000 - 1);
	qpool_release(&held);
	/* The head was woken to look, not given the slot: who is quicker has it.  Either way nobody has
	 * been passed who is older than max_overtake. */
	if (qpool_acquire(pool, QPOOL_NOWAIT, &mine, NULL) == QPOOL_OK) {
		qp_testing_await_parked(1);
		qp_testing_clock_advance(1);
		qpool_release(&mine); /* now the head is old: this is a transfer */
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &mine, NULL), QPOOL_EAGAIN);
	}
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
nobody_passes_an_old_head(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool), mine;
	actor a;

	(void)state;
	for (int i = 0; i < 200; i++) {
		actor_acquires(&a, pool, QPOOL_FOREVER);
		qp_testing_await_parked(1);
		qp_testing_clock_advance(1250000);
		qpool_release(&held);
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &mine, NULL), QPOOL_EAGAIN);
		assert_int_equal(actor_join(&a), QPOOL_OK);
		held = a.lease;
	}
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
with_max_overtake_zero_every_release_is_a_transfer(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease held, mine;
	qpool *pool;
	actor a;

	(void)state;
	o.max_size = 1;
	o.max_overtake = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &o);
	held = must_acquire(pool);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	qpool_release(&held);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &mine, NULL), QPOOL_EAGAIN);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
a_timeout_is_never_early(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	actor a;

	(void)state;
	actor_acquires(&a, pool, QPOOL_SEC(2));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2) - 1);
	for (int i = 0; i < 1000; i++) { /* waking for no reason changes nothing */
		qp_testing_wake_all(i & 1);
		qp_testing_await_parked(1);
	}
	assert_int_equal(stats_of(pool).waiting, 1);
	qp_testing_clock_advance(1);
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	assert_ptr_equal(
	    strstr(a.error.message,
		"all are lent: pool 'fake' gave nothing within 2 s: 1 of 1 lent, 1 open, "
		"0 opening, 0 more wait; held 2 s by testing.h:"),
	    a.error.message);
	assert_int_equal(stats_of(pool).timeouts, 1);
	assert_null(a.lease.slot_);
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
the_default_timeout_is_the_pools(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	actor a;

	(void)state;
	actor_acquires(&a, pool, QPOOL_DEFAULT);
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), QPOOL_SEC(1030));
	qp_testing_clock_advance(QPOOL_SEC(30));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
a_timed_out_waiter_refuses_and_the_next_is_served(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	actor late, next;

	(void)state;
	for (int i = 0; i < 100; i++) {
		actor_acquires(&late, pool, QPOOL_SEC(1));
		await_waiting(pool, 1);
		actor_acquires(&next, pool, QPOOL_FOREVER);
		await_waiting(pool, 2);
		qp_testing_clock_advance(QPOOL_SEC(1));
		qpool_release(&held); /* crosses the timeout of the first */
		assert_int_equal(actor_join(&late), QPOOL_ETIMEOUT);
		assert_int_equal(actor_join(&next), QPOOL_OK);
		held = next.lease;
	}
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
the_middle_of_the_line_may_time_out(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	actor a[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		actor_acquires(&a[i], pool, i == 1 ? QPOOL_SEC(1) : QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	qp_testing_await_parked(3);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&a[1]), QPOOL_ETIMEOUT);
	assert_int_equal(stats_of(pool).waiting, 2);
	qpool_release(&held);
	assert_int_equal(actor_join(&a[0]), QPOOL_OK);
	qpool_release(&a[0].lease);
	assert_int_equal(actor_join(&a[2]), QPOOL_OK);
	qpool_release(&a[2].lease);
	end_pool(pool, peer);
}

static void
one_release_wakes_one_waiter(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	unsigned order = 0;
	actor a[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		actor_acquires_in_order(&a[i], pool, QPOOL_FOREVER, &order);
		await_waiting(pool, i + 1);
	}
	qp_testing_await_parked(6);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	qpool_release(&held);
	assert_int_equal(actor_join(&a[0]), QPOOL_OK);
	assert_int_equal(qp_testing_parked(), 5); /* no herd */
	held = a[0].lease;
	for (unsigned i = 1; i < 6; i++) {
		qpool_release(&held);
		actor_join(&a[i]);
		held = a[i].lease;
	}
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
a_full_line_refuses(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease held, none;
	qpool_error error;
	qpool *pool;
	actor a[2];

	(void)state;
	o.max_size = 1;
	o.max_waiters = 2;
	pool = pool_of(peer, fake_ops(), &o);
	held = must_acquire(pool);
	for (unsigned i = 0; i < 2; i++) {
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &none, &error), QPOOL_EBUSY);
	assert_string_equal(error.message, "the line of pool 'fake' is full: max_waiters is 2");
	assert_int_equal(stats_of(pool).refusals, 1);
	for (unsigned i = 0; i < 2; i++) {
		qpool_release(&held);
		assert_int_equal(actor_join(&a[i]), QPOOL_OK);
		held = a[i].lease;
	}
	qpool_release(&held);
	assert_int_equal(stats_of(pool).waiting_peak, 2);
	end_pool(pool, peer);
}

static void
with_no_line_at_all_only_what_is_idle_or_empty_is_lent(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease held, none;
	qpool *pool;

	(void)state;
	o.max_size = 1;
	o.max_waiters = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops(), &o);
	held = must_acquire(pool);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &none, NULL), QPOOL_EBUSY);
	qpool_release(&held);
	held = must_acquire(pool);
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
without_slots_takers_wait_to_their_deadline(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	actor a;

	(void)state;
	o.max_size = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops(), &o);
	actor_acquires(&a, pool, QPOOL_SEC(1));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	assert_int_equal(stats_of(pool).max_size, 0);
	assert_int_equal(stats_of(pool).empty, 0);
	end_pool(pool, peer);
}

/* ---- the interrupt hook ---- */

typedef struct hook {
	unsigned calls, stop_at;
	qpool *pool;
	qpool_err nested;
} hook;

static int
count_and_stop(void *user)
{
	hook *h = user;

	return ++h->calls == h->stop_at;
}

static void
the_hook_runs_at_its_interval_and_ends_the_wait(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	qpool_request request = qpool_request_init();
	hook h = {0, 3, NULL, QPOOL_OK};
	actor a;

	(void)state;
	request.timeout = QPOOL_FOREVER;
	request.interrupted = count_and_stop;
	request.interrupt_user = &h;
	request.interrupt_every = QPOOL_MSEC(100);
	actor_acquires_with(&a, pool, &request);
	for (unsigned i = 0; i < 3; i++) {
		qp_testing_await_parked(1);
		assert_int_equal(h.calls, i);
		qp_testing_clock_advance(QPOOL_MSEC(100));
	}
	assert_int_equal(actor_join(&a), QPOOL_ECANCEL);
	assert_string_equal(
	    a.error.message, "the wait for pool 'fake' was interrupted after 300 ms");
	assert_int_equal(stats_of(pool).cancels, 1);
	assert_int_equal(stats_of(pool).waiting, 0);
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_signal_runs_the_hook_and_the_place_is_kept(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	qpool_request request = qpool_request_init();
	hook h = {0, 0, NULL, QPOOL_OK};
	actor first, second;
	unsigned order = 0;

	(void)state;
	request.timeout = QPOOL_FOREVER;
	request.interrupted = count_and_stop;
	request.interrupt_user = &h;
	actor_acquires_with(&first, pool, &request);
	first.order = &order;
	await_waiting(pool, 1);
	qp_testing_await_parked(1);
	for (unsigned i = 1; i <= 20; i++) {
		qp_testing_wake_all(true);
		qp_testing_await_parked(1);
		assert_int_equal(h.calls, i);
	}
	actor_acquires_in_order(&second, pool, QPOOL_FOREVER, &order);
	await_waiting(pool, 2);
	qp_testing_await_parked(2);
	qp_testing_wake_all(true);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	qpool_release(&held);
	assert_int_equal(actor_join(&first), QPOOL_OK);
	assert_int_equal(stats_of(pool).waiting, 1);
	qpool_release(&first.lease);
	assert_int_equal(actor_join(&second), QPOOL_OK);
	qpool_release(&second.lease);
	end_pool(pool, peer);
}

static qpool_lease given_in_hook;

/* While the hook runs, its slot arrives; then it says stop. */
static int
release_and_stop(void *user)
{
	(void)user;
	qpool_release(&given_in_hook);
	return 1;
}

static void
a_slot_handed_over_during_the_hook_goes_on_to_the_next(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_request request = qpool_request_init();
	actor stopped, next;

	(void)state;
	given_in_hook = must_acquire(pool);
	request.timeout = QPOOL_FOREVER;
	request.interrupted = release_and_stop;
	request.interrupt_every = QPOOL_MSEC(10);
	actor_acquires_with(&stopped, pool, &request);
	await_waiting(pool, 1);
	actor_acquires(&next, pool, QPOOL_FOREVER);
	await_waiting(pool, 2);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(10));
	assert_int_equal(actor_join(&stopped), QPOOL_ECANCEL);
	assert_int_equal(actor_join(&next), QPOOL_OK);
	qpool_release(&next.lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* Its slot arrives, and the hook goes on until somebody has it. */
static int
release_and_linger(void *user)
{
	if (given_in_hook.slot_ == NULL)
		return 0;
	qpool_release(&given_in_hook);
	while (stats_of(user).acquires < 2)
		sched_yield();
	return 0;
}

static void
a_hook_that_lingers_holds_up_nobody_else(void **state)
{
	(void)state;
	for (unsigned old = 0; old < 2; old++) {
		fake *peer = fake_new();
		qpool *pool = pool_of_one(peer);
		qpool_request request = qpool_request_init();
		actor lingers, next;
		given_in_hook = must_acquire(pool);
		request.timeout = QPOOL_FOREVER;
		request.interrupted = release_and_linger;
		request.interrupt_user = pool;
		request.interrupt_every = old ? QPOOL_MSEC(10) : QPOOL_MSEC(1);
		actor_acquires_with(&lingers, pool, &request);
		await_waiting(pool, 1);
		actor_acquires(&next, pool, QPOOL_FOREVER);
		await_waiting(pool, 2);
		qp_testing_await_parked(2);
		qp_testing_clock_advance(request.interrupt_every);
		assert_int_equal(actor_join(&next), QPOOL_OK);
		await_waiting(pool, 1); /* in its place, all the time */
		qpool_release(&next.lease);
		assert_int_equal(actor_join(&lingers), QPOOL_OK);
		qpool_release(&lingers.lease);
		assert_whole(pool);
		end_pool(pool, peer);
	}
}

static int
acquire_in_hook(void *user)
{
	hook *h = user;
	qpool_lease lease;

	h->nested = qpool_acquire(h->pool, QPOOL_SEC(1), &lease, NULL);
	return 1;
}

static void
a_wait_inside_the_hook_is_misuse(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	qpool_request request = qpool_request_init();
	hook h = {0, 0, pool, QPOOL_OK};
	actor a;

	(void)state;
	request.timeout = QPOOL_FOREVER;
	request.interrupted = acquire_in_hook;
	request.interrupt_user = &h;
	request.interrupt_every = QPOOL_MSEC(10);
	actor_acquires_with(&a, pool, &request);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(10));
	assert_int_equal(actor_join(&a), QPOOL_ECANCEL);
	assert_int_equal(h.nested, QPOOL_EMISUSE);
	assert_int_equal(stats_of(pool).misuses, 1);
	qpool_release(&held);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(waiters_are_served_in_the_order_in_which_they_came),
	    VIRTUAL(a_newcomer_passes_a_young_head_only),
	    VIRTUAL(nobody_passes_an_old_head),
	    VIRTUAL(with_max_overtake_zero_every_release_is_a_transfer),
	    VIRTUAL(a_timeout_is_never_early),
	    VIRTUAL(the_default_timeout_is_the_pools),
	    VIRTUAL(a_timed_out_waiter_refuses_and_the_next_is_served),
	    VIRTUAL(the_middle_of_the_line_may_time_out),
	    VIRTUAL(one_release_wakes_one_waiter),
	    VIRTUAL(a_full_line_refuses),
	    VIRTUAL(with_no_line_at_all_only_what_is_idle_or_empty_is_lent),
	    VIRTUAL(without_slots_takers_wait_to_their_deadline),
	    VIRTUAL(the_hook_runs_at_its_interval_and_ends_the_wait),
	    VIRTUAL(a_signal_runs_the_hook_and_the_place_is_kept),
	    VIRTUAL(a_slot_handed_over_during_the_hook_goes_on_to_the_next),
	    VIRTUAL(a_hook_that_lingers_holds_up_nobody_else),
	    VIRTUAL(a_wait_inside_the_hook_is_misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
