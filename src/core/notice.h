/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notice: one line to tell one event.  A slot's owner tells what happens to it before it publishes the
 * slot, so that events of one resource come in order.
 */
#ifndef QP_CORE_NOTICE_H
#define QP_CORE_NOTICE_H

#include "core/pool.h"

/* Of a resource that is the caller's, or was just lent: OPENED, ACQUIRED, RELEASED. */
void qp_notice_slot(qpool *pool, qpool_event_type type, qp_slot *slot, int64_t took_ns);
/* Of a lease: HELD_LONG, HELD_BACK, HOLDER_GONE.  The slot must stay LEASED meanwhile. */
void qp_notice_lease(qpool *pool, qpool_event_type type, qp_slot *slot, int64_t took_ns);
/* Does anyone listen to this type? */
bool qp_notice_is_wanted(const qpool *pool, qpool_event_type type);
/* CLOSED, and the check's or reset's error if that is why; else NULL. */
void qp_notice_closed(qpool *pool, qp_slot *slot, const qpool_error *cause);
/* Of an acquire or the pool: the rest, by a thread that owns no slot of this pool ... */
void qp_notice_pool(qpool *pool, qpool_event_type type, int64_t took_ns, const qpool_error *error,
    const char *site);
/* ... or by one that owns this one. */
void qp_notice_holding(qpool *pool, qp_slot *slot, qpool_event_type type, int64_t took_ns,
    const qpool_error *error, const char *site);

#endif
