/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * system: the operating system interrupted, cancelled, refused memory, or ended the process.
 */
#include "platform/clock.h"
#include "regress.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static qp_atomic_u64 signals;

static void
count_signal(int number)
{
	(void)number;
	qp_add64_relaxed(&signals, 1);
}

static void
take_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = count_signal; /* no SA_RESTART */
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	qp_store64_relaxed(&signals, 0);
}

typedef struct stormed {
	qpool *pool;
	pthread_barrier_t stands;
	qpool_nsec timeout;
	qpool_err err;
	int64_t early_ns;
	int kept_errno;
	qp_atomic_u32 over;
} stormed;

static void *
waits_out_its_time(void *argument)
{
	stormed *s = argument;
	qpool_lease lease;
	int64_t began_ns;

	pthread_barrier_wait(&s->stands);
	began_ns = qp_clock_now();
	errno = EDOM;
	s->err = qpool_acquire(s->pool, s->timeout, &lease, NULL);
	s->kept_errno = errno;
	s->early_ns = began_ns + s->timeout - qp_clock_now();
	qp_store_release(&s->over, 1);
	(void)qpool_release(&lease);
	return NULL;
}

/* redis/hiredis#1206, psycopg/psycopg#670, postgres-x2#163: a signal ended a wait, began it anew, or left an
 * errno that was then believed. */
static void
hiredis_1206_signals_neither_end_nor_lengthen_a_wait(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	stormed s = {.timeout = QPOOL_MSEC(200)};
	qpool_lease lease;
	pthread_t waiter;

	(void)state;
	take_signals();
	s.pool = pool_of(peer, fake_ops(), &options);
	lease = must_acquire(s.pool);
	pthread_barrier_init(&s.stands, NULL, 2);
	actor_runs(&waiter, waits_out_its_time, &s);
	pthread_barrier_wait(&s.stands);
	while (qp_load_acquire(&s.over) == 0) {
		(void)pthread_kill(waiter, SIGUSR1);
		sched_yield();
	}
	pthread_join(waiter, NULL);
	assert_int_equal(s.err, QPOOL_ETIMEOUT);
	assert_true(s.early_ns <= 0);
	assert_true(qp_load64_relaxed(&signals) > 0);
	assert_int_equal(s.kept_errno, EDOM);
	must_release(&lease);
	assert_whole(s.pool);
	pthread_barrier_destroy(&s.stands);
	end_pool(s.pool, peer);
}

static void *
takes_and_puts_until_it_is_over(void *argument)
{
	stormed *s = argument;

	while (qp_load_acquire(&s->over) == 0)
		(void)takes_and_puts(s->pool);
	return NULL;
}

/* The same with somebody to be served by. */
static void
hiredis_1206_hand_overs_survive_a_storm_of_signals(void **state)
{
	enum { THREADS = 4 };
	fake *peer = fake_new();
	qpool_options options = sized(1);
	pthread_t threads[THREADS];
	stormed s;

	(void)state;
	take_signals();
	options.max_overtake = QPOOL_ZERO;
	memset(&s, 0, sizeof s);
	s.pool = pool_of(peer, fake_ops(), &options);
	for (unsigned i = 0; i < THREADS; i++)
		actor_runs(&threads[i], takes_and_puts_until_it_is_over, &s);
	for (unsigned i = 0;
	     qp_load64_relaxed(&signals) < ROUNDS(5000) || stats_of(s.pool).acquires < ROUNDS(5000);
	     i++) {
		assert_int_equal(pthread_kill(threads[i % THREADS], SIGUSR1), 0);
		sched_yield();
	}
	qp_store_release(&s.over, 1);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_whole(s.pool);
	end_pool(s.pool, peer);
}

static void
hiredis_1206_verbs_leave_errno_as_it_was(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1), bad = sized(1);
	qpool_stats stats = qpool_stats_init();
	qpool_ops ops = fake_ops();
	qpool_lease lease, none;
	qpool *pool, *refused;

	(void)state;
	bad.max_idle = -5;
	errno = EDOM;
	pool = pool_of(peer, ops, &options);
	assert_int_equal(qpool_create(&refused, &bad, &ops, peer, NULL), QPOOL_EINVAL);
	must_start(pool, 1);
	lease = must_acquire(pool);
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(1), &none, NULL), QPOOL_ETIMEOUT);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &none, NULL), QPOOL_EAGAIN);
	none = lease;
	must_release(&lease);
	assert_int_equal(qpool_release(&none), QPOOL_EMISUSE);
	(void)qpool_maintain(pool);
	qpool_get_stats(pool, &stats);
	assert_int_equal(qpool_stop(pool), QPOOL_OK);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(pool);
	assert_int_equal(errno, EDOM);
	fake_end(peer);
}

