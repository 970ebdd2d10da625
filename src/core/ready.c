/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ready: qpool_wait_ready, waiting until n are idle at once.  It stands in no line and takes no
 * slot.  It registers how many it wants to see, opens when there is neither a crew nor a waiter to
 * do so, and looks again whenever something changes.
 */
#include "core/error.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/open.h"
#include "core/steps.h"
#include "core/worker.h"

#include <inttypes.h>

/* One wait; lives on its thread's stack. */
typedef struct wait {
	qpool *pool;
	qp_ready ready; /* how many are wanted */
	qp_mark visit;
	int64_t timeout_ns, deadline_ns;
	bool has_tried;    /* an open on this thread failed */
	qpool_error cause; /* the last failed open; code OK: none */
} wait;

/* ---- what it says ---- */

static qpool_err
explain_late_locked(const wait *w, qpool_error *error)
{
	const qpool *pool = w->pool;

	if (w->cause.code != QPOOL_OK && error != NULL) {
		*error = w->cause;
		error->code = QPOOL_ETIMEOUT;
		qp_error_cut(error, 120);
		qp_error_add(error, "; ");
	} else {
		(void)qp_error_set(error, QPOOL_ETIMEOUT, "not ready: ");
	}
	qp_error_add(error,
	    "pool '%s' had %" PRIu32 " of %" PRIu32 " idle after %s: %" PRIu32 " lent, %" PRIu32
	    " opening, %" PRIu32 " wait",
	    pool->name, pool->idle.count, w->ready.count, qp_error_span(w->timeout_ns).text,
	    qp_pool_lent_locked(pool), pool->opening, pool->waitq.count);
	return QPOOL_ETIMEOUT;
}

static qpool_err
explain_hopeless_locked(const wait *w, qpool_error *error)
{
	const qpool *pool = w->pool;

	if (error == NULL)
		return pool->backoff.error.code;
	*error = pool->backoff.error;
	qp_error_cut(error, 170);
	qp_error_add(error, " (opening for pool '%s', failing for %s)", pool->name,
	    qp_error_span(qp_clock_now() - pool->backoff.since_ns).text);
	return error->code;
}

static qpool_err
too_many_locked(const wait *w, qpool_error *error)
{
	return qp_error_set(error, QPOOL_EINVAL,
	    "n is %" PRIu32 "; it must be at most max_size, which is %" PRIu32 " in pool '%s'",
	    w->ready.count, w->pool->config.max_size, w->pool->name);
}

/* ---- how it goes on ---- */

static bool
is_hopeless_locked(const qpool *pool)
{
	return qp_backoff_is_hopeless(
	    &pool->backoff, qp_exchange_any_exist_locked(pool), qp_clock_now());
}

/* Must this thread open what is wanted?  Not if there is a crew, nor while somebody is in line:
 * waiters open for themselves. */
static bool
opens_here_locked(const qpool *pool)
{
	return !qp_crew_serves(&pool->crew) && qp_exchange_wanted_locked(pool) > 0 &&
	       (pool->paused || qp_waitq_first(&pool->waitq) == NULL);
}

/* A slot to open, OPENING and the caller's; or NULL. */
static qp_slot *
begin_open_locked(const wait *w)
{
	int64_t now_ns = qp_clock_now();

	if (now_ns >= w->deadline_ns || !opens_here_locked(w->pool))
		return NULL;
	return qp_exchange_begin_open_locked(w->pool, now_ns, true);
}

static void
ask_locked(wait *w)
{
	w->ready.next = w->pool->readies;
	w->pool->readies = &w->ready;
}

/* The lock is held at entry and at exit, but not during the open. */
static void
open_one_locked(wait *w, qp_slot *slot)
{
	qpool *pool = w->pool;
	int64_t budget_ns = qp_loadi64_relaxed(&pool->dials.open_budget_ns);
	uint32_t here = qp_forkmark_now();
	qpool_error error;

	qp_pool_unlock(pool, NULL);
	if (w->deadline_ns != QP_TIME_NEVER) {
		int64_t left_ns = w->deadline_ns - qp_clock_now();
		left_ns = left_ns > 0 ? left_ns : 1;
		budget_ns = left_ns < budget_ns ? left_ns : budget_ns;
	}
	if (qp_open_for_all(pool, slot, budget_ns, false, &error) != QPOOL_OK) {
		w->has_tried = true;
		w->cause = error;
	}
	qp_pool_lock(pool);
	if (QP_UNLIKELY(here != qp_forkmark_now())) {
		qp_shelf_shut_locked(pool);
		ask_locked(w); /* the child's list of requests is empty */
	}
}

