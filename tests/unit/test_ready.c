/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readiness: so many idle at once, opened by workers or by who waits; and every way in which that ends.
 */
#include "virtual.h"

typedef struct waiting {
	pthread_t thread;
	qpool *pool;
	uint32_t count;
	qpool_nsec timeout;
	qpool_err err;
	qpool_error error;
} waiting;

static void *
wait_ready(void *argument)
{
	waiting *w = argument;

	w->err = qpool_wait_ready(w->pool, w->count, w->timeout, &w->error);
	return NULL;
}

static void
begin(waiting *w, qpool *pool, uint32_t count, qpool_nsec timeout)
{
	w->pool = pool;
	w->count = count;
	w->timeout = timeout;
	actor_runs(&w->thread, wait_ready, w);
}

static qpool_err
end(waiting *w)
{
	pthread_join(w->thread, NULL);
	return w->err;
}

static void
without_workers_this_thread_opens(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	assert_int_equal(qpool_wait_ready(pool, 0, QPOOL_NOWAIT, NULL), QPOOL_OK);
	assert_int_equal(qpool_wait_ready(pool, 3, QPOOL_SEC(1), NULL), QPOOL_OK);
	assert_int_equal(stats_of(pool).idle, 3);
	assert_int_equal(fake_last_open(peer).budget, QPOOL_SEC(1));
	assert_false(fake_last_open(peer).on_worker);
	assert_int_equal(qpool_wait_ready(pool, 3, QPOOL_NOWAIT, NULL), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 3);
	end_pool(pool, peer);
}

static void
workers_open_them(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	assert_int_equal(qpool_wait_ready(pool, 4, QPOOL_FOREVER, NULL), QPOOL_OK);
	assert_int_equal(stats_of(pool).idle, 4);
	assert_true(fake_last_open(peer).on_worker);
	end_pool(pool, peer);
}

static void
the_most_that_anybody_wants_is_opened(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	waiting w[3];

	(void)state;
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	fake_gate_shut(peer, FAKE_OPEN);
	begin(&w[0], pool, 2, QPOOL_FOREVER);
	begin(&w[1], pool, 5, QPOOL_FOREVER);
	begin(&w[2], pool, 3, QPOOL_FOREVER);
	qp_testing_await_parked(3);
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(end(&w[i]), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 5);
	end_pool(pool, peer);
}

static void
bad_numbers_are_refused(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_error error;

	(void)state;
	assert_int_equal(qpool_wait_ready(pool, 11, QPOOL_SEC(1), &error), QPOOL_EINVAL);
	assert_string_equal(
	    error.message, "n is 11; it must be at most max_size, which is 10 in pool 'fake'");
	assert_int_equal(qpool_wait_ready(pool, 1, -5, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_wait_ready(NULL, 1, 0, &error), QPOOL_EINVAL);
	end_pool(pool, peer);
}

static void
late_says_why(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease lease;
	waiting w;

	(void)state;
	o.max_size = 2;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	begin(&w, pool, 2, QPOOL_SEC(3));
	qp_testing_await_parked(1); /* one is idle, the other one lent */
	assert_int_equal(stats_of(pool).idle, 1);
	qp_testing_clock_advance(QPOOL_SEC(3));
	assert_int_equal(end(&w), QPOOL_ETIMEOUT);
	assert_string_equal(w.error.message, "not ready: pool 'fake' had 1 of 2 idle after 3 s: 1 "
					     "lent, 0 opening, 0 wait");
	begin(&w, pool, 2, QPOOL_SEC(3));
	qp_testing_await_parked(1);
	qpool_release(&lease);
	assert_int_equal(end(&w), QPOOL_OK);
	assert_int_equal(stats_of(pool).timeouts, 0);
	end_pool(pool, peer);
}

static void
pauses_of_failing_opens_are_kept_and_the_cause_is_told(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	waiting w;

	(void)state;
	o.retry_min = o.retry_max = QPOOL_SEC(50);
	o.down_after = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	begin(&w, pool, 1, QPOOL_MSEC(250));
	for (unsigned opens = 1; opens <= 3; opens++) {
		while (fake_calls(peer, FAKE_OPEN) < opens)
			;
		qp_testing_await_parked(1);
		assert_int_equal(fake_calls(peer, FAKE_OPEN), opens);
		assert_true(
		    qp_testing_next_deadline() <= QPOOL_SEC(1000) + opens * QPOOL_MSEC(100));
		qp_testing_clock_advance(opens < 3 ? QPOOL_MSEC(100) : QPOOL_MSEC(50));
	}
	assert_int_equal(end(&w), QPOOL_ETIMEOUT);
	assert_non_null(strstr(w.error.message, "; pool 'fake' had 0 of 1 idle after 250 ms"));
	fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
	end_pool(pool, peer);
}

static void
workers_know_that_somebody_waits(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	waiting w;

	(void)state;
	o.retry_min = o.retry_max = QPOOL_SEC(50000);
	o.down_after = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	begin(&w, pool, 1, QPOOL_SEC(1));
	while (stats_of(pool).open_failures == 0)
		;
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(end(&w), QPOOL_OK);
	end_pool(pool, peer);
}

static void
a_pool_that_is_down_ends_it_at_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_error error;

	(void)state;
	fake_fail(peer, FAKE_OPEN, 2, QPOOL_EDENIED);
	assert_int_equal(qpool_wait_ready(pool, 2, QPOOL_FOREVER, &error), QPOOL_EDENIED);
	assert_int_equal(error.code, QPOOL_EDENIED);
	assert_non_null(strstr(error.message, "(opening for pool 'fake', failing for "));
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_wait_ready(pool, 2, QPOOL_FOREVER, &error), QPOOL_EDENIED);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2); /* one probe each, when it is time */
	assert_int_equal(qpool_wait_ready(pool, 2, QPOOL_FOREVER, &error), QPOOL_EDENIED);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_wait_ready(pool, 2, QPOOL_FOREVER, &error), QPOOL_OK);
	end_pool(pool, peer);
}

