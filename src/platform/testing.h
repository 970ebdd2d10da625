/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * testing: what a test can put under the real core: a virtual clock that moves when told, threads
 * that park in virtual time, and fault points that fail the n-th time.  Compiled only with
 * QP_TESTING: release builds contain none of it.  Tests call the first half, platform/ the second.
 */
#ifndef QP_PLATFORM_TESTING_H
#define QP_PLATFORM_TESTING_H

#include "platform/compiler.h"

#if QP_TESTING

#include "platform/atomic.h"
#include "platform/park.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- for tests ---- */

typedef enum qp_fault {
	QP_FAULT_ALLOC,
	QP_FAULT_THREAD,
	QP_FAULT_WIPE,
	QP_FAULT_MEMBARRIER,
	QP_FAULTS
} qp_fault;

/* Time stands still at `now_ns` until moved.  Call before any pool exists. */
void qp_testing_clock_virtual(int64_t now_ns);
/* The real clock again.  Call after the last pool is gone. */
void qp_testing_clock_real(void);
/* Move time; when this returns, every thread whose deadline has passed is awake (not parked). */
void qp_testing_clock_advance(int64_t by_ns);
/* The machine was suspended for so long: virtual time stands still, the boot clock has gone on. */
void qp_testing_freeze(int64_t for_ns);
/* Wait until at least `count` threads are parked, and not woken yet, in virtual time; and
 * how many are. */
void qp_testing_await_parked(unsigned count);
unsigned qp_testing_parked(void);
/* How often threads have gone to sleep in virtual time: one that is woken for
 * nothing parks again. */
uint64_t qp_testing_parks(void);
/* The earliest deadline of a parked thread; QP_TIME_NEVER when none has one. */
int64_t qp_testing_next_deadline(void);
/* Wake every parked thread, spuriously or as if by a signal. */
void qp_testing_wake_all(bool as_signal);
/* true: threads that are woken do not run, as if they were not scheduled.  false: they run. */
void qp_testing_hold(bool held);
/* Fail the n-th call from now (1 is the next), and all later ones if `for_good`; 0: fail none. */
void qp_testing_fail(qp_fault fault, unsigned nth, bool for_good);
/* Calls since qp_testing_fail was last called for this fault. */
unsigned qp_testing_calls(qp_fault fault);

/* In a child made by a raw clone, call this first: nobody is parked and the mutex is free.  After
 * fork() it has been called. */
void qp_testing_forked(void);

/* ---- for platform/ ---- */

bool qp_testing_clock(int64_t *now_ns);
bool qp_testing_frozen(int64_t *frozen_ns);
/* A cancellation point if the caller's state allows it. */
bool qp_testing_park(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns, qp_parked *how);
void qp_testing_unpark(qp_atomic_u32 *word, int most);
bool qp_testing_fault(qp_fault fault);

#endif
#endif