/* AddressSanitizer does not see that a cancelled thread leaves this frame. */
__attribute__((no_sanitize("address"))) static void *
waits_to_be_cancelled(void *argument)
{
	qpool_lease lease;

	if (qpool_acquire(argument, QPOOL_FOREVER, &lease, NULL) == QPOOL_OK)
		(void)qpool_release(&lease);
	pthread_testcancel();
	return NULL;
}

/* gluster/glusterfs#4685, xrootd/xrootd#3: a thread was cancelled in a wait and kept the mutex. */
static void
glusterfs_4685_cancelled_waiter_keeps_neither_lock_nor_place(void **state)
{
	enum { WAITERS = 3 };
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	pthread_t waiters[WAITERS];
	void *result;

	(void)state;
	for (unsigned i = 0; i < WAITERS; i++)
		actor_runs(&waiters[i], waits_to_be_cancelled, pool);
	await_waiting(pool, WAITERS);
	for (unsigned i = 0; i < WAITERS; i++)
		assert_int_equal(pthread_cancel(waiters[i]), 0);
	for (unsigned i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i], &result);
		assert_ptr_equal(result, PTHREAD_CANCELED);
	}
	assert_int_equal(stats_of(pool).waiting, 0);
	assert_int_equal(stats_of(pool).cancels, WAITERS);
	assert_int_equal(stats_of(pool).acquires, 1);
	must_release(&lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* mjansson/rpmalloc#115: NULL was not looked for. */
static void
rpmalloc_115_every_allocation_may_fail(void **state)
{
	qpool_options options = sized(100);
	qpool_ops ops = fake_ops();
	fake *peer = fake_new();
	qpool_error error;
	qpool *pool = NULL;
	unsigned n = 1;

	(void)state;
	for (;; n++) { /* create */
		pool = NULL;
		qp_testing_fail(QP_FAULT_ALLOC, n, n % 2 == 0);
		if (qpool_create(&pool, &options, &ops, peer, &error) == QPOOL_OK)
			break;
		assert_int_equal(error.code, QPOOL_ENOMEM);
		assert_null(pool);
	}
	assert_true(n > 3);
	for (n = 1;; n++) { /* start */
		qp_testing_fail(QP_FAULT_ALLOC, n, false);
		if (qpool_start(pool, 3, &error) == QPOOL_OK)
			break;
		assert_int_equal(error.code, QPOOL_ENOMEM);
		assert_int_equal(stats_of(pool).workers, 0);
	}
	assert_int_equal(n, 4);
	/* From here to the end nothing allocates, so nothing can fail for it. */
	qp_testing_fail(QP_FAULT_ALLOC, 1, true);
	for (unsigned i = 0; i < 20; i++) {
		qpool_lease lease = must_acquire(pool);
		assert_int_equal(i % 2 ? qpool_discard(&lease) : qpool_release(&lease), QPOOL_OK);
	}
	(void)qpool_maintain(pool);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(pool);
	assert_int_equal(qp_testing_calls(QP_FAULT_ALLOC), 0);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	fake_end(peer);
}

/* ---- a process that ends with everything alive ---- */

static const char *own_path;

static void
end_with_waiters_and_workers_alive(void)
{
	enum { WAITERS = 4 };
	static actor waiters[WAITERS];
	static qpool_lease leaked;
	qpool_options options = sized(1);

	options.min_idle = 1;
	qpool *pool = pool_of(fake_new(), fake_ops(), &options);
	must_start(pool, 2);
	leaked = must_acquire(pool); /* and never given back */
	for (unsigned i = 0; i < WAITERS; i++)
		actor_acquires(&waiters[i], pool, QPOOL_FOREVER);
	await_waiting(pool, WAITERS);
	exit(leaked.resource != NULL ? 7 : 1);
}

/* duckdb/duckdb#2611, pymssql/pymssql#540, microsoft/mssql-python#568, farcepest/MySQLdb1#84: the process
 * hung at its end, a thread of the pool and the end waiting for each other. */
static void
mssql_python_568_process_ends_with_waiters_and_workers_alive(void **state)
{
	char *arguments[] = {(char *)(uintptr_t)own_path, (char *)(uintptr_t) "--end", NULL};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		pid_t child;
		int status = 0;

		assert_int_equal(
		    posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 7);
	}
}

int
main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	    IN_REAL_TIME(hiredis_1206_signals_neither_end_nor_lengthen_a_wait),
	    IN_REAL_TIME(hiredis_1206_hand_overs_survive_a_storm_of_signals),
	    IN_REAL_TIME(hiredis_1206_verbs_leave_errno_as_it_was),
	    IN_REAL_TIME(glusterfs_4685_cancelled_waiter_keeps_neither_lock_nor_place),
	    IN_VIRTUAL_TIME(rpmalloc_115_every_allocation_may_fail),
	    IN_REAL_TIME(mssql_python_568_process_ends_with_waiters_and_workers_alive),
	};
	own_path = arguments[0];
	if (count > 1 && strcmp(arguments[1], "--end") == 0)
		end_with_waiters_and_workers_alive();
	return RUN(tests);
}
