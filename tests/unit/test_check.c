/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Callers who have less time than a check takes: what they could not wait for is not held against the
 * resource.  A worker asks it again, or the next caller, until it has had its time.
 */
#include "virtual.h"

#define ANSWERS_IN QPOOL_MSEC(5)
#define SIZE       10u

/* Answers after its time if the caller waits that long; a dead one never does. */
static qpool_err
slow_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	const fake_resource *r = resource;
	bool answers = !r->dead && step->budget >= ANSWERS_IN;
	qpool_err err = fake_ops().check(user, resource, step, error);

	qp_testing_clock_advance(answers ? ANSWERS_IN : step->budget);
	return answers ? err : QPOOL_EAGAIN;
}

static qpool_ops
slow_ops(void)
{
	qpool_ops ops = fake_ops();

	ops.peek = NULL;
	ops.check = slow_check;
	return ops;
}

static qpool *
pool_of_size(fake *peer, uint32_t size)
{
	qpool_options o = qpool_options_init();

	o.max_size = size;
	o.max_idle = QPOOL_FOREVER;
	o.max_age = QPOOL_FOREVER;
	return pool_of(peer, slow_ops(), &o);
}

/* So many idle, none of which is known to be alive. */
static void
fill(qpool *pool, uint32_t count)
{
	qpool_lease leases[SIZE];

	for (uint32_t i = 0; i < count; i++)
		leases[i] = must_acquire(pool);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(qpool_release(&leases[i]), QPOOL_OK);
	qpool_suspect(pool);
}

static void
must_time_out(qpool *pool, qpool_nsec timeout)
{
	qpool_lease lease;

	assert_int_equal(qpool_acquire(pool, timeout, &lease, NULL), QPOOL_ETIMEOUT);
}

static uint64_t
must_get(qpool *pool, qpool_nsec timeout)
{
	qpool_lease lease;
	qpool_error error;
	uint64_t number;

	if (qpool_acquire(pool, timeout, &lease, &error) != QPOOL_OK)
		fail_msg("qpool_acquire: %s", error.message);
	number = fake_of(&lease)->number;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	return number;
}

static bool
all_are_idle(const qpool_stats *s)
{
	return s->idle == SIZE;
}

static bool
one_is_idle(const qpool_stats *s)
{
	return s->idle == 1;
}

static bool
none_is_there(const qpool_stats *s)
{
	return s->idle + s->checking + s->closing == 0;
}

static void
impatient_callers_close_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, SIZE);

	(void)state;
	fill(pool, SIZE);
	for (unsigned i = 0; i < 10 * SIZE; i++)
		must_time_out(pool, QPOOL_MSEC(1));
	assert_int_equal(stats_of(pool).idle, SIZE);
	assert_int_equal(stats_of(pool).checks_failed, 0);
	(void)must_get(pool, QPOOL_MSEC(6));
	assert_int_equal(fake_calls(peer, FAKE_OPEN), SIZE);
	end_pool(pool, peer);
}

static void
a_worker_asks_again(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, SIZE);
	qpool_lease lease;

	(void)state;
	fill(pool, SIZE);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	must_time_out(pool, QPOOL_MSEC(1));
	await_stats(pool, all_are_idle);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 2);
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(1), &lease, NULL), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 2);
	assert_true(fake_of(&lease)->on_worker);
	assert_int_equal(fake_of(&lease)->budget, QPOOL_SEC(1));
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).checks_failed, 0);
	end_pool(pool, peer);
}

/* Not because of a suspicion but of its time: then it was alive when the worker asked, not when it was used. */
static void
after_a_quiet_night_too(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, SIZE);

	(void)state;
	fill(pool, 1);
	(void)must_get(pool, QPOOL_SEC(1));
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(8 * 3600));
	must_time_out(pool, QPOOL_MSEC(1));
	await_stats(pool, one_is_idle);
	assert_int_equal(must_get(pool, QPOOL_MSEC(1)), 1);
	qp_testing_clock_advance(QPOOL_SEC(30));
	must_time_out(pool, QPOOL_MSEC(1));
	await_stats(pool, one_is_idle);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 5);
	end_pool(pool, peer);
}

