/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * testing: what a test can put underneath the real core, compiled only with QP_TESTING: a virtual clock
 * that moves when told, threads that park in it, and fault points that fail the n-th time.  Release builds
 * hold nothing of it.
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

typedef enum qp_fault { QP_FAULT_ALLOC, QP_FAULT_THREAD, QP_FAULT_WIPE, QP_FAULTS } qp_fault;

/* Time stands at `now_ns` until moved.  Call before any pool exists. */
void qp_testing_clock_virtual(int64_t now_ns);
/* The real clock again.  Call after the last pool is gone. */
void qp_testing_clock_real(void);
/* Move time; every thread whose deadline that passes is awake (not parked) when this returns. */
void qp_testing_clock_advance(int64_t by_ns);
/* The machine was frozen for so long: virtual time stands, and the boot clock has gone on. */
void qp_testing_freeze(int64_t for_ns);
/* Wait until at least / exactly `count` threads are parked (and not yet woken) in virtual time. */
void qp_testing_await_parked(unsigned count);
unsigned qp_testing_parked(void);
/* How often a thread has gone to sleep in virtual time so far: who is woken for nothing parks again. */
uint64_t qp_testing_parks(void);
/* The earliest deadline any parked thread has; QP_TIME_NEVER when none has one. */
int64_t qp_testing_next_deadline(void);
/* Wake every parked thread for no reason, or as by a signal. */
void qp_testing_wake_all(bool as_signal);
/* From now on those that are woken do not run, as if they were not scheduled; false: they run. */
void qp_testing_hold(bool held);
/* Fail the n-th call from now (1 is the next), and all later ones if `for_good`; 0 fails none. */
void qp_testing_fail(qp_fault fault, unsigned nth, bool for_good);
/* Calls since qp_testing_fail was last used on it. */
unsigned qp_testing_calls(qp_fault fault);

/* In a child made by a raw clone, before anything else: nobody is parked, and the mutex is free.  fork() sees
 * to it by itself. */
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
