/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open: what success and failure of an open change, and the way back, closing.
 */
#include "core/open.h"

#include "core/error.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/notice.h"
#include "core/steps.h"
#include "core/worker.h"
#include "platform/random.h"

/* Even over 0 .. this: how much of the age jitter is taken off. */
#define JITTER_DRAWS 1000000

static void
stamp(qp_slot *slot, const qp_limits *limits, int64_t now_ns, uint64_t id, int64_t draw)
{
	slot->resource_id = id;
	slot->opened_ns = slot->used_ns = now_ns;
	slot->expires_ns = qp_expiry_at(limits, now_ns, draw);
	slot->uses = 0;
	slot->spoiled = slot->told = false;
	slot->site = slot->label = NULL;
}

static void
stamp_new(qpool *pool, qp_slot *slot, int64_t now_ns)
{
	uint64_t id;
	int64_t draw;

	qp_pool_lock(pool);
	id = ++pool->ids;
	draw = qp_random_upto(&pool->random, JITTER_DRAWS);
	qp_pool_unlock(pool, NULL);
	stamp(slot, &pool->config.limits, now_ns, id, draw);
}

/* Count it as open.  What a worker opened goes idle in the same hold of the lock: in between it would be
 * neither opening nor idle, and another one would be opened for the same waiter.  True: it did. */
static bool
publish(qpool *pool, qp_slot *slot, int64_t took_ns, bool on_worker)
{
	qp_wakes wakes = QP_WAKES_INIT;
	bool was_down, goes_idle;

	qp_pool_lock(pool);
	was_down = pool->backoff.told_down && !pool->backoff.telling;
	pool->backoff.owes_up |= pool->backoff.told_down && pool->backoff.telling;
	pool->backoff.told_down = false;
	qp_backoff_succeeded(&pool->backoff);
	qp_tally_open(&pool->tally, took_ns, true);
	pool->opening--;
	pool->inherited += qp_fork_is_inherited(slot); /* the process forked while it told of it */
	qp_slot_move(slot, QP_OPENING, QP_CHECKING);
	qp_tally_peak(&pool->tally.lent_peak, qp_pool_lent_locked(pool));
	qp_tally_peak(&pool->tally.open_peak, pool->idle.count + pool->owned - pool->opening);
	goes_idle = on_worker && !pool->closing && !qp_fork_is_inherited(slot);
	if (goes_idle)
		qp_exchange_put_idle_locked(pool, slot, QP_CHECKING);
	qp_exchange_settle_locked(pool, NULL, &wakes); /* and the next may open now */
	qp_pool_unlock(pool, &wakes);
	if (was_down)
		qp_notice_holding(pool, goes_idle ? NULL : slot, QPOOL_EV_UP, 0, NULL, NULL);
	return goes_idle;
}

/* Leave the lock, tell, and take it again. */
static void
tell_locked(qpool *pool, qpool_event_type type, int64_t took_ns, const qpool_error *error)
{
	qp_pool_unlock(pool, NULL);
	qp_notice_pool(pool, type, took_ns, error, NULL);
	qp_pool_lock(pool);
}

static bool
has_gone_down_locked(const qpool *pool)
{
	return !pool->backoff.told_down && qp_backoff_is_hopeless(&pool->backoff,
					       qp_exchange_any_exist_locked(pool), qp_clock_now());
}

void
qp_open_tell_down(qpool *pool)
{
	qp_backoff *backoff = &pool->backoff;

	qp_pool_lock(pool);
	while (!backoff->telling && has_gone_down_locked(pool)) {
		qpool_error cause = backoff->error;
		backoff->telling = backoff->told_down = true;
		tell_locked(pool, QPOOL_EV_DOWN, qp_clock_now() - backoff->since_ns, &cause);
		if (backoff->owes_up)
			tell_locked(pool, QPOOL_EV_UP, 0, NULL);
		backoff->telling = backoff->owes_up = false;
	}
	qp_pool_unlock(pool, NULL);
}

