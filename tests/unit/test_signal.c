/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals: whatever comes, and whether or not its handler restarts system calls, no wait ends early for it,
 * none begins anew, and errno is as it was.  In real time: a wait that began anew at each signal would not end
 * while the storm lasts, and the test with it.
 */
#include "testing.h"

#include "platform/atomic.h"
#include "platform/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static qp_atomic_u64 signals;

static void
count_signal(int number)
{
	(void)number;
	qp_add64_relaxed(&signals, 1);
}

static void
handle(int flags)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = count_signal;
	action.sa_flags = flags;
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	qp_store64_relaxed(&signals, 0);
}

/* From here on the calling thread is interrupted every 100 us. */
static timer_t
begin_storm(void)
{
	struct itimerspec every = {{0, 100000}, {0, 100000}};
	struct sigevent event;
	timer_t timer;

	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = SIGUSR1;
	event.sigev_notify_thread_id = gettid();
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
	return timer;
}

static void
end_storm(timer_t timer)
{
	assert_int_equal(timer_delete(timer), 0);
}

static qpool *
pool_of_size(fake *peer, uint32_t size)
{
	qpool_options o = qpool_options_init();

	o.max_size = size;
	o.max_overtake = QPOOL_ZERO;
	return pool_of(peer, fake_ops(), &o);
}

/* ---- one wait ---- */

static const int with_and_without[] = {0, SA_RESTART};

static int
goes_on(void *calls)
{
	++*(unsigned *)calls;
	return 0;
}

/* The storm is on until the wait is over. */
static void
a_wait_is_neither_ended_nor_begun_anew(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);
	qpool_lease held = must_acquire(pool), lease;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		qpool_request request = qpool_request_init();
		unsigned asked = 0;
		timer_t timer;
		int64_t end_ns;
		handle(with_and_without[i & 1]);
		request.timeout = QPOOL_MSEC(50);
		if (i >= 2)
			request.interrupted = goes_on;
		request.interrupt_user = &asked;
		timer = begin_storm();
		end_ns = qp_clock_now() + request.timeout;
		assert_int_equal(qpool_acquire_with(pool, &request, &lease, NULL), QPOOL_ETIMEOUT);
		assert_true(qp_clock_now() >= end_ns);
		end_storm(timer);
		assert_true(qp_load64_relaxed(&signals) > 0);
		assert_int_equal(asked > 0, i >= 2);
	}
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

static int
stops(void *calls)
{
	++*(unsigned *)calls;
	return 1;
}

/* A wait for ever, which only the hook can end. */
static void
the_hook_hears_of_every_kind_of_signal(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);
	qpool_lease held = must_acquire(pool), lease;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		qpool_request request = qpool_request_init();
		unsigned asked = 0;
		timer_t timer;
		handle(with_and_without[i]);
		request.timeout = QPOOL_FOREVER;
		request.interrupted = stops;
		request.interrupt_user = &asked;
		timer = begin_storm();
		assert_int_equal(qpool_acquire_with(pool, &request, &lease, NULL), QPOOL_ECANCEL);
		end_storm(timer);
		assert_int_equal(asked, 1);
	}
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
close_waits_through_signals(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fake *peer = fake_new();
		qpool *pool = pool_of_size(peer, 1);
		qpool_lease held = must_acquire(pool);
		timer_t timer;
		int64_t end_ns;
		handle(with_and_without[i]);
		timer = begin_storm();
		end_ns = qp_clock_now() + QPOOL_MSEC(50);
		errno = EDOM;
		assert_int_equal(qpool_close(pool, QPOOL_MSEC(50)), QPOOL_ETIMEOUT);
		assert_true(qp_clock_now() >= end_ns);
		assert_int_equal(errno, EDOM);
		end_storm(timer);
		assert_true(qp_load64_relaxed(&signals) > 0);
		qpool_release(&held);
		end_pool(pool, peer);
	}
}

