/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open: from an OPENING slot to a resource, or, after a failure, back to an empty
 * slot; and the way back: keep idle, retire, close.  acquire opens on the caller's
 * thread, worker on its own; release, reset, check, many and ready call in too.  open
 * never waits in line, and holds no lock while user code runs.
 */
#ifndef QP_CORE_OPEN_H
#define QP_CORE_OPEN_H

#include "core/pool.h"

/* If this OPENING slot took its place from another key, close that key's resource first.  On a
 * caller's thread, before the open. */
void qp_open_make_room(qp_slot *slot);
/* Open on a caller's thread.  OK: the slot is CHECKING and the caller's.  Else the
 * slot is empty and no longer the caller's, *error says why, and the line has been
 * settled.  The caller must be visiting. */
qpool_err qp_open(qpool *pool, qp_slot *slot, int64_t budget_ns, qpool_error *error);
/* The same, but the resource is for whoever wants it.  OK: it went to the head of the line or is
 * idle, or was closed again because the pool is closing, was renewed, or shrank. */
qpool_err qp_open_for_all(
    qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error);
/* Treat a resource that the user opened like one that qp_open_for_all opened.  The
 * caller must be visiting. */
void qp_open_adopted(qpool *pool, qp_slot *slot, void *resource);
/* qp_open_for_all on a worker's thread, with the full open_budget. */
void qp_open_on_worker(qpool *pool, qp_slot *slot);
/* If the pool has become hopeless (backoff.h) and nobody has told EV_DOWN yet, tell it.  Every
 * thread that fails because of it calls this; the caller must be visiting or a worker. */
void qp_open_tell_down(qpool *pool);
/* Close a CLOSING slot now, on this thread; an inherited one (fork.h) is abandoned
 * instead.  It becomes empty. */
void qp_open_undo(qpool *pool, qp_slot *slot);
/* Close for this reason, and cause or NULL: on a worker if there is one, else now.
 * The slot is no longer the caller's. */
void qp_open_retire(
    qpool *pool, qp_slot *slot, qp_state from, qpool_why why, const qpool_error *cause);
/* Put back as idle a resource that was reset, or taken and not lent; or close it if the pool is
 * closing, was renewed, or shrank.  The slot is no longer the caller's. */
void qp_open_keep(qpool *pool, qp_slot *slot, qp_state from);
/* Pass on a slot, CHECKING or OPENING, whose waiter was cancelled as it was served. */
void qp_open_pass_on(qpool *pool, qp_slot *slot);

#endif
