/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker: each worker does one job at a time, with no lock held.  Resets come first, then opens
 * that somebody wants, then queued closes, then queued checks, then the closes of the maintenance
 * pass: nobody waits for an open behind a hundred closes.
 *
 * Who wakes whom: at most one worker is called and on its way.  When it takes a job it looks
 * whether there is more, and calls the next worker.  At most one sleeping worker keeps the time,
 * so an idle crew wakes one thread per pass, and none when nothing can expire.
 */
#include "core/worker.h"

#include "core/check.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/maintain.h"
#include "core/open.h"
#include "core/reset.h"
#include "core/suspect.h"
#include "core/watch.h"
#include "platform/alloc.h"

bool
qp_crew_serves(const qp_crew *crew)
{
	return crew->alive > 0 && !crew->stopping;
}

/* ---- what there is to do ---- */

/* While something idle can expire, a pass is due every maintain_every. */
static void
set_maintenance_locked(qpool *pool)
{
	qp_crew *crew = &pool->crew;
	bool timed = pool->config.maintain_every_ns != QPOOL_FOREVER &&
	             qp_expiry_is_timed(&pool->config.limits);

	if (pool->idle.count == 0 || !timed || crew->passing)
		crew->maintain_ns = QP_TIME_NEVER;
	else if (crew->maintain_ns == QP_TIME_NEVER)
		crew->maintain_ns =
		    qp_clock_after(qp_clock_coarse(), pool->config.maintain_every_ns);
}

/* How long the shelf may stay open: what lies there is seen by no pass, and what is lent from there sets no time to
 * look.  QP_TIME_NEVER: for ever, because nothing can expire and nobody looks. */
static int64_t
shelf_span(const qpool *pool)
{
	int64_t pass_ns = qp_expiry_is_timed(&pool->config.limits) ? pool->config.maintain_every_ns
	                                                           : QP_TIME_NEVER;
	int64_t watch_ns = qp_watch_after(pool);

	return watch_ns < pass_ns ? watch_ns : pass_ns;
}

void
qp_crew_mind_shelf_locked(qpool *pool, int64_t now_ns)
{
	qp_crew *crew = &pool->crew;

	if (qp_crew_serves(crew) && crew->shelf_ns == QP_TIME_NEVER)
		crew->shelf_ns = qp_clock_after(now_ns, shelf_span(pool));
}

static bool
somebody_asks(const qpool *pool)
{
	return pool->readies != NULL || (!pool->paused && (pool->waitq.count > 0 || pool->nudged));
}

/* When a worker is needed next; 0: at once, QP_TIME_NEVER: not at all. */
static int64_t
due_locked(const qpool *pool)
{
	const qp_crew *crew = &pool->crew;
	int64_t due_ns = crew->watch_ns < crew->maintain_ns ? crew->watch_ns : crew->maintain_ns;

	due_ns = crew->shelf_ns < due_ns ? crew->shelf_ns : due_ns;
	if (pool->resets.first != NULL || pool->closes.first != NULL ||
	    pool->checks.first != NULL || crew->passing)
		return 0;
	if (!pool->closing && qp_exchange_wanted_locked(pool) > 0) {
		int64_t open_ns = qp_exchange_open_due_locked(pool, somebody_asks(pool));
		if (open_ns < due_ns)
			due_ns = open_ns;
	}
	return due_ns;
}

bool
qp_crew_pass_locked(qpool *pool, qp_wakes *wakes)
{
	qp_crew *crew = &pool->crew;

	if (!qp_crew_serves(crew))
		return false;
	crew->passing = true;
	crew->pass_index = 0; /* restarts a pass that is under way */
	qp_crew_call_locked(pool, wakes);
	return true;
}

void
qp_crew_hasten_locked(qpool *pool, qp_wakes *wakes)
{
	qp_crew *crew = &pool->crew;
	/* The shelf is shut, and sets its time when it opens; then it was time for a pass, too. */
	int64_t was_ns = crew->maintain_ns < crew->shelf_ns ? crew->maintain_ns : crew->shelf_ns;

	crew->shelf_ns = QP_TIME_NEVER;
	crew->maintain_ns = QP_TIME_NEVER;
	set_maintenance_locked(pool);
	if (was_ns < crew->maintain_ns && crew->maintain_ns != QP_TIME_NEVER)
		crew->maintain_ns = was_ns;
	/* Under the new limit a lease may already be held long: look once, and the
	 * look sets the next time. */
	crew->watch_ns = qp_watch_after(pool) != QP_TIME_NEVER && qp_pool_lent_locked(pool) > 0
	                     ? qp_clock_now()
	                     : QP_TIME_NEVER;
	qp_crew_call_locked(pool, wakes);
}

