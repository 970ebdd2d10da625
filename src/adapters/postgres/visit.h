/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * visit: what a public function leaves as it finds it: errno, and whether its thread may be cancelled.
 * A thread that was cancelled in the middle would leave a session in an unknown state.
 */
#ifndef QP_PG_VISIT_H
#define QP_PG_VISIT_H

#include <errno.h>
#include <pthread.h>

typedef struct qp_pg_visit {
	int saved_errno, cancel_state;
} qp_pg_visit;

static inline qp_pg_visit
qp_pg_visit_begin(void)
{
	qp_pg_visit visit = {.saved_errno = errno};

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &visit.cancel_state);
	return visit;
}

static inline void
qp_pg_visit_end(qp_pg_visit visit)
{
	(void)pthread_setcancelstate(visit.cancel_state, NULL);
	errno = visit.saved_errno;
}

#endif
