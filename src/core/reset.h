/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reset: between a lease and the next one the resource is made as new.  release comes in on the holder's
 * thread, worker on its own.
 */
#ifndef QP_CORE_RESET_H
#define QP_CORE_RESET_H

#include "core/pool.h"

/* The slot is RESETTING and the caller's: cleaned here, or handed to a worker when options or the resource
 * ask for one.  It is idle, closed, or a worker's afterwards. */
void qp_reset_begin(qpool *pool, qp_slot *slot);
/* The same on a worker's thread. */
void qp_reset_on_worker(qpool *pool, qp_slot *slot);

#endif
