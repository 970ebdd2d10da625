/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many: several at once, all or none.  Whoever has passed the gate collects one slot after the other, with
 * one place in line; nothing is lent before all are there, and on failure what was collected goes back.
 */
#include "core/acquire.h"
#include "core/error.h"
#include "core/notice.h"
#include "core/open.h"

#include <inttypes.h>

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

/* How far one has come.  `had` are kept. */
typedef struct heap {
	uint32_t n, had;
	qpool_lease *out;
} heap;

/* Back, the last one first: what was newest is newest again. */
static void
put_back(qpool *pool, const heap *all)
{
	for (uint32_t i = all->had; i > 0; i--)
		qp_open_keep(pool, kept(&all->out[i - 1]), QP_CHECKING);
	clear(all->out, all->n);
}

/* Its thread was cancelled while it waited for the next one. */
static void
cancelled(qp_asking *asking)
{
	put_back(asking->pool, asking->debt);
	qp_gate_leave(asking->pool);
}

/* OK, and all n are kept; else some are. */
static qpool_err
collect(qp_asking *asking, heap *all)
{
	qpool_err err = qp_gate_enter(asking);

	if (err != QPOOL_OK)
		return err;
	asking->owes = cancelled;
	asking->debt = all;
	while (err == QPOOL_OK && all->had < all->n) {
		qp_slot *slot;
		qp_gate_needs(asking->pool, all->n - all->had);
		err = qp_acquire_find(asking, &slot);
		if (err == QPOOL_OK)
			all->out[all->had++].slot_ = slot;
	}
	asking->owes = NULL;
	qp_gate_leave(asking->pool);
	return err;
}

static void
explain(qp_asking *asking, qpool_err err, uint32_t n, uint32_t had, qpool_error *error)
{
	qpool_error why;

	(void)qp_acquire_fail(asking, err, &why);
	if (error == NULL)
		return;
	*error = why;
	(void)qp_error_set(error, err, "%" PRIu32 " of %" PRIu32 " wanted at once came free: %s",
	    had, n, why.message);
	error->sys_errno = why.sys_errno;
	memcpy(error->native, why.native, sizeof error->native);
}

static qpool_err
look(const qpool *pool, uint32_t n, const qpool_lease *out, qpool_error *error)
{
	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the leases");
	if (qp_pool_look(pool, error) != QPOOL_OK)
		return QPOOL_EINVAL;
	if (n == 0 || n > pool->config.max_size)
		return qp_error_set(error, QPOOL_EINVAL,
		    "n is %" PRIu32 "; it must be 1 to max_size, which is %" PRIu32 " in pool '%s'",
		    n, pool->config.max_size, pool->name);
	return QPOOL_OK;
}

qpool_err
qpool_acquire_many(
    qpool *pool, uint32_t n, const qpool_request *request, qpool_lease *out, qpool_error *error)
{
	heap all = {.n = n, .out = out};
	qp_asking asking;
	qpool_err err = look(pool, n, out, error);

	if (err != QPOOL_OK)
		return err;
	clear(out, n);
	err = qp_acquire_read(&asking, pool, request, error);
	if (err != QPOOL_OK)
		return err;
	qp_line_enter(&asking);
	err = collect(&asking, &all);
	if (err != QPOOL_OK) {
		put_back(pool, &all);
		explain(&asking, err, n, all.had, error);
	} else {
		if (asking.has_waited)
			qp_notice_pool(pool, QPOOL_EV_WAITED, asking.waited_ns, NULL, asking.site);
		for (uint32_t i = 0; i < n; i++)
			qp_acquire_lend(pool, kept(&out[i]), &asking, qp_clock_coarse(), &out[i]);
	}
	qp_line_leave(&asking, err);
	return err;
}
