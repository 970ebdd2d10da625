/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line: an acquire looks for an idle slot, then for an empty slot to open, then joins the line and
 * waits.  What others get is decided by settle alone (exchange.h).
 */
#include "core/line.h"

#include "core/error.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/open.h"
#include "core/steps.h"
#include "core/worker.h"

void
qp_line_start(qp_asking *asking)
{
	if (asking->since_ns != 0)
		return;
	asking->since_ns = qp_clock_now();
	asking->deadline_ns = qp_clock_after(asking->since_ns, asking->timeout_ns);
}

/* How many slots must exist before this acquire goes on.  In a key's pool each visitor may open
 * one, and settle in another thread may begin that open for it: the slot must exist by then.  In a
 * forked child, inherited leases occupy slots on top of max_size. */
static void
count_slots_locked(qp_asking *asking)
{
	const qpool *pool = asking->pool;
	uint32_t most = pool->config.max_size, users = most;

	if (pool->share != NULL)
		users = pool->idle.count + pool->owned - pool->inherited + pool->visits;
	users = (users < most ? users : most) + pool->inherited;
	asking->slots = users > pool->slots ? users : 0;
	asking->forks = qp_forkmark_now();
}

void
qp_line_visit_locked(qp_asking *asking)
{
	qpool *pool = asking->pool;

	qp_pool_visit_locked(pool, &asking->visit);
	asking->visits = true;
	count_slots_locked(asking);
}

/* Without memory for more, the acquire makes do with the slots there are. */
static void
reserve(qp_asking *asking)
{
	asking->starved =
	    QP_UNLIKELY(asking->slots > 0) && !qp_pool_reserve(asking->pool, asking->slots);
}

/* The process forked since, and this is the child: here the count is different. */
static QP_COLD void
reserve_again(qp_asking *asking)
{
	qp_pool_lock(asking->pool);
	count_slots_locked(asking);
	qp_pool_unlock(asking->pool, NULL);
	reserve(asking);
}

void
qp_line_enter(qp_asking *asking)
{
	qpool *pool = asking->pool;

	qp_line_start(asking);
	asking->inside = qp_step_is_inside(pool);
	if (!asking->visits) {
		qp_pool_lock(pool);
		qp_line_visit_locked(asking);
		qp_pool_unlock(pool, NULL);
	}
	reserve(asking);
}

/* Two threads that hand one slot to each other would never take it from the idle list.  So whoever was given it,
 * and was the last in line, lays it. */
static void
lay_locked(const qp_asking *asking, qp_wakes *wakes)
{
	qpool *pool = asking->pool;

	if (asking->lent == NULL || pool->waitq.head != NULL || qp_shelf_has(asking->lent) ||
	    qp_fork_is_inherited(asking->lent)) /* telling of the lease may have forked */
		return;
	qp_shelf_lay_locked(pool, asking->lent);
	qp_crew_call_locked(pool, wakes); /* to mind the shelf */
}

void
qp_line_leave(qp_asking *asking, qpool_err err)
{
	qpool *pool = asking->pool;
	qp_tally *tally = &pool->tally;
	qp_wakes wakes = QP_WAKES_INIT;

	qp_pool_lock(pool);
	lay_locked(asking, &wakes);
	qp_pool_leave_locked(pool, &asking->visit);
	if (asking->has_waited) {
		qp_tally_wait(tally, asking->waited_ns);
		qp_hist_add(&pool->hists->wait, asking->waited_ns);
	}
	tally->timeouts += err == QPOOL_ETIMEOUT;
	tally->refusals += err == QPOOL_EBUSY || asking->refused;
	tally->cancels += err == QPOOL_ECANCEL;
	qp_pool_unlock(pool, &wakes);
}

int64_t
qp_line_budget(qp_asking *asking, int64_t budget_ns)
{
	int64_t left_ns;

	if (asking->timeout_ns == 0)
		return budget_ns;
	qp_line_start(asking);
	left_ns = asking->deadline_ns == QP_TIME_NEVER ? QP_TIME_NEVER
	                                               : asking->deadline_ns - qp_clock_now();
	if (left_ns < 1)
		left_ns = 1;
	return left_ns < budget_ns ? left_ns : budget_ns;
}

/* True when no waiter is in front, and no key waits for a place: the acquire may open
 * an empty slot. */
