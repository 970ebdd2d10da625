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
 */
#ifndef QP_CORE_FORK_H
#define QP_CORE_FORK_H

#include "core/pool.h"
#include "platform/forkmark.h"

/* Runs in the child of every fork(), see forkmark.h. */
void qp_fork_in_child(void);
void qp_fork_rebuild(qpool *pool);

/* Nothing but one load and compare, except in a child that has not been here. */
static inline void
qp_fork_look(qpool *pool)
{
	/* acquire, pairs with the release in qp_fork_rebuild: the pool is the child's. */
	if (QP_UNLIKELY(qp_load_acquire(&pool->generation) != qp_forkmark_now()))
		qp_fork_rebuild(pool);
}

/* Does this slot, which is the caller's and not EMPTY, hold something of before the fork? */
static inline bool
qp_fork_is_inherited(const qp_slot *slot)
{
	return slot->generation != qp_forkmark_now();
}

#endif
