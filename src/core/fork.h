/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: a pool in a forked child.  Whoever comes to a pool, by a verb or back from user code, looks here;
 * the first one to come in a child makes the pool the child's: empty, with whole capacity, and nobody in
 * it but this thread.  What the parent had open is abandoned.
 *
 * A slot is *inherited* while it holds something of before the fork: a lease that is out, what this thread
 * was working on inside the callback it forked in, and what waits to be abandoned.  Inherited slots are not
 * counted against max_size, never become idle, and end empty.  Nothing is sent on their resources:
 *
 *   IDLE, queued ──→ CLOSING ──→ abandoned ──→ EMPTY
 *   LEASED ──→ stays; its end is EFORKED ──→ CLOSING ──→ abandoned ──→ EMPTY
 *   this thread's own ──→ stays; where it would become idle or be lent ──→ CLOSING, as above
 *   another thread's ──→ EMPTY; the resource leaks, as nobody knows in what state it is
 *
 * To those who judge resources a fork is a renewal: what is older goes.  A family of pools with one lock is made
 * anew as one.
 */
#ifndef QP_CORE_FORK_H
#define QP_CORE_FORK_H

#include "core/pool.h"
#include "platform/forkmark.h"

/* Before the first pool: ESYS when the system would not tell us of forks. */
qpool_err qp_fork_watch(qpool_error *error);
/* A root that is being made is this process's. */
void qp_fork_begin(qpool *root);
void qp_fork_rebuild(qpool *root);

/* Nothing but a load and a compare, except in a child that has not been here. */
static inline void
qp_fork_look(qpool *pool)
{
	/* acquire, pairs with the release in qp_fork_rebuild: the pool is the child's. */
	if (QP_UNLIKELY(qp_load_acquire(&pool->root->generation) != qp_forkmark_now()))
		qp_fork_rebuild(pool->root);
}

/* Does this slot, which is not EMPTY, hold something of before the fork? */
static inline bool
qp_fork_is_inherited(const qp_slot *slot)
{
	return qp_load_relaxed(&slot->generation) != qp_forkmark_now();
}

#endif
