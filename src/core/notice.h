/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notice: one call to tell one event.  All rooms that have news call in.  A slot's
 * owner tells an event before it publishes the slot, so the events of one resource
 * come in order.  notice takes no lock.
 */
#ifndef QP_CORE_NOTICE_H
#define QP_CORE_NOTICE_H

#include "core/pool.h"

/* Events of a resource: OPENED, ACQUIRED, RELEASED. */
void qp_notice_slot(qpool *pool, qpool_event_type type, qp_slot *slot, int64_t took_ns);
/* Events of a lease: HELD_LONG, HELD_BACK, HOLDER_GONE.  The slot must not move meanwhile. */
void qp_notice_lease(qpool *pool, qpool_event_type type, qp_slot *slot, int64_t took_ns);
/* Does the event function want this type? */
bool qp_notice_is_wanted(const qpool *pool, qpool_event_type type);
/* CLOSED; `cause` is the error of a check or reset that failed, else NULL. */
void qp_notice_closed(qpool *pool, qp_slot *slot, const qpool_error *cause);
/* All other events, by a thread that owns no slot of this pool ... */
void qp_notice_pool(qpool *pool, qpool_event_type type, int64_t took_ns, const qpool_error *error,
    const char *site);
/* ... or by a thread that owns this slot (or NULL). */
void qp_notice_holding(qpool *pool, qp_slot *slot, qpool_event_type type, int64_t took_ns,
    const qpool_error *error, const char *site);

#endif
