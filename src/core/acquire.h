/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acquire: the steps of one acquire, for the rooms that take several resources (many) or take by
 * key (keyed).  None of them may be called with the lock held.
 */
#ifndef QP_CORE_ACQUIRE_H
#define QP_CORE_ACQUIRE_H

#include "core/line.h"

/* Check and copy what the caller wrote; nothing has begun.  EINVAL, ENOTSUP. */
qpool_err qp_acquire_read(
    qp_asking *asking, qpool *pool, const qpool_request *request, qpool_error *error);
/* From a slot to a lease: `slot` is CHECKING and the caller's, or NULL when none was idle. */
qpool_err qp_acquire_go_on(qp_asking *asking, qp_slot *slot, qpool_lease *out, qpool_error *error);
/* Get a slot that may be lent, CHECKING and the caller's, by way of the line; or say why
 * there is none.  May be called again for another slot: the place in line is kept.
 * Between qp_line_enter and _leave. */
qpool_err qp_acquire_find(qp_asking *asking, qp_slot **out);
/* May a slot that was found, and not lent yet, still be lent?  `was_kept`: time has gone by, so all
 * is asked again as before any lease; else only whether it was renewed or suspected since.  If not,
 * *why is the reason to retire it. */
bool qp_acquire_is_still_fit(qp_asking *asking, qp_slot *slot, bool was_kept, qpool_why *why);
/* An unfit slot, CHECKING and the caller's, goes: it is closed or, if its check was cut short, may
 * be asked again. */
void qp_acquire_retire(const qp_asking *asking, qp_slot *slot, qpool_why why);
/* Make a lease of the slot. */
void qp_acquire_lend(
    qpool *pool, qp_slot *slot, const qp_asking *asking, int64_t now_ns, qpool_lease *out);
/* Write the sentence and tell the event of a failure; returns err. */
qpool_err qp_acquire_fail(qp_asking *asking, qpool_err err, qpool_error *error);

#endif
