/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch: looks at leases, and tells once of each that is held long or whose thread has exited.
 * Workers, qpool_maintain and acquires that timed out call in; an acquire or release that succeeds
 * never looks.  watch takes no lock while it looks at a lease, and never ends one; but a lease
 * that ends while watch tells of it leaves its slot to watch.
 */
#ifndef QP_CORE_WATCH_H
#define QP_CORE_WATCH_H

#include "core/pool.h"

/* How long after a lease begins there may be something to tell of it; QP_TIME_NEVER: never, or
 * nobody listens. */
int64_t qp_watch_after(const qpool *pool);
/* Look at all leases and tell.  `ask_gone`: also of threads that are gone, which costs a system
 * call per lease.  Returns when there may be more to tell; QP_TIME_NEVER while nothing is lent.
 * The caller is visiting, or a worker. */
int64_t qp_watch_all(qpool *pool, bool ask_gone);
/* A lease is about to begin: make sure that a worker looks at it when there may be
 * something to tell. */
void qp_watch_lent_locked(qpool *pool, qp_wakes *wakes);
/* Look at the lease of one slot, and tell. */
void qp_watch_one(qpool *pool, qp_slot *slot);

#endif