static bool
is_first(const qpool *pool, const qp_asking *asking)
{
	const qp_waiter *head = qp_waitq_first(&pool->waitq);

	if (pool->share != NULL && !qp_family_is_clear(pool->share->family))
		return false;
	return head == NULL || (asking->ticket != 0 && asking->ticket < head->ticket);
}

/* With a crew, threads that would otherwise open for themselves wait in line too: they
 * do not count. */
static bool
is_full(const qpool *pool, int64_t now_ns)
{
	uint64_t most = pool->config.max_waiters;

	if (qp_crew_serves(&pool->crew))
		most += qp_exchange_opens_locked(pool, now_ns);
	return pool->waitq.count + pool->gate.line.count >= most;
}

/* Nothing is idle for this acquire.  Sets *slot to open, or returns a reason to fail
 * at once; OK without a slot: neither. */
static qpool_err
look_to_open_locked(
    qp_asking *asking, int64_t now_ns, bool in_time, qp_slot **slot, qp_wakes *wakes)
{
	qpool *pool = asking->pool;
	bool opens_here = !qp_crew_serves(&pool->crew) && !asking->inside;
	bool hopeless =
	    qp_backoff_is_hopeless(&pool->backoff, qp_exchange_any_exist_locked(pool), now_ns);

	if (in_time && opens_here && is_first(pool, asking) &&
	    !(hopeless && asking->cause.code != QPOOL_OK)) {
		*slot = qp_exchange_begin_open_locked(pool, now_ns, true);
		if (*slot != NULL)
			return QPOOL_OK;
	}
	if (hopeless || asking->timeout_ns == 0) {
		pool->nudged = qp_crew_serves(&pool->crew);
		qp_crew_call_locked(pool, wakes);
	}
	if (hopeless) {
		asking->refused = !asking->has_waited && asking->cause.code == QPOOL_OK;
		asking->cause = pool->backoff.error;
		return asking->cause.code;
	}
	return QPOOL_OK;
}

/* It could open one, but there was no memory for the slot.  A key's pool is then
 * treated as full, as if by max_per_key; but if it holds only inherited leases, or
 * none, there is nobody to wait for. */
static bool
has_no_slot(const qp_asking *asking)
{
	const qpool *pool = asking->pool;
	bool waits_for_some = pool->share != NULL && pool->inherited < pool->slots;

	return asking->starved && !waits_for_some && pool->fresh - pool->empties == pool->slots;
}

/* A slot at once, or a reason to fail at once; OK without a slot: wait in line. */
static qpool_err
look_locked(qp_asking *asking, int64_t now_ns, qp_slot **slot, qp_wakes *wakes)
{
	qpool *pool = asking->pool;
	/* An acquire past its deadline must not take an idle slot: with no time left the check
	 * would fail, the resource would be closed, and the same would happen to the next one. */
	bool in_time = asking->timeout_ns == 0 || now_ns < asking->deadline_ns;
	qpool_err err;

	asking->paused = pool->paused;
	if (pool->closing)
		return QPOOL_ECLOSED;
	if (QP_UNLIKELY(pool->share != NULL && pool->key == NULL))
		return QPOOL_EMISUSE; /* the caller kept the pool of a key that is gone */
	if (asking->wants > pool->config.max_size)
		return QPOOL_EINVAL;
	if (in_time && pool->idle.count > 0 && qp_exchange_may_pass_locked(pool, asking->ticket)) {
		*slot = qp_exchange_take_locked(pool, wakes);
		return QPOOL_OK;
	}
	if (!pool->paused) {
		err = look_to_open_locked(asking, now_ns, in_time, slot, wakes);
		if (err != QPOOL_OK || *slot != NULL)
			return err;
	}
	if (asking->timeout_ns == 0)
		return QPOOL_EAGAIN;
	if (asking->inside)
		return QPOOL_EMISUSE;
	if (QP_UNLIKELY(has_no_slot(asking)))
		return QPOOL_ENOMEM;
	if (!in_time)
		return QPOOL_ETIMEOUT;
	if (asking->ticket == 0 && is_full(pool, now_ns))
		return QPOOL_EBUSY;
	return QPOOL_OK;
}

/* When this waiter must wake by itself: at its deadline, for its hook, and as the head for
 * whatever nobody else will wake it for. */
