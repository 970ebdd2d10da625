/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hazard: what each thread is touching at this moment without owning it.  A thread names it before
 * the first touch and takes the name back after the last, by plain stores; whoever wants to free it,
 * or to know that all who began before have finished, waits until no thread names it.  An engine
 * calls in.  A thread names one thing at a time, for some nanoseconds, and waits for nobody while
 * it does.  This room knows no pool and gives no order but the one that its functions state.
 *
 * Each thread's word lies in its own thread-local storage, on a roll of all such threads: from
 * qp_hazard_join until the thread exits, or until a fork, in whose child the roll is empty.
 */
#ifndef QP_PLATFORM_HAZARD_H
#define QP_PLATFORM_HAZARD_H

#include "platform/atomic.h"
#include "platform/compiler.h"
#include "platform/forkmark.h"

#include <stddef.h>

typedef struct qp_hazard {
	/* atomic: written by its thread alone, read by any thread that waits */
	qp_atomic_ptr inside;
	/* the thread's own: of the process in which it joined; QP_HAZARD_NOBODY: it is on no roll */
	uint32_t generation;
	uint32_t
	    number; /* which place is its own; threads that joined one after the other begin with different ones */
	uint32_t thread; /* as qp_thread_id */
	bool has_exited; /* its thread runs its last destructors and joins no more */
	/* guarded by the roll's lock */
	struct qp_hazard *next, *previous; /* newest first */
	uint64_t joined;                   /* as which one */
} qp_hazard;

#define QP_HAZARD_NOBODY \
	(UINT32_MAX - 1) /* no generation, nor what forkmark stores while it counts */

/* Join the roll.  false: it cannot be done on this thread.  No lock may be held.  Keeps errno. */
bool qp_hazard_join(void);
/* Wait until no thread names this thing; those who name it meanwhile may be waited for, too.  What
 * they did before they took the name back has happened before the return.  The calling thread must not name it. */
void qp_hazard_await(const void *thing);

/* Name it.  What follows in the program may still come before the store, for other processors,
 * unless they call qp_membarrier; the compiler keeps the order. */
static inline void
qp_hazard_enter(qp_hazard *own, const void *thing)
{
	/* relaxed: a thread that must see it makes a membarrier, or has read a later release. */
	qp_storeptr_relaxed(&own->inside, thing);
	qp_fence_compiler();
}

static inline void
qp_hazard_leave(qp_hazard *own)
{
	/* release, pairs with the acquire in qp_hazard_await: every touch comes before. */
	qp_storeptr_release(&own->inside, NULL);
}

#endif
