/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reset: makes a resource as new between two leases.  release calls in on the holder's thread,
 * worker on its own.  A failed reset costs the resource, never the slot.
 */
#ifndef QP_CORE_RESET_H
#define QP_CORE_RESET_H

#include "core/pool.h"

/* The slot is RESETTING and the caller's.  Reset it here, or hand it to a worker if the options or
 * the resource ask for that.  Afterwards it is idle, closed, or a worker's. */
void qp_reset_begin(qpool *pool, qp_slot *slot);
/* The same on a worker's thread. */
void qp_reset_on_worker(qpool *pool, qp_slot *slot);

#endif