void
qp_crew_call_locked(qpool *pool, qp_wakes *wakes)
{
	qp_crew *crew = &pool->crew;
	qp_worker *worker;

	if (QP_LIKELY(crew->alive == 0))
		return;
	set_maintenance_locked(pool);
	if (crew->called != NULL || crew->asleep == NULL || due_locked(pool) >= crew->alarm_ns)
		return;
	worker = crew->asleep;
	crew->asleep = worker->next_asleep;
	crew->called = worker;
	if (crew->timekeeper == worker) {
		crew->timekeeper = NULL;
		crew->alarm_ns = QP_TIME_NEVER;
	}
	qp_store_relaxed(&worker->word, QP_WORKER_CALLED);
	qp_wakes_add(wakes, &worker->word);
}

/* ---- jobs ---- */

void
qp_crew_queue_locked(qp_jobs *jobs, qp_slot *slot)
{
	slot->lies = QP_LIES_QUEUED;
	slot->newer = 0;
	if (jobs->last != NULL)
		jobs->last->newer = qp_slot_link(slot);
	else
		jobs->first = slot;
	jobs->last = slot;
}

qp_slot *
qp_crew_unqueue_locked(qp_jobs *jobs)
{
	qp_slot *slot = jobs->first;

	if (slot == NULL)
		return NULL;
	jobs->first = qp_slot_newer(slot);
	if (jobs->first == NULL)
		jobs->last = NULL;
	slot->newer = 0;
	slot->lies = QP_LIES_NOWHERE;
	return slot;
}

static qp_jobs *
jobs_for(qpool *pool, qp_state state)
{
	if (state == QP_CHECKING)
		return &pool->checks;
	return state == QP_RESETTING ? &pool->resets : &pool->closes;
}

bool
qp_crew_offer(qpool *pool, qp_slot *slot)
{
	qp_wakes wakes = QP_WAKES_INIT;
	qp_state state = qp_slot_state(slot);
	bool taken;

	qp_pool_lock(pool);
	qp_shelf_leave_locked(slot);
	if (state == QP_CLOSING && !slot->leaves && !qp_fork_is_inherited(slot)) {
		slot->leaves = true;
		pool->leaving++;
	}
	taken = qp_crew_serves(&pool->crew);
	if (taken) {
		qp_crew_queue_locked(jobs_for(pool, state), slot);
		qp_crew_call_locked(pool, &wakes);
	}
	qp_pool_unlock(pool, &wakes);
	return taken;
}

/* ---- a worker's life ---- */

/* The next slot that the pass closes, or NULL.  The pass is under way until the last slot was
 * looked at; several workers may take part. */
static qp_slot *
pass_on_locked(qpool *pool, int64_t now_ns)
{
	qp_crew *crew = &pool->crew;
	qp_slot *slot;

	if (now_ns >= crew->maintain_ns) {
		crew->passing = true;
		crew->pass_index = 0;
		crew->maintain_ns = QP_TIME_NEVER;
		qp_suspect_if_frozen_locked(pool, qp_clock_coarse());
	}
	if (!crew->passing)
		return NULL;
	slot = qp_maintain_take_locked(pool, &crew->pass_index, now_ns);
	crew->passing = crew->pass_index < pool->fresh;
	set_maintenance_locked(pool);
	return slot;
}

/* The next job, most wanted first: resets, because they bring back what was lent; then opens that
 * are wanted; then closes; then checks, each of which may take its whole budget on a dead peer;
 * then the pass.  A stopping crew does only what was handed to it.  NULL: nothing to do. */
static qp_slot *
next_locked(qpool *pool)
{
	int64_t now_ns = qp_clock_now();
	qp_slot *slot = qp_crew_unqueue_locked(&pool->resets);

	if (slot == NULL && !pool->crew.stopping && qp_exchange_wanted_locked(pool) > 0)
		slot = qp_exchange_begin_open_locked(pool, now_ns, somebody_asks(pool));
	if (slot == NULL)
		slot = qp_crew_unqueue_locked(&pool->closes);
	if (slot == NULL)
		slot = qp_crew_unqueue_locked(&pool->checks);
	if (slot == NULL && !pool->crew.stopping)
		slot = pass_on_locked(pool, now_ns);
	return slot;
}

static void
work(qpool *pool, qp_slot *slot)
{
	switch (qp_slot_state(slot)) {
	case QP_RESETTING:
		qp_reset_on_worker(pool, slot);
		break;
	case QP_OPENING:
		qp_open_on_worker(pool, slot);
		break;
	case QP_CHECKING:
		qp_check_on_worker(pool, slot);
		break;
	default:
		qp_open_undo(pool, slot);
		break;
	}
}

/* Shut the shelf if it is time: from then on the lists say what is idle, and a pass looks at it.  The leases
 * that were taken from the shelf are looked at, too, which sets the time of the next look. */
static bool
shut_shelf_locked(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;
	qp_crew *crew = &pool->crew;

	if (crew->stopping || qp_clock_now() < crew->shelf_ns)
		return false;
	crew->shelf_ns = QP_TIME_NEVER;
	qp_shelf_shut_locked(pool);
	set_maintenance_locked(pool);
	if (crew->maintain_ns != QP_TIME_NEVER)
		crew->maintain_ns = qp_clock_coarse();
	if (qp_watch_after(pool) != QP_TIME_NEVER && qp_pool_lent_locked(pool) > 0)
		crew->watch_ns = qp_clock_now();
	qp_exchange_settle_locked(pool, NULL, &wakes);
	qp_pool_unlock(pool, &wakes);
	qp_pool_lock(pool);
	return true;
}

