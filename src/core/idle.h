/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle: the idle slots in the order in which they came back.  Taking the newest keeps few open: what is not
 * needed sinks to the old end and ages out.  Guarded by the pool's lock; exchange and maintain come in.
 */
#ifndef QP_CORE_IDLE_H
#define QP_CORE_IDLE_H

#include "core/slot.h"

/* What is idle under any key, in the order in which it came back; and what is busy, neither EMPTY nor IDLE, in the
 * order in which it was taken: so the first ones are those that are lent for longest.  (What a child inherits is in
 * neither: it has no place.) */
typedef struct qp_idle_all {
	qp_slot *newest, *oldest;
	qp_slot *newest_busy, *oldest_busy;
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
/* It is busy and was EMPTY, or will be: what goes to and from the idle ones is seen to by the above. */
void qp_idle_begin(qp_idle_all *all, qp_slot *slot);
void qp_idle_end(qp_idle_all *all, qp_slot *slot);
/* The equations above, link by link. */
bool qp_idle_is_valid(const qp_idle *idle);
/* How many of all are idle, or busy; UINT32_MAX when the links are broken. */
uint32_t qp_idle_count_all(const qp_idle_all *all);
uint32_t qp_idle_count_busy(const qp_idle_all *all);

#endif
