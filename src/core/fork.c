/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: makes a pool anew in a child, in the memory that the child has of it.  The parent's other
 * threads may have been anywhere when that memory was copied: in the middle of a list, or holding
 * the lock.  So nothing is believed but what is fixed, what this thread knows of itself (its
 * trail), and single words of each slot; all the rest is rebuilt from these.  It allocates nothing,
 * and runs no callback before the pool is whole.
 *
 * Between the fork and the rebuild only this thread may have worked on a slot or been inside the
 * pool.  It is so because a fork can only happen in user code, and a thread that returns from there
 * looks here first.  The pools inside whose callbacks the thread forked are rebuilt in the fork
 * handler (in_child), before another thread can exist.
 */
#include "core/fork.h"

#include "core/backoff.h"
#include "core/error.h"
#include "core/keyed.h"
#include "core/open.h"
#include "core/worker.h"
#include "platform/park.h"
#include "platform/random.h"

static bool
is_kept(const qp_mark *mark, const qp_slot *slot)
{
	for (uint32_t i = 0; mark->kept != NULL && i < *mark->kept_count; i++)
		if (mark->kept[i].slot_ == slot)
			return true;
	return false;
}

static bool
is_mine(const qp_slot *slot)
{
	qp_state state = qp_slot_state(slot);
	bool mine = false;

	if (state == QP_EMPTY || state == QP_IDLE || slot->lies == QP_LIES_QUEUED)
		return false;
	for (const qp_mark *mark = qp_trail_top(); mark != NULL && !mine; mark = mark->below)
		mine = mark->slot == slot || is_kept(mark, slot);
	return mine;
}

/* How many slots were ever used; `slots` and `fresh` may have been changing during the fork. */
static uint32_t
count_used(qpool *pool)
{
	uint32_t held = qp_pool_held(pool), used = 0;

	if (pool->slots > held)
		pool->slots = held;
	while (used < pool->slots &&
	       (used < pool->fresh || qp_slot_is_set_up(qp_pool_slot(pool, used))))
		used++;
	return used;
}

/* The state that this slot has in the child. */
static qp_state
fate_of(const qp_slot *slot)
{
	qp_state state = qp_slot_state(slot);

	if (is_mine(slot))
		return state;
	if (slot->resource == NULL)
		return QP_EMPTY;
	if (qp_slot_is_lent(slot))
		return QP_LEASED;
	return state == QP_IDLE || slot->lies == QP_LIES_QUEUED ? QP_CLOSING : QP_EMPTY;
}

static void
inherit_slot(qpool *pool, qp_slot *slot)
{
	qp_kin *kin = qp_slot_kin(slot);
	qp_state state;
	bool mine;

	state = fate_of(slot);
	mine = is_mine(slot);
	if (!mine)
		qp_slot_inherit(slot, state);
	slot->lies = QP_LIES_NOWHERE;
	if (kin != NULL)
		kin->ousted = kin->busy = false;
	if (state == QP_EMPTY) {
		qp_pool_push_empty_locked(pool, slot);
		return;
	}
	pool->owned++;
	pool->opening += state == QP_OPENING;
	pool->inherited += state != QP_OPENING;
	/* The holder has another thread id here, if it is here at all. */
	qp_store_release(&qp_slot_note(slot)->thread, 0);
	if (state == QP_CLOSING && !mine)
		qp_crew_queue_locked(&pool->closes, slot);
}

static void
inherit_slots(qpool *pool)
{
	pool->fresh = count_used(pool);
	pool->owned = pool->opening = pool->leaving = pool->inherited = pool->empties = 0;
	pool->empty_top = NULL;
	pool->idle = (qp_idle){.all = pool->idle.all};
	pool->resets = pool->closes = pool->checks = (qp_jobs){0};
	pool->lent_before = 0;
	for (uint32_t i = 0; i < pool->fresh; i++) {
		qp_slot *slot = qp_pool_slot(pool, i);
		if (!qp_slot_is_set_up(slot))
			slot = qp_pool_new_slot(pool, i);
		inherit_slot(pool, slot);
		pool->lent_before += qp_slot_lent(slot);
	}
}

