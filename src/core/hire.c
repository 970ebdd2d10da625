/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hire: how a crew starts and stops.  New threads are held until all exist, so a start is all or
 * nothing.  Dismissed workers do the jobs they were given, and are joined by the thread that
 * dismissed them, or free themselves.  qpool_start, qpool_stop and drain call in.  What a worker
 * does in between is worker's business.
 */
#include "core/error.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/maintain.h"
#include "core/steps.h"
#include "core/watch.h"
#include "core/worker.h"
#include "platform/alloc.h"

#include <errno.h>
#include <stdio.h>

#define MOST_WORKERS 1024u

void
qp_crew_none(qp_crew *crew)
{
	memset(crew, 0, sizeof *crew);
	crew->alarm_ns = crew->maintain_ns = crew->watch_ns = crew->shelf_ns = QP_TIME_NEVER;
}

void
qp_crew_dismiss_locked(qpool *pool, qp_wakes *wakes)
{
	qp_crew *crew = &pool->crew;

	crew->stopping = crew->hired > 0;
	for (qp_worker *worker = crew->asleep; worker != NULL; worker = worker->next_asleep) {
		qp_store_relaxed(&worker->word, QP_WORKER_CALLED);
		qp_wakes_add(wakes, &worker->word);
	}
}

static void
join_and_free(qp_worker *worker)
{
	while (worker != NULL) {
		qp_worker *next = worker->next;
		qp_thread_join(&worker->thread);
		qp_alloc_free(worker);
		worker = next;
	}
}

/* Once another thread has joined them there may be a new crew, which is not ours to wait for. */
static bool
all_have_left(const qpool *pool)
{
	const qp_crew *crew = &pool->crew;

	return !crew->stopping || (crew->alive == 0 && !crew->joining);
}

bool
qp_crew_await(qpool *pool, int64_t deadline_ns)
{
	qp_crew *crew = &pool->crew;
	qp_worker *all;
	bool gone;

	qp_pool_lock(pool);
	gone = qp_pool_await_locked(pool, all_have_left, deadline_ns);
	if (gone && crew->stopping) {
		all = crew->all;
		crew->all = NULL;
		crew->joining = true;
		qp_pool_unlock(pool, NULL);
		join_and_free(all);
		qp_pool_lock(pool);
		crew->joining = crew->stopping = false;
		crew->hired = 0;
	}
	qp_pool_unlock(pool, NULL);
	return gone;
}

void
qp_crew_abandon_locked(qpool *pool)
{
	qp_crew *crew = &pool->crew;
	qp_worker *worker = crew->all, *next;

	for (; worker != NULL; worker = next) {
		next = worker->next;
		qp_thread_detach(&worker->thread);
		if (worker->has_left)
			qp_alloc_free(worker);
		else
			worker->orphan = true;
	}
	crew->all = NULL;
	crew->hired = 0;
}

/* Start `count` threads that wait until published.  On failure *error is set, and the threads that
 * did start are returned. */
static qp_worker *
hire(qpool *pool, unsigned count, qpool_error *error)
{
	qp_worker *all = NULL;
	char name[16];

	/* The system shows 15 characters at most. */
	(void)snprintf(name, sizeof name, "qp:%s", pool->name);
	for (unsigned i = 0; i < count; i++) {
		qp_worker *worker = qp_alloc_zero(1, sizeof *worker);
		int failed = ENOMEM;
		if (worker != NULL) {
			worker->pool = pool;
			worker->generation = qp_forkmark_now();
			/* relaxed: starting the thread publishes it. */
			qp_store_relaxed(&worker->word, QP_WORKER_HELD);
			failed = qp_thread_start(&worker->thread, name, qp_crew_live, worker);
		}
		if (failed != 0) {
			qp_alloc_free(worker);
			(void)qp_error_set(error, failed == ENOMEM ? QPOOL_ENOMEM : QPOOL_ESYS,
			    "worker %u of %u of pool '%s' could not be started: %s; none was",
			    i + 1, count, pool->name,
			    failed == ENOMEM ? "out of memory" : "no thread to be had");
			if (error != NULL)
				error->sys_errno = failed;
			return all;
		}
		worker->next = all;
		all = worker;
	}
	return all;
}

/* Release held threads, to work (ASLEEP) or to leave (UNWANTED). */
static void
publish(qp_worker *worker, uint32_t word)
{
	while (worker != NULL) {
		qp_worker *next = worker->next;
		/* release, pairs with the acquire in is_wanted. */
		qp_store_release(&worker->word, word);
		qp_unpark(&worker->word, 1);
		worker = next;
	}
}

