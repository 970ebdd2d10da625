/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gate: who collects.  Two that each hold a part of what they need, and wait for the other's, would wait for
 * ever; so of those who want several resources at once one collects at a time, and the others stand at the
 * gate, in order, holding nothing.  Who collects stands in the pool's line like everybody, with one place for
 * all it needs: nobody who came later is served before it, and it waits for nobody but holders.
 * Guarded by the pool's lock; many and drain come in.
 */
#ifndef QP_CORE_GATE_H
#define QP_CORE_GATE_H

#include "core/waitq.h"

/* A member of the line is ASLEEP until it is SERVED (the gate is its own; there is no slot) or FAILED.
 * line.count > 0  =>  is_taken. */
typedef struct qp_gate {
	bool is_taken;
	uint32_t more; /* how many the one that collects needs beyond the next */
	qp_waitq line;
} qp_gate;

struct qp_asking;
struct qp_wakes;

/* Wait for the gate; OK: it is ours.  Takes the lock.  EAGAIN, EMISUSE, EBUSY, ETIMEOUT, ECANCEL, ECLOSED. */
qpool_err qp_gate_enter(struct qp_asking *asking);
/* On to the next.  Takes the lock. */
void qp_gate_leave(struct qpool *pool);
/* How many resources are still to come, the one asked for next included.  Takes the lock. */
void qp_gate_needs(struct qpool *pool, uint32_t count);
/* The pool closes: nobody passes any more. */
void qp_gate_refuse_locked(struct qpool *pool, struct qp_wakes *wakes);
bool qp_gate_is_valid(const qp_gate *gate);

#endif