/* Only this thread is here, counted once for each mark of its trail. */
static void
inherit_people(qpool *pool)
{
	bool destroys = false;

	pool->visits = pool->closers = pool->watchers = 0;
	pool->waitq = (qp_waitq){.tickets = pool->waitq.tickets};
	pool->gate = (qp_gate){.line = {.tickets = pool->gate.line.tickets}};
	pool->readies = NULL;
	qp_crew_none(&pool->crew);
	for (const qp_mark *mark = qp_trail_top(); mark != NULL; mark = mark->below) {
		if (mark->pool != pool)
			continue;
		pool->visits += mark->place == QP_IN_VISIT || mark->place == QP_IN_CREW;
		pool->closers += mark->place == QP_IN_CLOSE;
		pool->gate.is_taken = pool->gate.is_taken || mark->place == QP_IN_GATE;
		destroys = destroys || mark->place == QP_IN_DESTROY;
	}
	/* A destroy begun by a thread that is not here will not go on: it counts as done. */
	pool->ended = pool->ended || (pool->ending && !destroys);
}

/* The child's counters begin at the fork; what it inherited counts as opened. */
static void
start_counting(qpool *pool)
{
	pool->tally = (qp_tally){0};
	pool->tally.opens = pool->owned - pool->opening;
	pool->tally.open_peak = pool->owned - pool->opening;
}

static void
make_one_anew(qpool *pool)
{
	qp_shelf_anew(pool);
	inherit_slots(pool);
	inherit_people(pool);
	start_counting(pool);
	qp_backoff_calm(&pool->backoff);
	pool->nudged = false;
	pool->random = qp_random_seed(); /* siblings must not open in step */
	/* relaxed: published with the pool. */
	qp_store64_relaxed(&pool->renewals, qp_load64_relaxed(&pool->renewals) + 1);
}

static void
make_anew(qpool *root, uint32_t now)
{
	qp_lock_init(&root->lock);
	make_one_anew(root);
	memset(root->hists, 0, sizeof *root->hists);
	if (root->keyed != NULL) {
		qp_member *member = qp_keyed_newest(root->keyed);
		for (; member != NULL; member = member->made_before)
			make_one_anew(&member->pool);
		qp_keyed_anew(root->keyed);
	}
	root->is_a_child = true;
	root->anew = now;
}

/* Abandon one slot after the other, unlocked; if that forks, the child goes on from
 * the same queue. */
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

static void
abandon_family(qpool *root)
{
	qp_member *member = root->keyed != NULL ? qp_keyed_newest(root->keyed) : NULL;
	qp_mark visit;

	qp_pool_visit(root, &visit);
	abandon_all(root);
	for (; member != NULL; member = member->made_before)
		abandon_all(&member->pool);
	qp_pool_leave(root, &visit);
}

/* The fork handler: rebuilds the pools that this thread was inside when it forked. */
static void
in_child(void)
{
	uint32_t now = qp_forkmark_now();

	for (const qp_mark *mark = qp_trail_top(); mark != NULL; mark = mark->below)
		if (mark->pool->root->anew != now)
			make_anew(mark->pool->root, now);
}

qpool_err
qp_fork_watch(qpool_error *error)
{
	int failed = qp_forkmark_watch();

	qp_forkmark_tell(in_child);
	if (failed == 0)
		return QPOOL_OK;
	(void)qp_error_set(error, QPOOL_ESYS,
	    "pthread_atfork failed (errno %d): a forked child would not know that it is one",
	    failed);
	if (error != NULL)
		error->sys_errno = failed;
	return QPOOL_ESYS;
}

void
qp_fork_begin(qpool *root)
{
	root->anew = qp_forkmark_settle();
	/* relaxed: nobody else knows the pool yet. */
	qp_store_relaxed(&root->maker, root->anew);
	qp_store_relaxed(&root->generation, root->anew);
}

void
qp_fork_rebuild(qpool *root)
{
	uint32_t now = qp_forkmark_settle(), maker = qp_load_relaxed(&root->maker);

	if (maker != now && qp_cas_acq_rel(&root->maker, maker, now)) {
		if (root->anew != now)
			make_anew(root, now);
		/* release, pairs with the acquire in qp_fork_look. */
		qp_store_release(&root->generation, now);
		abandon_family(root);
		return;
	}
	/* Another thread is rebuilding it, and waits for nobody. */
	while (qp_load_acquire(&root->generation) != now)
		qp_yield();
}
