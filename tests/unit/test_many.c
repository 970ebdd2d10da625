/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several at once: all or none, one who collects, and the gate at which the others stand.
 */
#include "virtual.h"

#include <stdlib.h>

typedef struct group {
	pthread_t thread;
	qpool *pool;
	qpool_request request;
	uint32_t n;
	qpool_lease leases[16];
	qpool_error error;
	qpool_err err;
} group;

static void *
take(void *argument)
{
	group *g = argument;

	g->err = qpool_acquire_many(g->pool, g->n, &g->request, g->leases, &g->error);
	return NULL;
}

static void
group_asks(group *g, qpool *pool, uint32_t n, qpool_nsec timeout)
{
	memset(g, 0, sizeof *g);
	g->pool = pool;
	g->n = n;
	g->request = qpool_request_init();
	g->request.timeout = timeout;
	actor_runs(&g->thread, take, g);
}

static qpool_err
group_join(group *g)
{
	assert_int_equal(pthread_join(g->thread, NULL), 0);
	return g->err;
}

static void
group_ends(group *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		assert_int_equal(qpool_release(&g->leases[i]), QPOOL_OK);
}

static qpool *
pool_of_size(fake *peer, uint32_t size)
{
	qpool_options o = qpool_options_init();

	o.max_size = size;
	return pool_of(peer, fake_ops(), &o);
}

static qpool_request
within(qpool_nsec timeout)
{
	qpool_request request = qpool_request_init();

	request.timeout = timeout;
	request.site = QPOOL_SITE;
	return request;
}

static void
n_or_none(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 4);
	qpool_request request = within(QPOOL_NOWAIT);
	qpool_lease leases[4], held;
	qpool_error error;

	(void)state;
	assert_int_equal(qpool_acquire_many(pool, 4, &request, leases, NULL), QPOOL_OK);
	for (unsigned i = 0; i < 4; i++) {
		fake_use(&leases[i]); /* four different ones, or this ends the process */
		assert_ptr_equal(qpool_of(&leases[i]), pool);
	}
	for (unsigned i = 0; i < 4; i++) {
		fake_unuse(&leases[i]);
		assert_int_equal(qpool_release(&leases[i]), QPOOL_OK);
	}
	held = must_acquire(pool);
	assert_int_equal(qpool_acquire_many(pool, 4, &request, leases, &error), QPOOL_EAGAIN);
	assert_non_null(strstr(error.message, "3 of 4 wanted at once"));
	for (unsigned i = 0; i < 4; i++)
		assert_null(leases[i].slot_);
	assert_int_equal(stats_of(pool).idle, 3);
	assert_int_equal(stats_of(pool).acquires, 5);
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
the_order_of_the_idle_ones_survives_a_failure(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3);
	qpool_request request = within(QPOOL_NOWAIT);
	qpool_lease leases[3], held;
	void *newest;

	(void)state;
	assert_int_equal(qpool_acquire_many(pool, 3, &request, leases, NULL), QPOOL_OK);
	newest = leases[1].resource;
	held = leases[0];
	qpool_release(&leases[2]);
	qpool_release(&leases[1]);
	assert_int_equal(qpool_acquire_many(pool, 3, &request, leases, NULL), QPOOL_EAGAIN);
	leases[0] = must_acquire(pool);
	assert_ptr_equal(leases[0].resource, newest);
	qpool_release(&leases[0]);
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
what_is_no_number_of_leases_is_refused(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 2);
	qpool_request request = within(QPOOL_NOWAIT), odd = within(-7);
	qpool_lease leases[3];
	qpool_error error;

	(void)state;
	assert_int_equal(qpool_acquire_many(pool, 0, &request, leases, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "n is 0; it must be 1 to max_size, which is 2"));
	memset(leases, 0x5a, sizeof leases);
	assert_int_equal(qpool_acquire_many(pool, 65536, &request, leases, &error), QPOOL_EINVAL);
	assert_int_equal(
	    leases[0].turn_, 0x5a5a5a5a5a5a5a5a); /* no array is so long: not touched */
	assert_int_equal(qpool_acquire_many(pool, 3, &request, leases, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "n is 3"));
	/* Somebody made the pool smaller, and the way out ends all it asked for. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(qpool_release(&leases[i]), QPOOL_OK);
	memset(leases, 0x5a, sizeof leases);
	assert_int_equal(qpool_acquire_many(NULL, 3, &request, leases, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_release(&leases[2]), QPOOL_OK);
	assert_int_equal(qpool_acquire_many(pool, 2, &request, NULL, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_acquire_many(NULL, 2, &request, leases, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_acquire_many(pool, 2, NULL, leases, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_acquire_many(pool, 2, &odd, leases, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "timeout is -7 ns"));
	end_pool(pool, peer);
}

/* The one that came first was woken and has not run yet when the other one comes: would that one take what
 * is idle, each would wait for ever for what the other has. */
