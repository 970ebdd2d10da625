/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park: futex(2), with an absolute deadline so that waking for no reason never starts the time again.
 */
#include "platform/park.h"

#include "platform/testing.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static qp_parked
park_in_kernel(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns)
{
	/* For ever is a date too: without one the kernel would go on sleeping after a signal whose handler
	 * restarts system calls, and the waiter's hook would not be asked. */
	struct timespec deadline = {
	    .tv_sec = (time_t)(deadline_ns / 1000000000),
	    .tv_nsec = (long)(deadline_ns % 1000000000),
	};

	if (deadline_ns <= 0)
		return QP_PARK_DEADLINE;
	if (syscall(SYS_futex, &word->value, FUTEX_WAIT_BITSET_PRIVATE, expected, &deadline, NULL,
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
	if (qp_testing_park(word, expected, deadline_ns, &how)) {
		errno = keep;
		return how;
	}
#endif
	how = park_in_kernel(word, expected, deadline_ns);
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
