/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: the pool made anew in a child, in the memory it has there.  The other threads were anywhere when the
 * memory was copied: in the middle of a list, with the lock held.  So nothing is believed but what is fixed,
 * what this thread knows of itself (its trail), and single words of each slot; all the rest is made from
 * these.  Nothing is allocated, and no callback runs before the pool is whole.
 *
 * Between the fork and here no thread but this one may have worked on a slot or been inside the pool: a fork
 * can only happen in user code, and who comes back from there looks first.  The pools inside whose callbacks
 * the thread forked are made anew at once, before another thread can exist (qp_fork_in_child).
 */
#include "core/fork.h"

#include "core/backoff.h"
#include "core/open.h"
#include "core/steps.h"
#include "core/worker.h"
#include "platform/park.h"
#include "platform/random.h"

/* Slots that were ever used; both counts may have been changing. */
static uint32_t
count_used(qpool *pool)
{
	uint32_t held = qp_pool_held(pool), used = 0;

	if (pool->slots > held)
		pool->slots = held;
	while (used < pool->slots &&
	       (used < pool->fresh || qp_pool_slot(pool, used)->magic == QP_SLOT_MAGIC))
		used++;
	return used;
}

/* What becomes of this slot? */
static qp_state
fate_of(const qp_slot *slot)
{
	qp_state state = qp_slot_state(slot);

	if (qp_trail_owns(slot))
		return state;
	if (slot->resource == NULL)
		return QP_EMPTY;
	if (qp_slot_is_lent(slot))
		return QP_LEASED;
	return state == QP_IDLE || slot->queued ? QP_CLOSING : QP_EMPTY;
}

static void
inherit_slot(qpool *pool, qp_slot *slot)
{
	qp_state was, state;

	if (slot->magic != QP_SLOT_MAGIC)
		qp_slot_init(slot, pool);
	if (!qp_trail_owns(slot))
		qp_slot_untell(slot);
	was = qp_slot_state(slot);
	state = fate_of(slot);
	if (state != was || qp_slot_is_lent(slot) != (state == QP_LEASED))
		qp_slot_inherit(slot, state);
	if (state == QP_EMPTY) {
		qp_pool_push_empty_locked(pool, slot);
		return;
	}
	pool->owned++;
	pool->opening += state == QP_OPENING;
	slot->leaves = state == QP_CLOSING && (slot->leaves || !qp_trail_owns(slot));
	pool->leaving += slot->leaves;
	pool->inherited += state != QP_OPENING;
	if (state == QP_CLOSING && !qp_trail_owns(slot)) {
		slot->told = true;
		qp_crew_queue_locked(&pool->closes, slot);
	}
}

static void
inherit_slots(qpool *pool)
{
	pool->fresh = count_used(pool);
	pool->owned = pool->opening = pool->leaving = pool->inherited = pool->empties = 0;
	pool->empty_top = NULL;
	pool->idle = (qp_idle){0};
	pool->resets = pool->closes = (qp_jobs){0};
	pool->lent_before = 0;
	for (uint32_t i = 0; i < pool->fresh; i++) {
		qp_slot *slot = qp_pool_slot(pool, i);
		inherit_slot(pool, slot);
		pool->lent_before += qp_slot_lent(slot);
	}
}

/* Only this thread is here, as often as its trail says. */
static void
inherit_people(qpool *pool)
{
	bool destroys = false;

	pool->visits = pool->closers = pool->watchers = 0;
	pool->waitq = (qp_waitq){.tickets = pool->waitq.tickets};
	pool->gate.line = (qp_waitq){.tickets = pool->gate.line.tickets};
	pool->gate.is_taken = false;
	pool->readies = NULL; /* one of ours comes back by itself */
	qp_crew_none(&pool->crew);
	for (const qp_mark *mark = qp_trail_top(); mark != NULL; mark = mark->below) {
		if (mark->pool != pool)
			continue;
		pool->visits += mark->place == QP_IN_VISIT || mark->place == QP_IN_CREW;
		pool->closers += mark->place == QP_IN_CLOSE;
		pool->gate.is_taken = pool->gate.is_taken || mark->place == QP_IN_MANY;
		destroys = destroys || mark->place == QP_IN_DESTROY;
	}
	pool->gate.more = pool->gate.is_taken ? pool->gate.more : 0;
	/* Half destroyed by a thread that is not here: that was all of it. */
	pool->ended = pool->ended || (pool->ending && !destroys);
}

/* Counters are the child's own, from the fork on; what is inherited counts as opened. */
static void
start_counting(qpool *pool)
{
	pool->tally = (qp_tally){0};
	pool->tally.opens = pool->owned - pool->opening;
	pool->tally.open_peak = pool->owned - pool->opening;
	pool->tally.lent_peak = qp_pool_lent_locked(pool);
}

static void
make_anew(qpool *pool, uint32_t now)
{
	qp_lock_init(&pool->lock);
	inherit_slots(pool);
	inherit_people(pool);
	start_counting(pool);
	qp_backoff_calm(&pool->backoff);
	pool->nudged = false;
	pool->random = qp_random_seed(); /* siblings should not open and expire in step */
	pool->anew = now;
}

/* One after the other, unlocked; a fork inside goes on from the same queue. */
static void
abandon_all(qpool *pool)
{
	qp_mark visit;
	qp_slot *slot;

	qp_pool_visit(pool, &visit);
	do {
		qp_pool_lock(pool);
		slot = qp_crew_unqueue_locked(&pool->closes);
		qp_pool_unlock(pool, NULL);
		if (slot != NULL)
			qp_open_undo(pool, slot);
	} while (slot != NULL);
	qp_pool_leave(pool, &visit);
}

void
qp_fork_in_child(void)
{
	uint32_t now = qp_forkmark_now();

	for (const qp_mark *mark = qp_trail_top(); mark != NULL; mark = mark->below)
		if (mark->pool->anew != now)
			make_anew(mark->pool, now);
}

void
qp_fork_rebuild(qpool *pool)
{
	uint32_t now = qp_forkmark_settle(), maker = qp_load_relaxed(&pool->maker);
	bool abandons;

	if (maker != now && qp_cas_acq_rel(&pool->maker, maker, now)) {
		if (pool->anew != now)
			make_anew(pool, now);
		abandons = pool->closes.first != NULL;
		/* release, pairs with the acquire in qp_fork_look. */
		qp_store_release(&pool->generation, now);
		if (abandons)
			abandon_all(pool);
		return;
	}
	/* Somebody is at it, and waits for nobody. */
	while (qp_load_acquire(&pool->generation) != now)
		qp_yield();
}