static int64_t
alarm_locked(const qp_asking *asking, const qp_waiter *waiter, int64_t hook_ns)
{
	const qpool *pool = asking->pool;
	int64_t alarm_ns = waiter->deadline_ns < hook_ns ? waiter->deadline_ns : hook_ns;
	int64_t head_ns =
	    qp_waitq_first(&pool->waitq) == waiter ? qp_exchange_alarm_locked(pool) : QP_TIME_NEVER;

	return head_ns < alarm_ns ? head_ns : alarm_ns;
}

int64_t
qp_line_next_hook(const qp_asking *asking)
{
	return asking->interrupted == NULL || asking->interrupt_every_ns == 0
	           ? QP_TIME_NEVER
	           : qp_clock_after(qp_clock_now(), asking->interrupt_every_ns);
}

/* Leave the line with this error, and settle for those behind. */
static void
give_up_locked(qpool *pool, qp_waiter *waiter, qpool_err err, qp_wakes *wakes)
{
	qp_waitq_fail(&pool->waitq, waiter, err);
	qp_exchange_settle_locked(pool, NULL, wakes);
}

static bool
is_final(qp_waiting outcome)
{
	return outcome == QP_SERVED || outcome == QP_FAILED;
}

bool
qp_line_hook_is_due(const qp_asking *asking, qp_parked how, int64_t hook_ns)
{
	if (asking->interrupted == NULL)
		return false;
	return how == QP_PARK_SIGNAL || (hook_ns != QP_TIME_NEVER && qp_clock_now() >= hook_ns);
}

/* The hook forked, and this is the child, where the line is empty: join again, in the old place. */
static QP_COLD qpool_err
join_in_child_locked(qp_asking *asking, qp_waiter *waiter)
{
	qpool *pool = asking->pool;

	qp_shelf_shut_locked(pool); /* the hook may have used the pool here */
	qp_waitq_join(&pool->waitq, waiter);
	qp_pool_unlock(pool, NULL);
	reserve_again(asking);
	qp_pool_lock(pool);
	return has_no_slot(asking) ? QPOOL_ENOMEM : QPOOL_OK;
}

/* Be away while the hook runs, however long it takes; what comes free meanwhile goes to those
 * behind.  The lock is held at entry and at exit.  Any result but OK: stop waiting. */
static qpool_err
run_hook_locked(qp_asking *asking, qp_waiter *waiter)
{
	qpool *pool = asking->pool;
	qp_wakes wakes = QP_WAKES_INIT;
	uint32_t here = qp_forkmark_now();
	qpool_err err = QPOOL_OK;
	bool stop;

	qp_waitq_away(&pool->waitq, waiter);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
	stop = qp_step_interrupted(pool, asking->interrupted, asking->interrupt_user) != 0;
	qp_pool_lock(pool);
	if (QP_UNLIKELY(here != qp_forkmark_now()))
		err = join_in_child_locked(asking, waiter);
	waiter->away = false;
	return stop ? QPOOL_ECANCEL : err;
}

/* One wait in line: all that the clean-up of a cancelled thread needs. */
typedef struct wait {
	qp_asking *asking;
	qp_waiter waiter;
	int64_t began_ns;
} wait;

/* The thread was cancelled in its sleep and never returns to its acquire, so
 * everything the acquire owes is done here.  A slot that was handed over at the same
 * moment goes to the next waiter. */
static void
cancelled(void *argument)
{
	wait *w = argument;
	qpool *pool = w->asking->pool;
	qp_wakes wakes = QP_WAKES_INIT;

	qp_pool_lock(pool);
	if (!is_final(qp_waitq_outcome(&w->waiter)))
		give_up_locked(pool, &w->waiter, QPOOL_ECANCEL, &wakes);
	qp_pool_unlock(pool, &wakes);
	if (w->waiter.slot != NULL)
		qp_open_pass_on(pool, w->waiter.slot);
	if (w->asking->undo != NULL)
		w->asking->undo(w->asking);
	w->asking->waited_ns += qp_clock_now() - w->began_ns;
	qp_line_leave(w->asking, QPOOL_ECANCEL);
}

/* The waiter was woken to look, and has the processor; but whoever gave back took it again at once.  Others
 * may be about to give back on this processor, so it gives way to them once: as long as it is on its
 * way nobody else is woken.  Not if it is so old that what comes back is its own. */
