/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forking: a count of threads inside, and the handlers of pthread_atfork.
 *
 *     prepare: close the door, wait until the house is empty, keep the lock --- fork
 *     parent:  open the door, unlock
 *     child:   the same, with nobody else alive
 *
 * Who forks while inside (from a notice, from a signal's handler) would wait for himself, and one
 * whose libraries are stuck would hold up every fork: then it goes on as if we were not here.
 */
#include "forking.h"

#include <pthread.h>
#include <time.h>

enum { PATIENCE_SECONDS = 1 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned inside, forking; /* under the lock */
/* How deep this thread is inside: a notice's callback may connect, too. */
static _Thread_local volatile unsigned depth;

static void
prepare(void)
{
	struct timespec until;

	if (depth > 0)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_SECONDS;
	(void)pthread_mutex_lock(&lock);
	forking++;
	while (inside > 0)
		if (pthread_cond_timedwait(&changed, &lock, &until) != 0)
			break;
}

static void
in_parent(void)
{
	if (depth > 0)
		return;
	forking--;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
}

/* The only thread that lives here; those who waited do not.  If it forked inside, the lock may have been
 * another's. */
static void
in_child(void)
{
	changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	forking = 0;
	inside = depth > 0;
	if (depth > 0)
		lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	else
		(void)pthread_mutex_unlock(&lock);
}

static void
install(void)
{
	(void)pthread_atfork(prepare, in_parent, in_child);
}

void
qp_pg_forking_enter(void)
{
	(void)pthread_once(&once, install);
	if (depth++ > 0)
		return;
	(void)pthread_mutex_lock(&lock);
	while (forking > 0)
		(void)pthread_cond_wait(&changed, &lock);
	inside++;
	(void)pthread_mutex_unlock(&lock);
}

void
qp_pg_forking_leave(void)
{
	if (depth == 1) {
		(void)pthread_mutex_lock(&lock);
		inside--;
		if (inside == 0 && forking > 0)
			(void)pthread_cond_broadcast(&changed);
		(void)pthread_mutex_unlock(&lock);
	}
	depth--;
}
