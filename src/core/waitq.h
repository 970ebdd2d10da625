/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waitq: the line.  A waiter lives on the stack of the thread that waits, and sleeps on its own word, so
 * that a release wakes the one it means.  Guarded by the pool's lock; exchange comes in.
 *
 *            woken to look                  looked, found nothing
 *  ASLEEP ──────────────────→ LOOKING ────────────────────────────→ ASLEEP
 *     │                          │
 *     └──────────┬───────────────┘
 *                ├── a slot is its own, CHECKING or OPENING → SERVED   (left the line)
 *                └── refused: closed, down, past its deadline → FAILED (left the line)
 *
 * Both ends are final and are written last, with everything else in place: the waiter may leave, and its
 * memory with it, as soon as it reads one.  A hand-over is therefore a transfer: from SERVED on the slot is
 * the waiter's.  One whose deadline has passed is not offered it (qp_waitq_refuses), so the slot goes on to
 * the next and never to nobody.  A waiter that runs its interrupt hook is away: it keeps its place, and until
 * it is back the line is looked at as if it were not there, so that it holds up nobody behind it.
 */
#ifndef QP_CORE_WAITQ_H
#define QP_CORE_WAITQ_H

#include "core/slot.h"
#include "platform/park.h"

typedef enum qp_waiting { QP_ASLEEP = 0, QP_LOOKING, QP_SERVED, QP_FAILED } qp_waiting;

typedef struct qp_waiter {
	/* atomic: qp_waiting, and what the waiter parks on.  Written under the lock; SERVED and FAILED
	 * by release, pairs with the acquire in qp_waitq_outcome: publishes slot and err. */
	qp_atomic_u32 word;
	/* fixed before it joins */
	int64_t since_ns;    /* when its acquire began to wait */
	int64_t deadline_ns; /* absolute */
	uint64_t ticket;     /* its place: smaller is earlier */
	uint32_t thread;     /* its number with the system */
	uint32_t wants;      /* of one that collects: how many in all; else 0 */
	qpool_error *cause;  /* where a failed open's cause goes, before the final word; or NULL */
	/* guarded by the lock */
	struct qp_waiter *next, *previous;
	int64_t alarm_ns; /* when it wakes by itself; QP_TIME_NEVER until it parks */
	bool away;        /* ASLEEP, and cannot be woken */
	/* written before the final word */
	qp_slot *slot; /* SERVED */
	qpool_err err; /* FAILED */
} qp_waiter;

/* Sorted by ticket.  count = members; woken is a member in LOOKING, or NULL: at most one looks. */
typedef struct qp_waitq {
	qp_waiter *head, *tail;
	qp_waiter *woken;
	uint32_t count;
	uint64_t tickets; /* given so far */
} qp_waitq;

/* A place at the end. */
uint64_t qp_waitq_ticket(qp_waitq *waitq);
/* Take the place the waiter's ticket says; near the tail, or at the head for one that comes back. */
void qp_waitq_join(qp_waitq *waitq, qp_waiter *waiter);
/* Out of the line, with no outcome. */
void qp_waitq_leave(qp_waitq *waitq, qp_waiter *waiter);
/* The first that is not away; NULL when nobody is there. */
qp_waiter *qp_waitq_first(const qp_waitq *waitq);
/* Gone for a while, which is also to have looked; back again by clearing `away`. */
void qp_waitq_away(qp_waitq *waitq, qp_waiter *waiter);
/* Past its deadline: may not be given anything any more. */
bool qp_waitq_refuses(const qp_waiter *waiter, int64_t now_ns);
/* Final: out of the line; *slot is the waiter's.  Unpark its word after unlocking. */
void qp_waitq_serve(qp_waitq *waitq, qp_waiter *waiter, qp_slot *slot);
/* Final: out of the line, with an error. */
void qp_waitq_fail(qp_waitq *waitq, qp_waiter *waiter, qpool_err err);
/* The head is to look again; nobody else may be looking. */
void qp_waitq_wake(qp_waitq *waitq, qp_waiter *waiter);
/* The waiter looks now: it sleeps again unless somebody wakes it anew. */
void qp_waitq_looked(qp_waitq *waitq, qp_waiter *waiter);
/* From the waiter's own thread, no lock needed. */
qp_waiting qp_waitq_outcome(const qp_waiter *waiter);
bool qp_waitq_is_valid(const qp_waitq *waitq);

#endif
