/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * membarrier: one thread pays for the barriers of all others.  Of two threads that each write a
 * word and then read the other's (see the end of atomic.h), the one that does so often can do
 * without a barrier, if the one that does so rarely calls this between its write and its read.  An
 * engine calls in.  It costs some microseconds, and the kernel may refuse it at any time: then the
 * caller needs another way.
 */
#ifndef QP_PLATFORM_MEMBARRIER_H
#define QP_PLATFORM_MEMBARRIER_H

#include <stdbool.h>

/* Ask for it, once in a process; each forked child inherits the permission.  false: there is none
 * to be had here.  Keeps errno. */
bool qp_membarrier_begin(void);
/* When this returns true, every other thread of the process has passed a full barrier since the
 * call.  false: nothing has happened.  Keeps errno. */
bool qp_membarrier(void);

#endif
