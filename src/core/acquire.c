/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acquire: the way out.  Takes a slot (from what is idle, or through line), looks whether its resource may
 * still be lent, opens one where there is none, and makes a lease of it.  What it finds expired or broken
 * it retires and goes back for another, keeping its place.
 */
#include "core/abi.h"
#include "core/error.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/line.h"
#include "core/notice.h"
#include "core/open.h"
#include "core/steps.h"

#include <inttypes.h>
#include <stdio.h>

static void
lend(qpool *pool, qp_slot *slot, const qp_asking *asking, int64_t now_ns, qpool_lease *out)
{
	slot->leased_ns = now_ns;
	slot->site = asking->site;
	slot->label = asking->label;
	qp_slot_move(slot, QP_CHECKING, QP_LEASED);
	qp_slot_begin(slot, out);
	qp_notice_slot(pool, QPOOL_EV_ACQUIRED, slot, asking->waited_ns);
}

static void
count_failed_check(qpool *pool)
{
	qp_pool_lock(pool);
	pool->tally.checks_failed++;
	qp_pool_unlock(pool, NULL);
}

/* Ask the resource, by look or by question; OK: it is alive. */
static qpool_err
ask(qp_asking *asking, qp_slot *slot, int64_t now_ns)
{
	qpool *pool = asking->pool;
	const qp_config *config = &pool->config;
	bool needs_check = qp_expiry_needs_check(&config->limits, slot, now_ns);

	if (pool->ops.peek != NULL) {
		qpool_err err = qp_step_peek(pool, slot, &asking->cause);
		if (err == QPOOL_ECHECK)
			return err;
		needs_check = needs_check || err == QPOOL_EAGAIN;
	}
	if (!needs_check || pool->ops.check == NULL)
		return QPOOL_OK;
	return qp_step_check(
	    pool, slot, qp_line_budget(asking, config->step_budget_ns), &asking->cause);
}

/* Whoever was asked, or told, may have forked: then what we hold is the parent's, and not to be lent. */
static bool
is_inherited(const qp_slot *slot, qpool_why *why)
{
	if (QP_LIKELY(!qp_fork_is_inherited(slot)))
		return false;
	*why = QPOOL_WHY_CLOSED;
	return true;
}

/* May this one be lent?  If not, *why says as what it is to be closed. */
static bool
is_fit(qp_asking *asking, qp_slot *slot, int64_t now_ns, qpool_why *why)
{
	qpool *pool = asking->pool;
	/* One that was opened since we asked is fresh whatever the limits say: with a limit of zero an
	 * acquire would else close what was opened for it, for ever. */
	bool is_fresh =
	    slot->uses == 0 && asking->since_ns != 0 && slot->opened_ns >= asking->since_ns;

	*why = is_fresh ? QP_WHY_NONE : qp_expiry_of_idle(&pool->config.limits, slot, now_ns);
	if (*why != QP_WHY_NONE)
		return false;
	if (pool->ops.peek == NULL && pool->ops.check == NULL)
		return true;
	if (!is_fresh && ask(asking, slot, now_ns) != QPOOL_OK) {
		count_failed_check(pool);
		*why = QPOOL_WHY_CHECK;
		return false;
	}
	return !is_inherited(slot, why);
}

/* Of the wait that has led to this slot. */
static void
tell_waited(qp_asking *asking, qp_slot *slot)
{
	if (!asking->has_waited || asking->has_told)
		return;
	asking->has_told = true;
	qp_notice_holding(
	    asking->pool, slot, QPOOL_EV_WAITED, asking->waited_ns, NULL, asking->site);
}

static void
retire(const qp_asking *asking, qp_slot *slot, qpool_why why)
{
	qp_open_retire(
	    asking->pool, slot, QP_CHECKING, why, why == QPOOL_WHY_CHECK ? &asking->cause : NULL);
}

/* Does a failed open of its own end this acquire, or does it go back to the line? */
static bool
ends_here(const qp_asking *asking, qpool_err err)
{
	qpool *pool = asking->pool;
	bool any_exist;

	if (asking->timeout_ns == 0)
		return true;
	if (!pool->config.tells)
		return false; /* line fails it when it is hopeless */
	if (err != QPOOL_EFULL)
		return true;
	/* The peer has no room for one more, but some of ours are there: one will come back. */
	qp_pool_lock(pool);
	any_exist = qp_exchange_any_exist_locked(pool);
	qp_pool_unlock(pool, NULL);
	return !any_exist;
}

