/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exchange: where slots and waiters meet, the one place that decides who gets what.  Every
 * room that takes slots or gives them back calls in.  It never sleeps and never runs user
 * code.  This header is the engine's whole interface: another engine would replace
 * exchange_plain.c and nothing else.
 *
 * A slot leaves the exchange with one owner (CHECKING or OPENING) and comes back by one of the put
 * functions.  After every change settle serves those who can be served; so no wake-up is lost.
 */
#ifndef QP_CORE_EXCHANGE_H
#define QP_CORE_EXCHANGE_H

#include "core/pool.h"

/* May a newcomer (ticket 0), or a waiter whose place is `ticket`, take an idle slot before the head
 * of the line?  Not while the pool is paused.  Otherwise only if it stands in front of the head, or
 * while the head has waited for less than max_overtake. */
bool qp_exchange_may_pass_locked(const qpool *pool, uint64_t ticket);
/* Take the next idle slot: it is CHECKING and the caller's; NULL when none is idle.  Calls the crew
 * when fewer than min_idle are left. */
qp_slot *qp_exchange_take_locked(qpool *pool, qp_wakes *wakes);
/* Take an empty slot: it is OPENING and the caller's.  NULL: there is no room, enough opens are
 * under way, or the pause after a failed open is not over. */
qp_slot *qp_exchange_begin_open_locked(qpool *pool, int64_t now_ns, bool somebody_asks);
/* The same for a resource that exists already, whatever the pause and the other opens: NULL only
 * when there is no room. */
qp_slot *qp_exchange_begin_adopt_locked(qpool *pool);
/* How many more opens should begin, for those who wait and for min_idle. */
uint32_t qp_exchange_wanted_locked(const qpool *pool);
/* When the next open may begin; QP_TIME_NEVER while there is no room or enough opens
 * are under way. */
int64_t qp_exchange_open_due_locked(const qpool *pool, bool somebody_asks);
/* How many opens are under way or may begin now: so many of those in line wait for an open, not
 * for their turn. */
uint32_t qp_exchange_opens_locked(const qpool *pool, int64_t now_ns);
/* When the head must wake by itself, because nobody will wake it: at the end of the pause after a
 * failed open, unless a crew keeps that time, and when a failing pool begins to fail at once. */
int64_t qp_exchange_alarm_locked(const qpool *pool);
/* Serve everyone in line who can be served.  `self`, a waiter that is awake, is served where a
 * sleeping head would only be woken to look; NULL when the caller does not wait. */
void qp_exchange_settle_locked(qpool *pool, qp_waiter *self, qp_wakes *wakes);
/* Has this process any resource, inherited ones not counted? */
bool qp_exchange_any_exist_locked(const qpool *pool);

/* The owner gives a slot back; after the return it is the owner's no longer. */
/* Give it back with its resource; the caller then calls settle.  false: the pool closes, was
 * renewed, or has more than it may.  Then the slot is CLOSING, with the reason in it, and still the
 * caller's, who closes it. */
bool qp_exchange_put_idle_locked(qpool *pool, qp_slot *slot, qp_state from);
/* The same for a CHECKING slot that was opened for whoever wants it.  The first waiter whose time
 * is not over gets it, however briefly it has waited.  If the slot were left idle until that waiter
 * looked, and was past its limits already (a limit of zero), a pass or a newcomer could close it,
 * and another one would be opened for the same waiter, for ever. */
bool qp_exchange_put_opened_locked(qpool *pool, qp_slot *slot, qp_wakes *wakes);
/* Give it back without a resource; the caller then calls settle. */
void qp_exchange_put_empty_locked(qpool *pool, qp_slot *slot, qp_state from);

#endif
