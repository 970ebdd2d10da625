/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waitq: a sorted, doubly linked list of stack frames.
 */
#include "core/waitq.h"

#include "platform/assert.h"

uint64_t
qp_waitq_ticket(qp_waitq *waitq)
{
	return ++waitq->tickets;
}

static void
insert_after(qp_waitq *waitq, qp_waiter *before, qp_waiter *waiter)
{
	waiter->previous = before;
	waiter->next = before != NULL ? before->next : waitq->head;
	if (before != NULL)
		before->next = waiter;
	else
		waitq->head = waiter;
	if (waiter->next != NULL)
		waiter->next->previous = waiter;
	else
		waitq->tail = waiter;
	waitq->count++;
}

void
qp_waitq_join(qp_waitq *waitq, qp_waiter *waiter)
{
	qp_waiter *before = waitq->tail;

	/* A waiter that comes back belongs in front of all who never left: try the head first. */
	if (waitq->head != NULL && waiter->ticket < waitq->head->ticket)
		before = NULL;
	while (before != NULL && before->ticket > waiter->ticket)
		before = before->previous;
	waiter->alarm_ns = QP_TIME_NEVER;
	insert_after(waitq, before, waiter);
}

void
qp_waitq_leave(qp_waitq *waitq, qp_waiter *waiter)
{
	QP_MUST(waitq->count > 0);
	if (waiter->previous != NULL)
		waiter->previous->next = waiter->next;
	else
		waitq->head = waiter->next;
	if (waiter->next != NULL)
		waiter->next->previous = waiter->previous;
	else
		waitq->tail = waiter->previous;
	if (waitq->woken == waiter)
		waitq->woken = NULL;
	waitq->count--;
}

qp_waiter *
qp_waitq_first(const qp_waitq *waitq)
{
	qp_waiter *first = waitq->head;

	while (first != NULL && first->away)
		first = first->next;
	return first;
}

void
qp_waitq_away(qp_waitq *waitq, qp_waiter *waiter)
{
	qp_waitq_looked(waitq, waiter);
	waiter->away = true;
}

bool
qp_waitq_refuses(const qp_waiter *waiter, int64_t now_ns)
{
	return now_ns >= waiter->deadline_ns;
}

void
qp_waitq_serve(qp_waitq *waitq, qp_waiter *waiter, qp_slot *slot)
{
	qp_waitq_leave(waitq, waiter);
	waiter->slot = slot;
	qp_store_release(&waiter->word, QP_SERVED);
}

void
qp_waitq_fail(qp_waitq *waitq, qp_waiter *waiter, qpool_err err)
{
	qp_waitq_leave(waitq, waiter);
	waiter->err = err;
	qp_store_release(&waiter->word, QP_FAILED);
}

void
qp_waitq_wake(qp_waitq *waitq, qp_waiter *waiter)
{
	QP_MUST(waitq->woken == NULL);
	waitq->woken = waiter;
	/* relaxed: publishes nothing; the waiter takes the lock before it looks. */
	qp_store_relaxed(&waiter->word, QP_LOOKING);
}

void
qp_waitq_looked(qp_waitq *waitq, qp_waiter *waiter)
{
	if (waitq->woken == waiter)
		waitq->woken = NULL;
	/* relaxed: only the waiter reads the word before somebody changes it again under the
	 * lock. */
	qp_store_relaxed(&waiter->word, QP_ASLEEP);
}

qp_waiting
qp_waitq_outcome(const qp_waiter *waiter)
{
	return (qp_waiting)qp_load_acquire(&waiter->word);
}

bool
qp_waitq_is_valid(const qp_waitq *waitq)
{
	const qp_waiter *previous = NULL;
	uint32_t members = 0, looking = 0;

	for (const qp_waiter *w = waitq->head; w != NULL; previous = w, w = w->next) {
		if (w->previous != previous || (previous != NULL && previous->ticket >= w->ticket))
			return false;
		switch ((qp_waiting)qp_load_relaxed(&w->word)) { /* relaxed: under the lock */
		case QP_LOOKING:
			looking += w == waitq->woken && !w->away;
			break;
		case QP_ASLEEP:
			break;
		case QP_SERVED:
		case QP_FAILED:
			return false;
		}
		members++;
	}
	return waitq->tail == previous && waitq->count == members &&
	       looking == (waitq->woken != NULL);
}
