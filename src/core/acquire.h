/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acquire: the steps of one acquire, for those who need more than one resource of them (many), or come
 * with a key (keyed).
 */
#ifndef QP_CORE_ACQUIRE_H
#define QP_CORE_ACQUIRE_H

#include "core/line.h"

/* What the caller wrote, looked at; nothing has begun.  EINVAL, ENOTSUP. */
qpool_err qp_acquire_read(
    qp_asking *asking, qpool *pool, const qpool_request *request, qpool_error *error);
/* From here to a lease: `slot` is CHECKING and the caller's, or NULL. */
qpool_err qp_acquire_go_on(qp_asking *asking, qp_slot *slot, qpool_lease *out, qpool_error *error);
/* A slot that is fit to be lent, CHECKING and the caller's, by way of the line; or why there is none.  May
 * be called again for another one: the place in line is kept.  Between qp_line_enter and _leave. */
qpool_err qp_acquire_find(qp_asking *asking, qp_slot **out);
/* Of one that was found and is not lent yet: may it be now?  Asked again as whenever it is lent if `was_kept`, that
 * is, time has gone by since; else only when it was renewed or suspected.  If not, *why says as what to retire it. */
bool qp_acquire_is_still_fit(qp_asking *asking, qp_slot *slot, bool was_kept, qpool_why *why);
/* One that is not fit, CHECKING and the caller's, goes; by what its check said it may be asked again. */
void qp_acquire_retire(const qp_asking *asking, qp_slot *slot, qpool_why why);
/* Make a lease of it. */
void qp_acquire_lend(
    qpool *pool, qp_slot *slot, const qp_asking *asking, int64_t now_ns, qpool_lease *out);
/* The sentence and the event of a failure; returns err. */
qpool_err qp_acquire_fail(qp_asking *asking, qpool_err err, qpool_error *error);

#endif
