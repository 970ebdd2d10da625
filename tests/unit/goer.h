/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * goer: a thread that acquires and may be cancelled in it.  The tests of cancel come in.
 */
#ifndef UNIT_GOER_H
#define UNIT_GOER_H

#include "virtual.h"

#include "platform/atomic.h"

#include <pthread.h>
#include <unistd.h>

/* What it got it keeps. */
typedef struct goer {
	pthread_t thread;
	qpool *pool;
	qpool_request request;
	qpool_lease lease;
	qpool_error error;
	qpool_err err;
	int state, type;             /* as set before the acquire... */
	int state_after, type_after; /* ... and as found after it */
	bool cancels_itself;
	qp_atomic_u32 tid, returned;
} goer;

static inline void *
goes(void *argument)
{
	goer *g = argument;

	qp_store_release(&g->tid, (uint32_t)gettid());
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
	assert_int_equal(pthread_setcanceltype(g->type, NULL), 0);
	if (g->cancels_itself)
		assert_int_equal(pthread_cancel(pthread_self()), 0);
	assert_int_equal(pthread_setcancelstate(g->state, NULL), 0);
	g->err = qpool_acquire_with(g->pool, &g->request, &g->lease, &g->error);
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &g->state_after), 0);
	assert_int_equal(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &g->type_after), 0);
	qp_store_release(&g->returned, 1);
	return g;
}

static inline goer
goer_of(qpool *pool, qpool_nsec timeout)
{
	goer g;

	memset(&g, 0, sizeof g);
	g.pool = pool;
	g.request = qpool_request_init();
	g.request.timeout = timeout;
	g.state = PTHREAD_CANCEL_ENABLE;
	g.type = PTHREAD_CANCEL_DEFERRED;
	return g;
}

static inline void
go(goer *g)
{
	actor_runs(&g->thread, goes, g);
}

/* Did a cancel end it? */
static inline bool
was_cancelled(goer *g)
{
	void *result;

	assert_int_equal(pthread_join(g->thread, &result), 0);
	assert_true(result == PTHREAD_CANCELED || result == g);
	assert_int_equal(result == PTHREAD_CANCELED, qp_load_acquire(&g->returned) == 0);
	return result == PTHREAD_CANCELED;
}

static inline void
must_be_served(goer *g)
{
	assert_false(was_cancelled(g));
	if (g->err != QPOOL_OK)
		fail_msg("%s: %s", qpool_err_name(g->err), g->error.message);
	assert_int_equal(g->state_after, g->state);
	assert_int_equal(g->type_after, g->type);
}

static inline qpool *
pool_of_one(fake *peer)
{
	qpool_options o = qpool_options_init();

	o.max_size = 1;
	o.max_overtake = QPOOL_ZERO; /* what is released is handed over */
	o.retry_min = o.retry_max = QPOOL_ZERO;
	return pool_of(peer, fake_ops(), &o);
}

static inline void
assert_cancels(qpool *pool, unsigned count)
{
	qpool_stats s = stats_of(pool);

	assert_int_equal(s.cancels, count);
	assert_int_equal(s.waiting, 0);
	assert_int_equal(s.timeouts, 0);
}

#endif
