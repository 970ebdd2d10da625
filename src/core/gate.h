/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gate: who may collect several resources at once.  Two collectors that each held a part of what
 * they need and waited for the other's part would wait for ever.  So one collects at a time, and
 * the others stand at the gate, in order, holding nothing.  The collector stands in the pool's line
 * like any waiter, with one place for all it needs: nobody who joins the line later is served
 * before it, and it waits for nobody but holders.  many and drain call in, guarded by the pool's
 * lock.  The gate never gives out a resource.
 */
#ifndef QP_CORE_GATE_H
#define QP_CORE_GATE_H

#include "core/waitq.h"

/* A member of the gate's line is ASLEEP until it is SERVED (the gate is its own; there is no slot)
 * or FAILED.  line.count > 0  =>  is_taken. */
typedef struct qp_gate {
	bool is_taken;
	uint32_t more; /* how many the collector needs beyond the next one */
	qp_waitq line;
} qp_gate;

struct qp_asking;
struct qp_wakes;

/* Wait for the gate; OK: it is the caller's.  Takes the lock.  EAGAIN, EMISUSE, EBUSY,
 * ETIMEOUT, ECANCEL, ECLOSED. */
qpool_err qp_gate_enter(struct qp_asking *asking);
/* Pass the gate on to the next.  Takes the lock. */
void qp_gate_leave(struct qpool *pool);
/* Say how many resources are still to come, the next one included.  Takes the lock. */
void qp_gate_needs(struct qpool *pool, uint32_t count);
/* The pool closes: everyone at the gate fails. */
void qp_gate_refuse_locked(struct qpool *pool, struct qp_wakes *wakes);
bool qp_gate_is_valid(const qp_gate *gate);

#endif