/* By way of the line, until one is fit or nothing is left to try. */
static qpool_err
find(qp_asking *asking, qp_slot **out)
{
	qpool *pool = asking->pool;
	qpool_why why;
	qp_slot *slot;
	qpool_err err;

	for (;;) {
		err = qp_line_get(asking, &slot);
		if (err != QPOOL_OK)
			return err;
		*out = slot;
		why = QP_WHY_NONE;
		if (qp_slot_state(slot) == QP_OPENING) {
			int64_t budget_ns = qp_line_budget(asking, pool->config.open_budget_ns);
			err = qp_open(pool, slot, budget_ns, &asking->cause);
			if (err != QPOOL_OK && ends_here(asking, err))
				return err;
			if (err != QPOOL_OK)
				continue;
		} else {
			(void)is_fit(asking, slot, qp_clock_coarse(), &why);
		}
		if (why == QP_WHY_NONE)
			tell_waited(asking, slot);
		if (why == QP_WHY_NONE && !is_inherited(slot, &why))
			return QPOOL_OK;
		retire(asking, slot, why);
	}
}

/* Counts for a sentence. */
typedef struct picture {
	uint32_t lent, existing, opening, waiting, max_size;
	int64_t failing_ns;
	qpool_error cause;
} picture;

static picture
take_picture(qpool *pool)
{
	picture p;

	memset(&p, 0, sizeof p);
	qp_pool_lock(pool);
	p.lent = qp_pool_lent_locked(pool);
	p.lent -= p.lent < pool->inherited ? p.lent : pool->inherited;
	p.existing = pool->idle.count + pool->owned - pool->inherited - pool->opening;
	p.opening = pool->opening;
	p.waiting = pool->waitq.count;
	p.max_size = pool->config.max_size;
	if (pool->backoff.failures > 0) {
		p.cause = pool->backoff.error;
		p.failing_ns = qp_clock_now() - pool->backoff.since_ns;
	}
	qp_pool_unlock(pool, NULL);
	return p;
}

/* Cause first, then what was waited for, then the counts. */
static void
explain_timeout(const qp_asking *asking, qpool_error *error)
{
	picture p = take_picture(asking->pool);
	const qpool_error *cause = p.cause.code != QPOOL_OK ? &p.cause : &asking->cause;
	const char *name = asking->pool->name;

	if (cause->code != QPOOL_OK) {
		*error = *cause;
		error->code = QPOOL_ETIMEOUT;
		qp_error_cut(error, 110); /* leave room for the rest of the sentence */
		qp_error_add(error, "; ");
	} else {
		(void)qp_error_set(error, QPOOL_ETIMEOUT,
		    "%s: ", p.lent >= p.max_size ? "all are lent" : "none came free");
	}
	qp_error_add(error,
	    "pool '%s' gave nothing within %s: %" PRIu32 " of %" PRIu32 " lent, %" PRIu32
	    " open, %" PRIu32 " opening, %" PRIu32 " more wait",
	    name, qp_error_span(asking->timeout_ns).text, p.lent, p.max_size, p.existing, p.opening,
	    p.waiting);
}

static void
explain_open(const qp_asking *asking, qpool_error *error)
{
	picture p = take_picture(asking->pool);

	*error = asking->cause;
	qp_error_cut(error, 170);
	qp_error_add(error, " (opening for pool '%s'", asking->pool->name);
	if (p.failing_ns > 0)
		qp_error_add(error, ", failing for %s", qp_error_span(p.failing_ns).text);
	qp_error_add(error, ")");
}

static void
explain(const qp_asking *asking, qpool_err err, qpool_error *error)
{
	const char *name = asking->pool->name;

	switch (err) {
	case QPOOL_ETIMEOUT:
		explain_timeout(asking, error);
		return;
	case QPOOL_EOPEN:
	case QPOOL_EDENIED:
	case QPOOL_EFULL:
		explain_open(asking, error);
		return;
	case QPOOL_EAGAIN:
		(void)qp_error_set(
		    error, err, "nothing is idle in pool '%s', and the call may not wait", name);
		break;
	case QPOOL_EBUSY:
		(void)qp_error_set(error, err,
		    "the line of pool '%s' is full: max_waiters is %" PRIu32, name,
		    asking->pool->config.max_waiters);
		break;
	case QPOOL_ECANCEL:
		(void)qp_error_set(error, err, "the wait for pool '%s' was interrupted after %s",
		    name, qp_error_span(asking->waited_ns).text);
		break;
	case QPOOL_ENOMEM:
		(void)qp_error_set(error, err,
		    "no memory for slots of pool '%s' beside those lent before the fork", name);
		break;
	case QPOOL_ECLOSED:
		(void)qp_error_set(error, err, "pool '%s' is closing or closed", name);
		break;
	default:
		(void)qp_error_set(error, err,
		    "an acquire inside a callback of pool '%s' would wait or open; nothing is idle",
		    name);
		break;
	}
	if (asking->cause.code != QPOOL_OK)
		qp_error_add(error, "; last: %.100s", asking->cause.message);
}