static void
count_event(void *user, qpool *pool, const qpool_event *event)
{
	(void)pool;
	(void)event;
	__atomic_add_fetch((unsigned *)user, 1, __ATOMIC_RELAXED);
}

/* The next probe is not due yet: who waits tells that the pool is down. */
static void
down_after_ends_it_by_time(void **state)
{
	unsigned downs = 0;
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	waiting w;

	(void)state;
	o.down_after = QPOOL_MSEC(50);
	o.retry_min = o.retry_max = QPOOL_SEC(50);
	o.on_event = count_event;
	o.event_user = &downs;
	o.event_mask = 1u << QPOOL_EV_DOWN;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	begin(&w, pool, 1, QPOOL_FOREVER);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(50));
	assert_int_equal(end(&w), QPOOL_EOPEN);
	assert_int_equal(downs, 1);
	fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
	end_pool(pool, peer);
}

static void
close_ends_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);
	waiting w;

	(void)state;
	begin(&w, pool, 10, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	assert_int_equal(end(&w), QPOOL_ECLOSED);
	assert_int_equal(qpool_wait_ready(pool, 1, QPOOL_SEC(1), NULL), QPOOL_ECLOSED);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
a_smaller_pool_ends_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_options o = qpool_options_init();
	qpool_lease lease = must_acquire(pool);
	waiting w;

	(void)state;
	begin(&w, pool, 10, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	o.max_size = 9;
	assert_int_equal(qpool_configure(pool, &o, NULL), QPOOL_OK);
	assert_int_equal(end(&w), QPOOL_EINVAL);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
inside_a_callback(fake *peer, fake_step step, void *argument)
{
	(void)peer;
	(void)step;
	assert_int_equal(qpool_wait_ready(argument, 1, QPOOL_SEC(1), NULL), QPOOL_EMISUSE);
	assert_int_equal(qpool_wait_ready(argument, 0, QPOOL_SEC(1), NULL), QPOOL_OK);
}

static void
inside_a_callback_it_is_misuse(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease;

	(void)state;
	fake_hook_on(peer, FAKE_OPEN, inside_a_callback, pool);
	lease = must_acquire(pool);
	assert_int_equal(stats_of(pool).misuses, 1);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* It stands in no line, and what it opens is not its own. */
static void
those_in_line_are_served_by_what_it_opens(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	waiting w;
	actor a;

	(void)state;
	o.max_size = 2;
	o.max_opening = 1;
	pool = pool_of(peer, fake_ops(), &o);
	fake_gate_shut(peer, FAKE_OPEN);
	begin(&w, pool, 1, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(fake_of(&a.lease)->number, 1);
	assert_int_equal(end(&w), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(without_workers_this_thread_opens),
	    VIRTUAL(workers_open_them),
	    VIRTUAL(the_most_that_anybody_wants_is_opened),
	    VIRTUAL(bad_numbers_are_refused),
	    VIRTUAL(late_says_why),
	    VIRTUAL(pauses_of_failing_opens_are_kept_and_the_cause_is_told),
	    VIRTUAL(workers_know_that_somebody_waits),
	    VIRTUAL(a_pool_that_is_down_ends_it_at_once),
	    VIRTUAL(down_after_ends_it_by_time),
	    VIRTUAL(close_ends_it),
	    VIRTUAL(a_smaller_pool_ends_it),
	    VIRTUAL(inside_a_callback_it_is_misuse),
	    VIRTUAL(those_in_line_are_served_by_what_it_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
