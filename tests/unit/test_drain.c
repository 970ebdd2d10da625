/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end: close with and without time, with waiters, leases, workers and callbacks in the way; free.
 */
#include "virtual.h"

#include <dirent.h>
#include <sched.h>

static qpool *
pool_of_one(fake *peer)
{
	qpool_options o = qpool_options_init();

	o.max_size = 1;
	return pool_of(peer, fake_ops(), &o);
}

typedef struct closer {
	pthread_t thread;
	qpool *pool;
	qpool_nsec timeout;
	qpool_err err;
} closer;

static void *
close_pool(void *argument)
{
	closer *c = argument;

	c->err = qpool_close(c->pool, c->timeout);
	return NULL;
}

static void
closes(closer *c, qpool *pool, qpool_nsec timeout)
{
	c->pool = pool;
	c->timeout = timeout;
	actor_runs(&c->thread, close_pool, c);
}

static qpool_err
closer_join(closer *c)
{
	pthread_join(c->thread, NULL);
	return c->err;
}

static void
close_closes_what_is_idle_and_destroys_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease a = must_acquire(pool), b = must_acquire(pool), none;
	qpool_error error;

	(void)state;
	qpool_release(&a);
	qpool_release(&b);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_OK);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_CLOSED);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &none, &error), QPOOL_ECLOSED);
	assert_string_equal(error.message, "pool 'fake' is closing or closed");
	assert_int_equal(qpool_start(pool, 1, &error), QPOOL_ECLOSED);
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_CLOSED], 2);
	qpool_free(pool);
	fake_end(peer);
}

static void
close_awaits_leases_until_its_timeout_and_may_be_repeated(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	closer c;

	(void)state;
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	closes(&c, pool, QPOOL_SEC(2));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2) - 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(1);
	assert_int_equal(closer_join(&c), QPOOL_ETIMEOUT);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 0);
	closes(&c, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	assert_int_equal(qpool_release(&held), QPOOL_OK);
	assert_int_equal(closer_join(&c), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	qpool_free(pool);
	fake_end(peer);
}

static void
close_tells_a_thousand_waiters(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	static actor a[1000];
	closer c;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
	await_waiting(pool, 1000);
	closes(&c, pool, QPOOL_FOREVER);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(actor_join(&a[i]), QPOOL_ECLOSED);
	assert_string_equal(a[999].error.message, "pool 'fake' is closing or closed");
	qpool_release(&held);
	assert_int_equal(closer_join(&c), QPOOL_OK);
	qpool_free(pool);
	fake_end(peer);
}

static void
an_open_that_ends_after_close_is_closed_again(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	closer c;
	actor a;

	(void)state;
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	closes(&c, pool, QPOOL_FOREVER);
	assert_int_equal(actor_join(&a), QPOOL_ECLOSED); /* at once, though open hangs */
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(closer_join(&c), QPOOL_OK);
	assert_int_equal(fake_live(peer), 0);
	qpool_free(pool);
	fake_end(peer);
}

static void
close_does_not_wait_longer_for_a_hung_worker(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	closer c;
	actor a;

	(void)state;
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	closes(&c, pool, QPOOL_SEC(1));
	assert_int_equal(actor_join(&a), QPOOL_ECLOSED);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(closer_join(&c), QPOOL_ETIMEOUT);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(pool);
	fake_end(peer);
}

static void
several_closers_all_hear_when_it_is_over(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	closer c[4];

	(void)state;
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	fake_gate_shut(peer, FAKE_DESTROY);
	for (int i = 0; i < 4; i++)
		closes(&c[i], pool, QPOOL_FOREVER);
	qpool_release(&held);
	fake_gate_await(peer, FAKE_DESTROY, 1);
	qp_testing_await_parked(3); /* the others wait until destroy has returned */
	fake_gate_open(peer, FAKE_DESTROY);
	for (int i = 0; i < 4; i++)
		assert_int_equal(closer_join(&c[i]), QPOOL_OK);
	qpool_free(pool);
	fake_end(peer);
}

static void
close_looks_at_its_arguments(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);

	(void)state;
	assert_int_equal(qpool_close(NULL, 0), QPOOL_EINVAL);
	assert_int_equal(qpool_close(pool, -7), QPOOL_EINVAL);
	assert_int_equal(qpool_stop(NULL), QPOOL_EINVAL);
	qpool_free(NULL);
	qpool_lease lease = must_acquire(pool); /* it was not closed */
	qpool_release(&lease);
	qpool_free(pool);
	fake_end(peer);
}

