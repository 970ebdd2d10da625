/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stop: a pipe to oneself, the portable way to wait for a signal, a thread and a time all at once.
 */
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
#define CAUGHT (sizeof caught / sizeof caught[0])

static int ends[2] = {-1, -1};
static atomic_int first_signal;
static void (*_Atomic emergency)(void);

void
stop_nudge(void)
{
	/* A full pipe is as good as one more byte. */
	ssize_t ignored = write(ends[1], "", 1);
	(void)ignored;
}

static void
on_signal(int signal)
{
	int saved = errno;
	int none = 0;
	struct sigaction fatal = {.sa_handler = SIG_DFL};
	if (!atomic_compare_exchange_strong(&first_signal, &none, signal)) {
		void (*hook)(void) = atomic_load(&emergency);
		if (hook != NULL)
			hook();
		/* die of it, as if it had never been caught; it is delivered when this returns */
		sigaction(signal, &fatal, NULL);
		raise(signal);
	}
	stop_nudge();
	errno = saved;
}

static bool
catch_one(int signal)
{
	struct sigaction action;
	if (sigaction(signal, NULL, &action) != 0)
		return false;
	if (action.sa_handler == SIG_IGN)
		return true;
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigemptyset(&action.sa_mask);
	return sigaction(signal, &action, NULL) == 0;
}

bool
stop_catch(void)
{
	if (ends[0] >= 0)
		return true;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	for (size_t i = 0; i < CAUGHT; i++) {
		if (!catch_one(caught[i]))
			return false;
	}
	return true;
}

void
stop_block_here(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < CAUGHT; i++)
		sigaddset(&set, caught[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
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
stop_wait(qpool_nsec timeout)
{
	char bytes[64];
	struct pollfd pipe_end = {.fd = ends[0], .events = POLLIN};
	qpool_nsec ms = (timeout + 999999) / 1000000;
	poll(&pipe_end, 1, ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms);
	while (read(ends[0], bytes, sizeof bytes) > 0)
		continue;
}
