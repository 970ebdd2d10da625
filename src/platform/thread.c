/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread: POSIX threads.  Signals are blocked because a handler of the program must run on a thread of the
 * program: a worker that takes SIGTERM would run it in a place nobody looked at.
 */
#include "platform/thread.h"

#include "platform/assert.h"
#include "platform/testing.h"

#include <errno.h>
#include <signal.h>

static QP_THREAD_LOCAL void *pocket;

int
qp_thread_start(qp_thread *thread, const char *name, void *(*body)(void *), void *argument)
{
	sigset_t all, before;
	int keep = errno, failed;

#if QP_TESTING
	if (qp_testing_fault(QP_FAULT_THREAD))
		return EAGAIN;
#endif
	(void)sigfillset(&all);
	QP_MUST(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	failed = pthread_create(&thread->handle, NULL, body, argument);
	QP_MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (failed == 0)
		(void)pthread_setname_np(thread->handle, name); /* too long a name: none */
	errno = keep;
	return failed;
}

void
qp_thread_join(qp_thread *thread)
{
	QP_MUST(pthread_join(thread->handle, NULL) == 0);
}

void
qp_thread_detach(qp_thread *thread)
{
	QP_MUST(pthread_detach(thread->handle) == 0);
}

void **
qp_thread_pocket(void)
{
	return &pocket;
}
