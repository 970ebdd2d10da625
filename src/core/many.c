/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many: several at once, all or none.  Whoever has passed the gate collects one slot after the other, with
 * one place in line; nothing is lent before all are there, and on failure what was collected goes back.
 */
#include "core/acquire.h"
#include "core/error.h"
#include "core/fork.h"
#include "core/notice.h"
#include "core/open.h"

#include <inttypes.h>

/* "65535 of 65535 wanted at once came free: " */
#define PREFIX_MOST 41u

/* Until they are lent, the leases to be are where the slots are kept: nothing has to be allocated. */
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

/* One call on its way.  `had` of `n` are kept in out. */
typedef struct many {
	qp_asking asking;
	qpool_lease *out;
	uint32_t n, had;
	qp_mark here; /* while the gate is ours */
} many;

/* Back, the last one first: what was newest is newest again. */
static void
put_back(many *m)
{
	while (m->had > 0)
		qp_open_keep(m->asking.pool, kept(&m->out[--m->had]), QP_CHECKING);
	clear(m->out, m->n);
}

static void
leave(many *m)
{
	qp_trail_leave(&m->here);
	qp_gate_leave(m->asking.pool);
}

/* Cancelled in line, with the gate ours. */
static void
undo(qp_asking *asking)
{
	many *m = (many *)(void *)asking; /* its first member */

	leave(m);
	put_back(m);
}

/* Others are still to come, also for those that were renewed while the rest was waited for. */
static bool
is_incomplete(many *m)
{
	qpool *pool = m->asking.pool;

	if (m->had < m->n)
		return true;
	for (uint32_t i = m->n; i > 0; i--) {
		qp_slot *slot = kept(&m->out[i - 1]);
		if (!qp_pool_is_renewed(pool, slot))
			continue;
		m->out[i - 1] = m->out[--m->had];
		m->out[m->had] = (qpool_lease)QPOOL_LEASE_INIT;
		qp_open_retire(pool, slot, QP_CHECKING, QPOOL_WHY_RENEWED, NULL);
	}
	return m->had < m->n;
}

/* A callback of ours forked, and this is the child: what we had is the parent's. */
static void
drop_inherited(many *m)
{
	uint32_t own = 0;

	for (uint32_t i = 0; i < m->had; i++) {
		qp_slot *slot = kept(&m->out[i]);
		if (qp_fork_is_inherited(slot))
			qp_open_keep(m->asking.pool, slot, QP_CHECKING);
		else
			m->out[own++].slot_ = slot;
	}
	m->had = own;
}

/* One more; or, in a child, fewer. */
static qpool_err
collect_one(many *m)
{
	uint32_t here = qp_forkmark_now();
	qp_slot *slot;
	qpool_err err;

	qp_gate_needs(m->asking.pool, m->n - m->had);
	err = qp_acquire_find(&m->asking, &slot);
	if (err == QPOOL_OK)
		m->out[m->had++].slot_ = slot;
	if (QP_UNLIKELY(here != qp_forkmark_now()))
		drop_inherited(m);
	return err;
}

/* OK, and all n are kept; else m->had are. */
static qpool_err
collect(many *m)
{
	qpool_err err = qp_gate_enter(&m->asking);

	if (err != QPOOL_OK)
		return err;
	qp_trail_enter(&m->here, m->asking.pool, QP_IN_MANY, NULL);
	m->here.kept = m->out;
	m->here.count = &m->had;
	m->asking.undo = undo;
	m->asking.wants = m->n;
	while (err == QPOOL_OK && is_incomplete(m))
		err = collect_one(m);
	leave(m);
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
	qpool_err err = look(pool, n, out, error);

	if (err != QPOOL_OK)
		return err;
	clear(out, n);
	m.out = out;
	m.n = n;
	m.had = 0;
	err = qp_acquire_read(&m.asking, pool, request, error);
	if (err != QPOOL_OK)
		return err;
	m.asking.spare = PREFIX_MOST;
	qp_line_enter(&m.asking);
	err = collect(&m);
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
