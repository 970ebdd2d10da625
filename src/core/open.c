/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open: what the success or failure of an open changes, and the way back: closing.
 */
#include "core/open.h"

#include "core/check.h"
#include "core/error.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/notice.h"
#include "core/steps.h"
#include "core/watch.h"
#include "core/worker.h"
#include "platform/assert.h"
#include "platform/random.h"

/* A resource was opened or adopted: set its times and its id, and tell EV_OPENED.  The
 * slot is OPENING. */
static void
come_to_be(qpool *pool, qp_slot *slot, int64_t took_ns)
{
	int64_t now_ns = qp_clock_now();
	uint64_t id;

	qp_pool_lock(pool);
	id = ++pool->root->ids;
	slot->age_draw = (uint16_t)qp_random_upto(&pool->random, QP_EXPIRY_DRAWS);
	qp_pool_unlock(pool, NULL);
	qp_store64_release(qp_slot_resource_id(slot), id);
	qp_storei64_release(&slot->opened_ns, now_ns);
	qp_storei64_release(&slot->used_ns, now_ns);
	qp_store64_release(&slot->uses, 0);
	slot->spoiled = slot->told = slot->leaves = false;
	qp_check_begin(slot);
	qp_step_describe(pool, slot);
	qp_notice_slot(pool, QPOOL_EV_OPENED, slot, took_ns);
}

/* Passed to publish in place of a duration: the pool did not open it. */
#define ADOPTED ((int64_t)-1)

/* Close a CLOSING slot: on a worker if there is one, else now. */
static void
let_go(qpool *pool, qp_slot *slot)
{
	if (!qp_crew_offer(pool, slot))
		qp_open_undo(pool, slot);
}

/* Count the resource as open.  With `for_all` it goes to the head of the line or idle under the
 * same hold of the lock: in between it would be neither opening nor idle, and a second one would
 * be opened for the same waiter.  Otherwise it is the caller's. */
