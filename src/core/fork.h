/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: a pool in a forked child.  Every verb looks here when it enters a pool, and every thread
 * when it comes back from user code.  The first to look in a child makes the pool the child's:
 * empty, with its whole capacity, and nobody in it but this thread.  What the parent had open is
 * abandoned; this room never sends anything on it.
 *
 * A slot is *inherited* while it holds something from before the fork: a lease that is out, what
 * this thread was working on in the callback in which it forked, or a resource that waits to be
 * abandoned.  Inherited slots do not count against max_size, never become idle, and end empty:
 *
 *   IDLE, queued ──→ CLOSING ──→ abandoned ──→ EMPTY
 *   LEASED ──→ stays; its end is EFORKED ──→ CLOSING ──→ abandoned ──→ EMPTY
 *   this thread's own ──→ stays; where it would become idle or be lent ──→ CLOSING, as above
 *   another thread's ──→ EMPTY; the resource leaks, because nobody knows its state
 *
 * For the rooms that judge resources a fork is a renewal: what is older goes.  The pools of a
 * family have one lock, and are made anew together.
 */
#ifndef QP_CORE_FORK_H
#define QP_CORE_FORK_H

#include "core/pool.h"
#include "platform/forkmark.h"

/* Call before the first pool.  ESYS: the system would not tell us of forks. */
qpool_err qp_fork_watch(qpool_error *error);
/* Mark a root that is being made as this process's. */
void qp_fork_begin(qpool *root);
void qp_fork_rebuild(qpool *root);

/* One load and one compare, except in a child that has not been here. */
static inline void
qp_fork_look(qpool *pool)
{
	/* acquire, pairs with the release in qp_fork_rebuild: the rebuilt pool is seen whole. */
	if (QP_UNLIKELY(qp_load_acquire(&pool->root->generation) != qp_forkmark_now()))
		qp_fork_rebuild(pool->root);
}

/* For slot->born, when an open begins. */
static inline uint32_t
qp_fork_born(const qpool *pool)
{
	/* relaxed: as in qp_pool_is_renewed; what renewals counts happened before this open. */
	return (uint32_t)qp_load64_relaxed(&pool->renewals) << 16 | (qp_forkmark_now() & 0xffff);
}

/* Was what this slot->born tells of before the fork? */
static inline bool
qp_fork_is_before(uint32_t born)
{
	return ((born ^ qp_forkmark_now()) & 0xffff) != 0;
}

/* Does this slot, which is not EMPTY, hold something from before the fork? */
static inline bool
qp_fork_is_inherited(const qp_slot *slot)
{
	return qp_fork_is_before(qp_load_relaxed(&slot->born));
}

#endif
