/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check: what becomes of a resource that was asked whether it is alive.  Who asks because he wants it (acquire)
 * may have less time than an answer takes; then the verdict is left to a worker, who has it, or to those
 * who come next.  acquire and worker come in.
 */
#ifndef QP_CORE_CHECK_H
#define QP_CORE_CHECK_H

#include "core/pool.h"

/* It has answered. */
void qp_check_passed(qp_slot *slot);
/* It did not, and goes.  CHECKING, and the caller's no longer. */
void qp_check_failed(qpool *pool, qp_slot *slot, const qpool_error *cause);
/* No answer within `asked_ns`, less than its due, and it may be asked again; `is_late`: not by the caller.  True:
 * another one will decide, and it is the caller's no longer; false: it has failed. */
bool qp_check_put_off(qpool *pool, qp_slot *slot, int64_t asked_ns, bool is_late);
/* One that was put off. */
void qp_check_on_worker(qpool *pool, qp_slot *slot);

#endif
