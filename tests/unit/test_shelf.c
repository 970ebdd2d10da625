/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shelf of the fast engine: what lies on it, who takes it off, and that it is spread only as long as threads get in
 * each other's way.  The plain engine has none.  What needs two threads at one moment is tests/explore's.
 */
#include "virtual.h"

#include "core/pool.h"
#include "platform/hazard_own.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#if QP_FAST

static qpool *
pool_of_two(fake *peer)
{
	qpool_options o = qpool_options_init();

	o.max_size = 2;
	return pool_of(peer, fake_ops_plain(), &o);
}

static void
lend_once(qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

static uint32_t
idle_on_the_list(qpool *pool)
{
	uint32_t count;

	qp_pool_lock(pool);
	count = pool->idle.count;
	qp_pool_unlock(pool, NULL);
	return count;
}

static qp_shelf_phase
phase_of(qpool *pool)
{
	qp_shelf_phase phase;

	qp_pool_lock(pool);
	phase = pool->shelf_books.phase;
	qp_pool_unlock(pool, NULL);
	return phase;
}

static void
the_second_lease_lies_on_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);

	(void)state;
	lend_once(pool);
	assert_int_equal(idle_on_the_list(pool), 1);
	lend_once(pool);
	assert_int_equal(idle_on_the_list(pool), 0);
	end_pool(pool, peer);
}

static void
a_pause_empties_it_and_it_stays_shut(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);
	qpool_lease lease;

	(void)state;
	lend_once(pool);
	lease = must_acquire(pool);
	qpool_pause(pool);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(idle_on_the_list(pool), 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	qpool_resume(pool);
	lend_once(pool);
	assert_int_equal(phase_of(pool), QP_SHELF_FENCED_OPEN); /* for a while */
	qp_testing_clock_advance(QPOOL_MSEC(8));
	lend_once(pool); /* goes by the lock, and the next one looks after the shelf */
	lend_once(pool);
	if (!pool->shelf_books.only_fenced)
		assert_int_equal(phase_of(pool), QP_SHELF_OPEN);
	assert_int_equal(idle_on_the_list(pool), 0);
	end_pool(pool, peer);
}

/* In real time: who shuts it waits for 10 ms instead. */
static void
a_membarrier_that_is_refused_later_is_the_last_one(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);

	(void)state;
	lend_once(pool);
	lend_once(pool);
	if (!pool->shelf_books.only_fenced)
		assert_int_equal(phase_of(pool), QP_SHELF_OPEN);
	qp_testing_fail(QP_FAULT_MEMBARRIER, 1, true);
	for (unsigned i = 0; i < 3; i++) {
		qpool_pause(pool);
		assert_int_equal(idle_on_the_list(pool), 1);
		qpool_resume(pool);
		lend_once(pool);
		assert_int_equal(phase_of(pool), QP_SHELF_FENCED_OPEN);
		assert_int_equal(idle_on_the_list(pool), 0);
	}
	assert_true(qp_testing_calls(QP_FAULT_MEMBARRIER) <= 1);
	qp_testing_fail(QP_FAULT_MEMBARRIER, 0, false);
	assert_true(pool->shelf_books.only_fenced);
	end_pool(pool, peer);
}

static void
ignore_it(int number)
{
	(void)number;
}

/* Signals arrive meanwhile, and it waits for as long as ever. */
static void
no_signal_cuts_the_wait_instead_of_a_membarrier(void **state)
{
	const struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
	const struct itimerval never = {.it_value.tv_usec = 0};
	struct sigaction act = {.sa_handler = ignore_it}, before;
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);
	int64_t took_ns;

	(void)state;
	lend_once(pool);
	lend_once(pool);
	qp_testing_fail(QP_FAULT_MEMBARRIER, 1, true);
	assert_int_equal(sigaction(SIGALRM, &act, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	took_ns = -qp_clock_now();
	qpool_pause(pool);
	took_ns += qp_clock_now();
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	qp_testing_fail(QP_FAULT_MEMBARRIER, 0, false);
	assert_true(took_ns >= QPOOL_MSEC(10));
	end_pool(pool, peer);
}

static void
without_membarriers_it_is_always_fenced(void **state)
{
	fake *peer = fake_new();
	qpool *pool;

	(void)state;
	qp_testing_fail(QP_FAULT_MEMBARRIER, 1, true);
	pool = pool_of_two(peer);
	for (unsigned i = 0; i < 3; i++) {
		lend_once(pool);
		lend_once(pool);
		assert_int_equal(phase_of(pool), QP_SHELF_FENCED_OPEN);
		qp_testing_clock_advance(QPOOL_SEC(1));
	}
	assert_int_equal(qp_testing_calls(QP_FAULT_MEMBARRIER), 1); /* it asked once */
	qp_testing_fail(QP_FAULT_MEMBARRIER, 0, false);
	end_pool(pool, peer);
}

/* Two who hand one resource to each other find it on the shelf, and need not sleep. */
static void
who_was_last_in_line_lays_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);
	qpool_lease first = must_acquire(pool), second = must_acquire(pool);
	actor a;

	(void)state;
	actor_acquires(&a, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	assert_int_equal(phase_of(pool), QP_SHELF_SETTLED);
	assert_int_equal(qpool_release(&first), QPOOL_OK);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_not_equal(phase_of(pool), QP_SHELF_SETTLED);
	assert_int_equal(qpool_release(&a.lease), QPOOL_OK); /* elsewhere, and by the lock or not */
	assert_int_equal(qpool_release(&second), QPOOL_OK);
	end_pool(pool, peer);
}

