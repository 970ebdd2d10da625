/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park: futex(2), with an absolute deadline, so that a spurious wake-up never starts
 * the time again.
 *
 * syscall(2) is no cancellation point.  So a sleep that may be cancelled sets the thread's cancel
 * type to asynchronous around the system call, and around nothing else.
 */
#ifdef __EXCEPTIONS
/* With -fexceptions pthread_cleanup_push relies on tables of the places that may throw, but
 * an asynchronous cancel comes at any place.  Without __EXCEPTIONS it saves registers
 * instead, which always works. */
#undef __EXCEPTIONS
#endif
#include "platform/park.h"

#include "platform/lock.h"
#include "platform/testing.h"
#include "platform/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Bound when the library is loaded: a first call by name would look the symbol up, and a cancel
 * must not come in the middle of that. */
static long (*const volatile call)(long number, ...) = syscall;

static qp_parked
park_in_kernel(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns)
{
	/* For ever is a date too: without a deadline the kernel would sleep on after a signal whose
	 * handler restarts system calls, and the waiter's hook would not run. */
	struct timespec deadline = {
	    .tv_sec = (time_t)(deadline_ns / 1000000000),
	    .tv_nsec = (long)(deadline_ns % 1000000000),
	};

	if (deadline_ns <= 0)
		return QP_PARK_DEADLINE;
	if (call(SYS_futex, &word->value, FUTEX_WAIT_BITSET_PRIVATE, expected, &deadline, NULL,
		FUTEX_BITSET_MATCH_ANY) == 0)
		return QP_PARK_LOOK;
	if (errno == ETIMEDOUT)
		return QP_PARK_DEADLINE;
	return errno == EINTR ? QP_PARK_SIGNAL : QP_PARK_LOOK;
}

qp_parked
qp_park(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns)
{
	int keep = errno;
	qp_parked how;

#if QP_TESTING
	int before = qp_thread_shield();
	bool parked = qp_testing_park(word, expected, deadline_ns, &how);
	qp_thread_unshield(before);
	if (parked) {
		errno = keep;
		return how;
	}
#endif
	how = park_in_kernel(word, expected, deadline_ns);
	errno = keep;
	return how;
}

static qp_parked
park_open_to_cancel(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns)
{
	qp_parked how;
	int type;

#if QP_TESTING
	pthread_testcancel();
	if (qp_testing_park(word, expected, deadline_ns, &how))
		return how;
#endif
	/* Nothing but the system call may stand between these two: a cancel there leaves nothing
	 * to clean up. */
	(void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	how = park_in_kernel(word, expected, deadline_ns);
	(void)pthread_setcanceltype(type, NULL);
	return how;
}

qp_parked
qp_park_cancellable(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns,
    void (*gone)(void *argument), void *argument)
{
	int keep = errno;
	qp_parked how;

	qp_lock_must_hold_none();
	pthread_cleanup_push(gone, argument);
	how = park_open_to_cancel(word, expected, deadline_ns);
	pthread_cleanup_pop(0);
	errno = keep;
	return how;
}

void
qp_unpark(qp_atomic_u32 *word, int most)
{
	int keep = errno;

#if QP_TESTING
	qp_testing_unpark(word, most);
#endif
	(void)syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
	errno = keep;
}

void
qp_yield(void)
{
	(void)sched_yield();
}
