/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_forking: a fork waits until nobody is inside the libraries that know nothing of it, but not for ever.
 * The room is compiled in; no server is needed.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/postgres/forking.h"

/* What a child copies of a thread that is inside. */
static atomic_bool is_inside, is_about_to_fork, may_leave;

/*
 * Stays until the other thread is as good as in its fork, and a while longer.  It lives until that fork is over: a
 * thread that has ended and is not joined yet is a leak in the child's eyes, if ThreadSanitizer looks.
 */
static void *
visit(void *argument)
{
	enum { A_WHILE = 20000 };

	(void)argument;
	qp_pg_forking_enter();
	atomic_store(&is_inside, true);
	while (!atomic_load(&is_about_to_fork))
		(void)sched_yield();
	for (int i = 0; i < A_WHILE; i++)
		(void)sched_yield();
	atomic_store(&is_inside, false);
	qp_pg_forking_leave();
	while (!atomic_load(&may_leave))
		(void)sched_yield();
	return NULL;
}

static int
status_of(pid_t child)
{
	int status = -1;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
a_fork_waits(void **state)
{
	pthread_t visitor;
	pid_t child;

	(void)state;
	atomic_store(&is_about_to_fork, false);
	atomic_store(&may_leave, false);
	assert_int_equal(pthread_create(&visitor, NULL, visit, NULL), 0);
	while (!atomic_load(&is_inside))
		(void)sched_yield();
	atomic_store(&is_about_to_fork, true);
	child = fork();
	if (child == 0)
		_exit(atomic_load(&is_inside) ? 1 : 0);
	atomic_store(&may_leave, true);
	assert_int_equal(status_of(child), 0);
	assert_int_equal(pthread_join(visitor, NULL), 0);
}

static void *
stay(void *argument)
{
	(void)argument;
	qp_pg_forking_enter();
	atomic_store(&is_inside, true);
	while (!atomic_load(&may_leave))
		(void)sched_yield();
	qp_pg_forking_leave();
	return NULL;
}

/* Nor does a child remember the visitor, who does not live there. */
static void
a_fork_does_not_wait_for_ever(void **state)
{
	pthread_t visitor;
	pid_t child;

	(void)state;
	atomic_store(&is_inside, false);
	atomic_store(&may_leave, false);
	assert_int_equal(pthread_create(&visitor, NULL, stay, NULL), 0);
	while (!atomic_load(&is_inside))
		(void)sched_yield();
	child = fork();
	if (child == 0) {
		qp_pg_forking_enter();
		qp_pg_forking_leave();
		_exit(fork() == 0 ? 0 : 2);
	}
	assert_int_equal(WEXITSTATUS(status_of(child)), 2);
	atomic_store(&may_leave, true);
	assert_int_equal(pthread_join(visitor, NULL), 0);
}

static void
who_is_inside_may_fork(void **state)
{
	pid_t child;

	(void)state;
	qp_pg_forking_enter();
	child = fork();
	qp_pg_forking_leave();
	if (child == 0) {
		qp_pg_forking_enter();
		qp_pg_forking_leave();
		_exit(0);
	}
	assert_int_equal(status_of(child), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_fork_waits),
	    cmocka_unit_test(a_fork_does_not_wait_for_ever),
	    cmocka_unit_test(who_is_inside_may_fork),
	};

	return cmocka_run_group_tests_name("pg_forking", tests, NULL, NULL);
}
