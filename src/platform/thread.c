/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread: POSIX threads.  Workers have all signals blocked: a handler of the program must run on a
 * thread of the program, not in a place that nobody has thought of.
 */
#include "platform/thread.h"

#include "platform/assert.h"
#include "platform/forkmark.h"
#include "platform/testing.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static QP_THREAD_LOCAL void *pocket;
/* The thread's number, and the generation of the process that asked for it: in a forked child the
 * only thread has another number. */
static QP_THREAD_LOCAL uint32_t own_id, own_forks;

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
		(void)pthread_setname_np(thread->handle, name); /* a longer name: none */
	errno = keep;
	return failed;
}

void
qp_thread_join(qp_thread *thread)
{
	int before = qp_thread_shield(); /* pthread_join is a cancellation point */

	QP_MUST(pthread_join(thread->handle, NULL) == 0);
	qp_thread_unshield(before);
}

void
qp_thread_detach(qp_thread *thread)
{
	QP_MUST(pthread_detach(thread->handle) == 0);
}

int
qp_thread_shield(void)
{
	int before;

	QP_MUST(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before) == 0);
	return before;
}

void
qp_thread_unshield(int before)
{
	QP_MUST(pthread_setcancelstate(before, NULL) == 0);
}

void **
qp_thread_pocket(void)
{
	return &pocket;
}

static QP_COLD uint32_t
ask_id(void)
{
	int keep = errno;
	uint32_t id = (uint32_t)syscall(SYS_gettid);

	/* Without the mark a child could not tell that it is one; then the system is
	 * asked each time. */
	own_id = qp_forkmark_watch() == 0 ? id : 0;
	own_forks = qp_forkmark_settle();
	errno = keep;
	return id;
}

uint32_t
qp_thread_id(void)
{
	return QP_LIKELY(own_id != 0 && own_forks == qp_forkmark_now()) ? own_id : ask_id();
}

bool
qp_thread_is_gone(uint32_t id)
{
	int keep = errno;
	bool gone = syscall(SYS_tgkill, getpid(), (pid_t)id, 0) != 0 && errno == ESRCH;

	errno = keep;
	return gone;
}
