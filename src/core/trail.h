/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trail: where a thread is in pools, innermost first: inside which callbacks, about which slots,
 * and inside which verbs that keep a pool alive.  A mark lies on the stack of its thread, and only
 * that thread walks its trail.  steps, the visits and threads that own several slots leave marks;
 * fork reads from them what is still this thread's in a child.
 */
#ifndef QP_CORE_TRAIL_H
#define QP_CORE_TRAIL_H

#include "core/slot.h"

typedef enum qp_place {
	QP_IN_CALLBACK, /* in user code that this pool called */
	QP_IN_MISUSE,   /* likewise: the event function, told of a misuse */
	QP_IN_DESTROY,  /* likewise: ops.destroy, the last callback */
	QP_IN_VISIT,    /* counted in pool->visits */
	QP_IN_CLOSE,    /* counted in pool->closers */
	QP_IN_CREW,     /* a worker, counted in pool->crew.alive */
	QP_IN_HAND,     /* owns more slots than the callback above is about */
	QP_IN_GATE      /* likewise, and holds the gate */
} qp_place;

typedef struct qp_mark {
	struct qpool *pool;
	qp_slot *slot; /* a slot that this thread owns, or tells of; or NULL */
	/* QP_IN_HAND, QP_IN_GATE: the slots it owns, kept in the slot_ of *kept_count leases; the
	 * count may change */
	const qpool_lease *kept;
	const uint32_t *kept_count;
	struct qp_mark *below;
	qp_place place;
	int kept_errno, kept_cancel; /* used by steps */
} qp_mark;

/* Enter one place; leave places in the opposite order. */
void qp_trail_enter(qp_mark *here, struct qpool *pool, qp_place place, qp_slot *slot);
void qp_trail_leave(const qp_mark *here);
/* The innermost mark; NULL: in no pool. */
const qp_mark *qp_trail_top(void);

#endif