static void
two_groups_do_not_deadlock(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3);
	qpool_lease held[3] = {must_acquire(pool), must_acquire(pool), must_acquire(pool)};
	group a, b;

	(void)state;
	group_asks(&a, pool, 3, QPOOL_SEC(1));
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	qpool_release(&held[0]);
	group_asks(&b, pool, 3, QPOOL_SEC(2));
	await_waiting(pool, 2);
	qp_testing_hold(false);
	qp_testing_await_parked(2);
	qpool_release(&held[1]);
	qpool_release(&held[2]);
	qp_testing_clock_advance(QPOOL_MSEC(500));
	if (group_join(&a) != QPOOL_OK)
		fail_msg("%s", a.error.message);
	group_ends(&a);
	assert_int_equal(group_join(&b), QPOOL_OK);
	group_ends(&b);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
who_collects_keeps_one_place_in_line(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 2);
	qpool_lease held[2] = {must_acquire(pool), must_acquire(pool)};
	group g;
	actor single;

	(void)state;
	group_asks(&g, pool, 2, QPOOL_FOREVER);
	await_waiting(pool, 1);
	actor_acquires(&single, pool, QPOOL_FOREVER);
	await_waiting(pool, 2);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	qpool_release(&held[0]); /* the group's first; it waits again, in front of the single one */
	qp_testing_await_parked(2);
	qpool_release(&held[1]);
	assert_int_equal(group_join(&g), QPOOL_OK);
	assert_false(actor_is_done(&single));
	group_ends(&g);
	assert_int_equal(actor_join(&single), QPOOL_OK);
	qpool_release(&single.lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
those_at_the_gate_hold_up_nobody_else(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3);
	qpool_lease held[3] = {must_acquire(pool), must_acquire(pool), must_acquire(pool)}, mine;
	group a, b;
	actor single;

	(void)state;
	group_asks(&a, pool, 1, QPOOL_FOREVER);
	await_waiting(pool, 1);
	group_asks(&b, pool, 3, QPOOL_FOREVER); /* at the gate */
	await_waiting(pool, 2);
	actor_acquires(&single, pool, QPOOL_FOREVER);
	await_waiting(pool, 3);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	qpool_release(&held[0]);
	assert_int_equal(group_join(&a), QPOOL_OK);
	qpool_release(&held[1]);
	assert_int_equal(actor_join(&single), QPOOL_OK);
	mine = single.lease;
	qpool_release(&mine);
	qpool_release(&held[2]);
	group_ends(&a);
	assert_int_equal(group_join(&b), QPOOL_OK);
	group_ends(&b);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
one_deadline_for_all(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3);
	qpool_lease held[2] = {must_acquire(pool), must_acquire(pool)};
	group a, b;

	(void)state;
	group_asks(&a, pool, 3, QPOOL_MSEC(100)); /* collects */
	await_waiting(pool, 1);
	group_asks(&b, pool, 2, QPOOL_MSEC(40)); /* at the gate */
	await_waiting(pool, 2);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(40));
	assert_int_equal(group_join(&b), QPOOL_ETIMEOUT);
	assert_non_null(strstr(b.error.message, "0 of 2 wanted at once"));
	qp_testing_clock_advance(QPOOL_MSEC(30));
	qpool_release(&held[0]); /* a second one does not start the time again */
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(30));
	assert_int_equal(group_join(&a), QPOOL_ETIMEOUT);
	assert_non_null(strstr(a.error.message, "2 of 3 wanted at once"));
	assert_int_equal(stats_of(pool).timeouts, 2);
	assert_int_equal(stats_of(pool).idle, 2);
	qpool_release(&held[1]);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
closing_refuses_the_gate_and_takes_back_what_was_collected(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 2);
	qpool_lease held = must_acquire(pool);
	group a, b;

	(void)state;
	group_asks(&a, pool, 2, QPOOL_FOREVER);
	await_waiting(pool, 1);
	group_asks(&b, pool, 2, QPOOL_FOREVER);
	await_waiting(pool, 2);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	assert_int_equal(group_join(&a), QPOOL_ECLOSED);
	assert_int_equal(group_join(&b), QPOOL_ECLOSED);
	qpool_release(&held);
	end_pool(pool, peer);
}

