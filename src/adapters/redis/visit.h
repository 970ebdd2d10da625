/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * visit: what a public function leaves as it finds it: errno, and whether its thread may be cancelled.
 * A thread that was cancelled in the middle would leave a session in an unknown state.
 */
#ifndef QP_REDIS_VISIT_H
#define QP_REDIS_VISIT_H

#include <errno.h>
#include <pthread.h>

typedef struct qp_redis_visit {
	int saved_errno, cancel_state;
} qp_redis_visit;

static inline qp_redis_visit
qp_redis_visit_begin(void)
{
	qp_redis_visit visit = {.saved_errno = errno};

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &visit.cancel_state);
	return visit;
}

static inline void
qp_redis_visit_end(qp_redis_visit visit)
{
	(void)pthread_setcancelstate(visit.cancel_state, NULL);
	errno = visit.saved_errno;
}

#endif