static void
publish(qpool *pool, qp_slot *slot, int64_t took_ns, bool for_all)
{
	qp_wakes wakes = QP_WAKES_INIT;
	bool was_down, goes = false;

	qp_pool_lock(pool);
	was_down = pool->backoff.told_down && !pool->backoff.telling;
	pool->backoff.owes_up |= pool->backoff.told_down && pool->backoff.telling;
	pool->backoff.told_down = false;
	qp_backoff_succeeded(&pool->backoff);
	if (took_ns == ADOPTED) {
		pool->tally.opens++;
	} else {
		qp_tally_open(&pool->tally, took_ns, true);
		qp_hist_add(&pool->hists->open, took_ns);
	}
	pool->opening--;
	if (QP_UNLIKELY(qp_fork_is_inherited(slot))) { /* forked while EV_OPENED was told */
		pool->inherited++;
		if (pool->share != NULL)
			qp_family_leave_place(pool->share->family, slot);
	}
	qp_slot_move(slot, QP_OPENING, QP_CHECKING);
	qp_tally_peak(&pool->tally.open_peak, pool->idle.count + pool->owned - pool->opening);
	if (for_all) {
		goes = !qp_exchange_put_opened_locked(pool, slot, &wakes);
	} else {
		qp_shelf_gather_locked(pool); /* else what lies there would count as lent */
		qp_tally_peak(&pool->tally.lent_peak, qp_pool_lent_locked(pool));
		qp_watch_lent_locked(pool, &wakes);
	}
	qp_exchange_settle_locked(pool, NULL, &wakes); /* the next open may begin now */
	qp_pool_unlock(pool, &wakes);
	if (was_down)
		qp_notice_holding(pool, !for_all || goes ? slot : NULL, QPOOL_EV_UP, 0, NULL, NULL);
	if (goes)
		let_go(pool, slot);
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

/* With QPOOL_OPEN_TELL, an open that failed on a worker fails the waiter it was for: the head. */
static void
tell_head_locked(qpool *pool, const qpool_error *error, qp_wakes *wakes)
{
	qp_waiter *head = qp_waitq_first(&pool->waitq);
	qp_atomic_u32 *word;

	if (head == NULL || pool->paused ||
	    (error->code == QPOOL_EFULL && qp_exchange_any_exist_locked(pool)))
		return;
	if (head->cause != NULL)
		*head->cause = *error;
	word = &head->word; /* the waiter may be gone after the final word */
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
	forked = qp_fork_is_inherited(slot); /* then the failure says nothing about the peer */
	pool->opening--;
	qp_exchange_put_empty_locked(pool, slot, QP_OPENING);
	qp_tally_open(&pool->tally, now_ns - began_ns, false);
	qp_hist_add(&pool->hists->open, now_ns - began_ns);
	if (!forked)
		qp_backoff_failed(&pool->backoff, began_ns, now_ns, error, &pool->random);
	if (on_worker && pool->config.tells)
		tell_head_locked(pool, error, &wakes);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
	qp_open_tell_down(pool);
}

/* Open, and stamp the resource; the slot is still OPENING. */
static qpool_err
try_open(qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, int64_t *took_ns,
    qpool_error *error)
{
	int64_t began_ns = qp_clock_now();
	qpool_err err;

	QP_MUST(qp_slot_kin(slot) == NULL || qp_slot_kin(slot)->victim == NULL);
	err = qp_step_open(pool, slot, budget_ns, on_worker, error);

	if (err != QPOOL_OK) {
		failed(pool, slot, began_ns, on_worker, error);
		return err;
	}
	*took_ns = qp_clock_now() - began_ns;
	come_to_be(pool, slot, *took_ns);
	return QPOOL_OK;
}

qpool_err
qp_open(qpool *pool, qp_slot *slot, int64_t budget_ns, qpool_error *error)
{
	int64_t took_ns;
	qpool_err err = try_open(pool, slot, budget_ns, false, &took_ns, error);

	if (err == QPOOL_OK)
		publish(pool, slot, took_ns, false);
	return err;
}

qpool_err
qp_open_for_all(qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error)
{
	int64_t took_ns;
	qpool_err err = try_open(pool, slot, budget_ns, on_worker, &took_ns, error);

	if (err == QPOOL_OK)
		publish(pool, slot, took_ns, true);
	return err;
}

void
qp_open_on_worker(qpool *pool, qp_slot *slot)
{
	qpool_error ignored;

	(void)qp_open_for_all(
	    pool, slot, qp_loadi64_relaxed(&pool->dials.open_budget_ns), true, &ignored);
}

void
qp_open_adopted(qpool *pool, qp_slot *slot, void *resource)
{
	slot->resource = resource;
	come_to_be(pool, slot, 0);
	publish(pool, slot, ADOPTED, true);
}

void
qp_open_pass_on(qpool *pool, qp_slot *slot)
{
	qp_wakes wakes = QP_WAKES_INIT;

	if (qp_slot_state(slot) == QP_CHECKING) {
		qp_open_keep(pool, slot, QP_CHECKING);
		return;
	}
	qp_open_make_room(slot); /* gives back the place, free */
	qp_pool_lock(pool);
	pool->opening--;
	qp_exchange_put_empty_locked(pool, slot, QP_OPENING);
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
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
	qp_slot_set_why(slot, why);
	qp_slot_move(slot, from, QP_CLOSING);
	if (cause != NULL && !qp_fork_is_inherited(slot)) {
		qp_notice_closed(pool, slot, cause); /* now: `cause` does not outlive us */
		slot->told = true;
	}
	let_go(pool, slot);
}

void
qp_open_keep(qpool *pool, qp_slot *slot, qp_state from)
{
	qp_wakes wakes = QP_WAKES_INIT;
	bool stays;

	if (qp_shelf_put(pool, slot, &from))
		return;
	qp_pool_lock(pool);
	stays = qp_exchange_put_idle_locked(pool, slot, from);
	if (stays)
		qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
	if (!stays)
		let_go(pool, slot);
}

void
qp_open_make_room(qp_slot *slot)
{
	qp_kin *kin = qp_slot_kin(slot);
	qp_slot *victim = kin != NULL ? kin->victim : NULL;
	qpool *pool = qp_slot_pool(slot);
	qp_mark here;

	if (victim == NULL)
		return;
	kin->victim = NULL;
	qp_trail_enter(&here, pool, QP_IN_HAND, slot);
	qp_open_undo(qp_slot_pool(victim), victim);
	qp_trail_leave(&here);
	if (QP_UNLIKELY(qp_fork_is_inherited(slot))) /* still empty: now this process's */
		qp_store_relaxed(&slot->born, qp_fork_born(pool));
}
