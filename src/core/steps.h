/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steps: the only door to user code.  Each function runs one callback with no lock held (debug
 * builds assert it) and with cancel disabled.  It keeps errno, marks the thread as being inside,
 * and turns the result into one of our codes with a message.  Every room that runs user code calls
 * in.  steps never moves a slot: the owner does.
 *
 * A callback may fork, and return in the child too.  There the slot that the callback is about is
 * still owned by its caller, and inherited (fork.h); any other slot that the thread owned is gone.
 * So a thread that runs user code names the slot it owns here, or in a mark of its own (trail.h).
 */
#ifndef QP_CORE_STEPS_H
#define QP_CORE_STEPS_H

#include "core/pool.h"

/* ops.open into slot->resource; OK means that a resource is there.  A failure without a known
 * code, or without a message, is given one. */
qpool_err qp_step_open(
    qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error);
void qp_step_close(qpool *pool, qp_slot *slot);
/* ops.abandon, if there is one: for an inherited resource, in place of close. */
void qp_step_abandon(qpool *pool, qp_slot *slot);
/* OK; EAGAIN: run check; or ECHECK. */
qpool_err qp_step_peek(qpool *pool, qp_slot *slot, qpool_error *error);
/* OK; EAGAIN: no answer within the budget, and it may be asked again; or ECHECK. */
qpool_err qp_step_check(
    qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error);
/* OK; EAGAIN: run it again on a worker; or any failure. */
qpool_err qp_step_reset(qpool *pool, qp_slot *slot, bool on_worker, qpool_error *error);
/* ops.describe into the slot's description; "" if there is none. */
void qp_step_describe(qpool *pool, qp_slot *slot);
/* The function of qpool_each; returns what it answered. */
bool qp_step_show(qpool *pool, qpool_each_fn *fn, void *user, const qpool_entry *entry);
void qp_step_destroy(qpool *pool);
/* The interrupt hook; returns what it answered. */
int qp_step_interrupted(qpool *pool, int (*hook)(void *user), void *user);
/* The event function, if it wants this type.  `slot`: the one that the caller owns, or
 * tells of; or NULL. */
void qp_step_event(qpool *pool, qp_slot *slot, const qpool_event *event);
/* Is this thread inside a callback of this pool? */
bool qp_step_is_inside(const qpool *pool);

#endif