/* With TELL an open that failed on a worker is told to the one it was for: the head. */
static void
tell_head_locked(qpool *pool, const qpool_error *error, qp_wakes *wakes)
{
	qp_waiter *head = qp_waitq_first(&pool->waitq);
	qp_atomic_u32 *word;

	if (head == NULL || (error->code == QPOOL_EFULL && qp_exchange_any_exist_locked(pool)))
		return;
	if (head->cause != NULL)
		*head->cause = *error;
	word =
	    &head->word; /* its memory may go with the final word, and only the address is used */
	qp_waitq_fail(&pool->waitq, head, error->code);
	qp_wakes_add(wakes, word);
}

static void
failed(qpool *pool, qp_slot *slot, int64_t began_ns, bool on_worker, const qpool_error *error)
{
	int64_t now_ns = qp_clock_now();
	qp_wakes wakes = QP_WAKES_INIT;
	bool forked;

	qp_notice_holding(pool, slot, QPOOL_EV_OPEN_FAILED, now_ns - began_ns, error, NULL);
	qp_pool_lock(pool);
	forked = qp_fork_is_inherited(slot); /* then it says nothing about the peer */
	pool->opening--;
	qp_exchange_put_empty_locked(pool, slot, QP_OPENING);
	qp_tally_open(&pool->tally, now_ns - began_ns, false);
	if (!forked)
		qp_backoff_failed(&pool->backoff, began_ns, now_ns, error, &pool->random);
	if (on_worker && pool->config.tells)
		tell_head_locked(pool, error, &wakes);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
	qp_open_tell_down(pool);
}

/* Open and stamp; the slot is still OPENING. */
static qpool_err
try_open(qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, int64_t *took_ns,
    qpool_error *error)
{
	int64_t began_ns = qp_clock_now(), now_ns;
	qpool_err err = qp_step_open(pool, slot, budget_ns, on_worker, error);

	if (err != QPOOL_OK) {
		failed(pool, slot, began_ns, on_worker, error);
		return err;
	}
	now_ns = qp_clock_now();
	*took_ns = now_ns - began_ns;
	stamp_new(pool, slot, now_ns);
	qp_notice_slot(pool, QPOOL_EV_OPENED, slot, *took_ns);
	return QPOOL_OK;
}

qpool_err
qp_open(qpool *pool, qp_slot *slot, int64_t budget_ns, qpool_error *error)
{
	int64_t took_ns;
	qpool_err err = try_open(pool, slot, budget_ns, false, &took_ns, error);

	if (err == QPOOL_OK)
		(void)publish(pool, slot, took_ns, false);
	return err;
}

void
qp_open_on_worker(qpool *pool, qp_slot *slot)
{
	qpool_error ignored;
	int64_t took_ns;

	if (try_open(pool, slot, pool->config.open_budget_ns, true, &took_ns, &ignored) ==
		QPOOL_OK &&
	    !publish(pool, slot, took_ns, true))
		qp_open_retire(pool, slot, QP_CHECKING, QPOOL_WHY_CLOSED, NULL);
}

void
qp_open_undo(qpool *pool, qp_slot *slot)
{
	qp_wakes wakes = QP_WAKES_INIT;
	bool inherited;

	if (!slot->told && !qp_fork_is_inherited(slot))
		qp_notice_closed(pool, slot, NULL);
	inherited = qp_fork_is_inherited(slot);
	if (inherited)
		qp_step_abandon(pool, slot);
	else
		qp_step_close(pool, slot);
	qp_pool_lock(pool);
	pool->tally.closes[inherited ? 0 : slot->why]++;
	qp_exchange_put_empty_locked(pool, slot, QP_CLOSING);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
}

void
qp_open_retire(qpool *pool, qp_slot *slot, qp_state from, qpool_why why, const qpool_error *cause)
{
	slot->why = why;
	if (cause != NULL && !qp_fork_is_inherited(slot)) {
		qp_notice_closed(pool, slot, cause); /* here, as the cause does not outlive us */
		slot->told = true;
	}
	qp_slot_move(slot, from, QP_CLOSING);
	if (!qp_crew_offer(pool, slot))
		qp_open_undo(pool, slot);
}

void
qp_open_keep(qpool *pool, qp_slot *slot, qp_state from)
{
	if (!qp_exchange_put_idle(pool, slot, from))
		qp_open_retire(pool, slot, from, QPOOL_WHY_CLOSED, NULL);
}
