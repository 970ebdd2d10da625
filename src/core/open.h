/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open: from an OPENING slot to a resource, or back to an empty slot with everything said that a failure
 * means.  acquire opens on the caller's thread, worker on its own.
 */
#ifndef QP_CORE_OPEN_H
#define QP_CORE_OPEN_H

#include "core/pool.h"

/* If the place of this OPENING slot was another key's, close what that one had there.  On a caller's thread,
 * before the open. */
void qp_open_make_room(qp_slot *slot);
/* On a caller's thread.  OK: the slot is CHECKING and the caller's.  Else it is empty and gone, *error says
 * why, and who waits has been looked after.  The caller must be visiting. */
qpool_err qp_open(qpool *pool, qp_slot *slot, int64_t budget_ns, qpool_error *error);
/* The same for whoever comes: OK: it is idle, or closed again because the pool closes, was renewed, or shrank. */
qpool_err qp_open_for_all(
    qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error);
/* Not opened here: as after an open that succeeded, for whoever comes.  The caller must be visiting. */
void qp_open_adopted(qpool *pool, qp_slot *slot, void *resource);
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
/* Put idle what was reset, or taken and not lent; or close it if the pool is closing, was renewed, or shrank, or if
 * it is inherited. */
void qp_open_keep(qpool *pool, qp_slot *slot, qp_state from);
/* A waiter was handed this slot, CHECKING or OPENING, and has gone: it is for the next one. */
void qp_open_pass_on(qpool *pool, qp_slot *slot);

#endif
