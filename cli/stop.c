/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stop: the signals are blocked everywhere, and one thread waits for them.  So nothing runs in a handler, where
 * hardly anything may be called, and no signal depends on what another thread is in the middle of.
 */
#include "stop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"

static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};
#define STOPPING (sizeof stopping / sizeof stopping[0])

static sigset_t caught;
static bool catching;
static atomic_int first_signal;
static atomic_bool dying; /* set before the hook takes anything away beneath the others */
static void (*_Atomic emergency)(void);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t nudges; /* on the monotonic clock */
static bool nudged;           /* guarded by lock */

void
stop_nudge(void)
{
	pthread_mutex_lock(&lock);
	nudged = true;
	pthread_cond_signal(&nudges);
	pthread_mutex_unlock(&lock);
}

/* As if it had never been caught. */
static void
die_of(int signal)
{
	struct sigaction fatal = {.sa_handler = SIG_DFL};
	sigset_t only;
	sigemptyset(&only);
	sigaddset(&only, signal);
	sigaction(signal, &fatal, NULL);
	raise(signal);
	pthread_sigmask(SIG_UNBLOCK, &only, NULL);
}

/* Two at once mean "now", however late this thread gets to the second. */
static bool
another_is_pending(void)
{
	sigset_t pending;
	sigemptyset(&pending);
	sigpending(&pending);
	for (size_t i = 0; i < STOPPING; i++) {
		if (sigismember(&caught, stopping[i]) == 1 &&
		    sigismember(&pending, stopping[i]) == 1)
			return true;
	}
	return false;
}

static void *
wait_for_signals(void *unused)
{
	for (;;) {
		int signal;
		if (sigwait(&caught, &signal) != 0)
			continue;
		if (stop_signal() == 0 && !another_is_pending()) {
			atomic_store(&first_signal, signal);
			stop_nudge();
			continue;
		}
		atomic_store(&dying, true);
		void (*hook)(void) = atomic_load(&emergency);
		if (hook != NULL)
			hook();
		die_of(signal);
	}
	return unused;
}

static bool
choose_signals(void)
{
	sigemptyset(&caught);
	for (size_t i = 0; i < STOPPING; i++) {
		struct sigaction action;
		if (sigaction(stopping[i], NULL, &action) != 0)
			return false;
		if (action.sa_handler != SIG_IGN)
			sigaddset(&caught, stopping[i]);
	}
	return true;
}

static bool
start_waiting(void)
{
	pthread_t thread;
	int cause = pthread_sigmask(SIG_BLOCK, &caught, NULL);
	if (cause == 0)
		cause = pthread_create(&thread, NULL, wait_for_signals, NULL);
	if (cause == 0)
		cause = pthread_detach(thread);
	errno = cause;
	return cause == 0;
}

bool
stop_catch(void)
{
	pthread_condattr_t attributes;
	if (catching)
		return true;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&nudges, &attributes);
	pthread_condattr_destroy(&attributes);
	catching = choose_signals() && start_waiting();
	return catching;
}

void
stop_at_once(void (*hook)(void))
{
	atomic_store(&emergency, hook);
}

int
stop_signal(void)
{
	return atomic_load(&first_signal);
}

void
stop_settle(void)
{
	while (atomic_load(&dying))
		pause();
}

void
stop_wait(qpool_nsec timeout)
{
	qpool_nsec until = duration_now() + timeout;
	struct timespec deadline = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
	pthread_mutex_lock(&lock);
	while (!nudged && pthread_cond_timedwait(&nudges, &lock, &deadline) == 0)
		continue;
	nudged = false;
	pthread_mutex_unlock(&lock);
}
