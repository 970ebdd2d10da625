/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drain: how a pool ends.  qp_pool_unlock comes in for the thread that leaves a freed pool last.
 */
#ifndef QP_CORE_DRAIN_H
#define QP_CORE_DRAIN_H

#include "core/pool.h"

/* As qpool_close and qpool_free, of a pool that was looked at: of a family, its root. */
qpool_err qp_drain_close(qpool *pool, qpool_nsec timeout);
void qp_drain_free(qpool *pool);
/* The last word on a freed, quiet pool: destroy, unless a closer ran it, then its memory. */
void qp_drain_end(qpool *pool);

#endif