static int
say(void *user)
{
	return *(int *)user;
}

static void
the_hook_is_asked_at_the_gate_too(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);
	qpool_lease held = must_acquire(pool);
	group a, b;
	int stop = 1;

	(void)state;
	group_asks(&a, pool, 1, QPOOL_FOREVER);
	await_waiting(pool, 1);
	memset(&b, 0, sizeof b);
	b.pool = pool;
	b.n = 1;
	b.request = within(QPOOL_FOREVER);
	b.request.interrupted = say;
	b.request.interrupt_user = &stop;
	b.request.interrupt_every = QPOOL_MSEC(50);
	actor_runs(&b.thread, take, &b);
	await_waiting(pool, 2);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(50));
	assert_int_equal(group_join(&b), QPOOL_ECANCEL);
	qpool_release(&held);
	assert_int_equal(group_join(&a), QPOOL_OK);
	group_ends(&a);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
workers_open_all_that_is_wanted(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 4);
	group g;

	(void)state;
	assert_int_equal(qpool_start(pool, 4, NULL), QPOOL_OK);
	fake_gate_shut(peer, FAKE_OPEN);
	group_asks(&g, pool, 4, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 4); /* at once, not one after the other */
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(group_join(&g), QPOOL_OK);
	group_ends(&g);
	end_pool(pool, peer);
}

/* In line with two of three in hand, or at the gate: a cancelled one owes nothing. */
static void
a_cancelled_one_gives_back_what_it_had(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3);
	qpool_lease held = must_acquire(pool);
	group a, b, c;
	void *ended;

	(void)state;
	group_asks(&a, pool, 3, QPOOL_FOREVER);
	await_waiting(pool, 1);
	group_asks(&b, pool, 2, QPOOL_FOREVER);
	await_waiting(pool, 2);
	group_asks(&c, pool, 2, QPOOL_FOREVER);
	await_waiting(pool, 3);
	qp_testing_await_parked(3);
	pthread_cancel(b.thread); /* at the gate */
	assert_int_equal(pthread_join(b.thread, &ended), 0);
	assert_ptr_equal(ended, PTHREAD_CANCELED);
	pthread_cancel(a.thread); /* in line: c is next, and finds two */
	assert_int_equal(pthread_join(a.thread, &ended), 0);
	assert_ptr_equal(ended, PTHREAD_CANCELED);
	assert_int_equal(group_join(&c), QPOOL_OK);
	assert_int_equal(stats_of(pool).cancels, 2);
	group_ends(&c);
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* One collects, has one of two, and waits.  Not idle meanwhile, its first is no pass's to close. */
static qpool *
one_of_two_is_kept(fake *peer, group *g, qpool_lease *held)
{
	qpool_options o = qpool_options_init();
	qpool_lease first;
	qpool *pool;

	o.max_size = 2;
	o.max_idle = QPOOL_SEC(60);
	pool = pool_of(peer, fake_ops(), &o);
	first = must_acquire(pool);
	*held = must_acquire(pool);
	qpool_release(&first);
	group_asks(g, pool, 2, QPOOL_FOREVER);
	await_waiting(pool, 1);
	qp_testing_await_parked(1);
	assert_int_equal(stats_of(pool).idle, 0);
	return pool;
}

static void
both_are_lent(qpool *pool, group *g, qpool_lease *held)
{
	qpool_release(held);
	assert_int_equal(group_join(g), QPOOL_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(fake_of(&g->leases[i])->dead);
		fake_use(&g->leases[i]);
		fake_unuse(&g->leases[i]);
	}
	group_ends(g);
	assert_whole(pool);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
}

static void
what_was_kept_too_long_is_not_lent(void **state)
{
	fake *peer = fake_new();
	qpool_lease held;
	group g;
	qpool *pool = one_of_two_is_kept(peer, &g, &held);

	(void)state;
	qp_testing_clock_advance(QPOOL_SEC(61));
	both_are_lent(pool, &g, &held);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_IDLE], 1);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 3);
	end_pool(pool, peer);
}

static void
what_was_kept_long_is_checked(void **state)
{
	fake *peer = fake_new();
	qpool_lease held;
	group g;
	qpool *pool = one_of_two_is_kept(peer, &g, &held);

	(void)state;
	qp_testing_clock_advance(QPOOL_SEC(31));
	both_are_lent(pool, &g, &held);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1); /* the other one was lent until now */
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	end_pool(pool, peer);
}