/* It waits for what a holder has. */
static void
wait_ready_waits_through_signals(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);
	qpool_lease held = must_acquire(pool);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		timer_t timer;
		int64_t end_ns;
		handle(with_and_without[i]);
		timer = begin_storm();
		end_ns = qp_clock_now() + QPOOL_MSEC(50);
		errno = EDOM;
		assert_int_equal(qpool_wait_ready(pool, 1, QPOOL_MSEC(50), NULL), QPOOL_ETIMEOUT);
		assert_true(qp_clock_now() >= end_ns);
		assert_int_equal(errno, EDOM);
		end_storm(timer);
		assert_true(qp_load64_relaxed(&signals) > 0);
	}
	qpool_release(&held);
	end_pool(pool, peer);
}

/* The last lease ends while a closer, for ever patient, is interrupted. */
static void *
releases(void *argument)
{
	while (qp_load64_relaxed(&signals) < 20)
		sched_yield();
	assert_int_equal(qpool_release(argument), QPOOL_OK);
	return NULL;
}

static void
close_for_ever_ends_when_it_may(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1);
	qpool_lease held = must_acquire(pool);
	pthread_t other;
	timer_t timer;

	(void)state;
	handle(SA_RESTART);
	actor_runs(&other, releases, &held);
	timer = begin_storm();
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	end_storm(timer);
	pthread_join(other, NULL);
	qpool_free(pool);
	fake_end(peer);
}

/* ---- a storm ---- */

#define STORMED 4u
#define ROUNDS  200u

typedef struct stormed {
	qpool *pool;
	qp_atomic_u32 early, wrong_errno, failed;
	qp_atomic_u64 timeouts;
} stormed;

/* Each asks with 1 ms, and holds for 2: about every other one times out. */
static void *
hammers(void *argument)
{
	stormed *s = argument;
	timer_t timer = begin_storm();

	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t end_ns = qp_clock_now() + QPOOL_MSEC(1);
		qpool_lease lease;
		qpool_err err;
		errno = EDOM;
		err = qpool_acquire(s->pool, QPOOL_MSEC(1), &lease, NULL);
		if (err == QPOOL_ETIMEOUT)
			qp_add64_relaxed(&s->timeouts, 1);
		if (err == QPOOL_ETIMEOUT && qp_clock_now() < end_ns)
			(void)qp_add_release(&s->early, 1);
		if (err != QPOOL_OK && err != QPOOL_ETIMEOUT)
			(void)qp_add_release(&s->failed, 1);
		while (err == QPOOL_OK && qp_clock_now() < end_ns + QPOOL_MSEC(1))
			;
		if (qpool_release(&lease) != QPOOL_OK)
			(void)qp_add_release(&s->failed, 1);
		if (errno != EDOM)
			(void)qp_add_release(&s->wrong_errno, 1);
	}
	end_storm(timer);
	return NULL;
}

static void
deadlines_hold_in_a_storm(void **state)
{
	fake *peer = fake_new();
	pthread_t threads[STORMED];
	stormed s;

	(void)state;
	handle(0);
	memset(&s, 0, sizeof s);
	s.pool = pool_of_size(peer, 2);
	for (unsigned i = 0; i < STORMED; i++)
		actor_runs(&threads[i], hammers, &s);
	for (unsigned i = 0; i < STORMED; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(qp_load_acquire(&s.early), 0);
	assert_int_equal(qp_load_acquire(&s.failed), 0);
	assert_int_equal(qp_load_acquire(&s.wrong_errno), 0);
	assert_true(qp_load64_relaxed(&s.timeouts) > 0);
	assert_true(qp_load64_relaxed(&signals) > STORMED);
	assert_int_equal(stats_of(s.pool).timeouts, qp_load64_relaxed(&s.timeouts));
	assert_whole(s.pool);
	end_pool(s.pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wait_is_neither_ended_nor_begun_anew),
	    cmocka_unit_test(the_hook_hears_of_every_kind_of_signal),
	    cmocka_unit_test(close_waits_through_signals),
	    cmocka_unit_test(wait_ready_waits_through_signals),
	    cmocka_unit_test(close_for_ever_ends_when_it_may),
	    cmocka_unit_test(deadlines_hold_in_a_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
