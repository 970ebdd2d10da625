/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle: the idle slots in the order of their return.  Taking the newest keeps few resources open:
 * those not needed sink to the old end and age out.  exchange and maintain call in, under the
 * pool's lock.  idle never decides which slot is taken.
 */
#ifndef QP_CORE_IDLE_H
#define QP_CORE_IDLE_H

#include "core/chunk.h"

/* All idle slots of a keyed pool, in the order of their return; and all busy ones, neither EMPTY
 * nor IDLE, in the order they were taken, so the first are lent longest.  (Slots that a child
 * inherits are in neither list: they have no place.) */
typedef struct qp_idle_all {
	qp_slot *newest, *oldest;
	qp_slot *newest_busy, *oldest_busy;
} qp_idle_all;

/* count = members; newest == NULL iff oldest == NULL iff count == 0; every member is IDLE and, in
 * a key's pool, in `all` too. */
typedef struct qp_idle {
	qp_slot *newest, *oldest;
	uint32_t count;
	qp_idle_all *all; /* fixed; NULL: not the pool of a key */
} qp_idle;

void qp_idle_push(qp_idle *idle, qp_slot *slot);
/* Insert as if it had been idle longest. */
void qp_idle_push_oldest(qp_idle *idle, qp_slot *slot);
void qp_idle_remove(qp_idle *idle, qp_slot *slot);
/* Add to the busy list a slot that was EMPTY; remove one that becomes EMPTY.  The functions above
 * move slots between the idle and the busy list. */
void qp_idle_begin(qp_idle_all *all, qp_slot *slot);
void qp_idle_end(qp_idle_all *all, qp_slot *slot);
/* Check the equations above, link by link. */
bool qp_idle_is_valid(const qp_idle *idle);
/* How many slots are in the idle, or the busy, list of all keys; UINT32_MAX when links are
 * broken. */
uint32_t qp_idle_count_all(const qp_idle_all *all);
uint32_t qp_idle_count_busy(const qp_idle_all *all);

#endif
