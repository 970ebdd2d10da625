/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch: looks at what is lent, and tells of a lease that is held long or whose thread has exited, once each.
 * Workers, qpool_maintain and acquires that have timed out come in; nobody who only takes and gives does.  It
 * takes no lock while it looks, and never ends a lease; but one that ends while it is told of is left to it.
 */
#ifndef QP_CORE_WATCH_H
#define QP_CORE_WATCH_H

#include "core/pool.h"

/* Does anybody listen?  How long after a lease began there may be something to tell of it; QP_TIME_NEVER: nothing
 * ever. */
int64_t qp_watch_after(const qpool *pool);
/* Look at all, telling; who is gone only if asked, as that asks the system about each.  Returns when there may be
 * more to tell, QP_TIME_NEVER while nothing is lent.  The caller is visiting, or a worker. */
int64_t qp_watch_all(qpool *pool, bool ask_gone);
/* A lease is about to begin: see to it that a worker looks at it when there may be something to tell. */
void qp_watch_lent_locked(qpool *pool, qp_wakes *wakes);
/* Look at one. */
void qp_watch_one(qpool *pool, qp_slot *slot);

#endif
