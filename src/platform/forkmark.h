/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forkmark: which process is this?  A generation, never 0, that grows by one in each forked child.
 * It lies in a page that the kernel wipes in a child, so that a child made without the handlers of
 * pthread_atfork (a raw clone) is noticed too; where the kernel cannot wipe, only the handler
 * notices.  The rooms that must know a fork when they meet it call in; this one knows no pool.
 * vfork and posix_spawn share the parent's memory and change nothing.
 */
#ifndef QP_PLATFORM_FORKMARK_H
#define QP_PLATFORM_FORKMARK_H

#include "platform/atomic.h"

/* Where the generation lies.  0: a fork that nobody told us of; see qp_forkmark_settle. */
extern qp_atomic_u32 *qp_forkmark_page __attribute__((visibility("hidden")));

/* Begin to watch, once in a process; 0 or an errno. */
int qp_forkmark_watch(void);
/* From now on `function` runs in each child made by fork(), on the thread that forked, after the
 * generation has grown.  There is one such function. */
void qp_forkmark_tell(void (*function)(void));
/* This process's generation, or 0.  Only after qp_forkmark_watch. */
static inline uint32_t
qp_forkmark_now(void)
{
	/* relaxed: the generation changes only by a fork, or from 0 by qp_forkmark_settle. */
	return qp_load_relaxed(qp_forkmark_page);
}
/* The same, and never 0: the first thread that finds the page wiped counts the fork. */
uint32_t qp_forkmark_settle(void);

#endif
