/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waitq: the line of waiters.  A waiter lives on the stack of the thread that waits and sleeps on
 * its own word, so a release wakes exactly the thread it means.  exchange, line, gate and open
 * call in, under the pool's lock.  waitq never decides who gets what.
 *
 *            woken to look                  looked, found nothing
 *  ASLEEP ──────────────────→ LOOKING ────────────────────────────→ ASLEEP
 *     │                          │
 *     └──────────┬───────────────┘
 *                ├── a slot is its own, CHECKING or OPENING → SERVED   (left the line)
 *                └── refused: closed, down, past its deadline → FAILED (left the line)
 *
 * SERVED and FAILED are final, and are written last, after everything else is in place: as soon as
 * the waiter reads one of them, it may return and its stack frame is gone.  Hand-over is a
 * transfer of ownership: from SERVED on, the slot is the waiter's.  A waiter past its deadline is
 * not offered a slot (qp_waitq_refuses), so the slot goes to the next waiter and is never lost.  A
 * waiter that runs its interrupt hook is away.  It keeps its place, but until it returns it is
 * skipped, so that it holds up nobody behind it.
 */
#ifndef QP_CORE_WAITQ_H
#define QP_CORE_WAITQ_H

#include "core/slot.h"
#include "platform/park.h"

typedef enum qp_waiting { QP_ASLEEP = 0, QP_LOOKING, QP_SERVED, QP_FAILED } qp_waiting;

typedef struct qp_waiter {
	/* atomic: a qp_waiting; the word that the waiter parks on.  Written under the lock.
	 * SERVED and FAILED are stored by release, which pairs with the acquire in
	 * qp_waitq_outcome: they publish slot and err. */
	qp_atomic_u32 word;
	/* fixed before it joins */
	int64_t since_ns;    /* when its acquire began to wait */
	int64_t deadline_ns; /* absolute */
	uint64_t ticket;     /* its place in line: smaller is earlier */
	uint32_t thread;     /* the OS thread id */
	uint32_t wants;      /* qpool_acquire_many: how many in all; else 0 */
	qpool_error *cause;  /* gets a failed open's cause, before the final word; or NULL */
	/* guarded by the lock */
	struct qp_waiter *next, *previous;
	int64_t alarm_ns; /* when the waiter wakes by itself; QP_TIME_NEVER until it parks */
	bool away;        /* inside its interrupt hook: ASLEEP, but cannot be woken */
	/* written before the final word */
	qp_slot *slot; /* SERVED */
	qpool_err err; /* FAILED */
} qp_waiter;

/* Sorted by ticket.  count = members.  woken = the one member in LOOKING, or NULL. */
typedef struct qp_waitq {
	qp_waiter *head, *tail;
	qp_waiter *woken;
	uint32_t count;
	uint64_t tickets; /* given so far */
} qp_waitq;

/* A new ticket: a place at the end. */
uint64_t qp_waitq_ticket(qp_waitq *waitq);
/* Insert by ticket: near the tail, or at the head when a waiter comes back. */
void qp_waitq_join(qp_waitq *waitq, qp_waiter *waiter);
/* Remove from the line, without an outcome. */
void qp_waitq_leave(qp_waitq *waitq, qp_waiter *waiter);
/* The first waiter that is not away, or NULL. */
qp_waiter *qp_waitq_first(const qp_waitq *waitq);
/* Mark as away, and as having looked.  Clear `away` when the hook returns. */
void qp_waitq_away(qp_waitq *waitq, qp_waiter *waiter);
/* Is the waiter past its deadline?  Then it must not be served. */
bool qp_waitq_refuses(const qp_waiter *waiter, int64_t now_ns);
/* Final: remove from the line; the slot is the waiter's.  Unpark its word after unlocking. */
void qp_waitq_serve(qp_waitq *waitq, qp_waiter *waiter, qp_slot *slot);
/* Final: remove from the line, with an error.  Unpark likewise. */
void qp_waitq_fail(qp_waitq *waitq, qp_waiter *waiter, qpool_err err);
/* Tell the head to look again; no other waiter may be LOOKING. */
void qp_waitq_wake(qp_waitq *waitq, qp_waiter *waiter);
/* The waiter looks now: its word is ASLEEP again, and only another wake keeps it from sleeping. */
void qp_waitq_looked(qp_waitq *waitq, qp_waiter *waiter);
/* Called by the waiter's own thread; needs no lock. */
qp_waiting qp_waitq_outcome(const qp_waiter *waiter);
bool qp_waitq_is_valid(const qp_waitq *waitq);

#endif
