/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stop: how a program ends by signals, each time in a child that says by its end what became of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
#include "stop.h"

#define SPOKE 7

static sem_t hook_runs, spoken;

/* How the child ended: minus the signal, or its exit code. */
static int
end_of(void (*child)(void))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		sem_init(&hook_runs, 0, 0);
		sem_init(&spoken, 0, 0);
		child();
		_exit(SPOKE);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Takes away what the others stand on, and gives them every chance to say so. */
static void
slow_hook(void)
{
	struct timespec until;
	sem_post(&hook_runs);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 100000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	sem_timedwait(&spoken, &until);
}

static void
catch_and_wait_for_the_hook(void)
{
	stop_at_once(slow_hook);
	if (!stop_catch())
		_exit(1);
	kill(getpid(), SIGINT);
	while (stop_signal() == 0)
		stop_wait(QPOOL_SEC(1));
	kill(getpid(), SIGTERM);
	sem_wait(&hook_runs);
}

static void
say_it(void)
{
	catch_and_wait_for_the_hook();
	say_failed("what the hook took away is missing");
	_exit(SPOKE);
}

static void
end_by_itself(void)
{
	catch_and_wait_for_the_hook();
	_exit(say_goodbye(SPOKE));
}

static void
nobody_speaks_while_the_program_is_killed(void **state)
{
	(void)state;
	assert_int_equal(end_of(say_it), -SIGTERM);
	assert_int_equal(end_of(end_by_itself), -SIGTERM);
}

static void
look_for_a_signal(void)
{
	sigset_t both;
	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &both, NULL);
	kill(getpid(), SIGINT);
	kill(getpid(), SIGTERM);
	stop_at_once(slow_hook);
	if (!stop_catch())
		_exit(1);
	sem_wait(&hook_runs);
	if (stop_signal() == 0) {
		for (;;)
			pause();
	}
}

static void
two_at_once_do_not_ask_for_an_orderly_end(void **state)
{
	(void)state;
	int end = end_of(look_for_a_signal);
	assert_true(end == -SIGINT || end == -SIGTERM);
}

static void
wait_for_one(void)
{
	if (!stop_catch())
		_exit(1);
	kill(getpid(), SIGHUP);
	while (stop_signal() == 0)
		stop_wait(QPOOL_SEC(1));
	_exit(say_goodbye(stop_signal() == SIGHUP ? SPOKE : EXIT_FAILED));
}

static void
one_alone_asks_for_an_orderly_end(void **state)
{
	(void)state;
	assert_int_equal(end_of(wait_for_one), SPOKE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_speaks_while_the_program_is_killed),
	    cmocka_unit_test(two_at_once_do_not_ask_for_an_orderly_end),
	    cmocka_unit_test(one_alone_asks_for_an_orderly_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
