/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trail: where a thread is in pools, innermost first: inside which callbacks, about which slots, and inside
 * which verbs that keep a pool alive meanwhile.  A mark lies on the stack of the thread it is about; only
 * that thread walks its trail.  steps and visits leave marks; fork reads what of a pool is still this
 * thread's in a child.
 */
#ifndef QP_CORE_TRAIL_H
#define QP_CORE_TRAIL_H

#include "core/slot.h"

typedef enum qp_place {
	QP_IN_CALLBACK, /* user code that this pool called */
	QP_IN_MISUSE,   /* the same: its event function, which is told of a misuse */
	QP_IN_DESTROY,  /* the same, the last one */
	QP_IN_VISIT,    /* counted in pool->visits */
	QP_IN_CLOSE,    /* counted in pool->closers */
	QP_IN_CREW,     /* a worker, counted in pool->crew.alive */
	QP_IN_MANY      /* the gate is ours, and what was collected */
} qp_place;

typedef struct qp_mark {
	struct qpool *pool;
	qp_slot
	    *slot; /* QP_IN_CALLBACK: the one this thread owns, of which no lease is out; or NULL */
	struct qp_mark *below;
	const qpool_lease
	    *kept; /* QP_IN_MANY: `count` slots this thread owns, no lease of which is out yet */
	const uint32_t *count;
	qp_place place;
	int kept_errno, kept_cancel; /* steps' */
} qp_mark;

/* One step further in; back is in the opposite order. */
void qp_trail_enter(qp_mark *here, struct qpool *pool, qp_place place, qp_slot *slot);
void qp_trail_leave(const qp_mark *here);
/* Is this slot the calling thread's, as far as its trail knows? */
bool qp_trail_owns(const qp_slot *slot);
/* Innermost; NULL: in no pool. */
const qp_mark *qp_trail_top(void);

#endif
