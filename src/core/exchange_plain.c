/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exchange, the plain engine: everything under the pool's one lock.  It is easy to believe, and stays as the
 * oracle of any faster one.
 *
 * Why no wake-up is lost.  Every change that could serve a waiter (a slot becomes idle or empty, an open
 * ends, the head leaves, a pause is over, the crew goes) is made under the lock and followed by settle in
 * the same hold.  settle leaves the line only in one of these cases: nobody waits; nothing is there (then
 * the next change calls settle again); the head has been woken and not yet looked (then it calls settle
 * itself, under the lock, before it sleeps or leaves); a pause runs (then the head, or the crew's
 * timekeeper, has an alarm not later than its end).  A waiter joins, and goes to sleep, under the lock.
 */
#include "core/exchange.h"

#include "core/fork.h"
#include "core/worker.h"

bool
qp_exchange_may_pass_locked(const qpool *pool, uint64_t ticket)
{
	const qp_waiter *head = qp_waitq_first(&pool->waitq);
	int64_t most_ns = pool->config.max_overtake_ns;

	if (head == NULL || (ticket != 0 && ticket < head->ticket) || most_ns == QPOOL_FOREVER)
		return true;
	return qp_clock_now() - head->since_ns < most_ns;
}

qp_slot *
qp_exchange_take_locked(qpool *pool, qp_wakes *wakes)
{
	qp_slot *slot = pool->config.oldest_first ? pool->idle.oldest : pool->idle.newest;

	if (slot == NULL)
		return NULL;
	qp_idle_remove(&pool->idle, slot);
	qp_slot_move(slot, QP_IDLE, QP_CHECKING);
	pool->owned++;
	qp_tally_peak(&pool->tally.lent_peak, qp_pool_lent_locked(pool));
	if (QP_UNLIKELY(pool->idle.count < pool->config.min_idle))
		qp_crew_call_locked(pool, wakes);
	return slot;
}

bool
qp_exchange_any_exist_locked(const qpool *pool)
{
	return pool->idle.count + pool->owned - pool->inherited > pool->opening;
}

static uint32_t
most_opening(const qpool *pool)
{
	return pool->backoff.failures > 0 ? 1 : pool->config.max_opening;
}

int64_t
qp_exchange_open_due_locked(const qpool *pool, bool somebody_asks)
{
	if (pool->opening >= most_opening(pool))
		return QP_TIME_NEVER;
	if (qp_pool_room_locked(pool) == 0)
		return QP_TIME_NEVER;
	return qp_backoff_due(&pool->backoff, somebody_asks);
}

uint32_t
qp_exchange_opens_locked(const qpool *pool, int64_t now_ns)
{
	uint32_t room = qp_pool_room_locked(pool), may_begin;

	if (now_ns < qp_exchange_open_due_locked(pool, true))
		return pool->opening;
	may_begin = most_opening(pool) - pool->opening;
	return pool->opening + (may_begin < room ? may_begin : room);
}

int64_t
qp_exchange_alarm_locked(const qpool *pool)
{
	int64_t alarm_ns = QP_TIME_NEVER, due_ns;

	if (!qp_exchange_any_exist_locked(pool))
		alarm_ns = qp_backoff_hopeless_at(&pool->backoff);
	if (!qp_crew_serves(&pool->crew)) {
		due_ns = qp_exchange_open_due_locked(pool, true);
		alarm_ns = due_ns < alarm_ns ? due_ns : alarm_ns;
	}
	return alarm_ns;
}

static qp_slot *
pop_empty(qpool *pool)
{
	qp_slot *slot = pool->empty_top;

	if (slot != NULL) {
		pool->empty_top = slot->older;
		slot->older = NULL;
		pool->empties--;
	} else {
		slot = qp_pool_slot(pool, pool->fresh++);
		qp_slot_init(slot, pool);
	}
	slot->generation = qp_forkmark_now();
	return slot;
}

qp_slot *
qp_exchange_begin_open_locked(qpool *pool, int64_t now_ns, bool somebody_asks)
{
	qp_slot *slot;

	if (pool->closing || now_ns < qp_exchange_open_due_locked(pool, somebody_asks))
		return NULL;
	slot = pop_empty(pool);
	qp_slot_move(slot, QP_EMPTY, QP_OPENING);
	pool->owned++;
	pool->opening++;
	pool->nudged = false;
	return slot;
}

uint32_t
qp_exchange_wanted_locked(const qpool *pool)
{
	uint32_t asked = pool->waitq.count + (pool->nudged ? 1 : 0);
	uint32_t need = asked > pool->config.min_idle ? asked : pool->config.min_idle;
	uint32_t have = pool->idle.count + pool->opening;

	return need > have ? need - have : 0;
}