static void
what_expires_there_is_not_lent(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	uint64_t first;

	(void)state;
	o.max_size = 2;
	o.max_idle = QPOOL_SEC(1);
	pool = pool_of(peer, fake_ops_plain(), &o);
	lend_once(pool);
	lend_once(pool);
	qp_testing_clock_advance(QPOOL_SEC(1));
	lease = must_acquire(pool);
	first = qpool_resource_id(&lease);
	assert_int_equal(first, 1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(1) + 1);
	lease = must_acquire(pool);
	assert_int_equal(qpool_resource_id(&lease), 2);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(1) + 1);
	assert_int_equal(qpool_maintain(pool), 1);
	end_pool(pool, peer);
}

static void
it_is_spread_for_a_while(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_two(peer);
	qpool_lease held;

	(void)state;
	lend_once(pool);
	held = must_acquire(pool); /* lies in the one cell */
	for (int i = 0; i < 1100; i++)
		lend_once(pool);
	if (pool->shelf.count > 0)
		assert_int_equal(pool->shelf_books.mask, 1);
	assert_int_equal(qpool_release(&held), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_MSEC(9));
	for (int i = 0; i < 70; i++) /* one in 64 looks whether it is time */
		lend_once(pool);
	assert_int_equal(pool->shelf_books.mask, 0);
	end_pool(pool, peer);
}

static bool
is_spread(qpool *pool)
{
	bool spread;

	qp_pool_lock(pool);
	spread = qp_shelf_is_spread_locked(pool);
	qp_pool_unlock(pool, NULL);
	return spread;
}

static void *
lends_until_it_is_spread(void *pool)
{
	while (!is_spread(pool))
		for (int i = 0; i < 100; i++)
			lend_once(pool);
	return NULL;
}

static void *
lends_the_newest(void *argument)
{
	qpool_lease lease = must_acquire(argument);
	uintptr_t id = (uintptr_t)qpool_resource_id(&lease);

	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	return (void *)id;
}

/* Threads that met took several; those that come in turn, later, need one, whichever their cells were. */
static void
who_comes_in_turn_uses_one_though_many_met(void **state)
{
	enum { THREADS = 4, IN_TURN = 16 };
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	pthread_t threads[THREADS];
	void *first = NULL, *id;
	qpool *pool;

	(void)state;
	o.max_size = THREADS;
	pool = pool_of(peer, fake_ops_plain(), &o);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, lends_until_it_is_spread, pool), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(fake_live(peer) > 1);
	for (int round = 0; round < 8; round++) { /* halved each time: 15 is the most */
		qp_testing_clock_advance(QPOOL_SEC(2));
		for (int i = 0; i < 70; i++)
			lend_once(pool);
	}
	assert_false(is_spread(pool));
	for (int i = 0; i < IN_TURN; i++) {
		assert_int_equal(pthread_create(&threads[0], NULL, lends_the_newest, pool), 0);
		assert_int_equal(pthread_join(threads[0], &id), 0);
		first = i == 0 ? id : first;
		assert_ptr_equal(id, first);
	}
	end_pool(pool, peer);
}

/* ---- while a thread is away to make it exact ---- */

typedef struct away {
	qpool *pool;
	qpool_lease lease;
} away;

static void *
ends_it_elsewhere(void *argument)
{
	away *a = argument;

	assert_int_equal(qpool_release(&a->lease), QPOOL_OK);
	return NULL;
}

static void *
crowds(void *argument)
{
	for (int i = 0; i < 1100; i++)
		lend_once(argument);
	return NULL;
}

static void
await_pin(qpool *pool)
{
	bool is_pinned = false;

	while (!is_pinned) {
		qp_pool_lock(pool);
		is_pinned = qp_shelf_is_pinned_locked(pool);
		qp_pool_unlock(pool, NULL);
		(void)sched_yield();
	}
}

/* This thread stands for one that was stopped inside a put; another waits for it, so that the shelf is exact.  Meanwhile
 * the shelf is spread, and must not become OPEN. */
