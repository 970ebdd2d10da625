/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maintain: one pass over the idle slots, closing what must go.  qpool_maintain, worker, hire,
 * control, configure, drain and keyed call in.  It owns one slot at a time while it closes it, so
 * a pass never empties the pool, and a slow close holds up nothing else.
 */
#ifndef QP_CORE_MAINTAIN_H
#define QP_CORE_MAINTAIN_H

#include "core/pool.h"

/* The next idle slot that must go, CLOSING and the caller's; or NULL.  First, oldest first, slots
 * above max_size; then slots from *index on that are renewed or past their limits.  Looks at a few
 * slots only: the pass is over when *index has reached pool->fresh. */
qp_slot *qp_maintain_take_locked(qpool *pool, uint32_t *index, int64_t now_ns);
/* One pass on this thread: close what must go, or everything idle if the pool is closing; returns
 * how many.  The caller must be visiting, closing or a worker. */
size_t qp_maintain_pass(qpool *pool);
/* Start a pass at once, on the crew if there is one, else on this thread.  The same callers. */
void qp_maintain_now(qpool *pool);

#endif
