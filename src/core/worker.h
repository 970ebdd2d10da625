/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker: the crew that opens, closes, resets and maintains so that callers need not.  exchange calls one
 * when there is work; a sleeping crew costs nothing and wakes by itself only when something can expire.
 */
#ifndef QP_CORE_WORKER_H
#define QP_CORE_WORKER_H

#include "core/pool.h"

/*
 *  HELD ──→ ASLEEP ⇄ CALLED
 *    └────→ UNWANTED (a later start failed: it leaves having done nothing)
 */
enum { QP_WORKER_ASLEEP = 0, QP_WORKER_CALLED, QP_WORKER_HELD, QP_WORKER_UNWANTED };

/* Are there workers that will take what is handed to them? */
bool qp_crew_serves(const qp_crew *crew);
/* If there is work, or an earlier alarm to set, and nobody has been called for it: call one. */
void qp_crew_call_locked(qpool *pool, qp_wakes *wakes);
/* Begin a maintenance pass at once; false: there is no crew. */
bool qp_crew_pass_locked(qpool *pool, qp_wakes *wakes);
/* maintain_every or a limit has changed: the next pass is not later than they say. */
void qp_crew_hasten_locked(qpool *pool, qp_wakes *wakes);
/* Hand over a RESETTING or CLOSING slot; false: no crew, it is still the caller's.  Takes the lock. */
bool qp_crew_offer(qpool *pool, qp_slot *slot);
/* The queues of jobs: slots in a queue belong to the pool until a worker takes them. */
void qp_crew_queue_locked(qp_jobs *jobs, qp_slot *slot);
qp_slot *qp_crew_unqueue_locked(qp_jobs *jobs);
/* A worker's thread, from its start to its end; the argument is its qp_worker. */
void *qp_crew_live(void *argument);
/* No workers: in the beginning, and in a child, where the parent's are not. */
void qp_crew_none(qp_crew *crew);
/* Tell all to stop: they do the jobs they were given, and leave after the callback each is in. */
void qp_crew_dismiss_locked(qpool *pool, qp_wakes *wakes);
/* Wait until all that were dismissed have left, and join them; false: the deadline passed first.  Takes the
 * lock.  Not from inside a callback of the pool. */
bool qp_crew_await(qpool *pool, int64_t deadline_ns);
/* Nobody will join those that were dismissed: each ends by itself. */
void qp_crew_abandon_locked(qpool *pool);

#endif
