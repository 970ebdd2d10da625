/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pthread_cancel inside callbacks, and in verbs that sleep for other reasons than a place in line: it waits.
 */
#include "goer.h"

#include <sched.h>

/* ---- callbacks ---- */

/* Inside a callback, on whatever thread: a cancel comes, and a cancellation point. */
static unsigned struck;

static void
strike(void)
{
	__atomic_add_fetch(&struck, 1, __ATOMIC_RELAXED);
	assert_int_equal(pthread_cancel(pthread_self()), 0);
	pthread_testcancel();
}

static void
strike_in_step(fake *peer, fake_step step, void *wanted)
{
	(void)peer;
	if (step == *(fake_step *)wanted)
		strike();
}

static void
strike_in_event(void *wanted, qpool *pool, const qpool_event *event)
{
	(void)pool;
	if (event->type == *(qpool_event_type *)wanted)
		strike();
}

/* A life in which every callback runs, with the verbs all returning. */
static void *
lives(void *argument)
{
	qpool *pool = argument;
	qpool_lease lease = must_acquire(pool);

	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	lease = must_acquire(pool);
	assert_int_equal(qpool_discard(&lease), QPOOL_OK);
	pthread_testcancel(); /* here at last */
	return NULL;
}

static void
live_on_a_thread(qpool *pool)
{
	pthread_t thread;
	void *result;

	struck = 0;
	actor_runs(&thread, lives, pool);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_true(__atomic_load_n(&struck, __ATOMIC_RELAXED) > 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_whole(pool);
	assert_cancels(pool, 0);
}

static void
inside_a_callback_it_waits_until_the_verb_is_over(void **state)
{
	fake_step steps[] = {FAKE_OPEN, FAKE_CLOSE, FAKE_PEEK, FAKE_CHECK, FAKE_RESET};

	(void)state;
	for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		fake *peer = fake_new();
		qpool_options o = qpool_options_init();
		qpool *pool;
		o.max_size = 1;
		o.check_after = QPOOL_ZERO;
		pool = pool_of(peer, fake_ops(), &o);
		fake_hook_on(peer, steps[i], strike_in_step, &steps[i]);
		live_on_a_thread(pool);
		fake_hook_on(peer, steps[i], NULL, NULL);
		end_pool(pool, peer);
	}
}

static void
inside_an_event_it_waits_until_the_verb_is_over(void **state)
{
	qpool_event_type types[] = {
	    QPOOL_EV_OPENED, QPOOL_EV_ACQUIRED, QPOOL_EV_RELEASED, QPOOL_EV_CLOSED};

	(void)state;
	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		fake *peer = fake_new();
		qpool_options o = qpool_options_init();
		qpool *pool;
		o.max_size = 1;
		o.on_event = strike_in_event;
		o.event_user = &types[i];
		o.event_mask = ~(uint64_t)0;
		pool = pool_of(peer, fake_ops(), &o);
		live_on_a_thread(pool);
		end_pool(pool, peer);
	}
}

static int
strike_in_hook(void *user)
{
	(void)user;
	strike();
	return 0;
}

static void
inside_the_hook_it_waits_until_the_wait_goes_on(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER), next = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	struck = 0;
	g.request.interrupted = strike_in_hook;
	g.request.interrupt_every = QPOOL_MSEC(10);
	go(&g);
	qp_testing_await_parked(1);
	go(&next);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(10));
	assert_true(was_cancelled(&g));
	assert_int_equal(struck, 1);
	qpool_release(&held);
	must_be_served(&next);
	assert_cancels(pool, 1);
	qpool_release(&next.lease);
	end_pool(pool, peer);
}

/* A callback of one pool waits for another one: it is a callback all the same. */
static void
acquire_from_the_other(fake *peer, fake_step step, void *other)
{
	qpool_lease lease = must_acquire(other);

	(void)peer;
	(void)step;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

static void
a_wait_inside_a_callback_of_another_pool_goes_on(void **state)
{
	fake *peer = fake_new(), *other_peer = fake_new();
	qpool *pool = pool_of_one(peer), *other = pool_of_one(other_peer);
	qpool_lease held = must_acquire(other);
	goer g = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	fake_hook_on(peer, FAKE_OPEN, acquire_from_the_other, other);
	go(&g);
	qp_testing_await_parked(1);
	assert_int_equal(pthread_cancel(g.thread), 0);
	qpool_release(&held);
	must_be_served(&g);
	assert_cancels(other, 0);
	qpool_release(&g.lease);
	fake_hook_on(peer, FAKE_OPEN, NULL, NULL);
	end_pool(other, other_peer);
	end_pool(pool, peer);
}

/* ---- the other verbs that sleep ---- */

/* A worker that takes its time to end after it has left the pool, so that it must be waited for. */
static pthread_key_t dawdling;

static void
dawdle(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < 2000; i++)
		sched_yield();
}

static void
dawdle_later(fake *peer, fake_step step, void *argument)
{
	(void)peer;
	(void)step;
	assert_int_equal(pthread_setspecific(dawdling, argument), 0);
}

static void *
stops_and_closes(void *argument)
{
	qpool *pool = argument;

	assert_int_equal(pthread_cancel(pthread_self()), 0);
	assert_int_equal(qpool_stop(pool), QPOOL_OK);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
	return pool;
}

static void
stop_and_close_are_no_cancellation_points(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_key_create(&dawdling, dawdle), 0);
	fake_hook_on(peer, FAKE_CLOSE, dawdle_later, pool);
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	qp_testing_await_parked(2);
	fake_gate_shut(peer, FAKE_CLOSE); /* a worker is busy while it is to stop */
	qpool_discard(&held);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	actor_runs(&thread, stops_and_closes, pool);
	qp_testing_await_parked(1);
	fake_gate_open(peer, FAKE_CLOSE);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, pool);
	assert_int_equal(pthread_key_delete(dawdling), 0);
	qpool_free(pool);
	fake_end(peer);
}

static void *
waits_until_ready(void *pool)
{
	assert_int_equal(pthread_cancel(pthread_self()), 0);
	assert_int_equal(qpool_wait_ready(pool, 1, QPOOL_SEC(1), NULL), QPOOL_ETIMEOUT);
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
	return pool;
}

static void
wait_ready_is_no_cancellation_point(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	pthread_t thread;
	void *result;

	(void)state;
	actor_runs(&thread, waits_until_ready, pool);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, pool);
	qpool_release(&held);
	end_pool(pool, peer);
}

static void *
dumps(void *pool)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_cancel(pthread_self()), 0);
	qpool_dump(pool, ends[1]);
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return pool;
}

static void
dump_is_no_cancellation_point(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	pthread_t thread;
	void *result;

	(void)state;
	actor_runs(&thread, dumps, pool);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, pool);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(inside_a_callback_it_waits_until_the_verb_is_over),
	    VIRTUAL(inside_an_event_it_waits_until_the_verb_is_over),
	    VIRTUAL(inside_the_hook_it_waits_until_the_wait_goes_on),
	    VIRTUAL(a_wait_inside_a_callback_of_another_pool_goes_on),
	    VIRTUAL(wait_ready_is_no_cancellation_point),
	    VIRTUAL(dump_is_no_cancellation_point),
	    VIRTUAL(stop_and_close_are_no_cancellation_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
