/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forkmark: which process is this?  A number that grows by one in each forked child.
 */
#ifndef QP_PLATFORM_FORKMARK_H
#define QP_PLATFORM_FORKMARK_H

#include <stdint.h>

/* Install the handler, once a process; 0 or an errno. */
int qp_forkmark_watch(void);
/* How many forks lie between the first process that watched and this one. */
uint32_t qp_forkmark_now(void);

#endif
