/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park: a thread sleeps on a word until another thread changes it; line, gate, worker and pool call
 * in.  But for locks and joins, threads of the pool sleep nowhere else.  To port it: this is
 * Linux's futex; any primitive will do that compares and sleeps in one step, takes an absolute
 * monotonic deadline, and may wake spuriously.
 */
#ifndef QP_PLATFORM_PARK_H
#define QP_PLATFORM_PARK_H

#include "platform/atomic.h"
#include "platform/clock.h"

typedef enum qp_parked {
	QP_PARK_LOOK,     /* woken, spuriously or not, or the word differed: look at it */
	QP_PARK_DEADLINE, /* the deadline has passed */
	QP_PARK_SIGNAL    /* a signal was handled during the sleep */
} qp_parked;

/* Sleep while *word == expected, at most until `deadline_ns` (QP_TIME_NEVER: for
 * ever).  Keeps errno. */
qp_parked qp_park(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns);
/* The same, and a cancellation point like pthread_cond_wait: if the thread's cancel state is
 * enabled, a cancel that is pending or arrives ends the sleep.  Then gone(argument) runs on this
 * thread, while the caller's frames still exist, and the thread unwinds: the call does not return.
 * No lock may be held. */
qp_parked qp_park_cancellable(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns,
    void (*gone)(void *argument), void *argument);
/* Wake up to `most` threads parked on the word.  Change the word first.  Only the address is used,
 * so the word may be gone already; then at worst a stranger wakes for no reason. */
void qp_unpark(qp_atomic_u32 *word, int most);
/* Let another runnable thread go first. */
void qp_yield(void);

#endif
