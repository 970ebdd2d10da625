/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hazard_own: the calling thread's word, in a few instructions.  It stands by itself because the schedule explorer,
 * whose threads are all one, puts another in front of it.
 */
#ifndef QP_PLATFORM_HAZARD_OWN_H
#define QP_PLATFORM_HAZARD_OWN_H

#include "platform/hazard.h"

/* initial-exec: a library's ordinary thread-local storage is found by a call.  It is small, so a program that
 * loads the library late has room for it. */
extern QP_THREAD_LOCAL qp_hazard qp_hazard_mine
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* NULL: the thread has not joined. */
static inline qp_hazard *
qp_hazard_own(void)
{
	/* Where nobody has counted a fork yet the generation is 0, and then nobody is on the roll either. */
	return QP_LIKELY(qp_hazard_mine.generation == qp_forkmark_now()) ? &qp_hazard_mine : NULL;
}

#endif