/* Look at the leases if it is time.  This comes before any job, or a crew that is
 * never idle would never look.  But not twice in a row, or a crew whose looks take
 * longer than their interval would do nothing else. */
static bool
watch_locked(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;
	int64_t due_ns;

	if (pool->crew.stopping || qp_clock_now() < pool->crew.watch_ns)
		return false;
	pool->crew.watch_ns = QP_TIME_NEVER; /* leases that begin meanwhile set it again */
	qp_crew_call_locked(pool, &wakes);
	qp_pool_unlock(pool, &wakes);
	due_ns = qp_watch_all(pool, true);
	qp_pool_lock(pool);
	if (due_ns < pool->crew.watch_ns)
		pool->crew.watch_ns = due_ns;
	return true;
}

/* Do one job, with the lock left meanwhile; false: nothing to do now. */
static bool
work_locked(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;
	qp_slot *slot = next_locked(pool);

	if (slot == NULL && !(pool->crew.passing && !pool->crew.stopping))
		return false;
	qp_crew_call_locked(pool, &wakes);
	qp_pool_unlock(pool, &wakes);
	if (slot != NULL)
		work(pool, slot);
	qp_pool_lock(pool);
	return true;
}

static void
forget_sleeper_locked(qp_crew *crew, const qp_worker *self)
{
	qp_worker **link = &crew->asleep;

	while (*link != NULL && *link != self)
		link = &(*link)->next_asleep;
	if (*link != NULL)
		*link = self->next_asleep;
	if (crew->timekeeper == self) {
		crew->timekeeper = NULL;
		crew->alarm_ns = QP_TIME_NEVER;
	}
	if (crew->called == self)
		crew->called = NULL;
}

/* Sleep until called, or until work is due if no other worker wakes by then. */
static void
sleep_locked(qpool *pool, qp_worker *self)
{
	qp_crew *crew = &pool->crew;
	int64_t alarm_ns = due_locked(pool);

	if (alarm_ns < crew->alarm_ns) {
		/* A worker that kept a later time still wakes then, for nothing. */
		crew->timekeeper = self;
		crew->alarm_ns = alarm_ns;
	} else {
		alarm_ns = QP_TIME_NEVER;
	}
	qp_store_relaxed(&self->word, QP_WORKER_ASLEEP);
	if (crew->timekeeper == self && crew->asleep != NULL) {
		/* Behind the first one: the worker that is called first should not be
		 * the timekeeper. */
		self->next_asleep = crew->asleep->next_asleep;
		crew->asleep->next_asleep = self;
	} else {
		self->next_asleep = crew->asleep;
		crew->asleep = self;
	}
	qp_pool_unlock(pool, NULL);
	(void)qp_park(&self->word, QP_WORKER_ASLEEP, alarm_ns);
	qp_pool_lock(pool);
	forget_sleeper_locked(crew, self);
}

static bool
is_wanted(qp_worker *self)
{
	uint32_t word;

	/* acquire, pairs with the release in publish: the worker sees what qpool_start prepared. */
	while ((word = qp_load_acquire(&self->word)) == QP_WORKER_HELD)
		(void)qp_park(&self->word, QP_WORKER_HELD, QP_TIME_NEVER);
	return word != QP_WORKER_UNWANTED;
}

/* A callback of this worker forked, and this is the child, which has no crew: the
 * worker counts as a visitor there. */
static QP_COLD void
leave_in_child_locked(qp_worker *self, const qp_mark *here)
{
	qpool *pool = self->pool;

	qp_pool_leave_locked(pool, here);
	qp_pool_unlock(pool, NULL);
	qp_alloc_free(self);
}

void *
qp_crew_live(void *argument)
{
	qp_worker *self = argument;
	qpool *pool = self->pool;
	qp_mark here;
	bool orphan, has_looked = false;

	if (!is_wanted(self))
		return NULL;
	qp_trail_enter(&here, pool, QP_IN_CREW, NULL);
	qp_pool_lock(pool);
	for (;;) {
		if (QP_UNLIKELY(self->generation != qp_forkmark_now())) {
			leave_in_child_locked(self, &here);
			return NULL;
		}
		set_maintenance_locked(pool);
		has_looked = !has_looked && watch_locked(pool);
		if (has_looked || shut_shelf_locked(pool) || work_locked(pool))
			continue;
		if (pool->crew.stopping)
			break;
		sleep_locked(pool, self);
	}
	qp_trail_leave(&here);
	pool->crew.alive--;
	self->has_left = true;
	orphan = self->orphan;
	qp_pool_unlock(pool, NULL);
	if (orphan)
		qp_alloc_free(self);
	return NULL;
}
