/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maintain: one pass over what is idle.  Looks at one slot at a time and owns it while it closes it, so the
 * pool is never empty because it is being swept, and a slow close holds up nothing but itself.
 */
#ifndef QP_CORE_MAINTAIN_H
#define QP_CORE_MAINTAIN_H

#include "core/pool.h"

/* The next idle slot that must go, CLOSING and the caller's; or NULL: first, oldest first, those that are too many,
 * then those from *index on that are past their limits or renewed.  Looks at some slots only: the pass is over when *index has reached pool->fresh. */
qp_slot *qp_maintain_take_locked(qpool *pool, uint32_t *index, int64_t now_ns);
/* Close on this thread what is past its limits, or everything idle if the pool is closing; returns how
 * many.  The caller must be visiting or a worker. */
size_t qp_maintain_pass(qpool *pool);
/* A pass at once: by the crew if there is one, else on this thread.  The same. */
void qp_maintain_now(qpool *pool);

#endif
