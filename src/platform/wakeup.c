/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wakeup: eventfd(2), closed on exec.
 */
#include "platform/wakeup.h"

#include "platform/thread.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
qp_wakeup_open(qp_wakeup *wakeup)
{
	int keep = errno, failed = 0;

	wakeup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wakeup->fd < 0)
		failed = errno;
	errno = keep;
	return failed;
}

void
qp_wakeup_close(qp_wakeup *wakeup)
{
	int keep = errno, before = qp_thread_shield();

	(void)close(wakeup->fd);
	qp_thread_unshield(before);
	wakeup->fd = -1;
	errno = keep;
}

void
qp_wakeup_raise(const qp_wakeup *wakeup)
{
	int keep = errno, before = qp_thread_shield();
	uint64_t one = 1;
	/* EAGAIN: the counter is full, so the descriptor is readable already. */
	ssize_t ignored = write(wakeup->fd, &one, sizeof one);

	(void)ignored;
	qp_thread_unshield(before);
	errno = keep;
}

void
qp_wakeup_clear(const qp_wakeup *wakeup)
{
	int keep = errno, before = qp_thread_shield();
	uint64_t count;
	ssize_t ignored = read(wakeup->fd, &count, sizeof count);

	(void)ignored;
	qp_thread_unshield(before);
	errno = keep;
}
