/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * output: write(2), as often as needed.
 */
#include "platform/output.h"

#include "platform/thread.h"

#include <errno.h>
#include <unistd.h>

bool
qp_output_write(int fd, const char *bytes, size_t length)
{
	int keep = errno, before = qp_thread_shield();
	size_t done = 0;

	while (done < length) {
		ssize_t wrote = write(fd, bytes + done, length - done);
		if (wrote > 0)
			done += (size_t)wrote;
		else if (wrote == 0 || errno != EINTR)
			break;
	}
	qp_thread_unshield(before);
	errno = keep;
	return done == length;
}
