/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open: from an OPENING slot to a resource, or back to an empty slot with everything said that a failure
 * means.  acquire opens on the caller's thread, worker on its own.
 */
#ifndef QP_CORE_OPEN_H
#define QP_CORE_OPEN_H

#include "core/pool.h"

/* On a caller's thread.  OK: the slot is CHECKING and the caller's.  Else it is empty and gone, *error says
 * why, and who waits has been looked after.  The caller must be visiting. */
qpool_err qp_open(qpool *pool, qp_slot *slot, int64_t budget_ns, qpool_error *error);
/* On a worker's: idle, or closed again if the pool is closing, or empty. */
void qp_open_on_worker(qpool *pool, qp_slot *slot);
/* If the pool has become hopeless (backoff.h) and nobody has said so: tell EV_DOWN.  Whoever fails because
 * of it asks here; the caller must be visiting or a worker. */
void qp_open_tell_down(qpool *pool);
/* Close now, on this thread, or abandon what is inherited (fork.h): a CLOSING slot becomes empty. */
void qp_open_undo(qpool *pool, qp_slot *slot);
/* Close for this reason (and cause, or NULL): by a worker if there is one, else now.  The slot is gone from the caller. */
void qp_open_retire(
    qpool *pool, qp_slot *slot, qp_state from, qpool_why why, const qpool_error *cause);
/* Put idle what was reset or just opened, or close it if the pool is closing or it is inherited. */
void qp_open_keep(qpool *pool, qp_slot *slot, qp_state from);

#endif
