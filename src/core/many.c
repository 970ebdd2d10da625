/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many: qpool_acquire_many, several resources at once, all or none.  The thread that
 * has passed the gate collects one slot after the other, with one place in line.
 * Nothing is lent before all are there; on failure what was collected goes back.  A
 * thread never collects while another one does.
 */
#include "core/acquire.h"
#include "core/error.h"
#include "core/fork.h"
#include "core/notice.h"
#include "core/open.h"

#include <inttypes.h>

/* "65535 of 65535 wanted at once came free: " */
#define PREFIX_MOST 41u

/* Until they are lent, the slots are kept in the caller's leases: nothing has to be allocated. */
static qp_slot *
kept(const qpool_lease *lease)
{
	return lease->slot_;
}

static void
clear(qpool_lease *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = (qpool_lease)QPOOL_LEASE_INIT;
}

/* One call in progress; `had` of `n` slots are kept in `out`. */
typedef struct many {
	qp_asking asking;
	qpool_lease *out;
	uint32_t n, had;
	/* waited or opened since the kept slots, except the last, were judged */
	bool has_lingered;
	bool has_hand;
	qp_mark hand; /* from the gate to the end: marks the kept slots as this thread's */
} many;

static void
open_hand(many *m)
{
	qp_trail_enter(&m->hand, m->asking.pool, QP_IN_GATE, NULL);
	m->hand.kept = m->out;
	m->hand.kept_count = &m->had;
	m->has_hand = true;
}

static void
close_hand(many *m)
{
	if (m->has_hand)
		qp_trail_leave(&m->hand);
	m->has_hand = false;
}

static void
leave_gate(many *m)
{
	m->hand.place = QP_IN_HAND;
	qp_gate_leave(m->asking.pool);
}

/* Put back what was collected, last first, so that the order in the idle list is as before. */
static void
put_back(many *m)
{
	while (m->had > 0)
		qp_open_keep(m->asking.pool, kept(&m->out[--m->had]), QP_CHECKING);
	clear(m->out, m->n);
	close_hand(m);
}

/* The thread was cancelled in line while it held the gate. */
static void
undo(qp_asking *asking)
{
	many *m = (many *)(void *)asking; /* `asking` is its first member */

	leave_gate(m);
	put_back(m);
}

/* Are slots still missing?  When all n are kept, judge them again: slots may have
 * become unfit while the thread waited for the rest, and nobody else looks after a
 * slot that is neither idle nor lent. */
static bool
is_incomplete(many *m)
{
	bool has_lingered = m->has_lingered;
	qpool_why why;

	if (m->had < m->n)
		return true;
	m->has_lingered = false;
	for (uint32_t i = m->n; i > 0; i--) {
		qp_slot *slot = kept(&m->out[i - 1]);
		if (qp_acquire_is_still_fit(&m->asking, slot, has_lingered && i < m->n, &why))
			continue;
		m->out[i - 1] = m->out[--m->had];
		m->out[m->had] = (qpool_lease)QPOOL_LEASE_INIT;
		qp_acquire_retire(&m->asking, slot, why);
	}
	return m->had < m->n;
}

static qpool_err
find_one(many *m)
{
	int64_t waited_ns = m->asking.waited_ns;
	qp_slot *slot;
	qpool_err err = qp_acquire_find(&m->asking, &slot);

	if (err != QPOOL_OK)
		return err;
	m->has_lingered |= m->asking.waited_ns != waited_ns || qp_load64_relaxed(&slot->uses) == 0;
	m->out[m->had++].slot_ = slot;
	return QPOOL_OK;
}

/* Collect all n; on failure m->had of them are kept. */
static qpool_err
collect(many *m)
{
	qpool_err err = qp_gate_enter(&m->asking);

	if (err != QPOOL_OK)
		return err;
	open_hand(m);
	m->asking.undo = undo;
	m->asking.wants = m->n;
	while (err == QPOOL_OK && is_incomplete(m)) {
		qp_gate_needs(m->asking.pool, m->n - m->had);
		err = find_one(m);
	}
	m->asking.undo = NULL;
	leave_gate(m);
	return err;
}

/* Collect all, and tell EV_WAITED once.  Start again if the process forked while that was told. */
static qpool_err
collect_and_tell(many *m)
{
	bool has_told = false;
	qpool_err err;

	while ((err = collect(m)) == QPOOL_OK) {
		if (m->asking.has_waited && !has_told)
			qp_notice_pool(m->asking.pool, QPOOL_EV_WAITED, m->asking.waited_ns, NULL,
			    m->asking.site);
		has_told = m->asking.has_waited;
		if (!qp_fork_is_inherited(kept(&m->out[0])))
			break;
		put_back(m);
	}
	return err;
}

static void
explain(many *m, qpool_err err, uint32_t had, qpool_error *error)
{
	qpool_error why;

	(void)qp_acquire_fail(&m->asking, err, &why);
	if (error == NULL)
		return;
	*error = why;
	(void)qp_error_set(error, err, "%" PRIu32 " of %" PRIu32 " wanted at once came free: %s",
	    had, m->n, why.message);
	error->sys_errno = why.sys_errno;
	memcpy(error->native, why.native, sizeof error->native);
}

static void
lend_all(many *m)
{
	qpool *pool = m->asking.pool;

	for (uint32_t i = 0; i < m->n; i++)
		qp_acquire_lend(pool, kept(&m->out[i]), &m->asking, qp_clock_coarse(), &m->out[i]);
	close_hand(m);
}

static qpool_err
look(qpool *pool, uint32_t n, const qpool_lease *out, qpool_error *error)
{
	uint32_t max_size;
	qpool_err err;

	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the leases");
	err = qp_pool_look_whole(pool, "qpool_acquire_many", error);
	if (err != QPOOL_OK)
		return err;
	qp_pool_lock(pool);
	max_size = pool->config.max_size;
	qp_pool_unlock(pool, NULL);
	if (n == 0 || n > max_size)
		return qp_error_set(error, QPOOL_EINVAL,
		    "n is %" PRIu32 "; it must be 1 to max_size, which is %" PRIu32 " in pool '%s'",
		    n, max_size, pool->name);
	return QPOOL_OK;
}

qpool_err
qpool_acquire_many(
    qpool *pool, uint32_t n, const qpool_request *request, qpool_lease *out, qpool_error *error)
{
	many m;
	qpool_err err;

	/* Also when n is too large for this pool: the caller's error path may end all n leases. */
	if (out != NULL && n <= QP_MAX_SIZE)
		clear(out, n);
	err = look(pool, n, out, error);
	if (err != QPOOL_OK)
		return err;
	m.out = out;
	m.n = n;
	m.had = 0;
	err = qp_acquire_read(&m.asking, pool, request, error);
	if (err != QPOOL_OK)
		return err;
	m.asking.spare = PREFIX_MOST;
	qp_line_enter(&m.asking);
	m.has_hand = m.has_lingered = false;
	err = collect_and_tell(&m);
	if (err == QPOOL_OK) {
		lend_all(&m);
	} else {
		uint32_t had = m.had;
		put_back(&m);
		explain(&m, err, had, error);
	}
	qp_line_leave(&m.asking, err);
	return err;
}
