/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check: what becomes of a resource after it was asked whether it is alive.  An acquire that asks
 * may have less time than an answer takes; then the verdict is left to a worker, which has the
 * time, or to later acquires.  acquire and worker call in.  It never decides who gets the resource.
 */
#ifndef QP_CORE_CHECK_H
#define QP_CORE_CHECK_H

#include "core/pool.h"

/* The resource has just come to be. */
void qp_check_begin(qp_slot *slot);
/* Was it known to be alive after the last suspicion? */
bool qp_check_is_trusted(const qpool *pool, const qp_slot *slot);
/* The resource has answered. */
void qp_check_passed(qp_slot *slot);
/* The resource failed its check and is closed.  The slot, CHECKING, is the caller's no longer. */
void qp_check_failed(qpool *pool, qp_slot *slot, const qpool_error *cause);
/* There was no answer within `asked_ns`, less than a check's full time, and the resource may be
 * asked again.  `is_late`: the caller's time is over.  True: somebody else will decide, and the
 * slot is the caller's no longer.  False: the check has failed. */
bool qp_check_put_off(qpool *pool, qp_slot *slot, int64_t asked_ns, bool is_late);
/* On a worker: check a resource whose verdict was put off. */
void qp_check_on_worker(qpool *pool, qp_slot *slot);

#endif
