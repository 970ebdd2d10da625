/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drain: how a pool ends.  The verbs that close and free call in, and qp_pool_unlock for the thread
 * that leaves a freed pool last.  It never ends a lease: it waits for the holders.
 */
#ifndef QP_CORE_DRAIN_H
#define QP_CORE_DRAIN_H

#include "core/pool.h"

/* As qpool_close and qpool_free, for a pool that was looked at; for a family, its root. */
qpool_err qp_drain_close(qpool *pool, qpool_nsec timeout);
void qp_drain_free(qpool *pool);
/* The end of a freed, quiet pool: destroy, unless a closer has run it, then its memory. */
void qp_drain_end(qpool *pool);

#endif
