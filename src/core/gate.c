/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gate: a line of its own, which decides nothing but whose turn it is.
 */
#include "core/gate.h"

#include "core/fork.h"
#include "core/line.h"
#include "core/steps.h"
#include "core/worker.h"

/* One wait at the gate. */
typedef struct standing {
	qp_asking *asking;
	qp_waiter waiter;
	int64_t began_ns;
} standing;

/* The hook forked, and this is the child, where nobody stands at the gate: this thread takes it,
 * unless another thread has come meanwhile. */
static QP_COLD void
stand_in_child_locked(qpool *pool, qp_waiter *waiter)
{
	qp_waitq_join(&pool->gate.line, waiter);
	qp_waitq_looked(&pool->gate.line, waiter);
	if (pool->closing) {
		qp_waitq_fail(&pool->gate.line, waiter, QPOOL_ECLOSED);
	} else if (!pool->gate.is_taken) {
		pool->gate.is_taken = true;
		qp_waitq_serve(&pool->gate.line, waiter, NULL);
	}
}

/* Run the hook, unlocked; the lock is held at entry and at exit.  True: the hook says stop. */
static bool
run_hook_locked(const qp_asking *asking, qp_waiter *waiter)
{
	qpool *pool = asking->pool;
	uint32_t here = qp_forkmark_now();
	bool stop;

	qp_pool_unlock(pool, NULL);
	stop = qp_step_interrupted(pool, asking->interrupted, asking->interrupt_user) != 0;
	qp_pool_lock(pool);
	if (QP_UNLIKELY(here != qp_forkmark_now()))
		stand_in_child_locked(pool, waiter);
	return stop;
}

/* The gate is free: give it to the first whose time is not over. */
static void
pass_on_locked(qpool *pool, qp_wakes *wakes)
{
	qp_gate *gate = &pool->gate;
	int64_t now_ns = gate->line.head != NULL ? qp_clock_now() : 0;
	qp_waiter *next;

	gate->is_taken = false;
	gate->more = 0;
	while (!gate->is_taken && (next = gate->line.head) != NULL) {
		qp_atomic_u32 *word = &next->word;
		gate->is_taken = !qp_waitq_refuses(next, now_ns);
		if (gate->is_taken)
			qp_waitq_serve(&gate->line, next, NULL);
		else
			qp_waitq_fail(&gate->line, next, QPOOL_ETIMEOUT);
		qp_wakes_add(wakes, word);
	}
}

static bool
is_final(const qp_waiter *waiter)
{
	return qp_waitq_outcome(waiter) == QP_SERVED || qp_waitq_outcome(waiter) == QP_FAILED;
}

/* The thread was cancelled at the gate, where it holds nothing but, perhaps, the gate. */
static void
cancelled(void *argument)
{
	standing *s = argument;
	qpool *pool = s->asking->pool;
	qp_wakes wakes = QP_WAKES_INIT;

	qp_pool_lock(pool);
	if (qp_waitq_outcome(&s->waiter) == QP_SERVED)
		pass_on_locked(pool, &wakes);
	else if (qp_waitq_outcome(&s->waiter) != QP_FAILED)
		qp_waitq_fail(&pool->gate.line, &s->waiter, QPOOL_ECANCEL);
	qp_pool_unlock(pool, &wakes);
	s->asking->waited_ns += qp_clock_now() - s->began_ns;
	qp_line_leave(s->asking, QPOOL_ECANCEL);
}

/* The lock is held at entry and at exit.  If the hook says stop while the gate became
 * ours, stop wins. */
static qpool_err
wait_locked(standing *s, qp_wakes *wakes)
{
	const qp_asking *asking = s->asking;
	qp_waiter *waiter = &s->waiter;
	qpool *pool = asking->pool;
	int64_t hook_ns = qp_line_next_hook(asking);
	bool stop = false;

	qp_waitq_join(&pool->gate.line, waiter);
	while (!is_final(waiter)) {
		qp_parked how;
		if (stop || qp_waitq_refuses(waiter, qp_clock_now())) {
			qp_waitq_fail(
			    &pool->gate.line, waiter, stop ? QPOOL_ECANCEL : QPOOL_ETIMEOUT);
			break;
		}
		waiter->alarm_ns = waiter->deadline_ns < hook_ns ? waiter->deadline_ns : hook_ns;
		qp_pool_unlock(pool, NULL);
		how = qp_park_cancellable(&waiter->word, QP_ASLEEP, waiter->alarm_ns, cancelled, s);
		qp_pool_lock(pool);
		if (is_final(waiter) || !qp_line_hook_is_due(asking, how, hook_ns))
			continue;
		stop = run_hook_locked(asking, waiter);
		hook_ns = qp_line_next_hook(asking);
	}
	if (stop && qp_waitq_outcome(waiter) == QP_SERVED) {
		pass_on_locked(pool, wakes);
		return QPOOL_ECANCEL;
	}
	return waiter->err;
}

static qpool_err
look_locked(const qp_asking *asking)
{
	const qpool *pool = asking->pool;

	if (pool->closing)
		return QPOOL_ECLOSED;
	if (!pool->gate.is_taken)
		return QPOOL_OK;
	if (asking->timeout_ns == 0)
		return QPOOL_EAGAIN;
	if (asking->inside)
		return QPOOL_EMISUSE;
	return pool->waitq.count + pool->gate.line.count >= pool->config.max_waiters ? QPOOL_EBUSY
	                                                                             : QPOOL_OK;
}

qpool_err
qp_gate_enter(qp_asking *asking)
{
	qpool *pool = asking->pool;
	qp_wakes wakes = QP_WAKES_INIT;
	standing s;
	qpool_err err;

	qp_pool_lock(pool);
	err = look_locked(asking);
	if (err == QPOOL_OK && pool->gate.is_taken) {
		memset(&s, 0, sizeof s);
		s.asking = asking;
		s.began_ns = qp_clock_now();
		s.waiter.since_ns = asking->since_ns;
		s.waiter.deadline_ns = asking->deadline_ns;
		s.waiter.thread = qp_thread_id();
		s.waiter.ticket = qp_waitq_ticket(&pool->gate.line);
		asking->has_waited = true;
		err = wait_locked(&s, &wakes);
		asking->waited_ns += qp_clock_now() - s.began_ns;
	} else if (err == QPOOL_OK) {
		pool->gate.is_taken = true;
	}
	qp_pool_unlock(pool, &wakes);
	return err;
}

void
qp_gate_leave(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;

	qp_pool_lock(pool);
	pass_on_locked(pool, &wakes);
	qp_pool_unlock(pool, &wakes);
}

void
qp_gate_needs(qpool *pool, uint32_t count)
{
	qp_pool_lock(pool);
	pool->gate.more = count - 1;
	qp_pool_unlock(pool, NULL);
}

void
qp_gate_refuse_locked(qpool *pool, qp_wakes *wakes)
{
	qp_waiter *next;

	while ((next = pool->gate.line.head) != NULL) {
		qp_atomic_u32 *word = &next->word;
		qp_waitq_fail(&pool->gate.line, next, QPOOL_ECLOSED);
		qp_wakes_add(wakes, word);
	}
}

bool
qp_gate_is_valid(const qp_gate *gate)
{
	return qp_waitq_is_valid(&gate->line) && gate->line.woken == NULL &&
	       (gate->is_taken || (gate->line.count == 0 && gate->more == 0));
}
