/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * suspect: when all open resources may be dead at once.  A user says so, or the machine was
 * frozen: then the peers may have given us up while no time passed for us.  A suspicion is a
 * number that grows; a resource last checked before it grew is checked again before its next use.
 * acquire, check, maintain, worker and pool call in.  suspect itself never checks anything.
 *
 * Callers look at the boot clock at most every 100 ms of monotonic time.  A look costs about 50
 * ns, half an uncontended acquire and release, so not every acquire looks; and so for up to 100 ms
 * after a thaw a resource may still be lent unchecked.
 */
#ifndef QP_CORE_SUSPECT_H
#define QP_CORE_SUSPECT_H

#include "core/pool.h"

#define QP_SUSPECT_EVERY_NS  100000000  /* between two looks at the boot clock */
#define QP_SUSPECT_FROZEN_NS 1000000000 /* shorter freezes break nothing */

/* Set up a new pool. */
void qp_suspect_begin(qpool *pool);
/* If a look is due: was the machine frozen?  Then raise a suspicion.  `now_ns` is coarse. */
void qp_suspect_if_frozen_locked(qpool *pool, int64_t now_ns);
/* The same; takes the lock. */
void qp_suspect_look(qpool *pool, int64_t now_ns);

static inline bool
qp_suspect_is_time(const qpool *pool, int64_t now_ns)
{
	/* relaxed: when two threads look at once, both see the same freeze and one of them raises
	 * the suspicion. */
	return now_ns >= qp_loadi64_relaxed(&pool->thaw_ns);
}

/* The same for the common path: one load, unless a look is due. */
static inline void
qp_suspect_if_frozen(qpool *pool, int64_t now_ns)
{
	if (QP_UNLIKELY(qp_suspect_is_time(pool, now_ns)))
		qp_suspect_look(pool, now_ns);
}
/* The number of the last suspicion; read it before a resource is checked. */
uint64_t qp_suspect_last(const qpool *pool);

#endif
