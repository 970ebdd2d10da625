/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exchange: where slots and waiters meet, the one place that decides who gets what.  This header is the
 * whole of an engine: another one replaces exchange_plain.c and nothing else.  line, release, open,
 * maintain, worker and drain come in.
 *
 * A slot leaves the exchange with one owner (CHECKING or OPENING) and comes back by one of the put
 * functions.  Whatever changes, settle looks who is served by it; that is why no wake-up is lost.
 */
#ifndef QP_CORE_EXCHANGE_H
#define QP_CORE_EXCHANGE_H

#include "core/pool.h"

/* May a newcomer (ticket 0), or one whose place is `ticket`, take what is idle before the head does?
 * Not while the pool is paused; else only in front of it, or while the head has waited less than max_overtake. */
bool qp_exchange_may_pass_locked(const qpool *pool, uint64_t ticket);
/* The next idle slot, CHECKING and the caller's; NULL when none is idle.  The crew is called when that
 * leaves fewer than min_idle. */
qp_slot *qp_exchange_take_locked(qpool *pool, qp_wakes *wakes);
/* An empty slot, OPENING and the caller's; NULL when there is none, enough are opening, or a pause after
 * a failure runs. */
qp_slot *qp_exchange_begin_open_locked(qpool *pool, int64_t now_ns, bool somebody_asks);
/* The same without asking whether it may be now, for who has the resource already: NULL only when there is no
 * room. */
qp_slot *qp_exchange_begin_adopt_locked(qpool *pool);
/* How many more should be opening, for those who wait and for min_idle. */
uint32_t qp_exchange_wanted_locked(const qpool *pool);
/* When the next open may begin: QP_TIME_NEVER while there is no empty slot or enough are opening. */
int64_t qp_exchange_open_due_locked(const qpool *pool, bool somebody_asks);
/* How many of those in line an open is for, in flight or free to begin: they wait for it, not for a turn. */
uint32_t qp_exchange_opens_locked(const qpool *pool, int64_t now_ns);
/* When the head must look by itself because nobody will wake it: the end of a pause, unless a crew keeps that
 * time, and the moment from which a failing pool fails at once. */
int64_t qp_exchange_alarm_locked(const qpool *pool);
/* Give everyone in line what there is for them.  `self`, a member that is awake, is served where another
 * one would be woken to look; NULL when the caller does not wait. */
void qp_exchange_settle_locked(qpool *pool, qp_waiter *self, qp_wakes *wakes);
/* Do resources exist? */
bool qp_exchange_any_exist_locked(const qpool *pool);

/* The owner gives a slot back.  From the return on it is not the owner's. */
/* With its resource, in a lock that is held; the caller settles.  false: the pool closes, was renewed, or has
 * more than it may; then the slot is CLOSING, with the reason in it, and still the caller's, to be closed. */
bool qp_exchange_put_idle_locked(qpool *pool, qp_slot *slot, qp_state from);
/* The same of one that is CHECKING and was opened for whoever wants it.  The first in line whose time is not over
 * gets it, as one that opens for itself gets its own, however young it is in line: left idle until it looks, a pass or
 * a newcomer could close what is past its limits already, and another one would be opened, for ever. */
bool qp_exchange_put_opened_locked(qpool *pool, qp_slot *slot, qp_wakes *wakes);
/* Without one, in a lock that is held; the caller settles. */
void qp_exchange_put_empty_locked(qpool *pool, qp_slot *slot, qp_state from);

#endif