static void
what_is_suspected_while_it_is_kept_is_checked(void **state)
{
	fake *peer = fake_new();
	qpool_lease held;
	group g;
	qpool *pool = one_of_two_is_kept(peer, &g, &held);

	(void)state;
	qpool_suspect(pool);
	both_are_lent(pool, &g, &held);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 2);
	end_pool(pool, peer);
}

static void
what_dies_while_it_is_kept_is_not_lent(void **state)
{
	fake *peer = fake_new();
	qpool_lease held;
	group g;
	qpool *pool = one_of_two_is_kept(peer, &g, &held);

	(void)state;
	qp_testing_clock_advance(QPOOL_SEC(1));
	fake_kill_all(peer);
	both_are_lent(pool, &g, &held);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 4);
	end_pool(pool, peer);
}

static fake *inside_peer;
static qpool_err inside_err;

static void
ask_inside(fake *peer, fake_step step, void *pool)
{
	qpool_request request = within(QPOOL_FOREVER);
	qpool_lease leases[2];

	(void)peer;
	(void)step;
	fake_hook_on(inside_peer, FAKE_RESET, NULL, NULL);
	inside_err = qpool_acquire_many(pool, 2, &request, leases, NULL);
}

static void
inside_a_callback_it_does_not_wait(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 2);
	qpool_lease held = must_acquire(pool);

	(void)state;
	inside_peer = peer;
	fake_hook_on(peer, FAKE_RESET, ask_inside, pool);
	qpool_release(&held);
	assert_int_equal(inside_err, QPOOL_EMISUSE);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* Random sizes from many threads in real time: everybody is served, nothing is lost. */
enum { CROWD = 6, ROUNDS = 400 };

static void *
crowd_member(void *argument)
{
	group *g = argument;
	unsigned seed = (unsigned)(uintptr_t)g;

	for (unsigned i = 0; i < ROUNDS; i++) {
		g->n = 1 + (uint32_t)rand_r(&seed) % 5;
		if (qpool_acquire_many(g->pool, g->n, &g->request, g->leases, &g->error) !=
		    QPOOL_OK)
			return NULL;
		for (uint32_t j = 0; j < g->n; j++)
			fake_use(&g->leases[j]);
		for (uint32_t j = 0; j < g->n; j++) {
			fake_unuse(&g->leases[j]);
			if (rand_r(&seed) % 16 == 0)
				qpool_discard(&g->leases[j]);
			else
				qpool_release(&g->leases[j]);
		}
	}
	g->err = QPOOL_OK;
	return NULL;
}

static void
a_crowd_of_groups_is_served(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 5);
	group crowd[CROWD];

	(void)state;
	for (unsigned i = 0; i < CROWD; i++) {
		memset(&crowd[i], 0, sizeof crowd[i]);
		crowd[i].pool = pool;
		crowd[i].request = within(QPOOL_FOREVER);
		crowd[i].err = QPOOL_ETIMEOUT;
		actor_runs(&crowd[i].thread, crowd_member, &crowd[i]);
	}
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(group_join(&crowd[i]), QPOOL_OK);
	assert_whole(pool);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(n_or_none),
	    VIRTUAL(the_order_of_the_idle_ones_survives_a_failure),
	    VIRTUAL(what_is_no_number_of_leases_is_refused),
	    VIRTUAL(two_groups_do_not_deadlock),
	    VIRTUAL(who_collects_keeps_one_place_in_line),
	    VIRTUAL(those_at_the_gate_hold_up_nobody_else),
	    VIRTUAL(one_deadline_for_all),
	    VIRTUAL(closing_refuses_the_gate_and_takes_back_what_was_collected),
	    VIRTUAL(the_hook_is_asked_at_the_gate_too),
	    VIRTUAL(a_cancelled_one_gives_back_what_it_had),
	    VIRTUAL(what_was_kept_too_long_is_not_lent),
	    VIRTUAL(what_was_kept_long_is_checked),
	    VIRTUAL(what_is_suspected_while_it_is_kept_is_checked),
	    VIRTUAL(what_dies_while_it_is_kept_is_not_lent),
	    VIRTUAL(workers_open_all_that_is_wanted),
	    VIRTUAL(inside_a_callback_it_does_not_wait),
	    cmocka_unit_test(a_crowd_of_groups_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
