/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forkmark: pthread_atfork.  The child's handler bumps a number and does nothing else: no lock, no memory,
 * nothing that another thread of the parent might have held.
 */
#include "platform/forkmark.h"

#include "platform/atomic.h"

#include <pthread.h>

/* relaxed: written by the only thread of a new child, before anything else can run there. */
static qp_atomic_u32 forks;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int installed; /* ordered by pthread_once */

static void
in_child(void)
{
	qp_store_relaxed(&forks, qp_load_relaxed(&forks) + 1);
}

static void
install(void)
{
	installed = pthread_atfork(NULL, NULL, in_child);
}

int
qp_forkmark_watch(void)
{
	(void)pthread_once(&once, install);
	return installed;
}

uint32_t
qp_forkmark_now(void)
{
	return qp_load_relaxed(&forks);
}
