/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle: the idle slots in the order in which they came back.  Taking the newest keeps few open: what is not
 * needed sinks to the old end and ages out.  Guarded by the pool's lock; exchange and maintain come in.
 */
#ifndef QP_CORE_IDLE_H
#define QP_CORE_IDLE_H

#include "core/slot.h"

/* What is idle under any key, in the order in which it came back. */
typedef struct qp_idle_all {
	qp_slot *newest, *oldest;
} qp_idle_all;

/* count = members; newest == NULL iff oldest == NULL iff count == 0; every member is IDLE, and in `all`. */
typedef struct qp_idle {
	qp_slot *newest, *oldest;
	uint32_t count;
	qp_idle_all *all; /* fixed; NULL for a pool that is no key's */
} qp_idle;

void qp_idle_push(qp_idle *idle, qp_slot *slot);
/* As if it had been idle for longest. */
void qp_idle_push_oldest(qp_idle *idle, qp_slot *slot);
void qp_idle_remove(qp_idle *idle, qp_slot *slot);
/* The equations above, link by link. */
bool qp_idle_is_valid(const qp_idle *idle);

#endif
