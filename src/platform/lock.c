/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock: pthread's normal mutex.  Debug builds count the locks that a thread holds, so that every
 * callback checks "no user code under a lock" instead of hoping for it.
 */
#include "platform/lock.h"

#include "platform/assert.h"

#if QP_DEBUG
static QP_THREAD_LOCAL unsigned held_here;
#endif

void
qp_lock_init(qp_lock *lock)
{
	QP_MUST(pthread_mutex_init(&lock->mutex, NULL) == 0);
#if QP_DEBUG
	lock->held = false;
#endif
}

void
qp_lock_destroy(qp_lock *lock)
{
	QP_MUST(pthread_mutex_destroy(&lock->mutex) == 0);
}

void
qp_lock_acquire(qp_lock *lock)
{
	QP_MUST(pthread_mutex_lock(&lock->mutex) == 0);
#if QP_DEBUG
	lock->held = true;
	lock->owner = pthread_self();
	held_here++;
#endif
}

void
qp_lock_release(qp_lock *lock)
{
#if QP_DEBUG
	qp_lock_must_hold(lock);
	lock->held = false;
	held_here--;
#endif
	QP_MUST(pthread_mutex_unlock(&lock->mutex) == 0);
}

void
qp_lock_must_hold(const qp_lock *lock)
{
#if QP_DEBUG
	QP_MUST(held_here > 0 && lock->held && pthread_equal(lock->owner, pthread_self()));
#else
	(void)lock;
#endif
}

void
qp_lock_must_hold_none(void)
{
#if QP_DEBUG
	QP_MUST(held_here == 0);
#endif
}
