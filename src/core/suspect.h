/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * suspect: when what is open may be dead all at once.  A user says so, or the machine was frozen: then the
 * peers may have given us up while no time passed for us.  A suspicion is a number that grows; a resource
 * that was asked before it grew is asked again before its next use.  acquire and maintain come in.
 *
 * Who comes by looks at the boot clock, at most every 100 ms of our time.  That costs about 50 ns, half an
 * uncontended acquire and release, so not each acquire does; and so for up to 100 ms after a thaw a
 * resource may still be lent that nobody has asked.
 */
#ifndef QP_CORE_SUSPECT_H
#define QP_CORE_SUSPECT_H

#include "core/pool.h"

#define QP_SUSPECT_EVERY_NS  100000000  /* between two looks at the boot clock */
#define QP_SUSPECT_FROZEN_NS 1000000000 /* shorter freezes break nothing */

/* The pool is being made. */
void qp_suspect_begin(qpool *pool);
/* If it is time to look whether the machine was frozen: look.  `now_ns` is coarse. */
void qp_suspect_if_frozen_locked(qpool *pool, int64_t now_ns);
/* The same; takes the lock. */
void qp_suspect_look(qpool *pool, int64_t now_ns);

static inline bool
qp_suspect_is_time(const qpool *pool, int64_t now_ns)
{
	/* relaxed: when two look at once, both see the same freeze and one of them speaks of it. */
	return now_ns >= qp_loadi64_relaxed(&pool->thaw_ns);
}

/* The same for the common path: one load, unless it is time. */
static inline void
qp_suspect_if_frozen(qpool *pool, int64_t now_ns)
{
	if (QP_UNLIKELY(qp_suspect_is_time(pool, now_ns)))
		qp_suspect_look(pool, now_ns);
}
/* The number of the last suspicion: to be read before a resource is asked. */
uint64_t qp_suspect_last(const qpool *pool);

#endif