static void
free_with_nothing_out_leaves_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	qpool_release(&lease);
	qpool_free(pool);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	fake_end(peer);
}

static void
free_with_leases_out_lets_the_last_one_end_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease a = must_acquire(pool), b = must_acquire(pool), c = must_acquire(pool);
	qpool_ops ops = fake_ops();
	void *mine;

	(void)state;
	qpool_free(pool);
	fake_use(&a); /* theirs until they end */
	fake_unuse(&a);
	qpool_release(&a);
	assert_int_equal(fake_live(peer), 2);
	mine = qpool_detach(&b);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 0);
	ops.close(peer, mine, QPOOL_WHY_DISCARDED);
	qpool_discard(&c);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	fake_end(peer);
}

static void
free_with_leases_out_and_workers_does_not_wait(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease held;

	(void)state;
	assert_int_equal(qpool_start(pool, 3, NULL), QPOOL_OK);
	held = must_acquire(pool);
	qpool_free(pool);
	qpool_release(&held);
	fake_await_destroyed(peer); /* by whoever is last, a worker or we */
	fake_end(peer);
}

static void
free_in_a_callback(fake *peer, fake_step step, void *pool)
{
	(void)peer;
	(void)step;
	qpool_free(pool);
}

static void
free_from_inside_a_callback_works(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	fake_hook_on(peer, FAKE_RESET, free_in_a_callback, pool);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	fake_end(peer);
}

static qpool_err nested;

static void
close_in_a_callback(fake *peer, fake_step step, void *pool)
{
	(void)peer;
	(void)step;
	nested = qpool_close(pool, QPOOL_FOREVER);
	assert_int_equal(qpool_stop(pool), QPOOL_EMISUSE);
}

static void
close_and_stop_inside_a_callback_are_misuse(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	fake_hook_on(peer, FAKE_RESET, close_in_a_callback, pool);
	qpool_release(&lease);
	assert_int_equal(nested, QPOOL_EMISUSE);
	fake_hook_on(peer, FAKE_RESET, NULL, NULL);
	lease = must_acquire(pool); /* still open */
	qpool_release(&lease);
	end_pool(pool, peer);
}

static unsigned
threads_of_this_process(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned count = 0;

	assert_non_null(tasks);
	for (const struct dirent *e = readdir(tasks); e != NULL; e = readdir(tasks))
		count += e->d_name[0] != '.';
	closedir(tasks);
	return count;
}

static void
after_close_no_thread_is_left(void **state)
{
	unsigned before = threads_of_this_process();

	(void)state;
	for (int i = 0; i < 100; i++) {
		fake *peer = fake_new();
		qpool *pool = pool_of_one(peer);
		assert_int_equal(qpool_start(pool, 4, NULL), QPOOL_OK);
		if (i & 1)
			assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
		qpool_free(pool);
		fake_end(peer);
	}
	/* A joined thread may still be listed for a moment: the kernel clears it after the join. */
	while (threads_of_this_process() > before)
		sched_yield();
}

/* A leak, if it were one, is seen by the build with LeakSanitizer. */
static void
free_from_inside_destroy_works(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_release(&lease);
	fake_hook_on(peer, FAKE_DESTROY, free_in_a_callback, pool);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	fake_end(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(close_closes_what_is_idle_and_destroys_once),
	    VIRTUAL(close_awaits_leases_until_its_timeout_and_may_be_repeated),
	    VIRTUAL(close_tells_a_thousand_waiters),
	    VIRTUAL(an_open_that_ends_after_close_is_closed_again),
	    VIRTUAL(close_does_not_wait_longer_for_a_hung_worker),
	    VIRTUAL(several_closers_all_hear_when_it_is_over),
	    VIRTUAL(close_looks_at_its_arguments),
	    VIRTUAL(free_with_nothing_out_leaves_nothing),
	    VIRTUAL(free_with_leases_out_lets_the_last_one_end_it),
	    VIRTUAL(free_with_leases_out_and_workers_does_not_wait),
	    VIRTUAL(free_from_inside_a_callback_works),
	    VIRTUAL(close_and_stop_inside_a_callback_are_misuse),
	    VIRTUAL(after_close_no_thread_is_left),
	    VIRTUAL(free_from_inside_destroy_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
