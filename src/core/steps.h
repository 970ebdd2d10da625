/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steps: the only door to user code.  Each function runs one callback with no lock held (debug builds
 * assert it) and no cancel acted upon, keeps errno, marks the thread as being inside, and makes sense of what comes back.  It never
 * moves a slot: the owner does that.
 *
 * A callback may fork, and return in the child too.  There the slot it is about is still its caller's, and
 * inherited (fork.h); any other slot that the thread owned is gone.  So who runs user code and owns a slot
 * names it here, or by a mark of its own (trail.h).
 */
#ifndef QP_CORE_STEPS_H
#define QP_CORE_STEPS_H

#include "core/pool.h"

/* ops.open into slot->resource, with its times; OK means a resource is there.  A failure that names no
 * known code, or no sentence, is given one. */
qpool_err qp_step_open(
    qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error);
void qp_step_close(qpool *pool, qp_slot *slot);
/* ops.abandon, if there is one: what close is to a resource of this process. */
void qp_step_abandon(qpool *pool, qp_slot *slot);
/* OK, or EAGAIN: ask by check, or ECHECK. */
qpool_err qp_step_peek(qpool *pool, qp_slot *slot, qpool_error *error);
/* OK, or EAGAIN: no answer within the budget, and it may be asked again; or ECHECK. */
qpool_err qp_step_check(
    qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error);
/* OK, or EAGAIN: again on a worker, or any failure. */
qpool_err qp_step_reset(qpool *pool, qp_slot *slot, bool on_worker, qpool_error *error);
/* ops.describe into the slot's description; "" without one. */
void qp_step_describe(qpool *pool, qp_slot *slot);
/* What the function of qpool_each answered. */
bool qp_step_show(qpool *pool, qpool_each_fn *fn, void *user, const qpool_entry *entry);
void qp_step_destroy(qpool *pool);
/* What the hook answered. */
int qp_step_interrupted(qpool *pool, int (*hook)(void *user), void *user);
/* The event function, if it is to hear of this type.  `slot`: the one the caller owns, or tells of; or NULL. */
void qp_step_event(qpool *pool, qp_slot *slot, const qpool_event *event);
/* Is this thread inside a callback of this pool? */
bool qp_step_is_inside(const qpool *pool);

#endif