static void
the_worker_closes_a_dead_one(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);

	(void)state;
	fill(pool, 1);
	fake_kill_all(peer);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	must_time_out(pool, QPOOL_MSEC(1));
	await_stats(pool, none_is_there);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_CHECK);
	assert_int_equal(stats_of(pool).checks_failed, 1);
	assert_int_equal(must_get(pool, QPOOL_SEC(1)), 2);
	end_pool(pool, peer);
}

/* Without workers, and nobody has as much time as a check may take: together they have. */
static void
a_dead_one_goes_when_it_has_had_its_time(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);

	(void)state;
	fill(pool, 1);
	fake_kill_all(peer);
	for (unsigned i = 0; i < 3; i++)
		must_time_out(pool, QPOOL_MSEC(250));
	assert_int_equal(stats_of(pool).idle, 1);
	must_time_out(pool, QPOOL_MSEC(250));
	assert_int_equal(stats_of(pool).idle, 0);
	assert_int_equal(stats_of(pool).checks_failed, 1);
	assert_int_equal(must_get(pool, QPOOL_MSEC(250)), 2);
	end_pool(pool, peer);
}

static void
an_answer_starts_its_time_anew(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);

	(void)state;
	fill(pool, 1);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 900; i++)
			must_time_out(pool, QPOOL_MSEC(1));
		assert_int_equal(must_get(pool, QPOOL_MSEC(6)), 1);
		qpool_suspect(pool);
	}
	end_pool(pool, peer);
}

static void
an_answer_that_is_no_closes_at_once(void **state)
{
	fake *peer = fake_new();
	qpool_ops ops = fake_ops();
	qpool *pool = pool_of(peer, ops, NULL);

	(void)state;
	fill(pool, 1);
	fake_fail(peer, FAKE_CHECK, 1, QPOOL_ECHECK);
	assert_int_equal(must_get(pool, QPOOL_MSEC(1)), 2);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_CHECK);
	assert_int_equal(stats_of(pool).checks_failed, 1);
	end_pool(pool, peer);
}

static void
oldest_first_goes_on_with_another_too(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;

	(void)state;
	o.order = QPOOL_OLDEST_FIRST;
	pool = pool_of(peer, slow_ops(), &o);
	fill(pool, 3);
	must_time_out(pool, QPOOL_MSEC(1));
	assert_int_equal(must_get(pool, QPOOL_MSEC(6)), 2);
	end_pool(pool, peer);
}

static void *
closes(void *pool)
{
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	return NULL;
}

static bool
begins_to_close(const qpool_stats *s)
{
	return s->closing > 0 && s->idle == 0;
}

/* The only worker stands in a close, and does not ask any more what it finds when it comes back. */
static void
who_closes_the_pool_awaits_no_answers(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3);
	qpool_lease lease;
	pthread_t closer;

	(void)state;
	fill(pool, 3);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	lease = must_acquire(pool);
	fake_gate_shut(peer, FAKE_CLOSE);
	assert_int_equal(qpool_discard(&lease), QPOOL_OK);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	must_time_out(pool, QPOOL_MSEC(1));
	assert_int_equal(stats_of(pool).checking, 1);
	actor_runs(&closer, closes, pool);
	await_stats(pool, begins_to_close);
	fake_gate_open(peer, FAKE_CLOSE);
	assert_int_equal(pthread_join(closer, NULL), 0);
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 2);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(impatient_callers_close_nothing),
	    VIRTUAL(a_worker_asks_again),
	    VIRTUAL(after_a_quiet_night_too),
	    VIRTUAL(the_worker_closes_a_dead_one),
	    VIRTUAL(a_dead_one_goes_when_it_has_had_its_time),
	    VIRTUAL(an_answer_starts_its_time_anew),
	    VIRTUAL(an_answer_that_is_no_closes_at_once),
	    VIRTUAL(oldest_first_goes_on_with_another_too),
	    VIRTUAL(who_closes_the_pool_awaits_no_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
