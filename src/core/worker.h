/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker: the crew, threads that open, close, check, reset and maintain so that callers need not.
 * exchange calls a worker when there is work; open, reset and check hand over slots.  A worker
 * never holds up a caller.  An idle crew sleeps, and wakes by itself only when something can
 * expire or a lease is to be looked at.
 */
#ifndef QP_CORE_WORKER_H
#define QP_CORE_WORKER_H

#include "core/pool.h"

/*
 *  HELD ──→ ASLEEP ⇄ CALLED
 *    └────→ UNWANTED (the start failed: the thread leaves without having worked)
 */
enum { QP_WORKER_ASLEEP = 0, QP_WORKER_CALLED, QP_WORKER_HELD, QP_WORKER_UNWANTED };

/* Are there workers that will take what is handed to them? */
bool qp_crew_serves(const qp_crew *crew);
/* Call one worker if there is work, or an earlier alarm to set, and none has been
 * called for it yet. */
void qp_crew_call_locked(qpool *pool, qp_wakes *wakes);
/* The shelf is open: a worker is to come and shut it, so that nothing lies there unseen for long.  The
 * caller calls the crew before it leaves the lock. */
void qp_crew_mind_shelf_locked(qpool *pool, int64_t now_ns);
/* Begin a maintenance pass at once; false: there is no crew. */
bool qp_crew_pass_locked(qpool *pool, qp_wakes *wakes);
/* maintain_every or a limit has changed: the next pass may come earlier, never later, and the
 * leases are looked at now if that can tell anything. */
void qp_crew_hasten_locked(qpool *pool, qp_wakes *wakes);
/* Hand over a RESETTING, CLOSING or CHECKING slot; false: there is no crew, and the slot is still
 * the caller's.  Takes the lock. */
bool qp_crew_offer(qpool *pool, qp_slot *slot);
/* The job queues.  A slot in a queue belongs to the pool until a worker takes it. */
void qp_crew_queue_locked(qp_jobs *jobs, qp_slot *slot);
qp_slot *qp_crew_unqueue_locked(qp_jobs *jobs);
/* The whole life of a worker's thread; the argument is its qp_worker. */
void *qp_crew_live(void *argument);
/* Start with no workers: in a new pool, and in a child, where the parent's workers do not exist. */
void qp_crew_none(qp_crew *crew);
/* Tell all workers to stop: each ends its callback, they do the jobs already queued, and leave. */
void qp_crew_dismiss_locked(qpool *pool, qp_wakes *wakes);
/* Wait until all dismissed workers have left, and join them; false: the deadline passed first.
 * Takes the lock.  Not from inside a callback of the pool. */
bool qp_crew_await(qpool *pool, int64_t deadline_ns);
/* Nobody will join the dismissed workers: each frees itself. */
void qp_crew_abandon_locked(qpool *pool);

#endif