static qpool_err
may_start_locked(const qpool *pool, unsigned count, qpool_error *error)
{
	if (pool->closing)
		return qp_error_set(
		    error, QPOOL_ECLOSED, "pool '%s' is closing or closed", pool->name);
	if (pool->crew.stopping)
		return qp_error_set(error, QPOOL_EMISUSE,
		    "pool '%s' is stopping its workers: start after qpool_stop has returned",
		    pool->name);
	if (pool->crew.hired + count > MOST_WORKERS)
		return qp_error_set(error, QPOOL_EINVAL,
		    "pool '%s' has %u workers; %u more are over %u", pool->name, pool->crew.hired,
		    count, MOST_WORKERS);
	return QPOOL_OK;
}

/* Make the held threads members of the crew, if the pool still allows it. */
static qpool_err
commit(qpool *pool, qp_worker *hired, unsigned count, qpool_error *error)
{
	qp_crew *crew = &pool->crew;
	qp_worker *last = hired;
	qp_wakes wakes = QP_WAKES_INIT;
	qpool_err err;

	while (last->next != NULL)
		last = last->next;
	qp_pool_lock(pool);
	qp_shelf_shut_locked(pool);
	err = may_start_locked(pool, count, error);
	if (err == QPOOL_OK) {
		/* Before they join the list of all: publish walks to the end of the list it
		 * gets. */
		publish(hired, QP_WORKER_ASLEEP);
		last->next = crew->all;
		crew->all = hired;
		crew->hired += count;
		crew->alive += count;
		if (qp_pool_lent_locked(pool) > 0)
			qp_watch_lent_locked(pool, &wakes);
		/* Waiters that would open for themselves now wait for the crew. */
		qp_exchange_settle_locked(pool, NULL, &wakes);
	}
	qp_pool_unlock(pool, &wakes);
	return err;
}

/* Count and tell EMISUSE like any other misuse. */
static qpool_err
refuse(qpool *pool, qpool_err err)
{
	return err == QPOOL_EMISUSE ? qp_pool_misuse(pool, "qpool_start while its workers stop")
	                            : err;
}

qpool_err
qpool_start(qpool *pool, unsigned count, qpool_error *error)
{
	qpool_error own;
	qp_worker *hired;
	qp_mark visit;
	qpool_err err = qp_pool_look_whole(pool, "qpool_start", error);

	if (err != QPOOL_OK)
		return err;
	if (count == 0 || count > MOST_WORKERS)
		return qp_error_set(
		    error, QPOOL_EINVAL, "count is %u; it must be 1 to %u", count, MOST_WORKERS);
	if (!qp_pool_have_slots(pool))
		return qp_error_set(error, QPOOL_ENOMEM,
		    "no memory for slots of pool '%s' beside those lent before the fork",
		    pool->name);
	qp_pool_lock(pool);
	err = may_start_locked(pool, count, error);
	if (err == QPOOL_OK)
		qp_pool_visit_locked(pool, &visit);
	qp_pool_unlock(pool, NULL);
	if (err != QPOOL_OK)
		return refuse(pool, err);
	memset(&own, 0, sizeof own);
	hired = hire(pool, count, &own);
	err = own.code == QPOOL_OK ? commit(pool, hired, count, &own) : own.code;
	if (err != QPOOL_OK) {
		publish(hired, QP_WORKER_UNWANTED);
		join_and_free(hired);
		if (error != NULL)
			*error = own;
	}
	qp_pool_leave(pool, &visit);
	return refuse(pool, err);
}

/* An unfinished pass that no worker is left to finish may have been asked for by renew or
 * configure: finish it here. */
static void
finish_pass(qpool *pool)
{
	bool left;

	qp_pool_lock(pool);
	left = pool->crew.passing && pool->crew.alive == 0;
	pool->crew.passing = pool->crew.passing && !left;
	qp_pool_unlock(pool, NULL);
	if (left)
		(void)qp_maintain_pass(pool);
}

qpool_err
qpool_stop(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;
	qpool_err err = qp_pool_look_whole(pool, "qpool_stop", NULL);
	qp_mark visit;

	if (err != QPOOL_OK)
		return err;
	if (qp_step_is_inside(pool))
		return qp_pool_misuse(pool, "qpool_stop inside a callback would wait for itself");
	qp_pool_lock(pool);
	qp_pool_visit_locked(pool, &visit);
	qp_crew_dismiss_locked(pool, &wakes);
	qp_exchange_settle_locked(pool, NULL, &wakes); /* from now on waiters open for themselves */
	qp_pool_unlock(pool, &wakes);
	(void)qp_crew_await(pool, QP_TIME_NEVER);
	finish_pass(pool);
	qp_pool_leave(pool, &visit);
	return QPOOL_OK;
}
