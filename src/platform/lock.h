/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock: a mutex that, in debug builds, knows who holds it.  pool, steps and park call in.  It is
 * never recursive.  Its memory may be freed as soon as the last holder has released it.
 */
#ifndef QP_PLATFORM_LOCK_H
#define QP_PLATFORM_LOCK_H

#include "platform/compiler.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct qp_lock {
	pthread_mutex_t mutex;
#if QP_DEBUG
	pthread_t owner; /* guarded by the mutex itself */
	bool held;
#endif
} qp_lock;

void qp_lock_init(qp_lock *lock);
void qp_lock_destroy(qp_lock *lock);
void qp_lock_acquire(qp_lock *lock);
void qp_lock_release(qp_lock *lock);
/* Debug builds: aborts unless the calling thread holds the lock. */
void qp_lock_must_hold(const qp_lock *lock);
/* Debug builds: aborts if the calling thread holds any qp_lock. */
void qp_lock_must_hold_none(void);

#endif