static void
tell_failure(const qp_asking *asking, qpool_err err, const qpool_error *error)
{
	int64_t took_ns = qp_clock_now() - asking->since_ns;

	if (err == QPOOL_ETIMEOUT)
		qp_notice_pool(asking->pool, QPOOL_EV_TIMED_OUT, took_ns, error, asking->site);
	else if (err == QPOOL_EBUSY)
		qp_notice_pool(asking->pool, QPOOL_EV_REFUSED, took_ns, error, asking->site);
	else if (err == QPOOL_EOPEN || err == QPOOL_EDENIED || err == QPOOL_EFULL)
		qp_open_tell_down(asking->pool);
}

/* We are inside (qp_line_enter) and leave here. */
static QP_COLD qpool_err
acquire_slowly(qp_asking *asking, qpool_lease *out, qpool_error *error)
{
	qpool *pool = asking->pool;
	qpool_error own;
	qp_slot *slot;
	qpool_err err = find(asking, &slot);

	if (err == QPOOL_OK) {
		lend(pool, slot, asking, qp_clock_coarse(), out);
	} else {
		explain(asking, err, &own);
		own.code = err;
		tell_failure(asking, err, &own);
		if (error != NULL)
			*error = own;
	}
	if (err == QPOOL_EMISUSE)
		(void)qp_pool_misuse(pool, "an acquire inside a callback would wait or open");
	qp_line_leave(asking, err);
	return err;
}

/* What is idle, with nobody in front: the common case. */
static qp_slot *
take_at_once(qpool *pool)
{
	qp_wakes wakes = QP_WAKES_INIT;
	qp_slot *slot = NULL;

	qp_pool_lock(pool);
	if (!pool->closing && qp_exchange_may_pass_locked(pool, 0))
		slot = qp_exchange_take_locked(pool, &wakes);
	qp_pool_unlock(pool, &wakes);
	return slot;
}

static qpool_err
acquire(qp_asking *asking, qpool_lease *out, qpool_error *error)
{
	qpool *pool = asking->pool;
	qp_slot *slot = take_at_once(pool);
	int64_t now_ns;
	qpool_why why = QP_WHY_NONE;

	if (QP_LIKELY(slot != NULL)) {
		now_ns = qp_clock_coarse();
		if (QP_LIKELY(is_fit(asking, slot, now_ns, &why))) {
			lend(pool, slot, asking, now_ns, out);
			return QPOOL_OK;
		}
	}
	/* Enter before an unfit slot goes: until then it is what keeps the pool alive for us. */
	qp_line_enter(asking);
	if (slot != NULL)
		retire(asking, slot, why);
	return acquire_slowly(asking, out, error);
}

static qpool_err
begin(qp_asking *asking, qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error)
{
	qpool_err err;

	/* Not the cause: it is large, and read only when its code says that there is one. */
	memset(asking, 0, offsetof(qp_asking, cause));
	asking->cause.code = QPOOL_OK;
	asking->pool = pool;
	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the lease");
	*out = (qpool_lease)QPOOL_LEASE_INIT;
	err = qp_pool_look(pool, error);
	if (err != QPOOL_OK)
		return err;
	return qp_options_timeout(&pool->config, timeout, &asking->timeout_ns, error);
}

qpool_err
qpool_acquire_at(
    qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error, const char *site)
{
	qp_asking asking;
	qpool_err err = begin(&asking, pool, timeout, out, error);

	if (err != QPOOL_OK)
		return err;
	asking.site = site;
	return acquire(&asking, out, error);
}

qpool_err(qpool_acquire)(qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error)
{
	return qpool_acquire_at(pool, timeout, out, error, NULL);
}

qpool_err
qpool_acquire_with(qpool *pool, const qpool_request *request, qpool_lease *out, qpool_error *error)
{
	qpool_request known;
	qp_asking asking;
	qpool_err err;

	if (out != NULL)
		*out = (qpool_lease)QPOOL_LEASE_INIT;
	if (request == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "request is NULL: start from qpool_request_init()");
	err = qp_abi_read(&known, sizeof known, request, "qpool_request", error);
	if (err == QPOOL_OK)
		err = begin(&asking, pool, known.timeout, out, error);
	if (err == QPOOL_OK && known.interrupt_every < 0)
		err = qp_error_set(error, QPOOL_EINVAL,
		    "interrupt_every is %" PRId64
		    " ns; it must be 0 (only after a signal) or positive",
		    known.interrupt_every);
	if (err != QPOOL_OK)
		return err;
	asking.site = known.site;
	asking.label = known.label;
	asking.interrupted = known.interrupted;
	asking.interrupt_user = known.interrupt_user;
	asking.interrupt_every_ns = known.interrupt_every;
	return acquire(&asking, out, error);
}