static void
give_way_locked(qpool *pool, const qp_waiter *waiter)
{
	if (pool->waitq.woken != waiter || pool->idle.count > 0 || qp_shelf_has_idle(pool) ||
	    qp_clock_now() - waiter->since_ns >= pool->config.max_overtake_ns)
		return;
	qp_pool_unlock(pool, NULL);
	qp_yield();
	qp_pool_lock(pool);
}

/* Join the line and wait.  The lock is held at entry and released at exit. */
static qpool_err
wait_and_unlock(wait *w, qp_wakes *wakes)
{
	qp_asking *asking = w->asking;
	qp_waiter *waiter = &w->waiter;
	qpool *pool = asking->pool;
	int64_t hook_ns = qp_line_next_hook(asking);
	qpool_err err;

	qp_waitq_join(&pool->waitq, waiter);
	qp_tally_peak(&pool->tally.waiting_peak, pool->waitq.count);
	for (;;) {
		qp_parked how;
		qp_exchange_settle_locked(pool, waiter, wakes);
		if (is_final(qp_waitq_outcome(waiter)))
			break;
		if (qp_waitq_refuses(waiter, qp_clock_now())) {
			give_up_locked(pool, waiter, QPOOL_ETIMEOUT, wakes);
			break;
		}
		if (waiter->wants > pool->config.max_size) { /* max_size was lowered meanwhile */
			give_up_locked(pool, waiter, QPOOL_EINVAL, wakes);
			break;
		}
		waiter->alarm_ns = alarm_locked(asking, waiter, hook_ns);
		qp_pool_unlock(pool, wakes);
		/* Sleeps only while the word is ASLEEP; any other value ends the sleep. */
		how = qp_park_cancellable(&waiter->word, QP_ASLEEP, waiter->alarm_ns, cancelled, w);
		if (is_final(qp_waitq_outcome(waiter)))
			return waiter->err;
		*wakes = (qp_wakes)QP_WAKES_INIT;
		qp_pool_lock(pool);
		give_way_locked(pool, waiter);
		if (is_final(qp_waitq_outcome(waiter)))
			break;
		qp_waitq_looked(&pool->waitq, waiter);
		if (!qp_line_hook_is_due(asking, how, hook_ns))
			continue;
		err = run_hook_locked(asking, waiter);
		if (err != QPOOL_OK) {
			give_up_locked(pool, waiter, err, wakes);
			break;
		}
		hook_ns = qp_line_next_hook(asking);
	}
	qp_pool_unlock(pool, wakes);
	return waiter->err;
}

static qpool_err
wait_in_line(qp_asking *asking, qp_slot **slot, qp_wakes *wakes)
{
	wait w;
	qpool_err err;

	memset(&w, 0, sizeof w);
	w.asking = asking;
	w.began_ns = qp_clock_now();
	w.waiter.since_ns = asking->since_ns;
	w.waiter.deadline_ns = asking->deadline_ns;
	w.waiter.ticket = asking->ticket;
	w.waiter.thread = qp_thread_id();
	w.waiter.wants = asking->wants;
	w.waiter.cause = &asking->cause;
	asking->has_waited = true;
	err = wait_and_unlock(&w, wakes);
	asking->waited_ns += qp_clock_now() - w.began_ns;
	*slot = w.waiter.slot;
	return err;
}

qpool_err
qp_line_get(qp_asking *asking, qp_slot **slot)
{
	qpool *pool = asking->pool;
	qp_wakes wakes = QP_WAKES_INIT;
	int64_t now_ns = qp_clock_now();
	qpool_err err;

	*slot = NULL;
	if (QP_UNLIKELY(asking->forks != qp_forkmark_now()))
		reserve_again(asking);
	qp_pool_lock(pool);
	qp_shelf_gather_locked(pool);
	err = look_locked(asking, now_ns, slot, &wakes);
	if (err == QPOOL_OK && *slot == NULL && !qp_shelf_is_settled_locked(pool)) {
		qp_shelf_shut_locked(pool); /* it may leave the lock */
		err = look_locked(asking, qp_clock_now(), slot, &wakes);
	}
	if (asking->ticket == 0)
		asking->ticket = qp_waitq_ticket(&pool->waitq);
	if (err == QPOOL_OK && *slot == NULL)
		return wait_in_line(asking, slot, &wakes);
	qp_pool_unlock(pool, &wakes);
	return err;
}