/* When to wake without a change: at the deadline, when this thread may open again, and when the
 * pool goes down. */
static int64_t
alarm_locked(const wait *w)
{
	const qpool *pool = w->pool;
	int64_t alarm_ns = w->deadline_ns, next_ns;

	if (!qp_exchange_any_exist_locked(pool)) {
		next_ns = qp_backoff_hopeless_at(&pool->backoff);
		alarm_ns = next_ns < alarm_ns ? next_ns : alarm_ns;
	}
	if (opens_here_locked(pool)) {
		next_ns = qp_exchange_open_due_locked(pool, true);
		alarm_ns = next_ns < alarm_ns ? next_ns : alarm_ns;
	}
	return alarm_ns;
}

/* Is the pool down?  A crew is then asked for one more probe; without one, this thread
 * has probed already. */
static bool
gives_up_locked(const wait *w, qp_wakes *wakes)
{
	qpool *pool = w->pool;

	if (!is_hopeless_locked(pool))
		return false;
	pool->nudged = qp_crew_serves(&pool->crew);
	qp_crew_call_locked(pool, wakes);
	return true;
}

static qpool_err
wait_locked(wait *w, qp_wakes *wakes, qpool_error *error)
{
	qpool *pool = w->pool;

	for (;;) {
		qp_slot *slot;
		if (pool->closing)
			return qp_error_set(
			    error, QPOOL_ECLOSED, "pool '%s' is closing or closed", pool->name);
		if (w->ready.count > pool->config.max_size)
			return too_many_locked(w, error);
		if (pool->idle.count >= w->ready.count)
			return QPOOL_OK;
		if (pool->backoff.failures > 0)
			w->cause = pool->backoff.error;
		slot = is_hopeless_locked(pool) && w->has_tried ? NULL : begin_open_locked(w);
		if (slot != NULL) {
			open_one_locked(w, slot);
			continue;
		}
		if (gives_up_locked(w, wakes))
			return explain_hopeless_locked(w, error);
		if (qp_clock_now() >= w->deadline_ns)
			return explain_late_locked(w, error);
		qp_pool_watch_locked(pool, alarm_locked(w));
	}
}

/* Join the list of requests, call a worker, and keep the pool alive. */
static void
enter(wait *w)
{
	qpool *pool = w->pool;
	qp_wakes wakes = QP_WAKES_INIT;

	/* Without memory for more, the call makes do with the slots there are. */
	(void)qp_pool_have_slots(pool);
	qp_pool_lock(pool);
	qp_pool_visit_locked(pool, &w->visit);
	qp_shelf_shut_locked(pool);
	ask_locked(w);
	qp_crew_call_locked(pool, &wakes);
	qp_pool_unlock(pool, &wakes);
}

static void
leave_locked(wait *w)
{
	qp_ready **link = &w->pool->readies;

	while (*link != &w->ready)
		link = &(*link)->next;
	*link = w->ready.next;
}

static qpool_err
wait_inside(wait *w, qpool_error *error)
{
	qpool *pool = w->pool;
	qp_wakes wakes = QP_WAKES_INIT;
	qpool_err err;

	enter(w);
	qp_pool_lock(pool);
	err = wait_locked(w, &wakes, error);
	leave_locked(w);
	qp_pool_unlock(pool, &wakes);
	if (err == QPOOL_EOPEN || err == QPOOL_EDENIED || err == QPOOL_EFULL)
		qp_open_tell_down(pool);
	qp_pool_leave(pool, &w->visit);
	return err;
}

qpool_err
qpool_wait_ready(qpool *pool, uint32_t n, qpool_nsec timeout, qpool_error *error)
{
	wait w;
	qpool_err err = qp_pool_look_whole(pool, "qpool_wait_ready", error);

	memset(&w, 0, sizeof w);
	if (err == QPOOL_OK)
		err = qp_options_timeout(&pool->dials, timeout, &w.timeout_ns, error);
	if (err != QPOOL_OK)
		return err;
	if (n > 0 && qp_step_is_inside(pool)) {
		(void)qp_error_set(error, QPOOL_EMISUSE,
		    "qpool_wait_ready inside a callback of pool '%s' would wait for itself",
		    pool->name);
		return qp_pool_misuse(pool, "qpool_wait_ready inside a callback");
	}
	w.pool = pool;
	w.ready.count = n;
	w.deadline_ns = qp_clock_after(qp_clock_now(), w.timeout_ns);
	return wait_inside(&w, error);
}