static void
serve(qpool *pool, qp_waiter *waiter, const qp_waiter *self, qp_slot *slot, qp_wakes *wakes)
{
	qp_atomic_u32 *word = &waiter->word;
	bool asleep = waiter != self;

	qp_waitq_serve(&pool->waitq, waiter, slot);
	if (asleep)
		qp_wakes_add(wakes, word);
}

static void
fail(qpool *pool, qp_waiter *waiter, const qp_waiter *self, qpool_err err, qp_wakes *wakes)
{
	qp_atomic_u32 *word = &waiter->word;
	bool asleep = waiter != self;

	if (waiter->cause != NULL && pool->backoff.failures > 0)
		*waiter->cause = pool->backoff.error;
	qp_waitq_fail(&pool->waitq, waiter, err);
	if (asleep)
		qp_wakes_add(wakes, word);
}

static void
wake(qpool *pool, qp_waiter *waiter, qp_wakes *wakes)
{
	if (pool->waitq.woken != NULL)
		return;
	qp_waitq_wake(&pool->waitq, waiter);
	qp_wakes_add(wakes, &waiter->word);
}

/* Something is idle and `head` is first.  True: it is served, look at the next one. */
static bool
offer_idle(qpool *pool, qp_waiter *head, const qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	if (head == self || now_ns - head->since_ns >= pool->config.max_overtake_ns) {
		serve(pool, head, self, qp_exchange_take_locked(pool, wakes), wakes);
		return true;
	}
	wake(pool, head, wakes);
	return false;
}

/* Nothing is idle.  True: `head` has its outcome, look at the next one. */
static bool
offer_open(qpool *pool, qp_waiter *head, const qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	qp_slot *slot = NULL;

	if (qp_backoff_is_hopeless(&pool->backoff, qp_exchange_any_exist_locked(pool), now_ns)) {
		fail(pool, head, self, pool->backoff.error.code, wakes);
		return true;
	}
	if (!qp_crew_serves(&pool->crew)) /* else it is called at the end of settle */
		slot = qp_exchange_begin_open_locked(pool, now_ns, true);
	if (slot != NULL) {
		serve(pool, head, self, slot, wakes);
		return true;
	}
	/* The head keeps the time.  If it would sleep too long, let it look and see. */
	if (head != self && head->alarm_ns > qp_exchange_alarm_locked(pool))
		wake(pool, head, wakes);
	return false;
}

void
qp_exchange_settle_locked(qpool *pool, qp_waiter *self, qp_wakes *wakes)
{
	qp_waiter *head;
	int64_t now_ns = pool->waitq.head != NULL ? qp_clock_now() : 0;
	bool done = false;

	while (!done && (head = qp_waitq_first(&pool->waitq)) != NULL) {
		if (pool->closing)
			fail(pool, head, self, QPOOL_ECLOSED, wakes);
		else if (head != self && qp_waitq_refuses(head, now_ns))
			fail(pool, head, self, QPOOL_ETIMEOUT, wakes);
		else if (pool->idle.count > 0)
			done = !offer_idle(pool, head, self, now_ns, wakes);
		else
			done = !offer_open(pool, head, self, now_ns, wakes);
	}
	qp_crew_call_locked(pool, wakes);
}

void
qp_exchange_put_idle_locked(qpool *pool, qp_slot *slot, qp_state from)
{
	qp_slot_move(slot, from, QP_IDLE);
	pool->owned--;
	pool->nudged = false; /* here is one */
	qp_idle_push(&pool->idle, slot);
}

bool
qp_exchange_put_idle(qpool *pool, qp_slot *slot, qp_state from)
{
	qp_wakes wakes = QP_WAKES_INIT;
	bool refuses;

	qp_pool_lock(pool);
	refuses = pool->closing || qp_fork_is_inherited(slot);
	if (!refuses) {
		qp_exchange_put_idle_locked(pool, slot, from);
		qp_exchange_settle_locked(pool, NULL, &wakes);
	}
	qp_pool_unlock(pool, &wakes);
	return !refuses;
}

void
qp_exchange_put_empty_locked(qpool *pool, qp_slot *slot, qp_state from)
{
	qp_slot_move(slot, from, QP_EMPTY);
	qp_pool_push_empty_locked(pool, slot);
	pool->owned--;
	pool->inherited -= from != QP_OPENING && qp_fork_is_inherited(slot);
	pool->leaving -= from == QP_CLOSING;
	if (from != QP_OPENING && pool->backoff.failures > 0 && !qp_exchange_any_exist_locked(pool))
		qp_backoff_bare(&pool->backoff, qp_clock_now());
}