static void
it_is_not_opened_while_pinned(void **state)
{
	fake *peer = fake_new();
	away a = {.pool = pool_of_two(peer)};
	qp_shelf_phase phase;
	pthread_t ender, crowd;

	(void)state;
	lend_once(a.pool);
	lend_once(a.pool);              /* OPEN: not exact */
	a.lease = must_acquire(a.pool); /* lies in the one cell */
	qpool_pause(a.pool);
	qpool_resume(a.pool);
	lend_once(a.pool);
	lend_once(a.pool);
	assert_int_equal(phase_of(a.pool), QP_SHELF_FENCED_OPEN);
	qp_hazard_enter(qp_hazard_own(), a.pool);
	assert_int_equal(pthread_create(&ender, NULL, ends_it_elsewhere, &a), 0);
	if (!a.pool->shelf_books.exact) {
		await_pin(a.pool);
		qp_testing_clock_advance(QPOOL_MSEC(9));
		assert_int_equal(pthread_create(&crowd, NULL, crowds, a.pool), 0);
		assert_int_equal(pthread_join(crowd, NULL), 0);
	}
	phase = phase_of(a.pool);
	assert_int_not_equal(phase, QP_SHELF_OPEN);
	qp_hazard_leave(qp_hazard_own());
	assert_int_equal(pthread_join(ender, NULL), 0);
	end_pool(a.pool, peer);
}

/* ---- workers ---- */

/* Under a new limit a worker comes sooner. */
static void
a_new_limit_sets_the_time_at_which_it_is_shut(void **state)
{
	qpool_options o = qpool_options_init(), less = qpool_options_init();
	fake *peer = fake_new();
	int64_t shelf_ns;
	qpool *pool;

	(void)state;
	o.max_size = 2;
	o.max_idle = QPOOL_SEC(3600);
	o.maintain_every = QPOOL_SEC(3600);
	pool = pool_of(peer, fake_ops_plain(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	lend_once(pool);
	lend_once(pool);
	less.max_idle = QPOOL_SEC(60);
	less.maintain_every = QPOOL_SEC(60);
	assert_int_equal(qpool_configure(pool, &less, NULL), QPOOL_OK);
	lend_once(pool);
	qp_pool_lock(pool);
	shelf_ns = pool->crew.shelf_ns;
	assert_false(qp_shelf_is_settled_locked(pool));
	qp_pool_unlock(pool, NULL);
	assert_true(shelf_ns <= qp_clock_now() + QPOOL_SEC(60));
	end_pool(pool, peer);
}

/* ---- a hook that forks ---- */

static struct {
	qpool *pool;
	fake *peer;
	pid_t child;
	unsigned calls;
} hooked;

/* In the child it gives the pool a resource and takes it.  By its next call the thread is in line again. */
static int
forks_and_takes(void *user)
{
	qpool_lease lease;
	bool relies;

	(void)user;
	if (hooked.calls++ == 0) {
		hooked.child = fork();
		if (hooked.child != 0)
			return 1;
		if (qpool_adopt(hooked.pool, fake_make(hooked.peer), NULL) != QPOOL_OK ||
		    qpool_acquire(hooked.pool, QPOOL_NOWAIT, &lease, NULL) != QPOOL_OK)
			_exit(2);
		return 0;
	}
	qp_pool_lock(hooked.pool);
	relies = hooked.pool->waitq.head != NULL && hooked.pool->waitq.woken == NULL &&
	         !qp_shelf_is_settled_locked(hooked.pool);
	qp_pool_unlock(hooked.pool, NULL);
	_exit(relies ? 1 : 0);
}

static void
whoever_joins_in_a_child_has_shut_it(void **state)
{
	qpool_options o = qpool_options_init();
	qpool_request request = qpool_request_init();
	qpool_lease held, lease;
	int status = -1;

	(void)state;
	hooked.peer = fake_new();
	hooked.calls = 0;
	o.max_size = 1;
	hooked.pool = pool_of(hooked.peer, fake_ops_plain(), &o);
	held = must_acquire(hooked.pool);
	request.timeout = QPOOL_SEC(20);
	request.interrupted = forks_and_takes;
	request.interrupt_every = QPOOL_MSEC(1);
	assert_int_equal(qpool_acquire_with(hooked.pool, &request, &lease, NULL), QPOOL_ECANCEL);
	assert_int_equal(waitpid(hooked.child, &status, 0), hooked.child);
	assert_int_equal(status, 0);
	assert_int_equal(qpool_release(&held), QPOOL_OK);
	end_pool(hooked.pool, hooked.peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(the_second_lease_lies_on_it),
	    VIRTUAL(a_pause_empties_it_and_it_stays_shut),
	    cmocka_unit_test(a_membarrier_that_is_refused_later_is_the_last_one),
	    cmocka_unit_test(no_signal_cuts_the_wait_instead_of_a_membarrier),
	    VIRTUAL(without_membarriers_it_is_always_fenced),
	    VIRTUAL(who_was_last_in_line_lays_it),
	    VIRTUAL(what_expires_there_is_not_lent),
	    VIRTUAL(it_is_spread_for_a_while),
	    VIRTUAL(who_comes_in_turn_uses_one_though_many_met),
	    cmocka_unit_test(a_new_limit_sets_the_time_at_which_it_is_shut),
	    cmocka_unit_test(whoever_joins_in_a_child_has_shut_it),
	    VIRTUAL(it_is_not_opened_while_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void
the_plain_engine_has_none(void **state)
{
	(void)state;
	assert_null(qp_shelf_take(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_plain_engine_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
