/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * membarrier: membarrier(2), private and expedited, from Linux 4.14 on.
 */
#include "platform/membarrier.h"

#include "platform/testing.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
ask(int command)
{
	int keep = errno;
	bool done;

#if QP_TESTING
	if (qp_testing_fault(QP_FAULT_MEMBARRIER))
		return false;
#endif
	done = syscall(SYS_membarrier, command, 0, 0) == 0;

	errno = keep;
	return done;
}

bool
qp_membarrier_begin(void)
{
	return ask(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

bool
qp_membarrier(void)
{
	return ask(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}
