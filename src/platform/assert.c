/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * assert: the last words.  One formatted buffer, one write, abort: it takes no lock of ours, so it
 * works whatever the caller holds.
 */
#include "platform/assert.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
qp_assert_fail(const char *kind, const char *what, const char *file, int line)
{
	char text[512];
	int length =
	    snprintf(text, sizeof text, "queuepool: %s:%d: %s: %s\n", file, line, kind, what);

	if (length > 0) {
		size_t room = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
		ssize_t ignored;
		/* Otherwise a cancelled thread would end in write(2), and the process
		 * would live on. */
		(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		ignored = write(STDERR_FILENO, text, room);
		(void)ignored;
	}
	abort();
}
