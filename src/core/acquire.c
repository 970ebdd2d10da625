/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acquire: how a resource goes out.  Takes a slot (an idle one, or through line), looks whether its
 * resource may still be lent, opens one where there is none, and makes a lease of it.  An expired
 * or broken resource is retired, and the acquire goes back for another, keeping its place.  The
 * public verbs below, many and keyed call in.  It never decides who is served: that is exchange.
 */
#include "core/acquire.h"

#include "core/abi.h"
#include "core/check.h"
#include "core/error.h"
#include "core/exchange.h"
#include "core/fork.h"
#include "core/holders.h"
#include "core/hist.h"
#include "core/notice.h"
#include "core/open.h"
#include "core/quick.h"
#include "core/steps.h"
#include "core/suspect.h"
#include "core/watch.h"
#include "core/worker.h"

#include <inttypes.h>
#include <stdio.h>

void
qp_acquire_lend(
    qpool *pool, qp_slot *slot, const qp_asking *asking, int64_t now_ns, qpool_lease *out)
{
	qp_note *note = qp_slot_note(slot);

	if (QP_UNLIKELY(qp_hist_samples(qp_slot_lent(slot) + 1)))
		now_ns = qp_clock_now();
	qp_storei64_release(&note->leased_ns, now_ns);
	qp_store_release(&note->thread, qp_thread_id());
	qp_storeptr_release(&note->site, asking->site);
	qp_storeptr_release(&note->label, asking->label);
	qp_store64_release(&slot->uses, qp_load64_relaxed(&slot->uses) + 1);
	qp_slot_move(slot, QP_CHECKING, QP_LEASED);
	qp_notice_slot(pool, QPOOL_EV_ACQUIRED, slot, asking->waited_ns);
	qp_slot_begin(slot, out); /* from here on another thread may tell of it */
}

/* Run ops.check within what is left of the caller's time; OK: the resource is alive. */
static QP_COLD qpool_err
check(qp_asking *asking, qp_slot *slot)
{
	qpool *pool = asking->pool;
	int64_t most_ns = qp_loadi64_relaxed(&pool->dials.step_budget_ns);
	int64_t budget_ns = qp_line_budget(asking, most_ns);
	qpool_err err = qp_step_check(pool, slot, budget_ns, false, &asking->cause);

	if (err == QPOOL_OK)
		qp_check_passed(slot);
	else if (err == QPOOL_EAGAIN && budget_ns < most_ns)
		asking->cut_ns = budget_ns;
	return err;
}

/* Ask the resource, by peek and by check; OK: it is alive, or has become the parent's. */
static qpool_err
ask(qp_asking *asking, qp_slot *slot, int64_t now_ns)
{
	qpool *pool = asking->pool;
	/* Read before asking: an answer proves nothing about a suspicion that arose meanwhile. */
	uint64_t suspicion = qp_suspect_last(pool);
	qp_answers *answers = qp_slot_answers(slot);
	bool needs_check = answers->asked != suspicion || qp_expiry_needs_check(&pool->dials.bounds,
							      slot, answers->answered_ns, now_ns);
	qpool_err err;

	asking->cut_ns = 0;
	if (pool->ops.peek != NULL) {
		err = qp_step_peek(pool, slot, &asking->cause);
		if (err == QPOOL_ECHECK)
			return err;
		if (QP_UNLIKELY(qp_fork_is_inherited(slot)))
			return QPOOL_OK; /* peek forked: the parent's now, send nothing */
		needs_check = needs_check || err == QPOOL_EAGAIN;
	}
	if (needs_check && pool->ops.check != NULL) {
		err = check(asking, slot);
		if (err != QPOOL_OK)
			return err;
	}
	answers->asked = suspicion;
	return QPOOL_OK;
}

/* User code has run and may have forked: then the resource is the parent's and must not be lent. */
static bool
is_inherited(const qp_slot *slot, qpool_why *why)
{
	if (QP_LIKELY(!qp_fork_is_inherited(slot)))
		return false;
	*why = QPOOL_WHY_RENEWED;
	return true;
}

/* May this slot be lent?  If not, *why is the reason to close it. */
static bool
is_fit(qp_asking *asking, qp_slot *slot, int64_t now_ns, qpool_why *why)
{
	qpool *pool = asking->pool;
	/* A resource opened since this acquire began is fresh, whatever the limits say: with a
	 * limit of zero the acquire would otherwise close what was opened for it, for ever. */
	bool is_fresh = qp_load64_relaxed(&slot->uses) == 0 && asking->since_ns != 0 &&
	                qp_loadi64_relaxed(&slot->opened_ns) >= asking->since_ns;

	qp_suspect_if_frozen(pool, now_ns);
	*why = is_fresh ? QP_WHY_NONE : qp_expiry_of_idle(&pool->dials.bounds, slot, now_ns);
	if (qp_pool_is_renewed(pool, slot))
		*why = QPOOL_WHY_RENEWED;
	if (*why != QP_WHY_NONE)
		return false;
	if (pool->ops.peek == NULL && pool->ops.check == NULL)
		return true;
	is_fresh = is_fresh && qp_check_is_trusted(pool, slot);
	if (!is_fresh && ask(asking, slot, now_ns) != QPOOL_OK) {
		*why = QPOOL_WHY_CHECK;
		return false;
	}
	return !is_inherited(slot, why);
}

/* The check got no answer, in less than its full time: is the verdict left to somebody else? */
static bool
is_put_off(const qp_asking *asking, qp_slot *slot)
{
	int64_t now_ns;

	if (asking->cut_ns == 0)
		return false;
	now_ns = qp_clock_now();
	return qp_check_put_off(asking->pool, slot, asking->cut_ns + now_ns - asking->deadline_ns,
	    now_ns >= asking->deadline_ns);
}

void
qp_acquire_retire(const qp_asking *asking, qp_slot *slot, qpool_why why)
{
	if (why != QPOOL_WHY_CHECK)
		qp_open_retire(asking->pool, slot, QP_CHECKING, why, NULL);
	else if (!is_put_off(asking, slot))
		qp_check_failed(asking->pool, slot, &asking->cause);
}

bool
qp_acquire_is_still_fit(qp_asking *asking, qp_slot *slot, bool was_kept, qpool_why *why)
{
	const qpool *pool = asking->pool;

	if (!was_kept && !qp_pool_is_renewed(pool, slot) && qp_check_is_trusted(pool, slot))
		return true;
	return is_fit(asking, slot, qp_clock_coarse(), why);
}

/* Does a failed open of its own end this acquire?  If not, it goes back to the line. */
static bool
ends_here(const qp_asking *asking, qpool_err err)
{
	qpool *pool = asking->pool;
	bool any_exist;

	if (asking->timeout_ns == 0)
		return true;
	if (!pool->config.tells)
		return false; /* line fails it once the pool is hopeless */
	if (err != QPOOL_EFULL)
		return true;
	/* The peer has no room for one more, but if some of ours exist, one will come back. */
	qp_pool_lock(pool);
	any_exist = qp_exchange_any_exist_locked(pool);
	qp_pool_unlock(pool, NULL);
	return !any_exist;
}

qpool_err
qp_acquire_find(qp_asking *asking, qp_slot **out)
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
		if (qp_slot_state(slot) == QP_OPENING) {
			int64_t budget_ns = qp_loadi64_relaxed(&pool->dials.open_budget_ns);
			qp_open_make_room(slot);
			budget_ns = qp_line_budget(asking, budget_ns);
			err = qp_open(pool, slot, budget_ns, &asking->cause);
			if (err == QPOOL_OK && !qp_pool_is_renewed(pool, slot))
				return QPOOL_OK;
			if (err == QPOOL_OK)
				qp_acquire_retire(asking, slot, QPOOL_WHY_RENEWED);
			else if (ends_here(asking, err))
				return err;
		} else if (is_fit(asking, slot, qp_clock_coarse(), &why)) {
			return QPOOL_OK;
		} else {
			qp_acquire_retire(asking, slot, why);
		}
	}
}

/* The counts in a sentence, all of one instant. */
typedef struct picture {
	uint32_t lent, existing, opening, waiting, max_size, max_waiters;
	uint32_t places, taken, wait_for_any; /* of a key's pool: over all keys */
	bool paused;
	int64_t failing_ns;
	qpool_error cause;
} picture;

static picture
take_picture(qpool *pool)
{
	picture p;

	memset(&p, 0, sizeof p);
	qp_pool_lock(pool);
	qp_shelf_gather_locked(pool);
	p.lent = qp_pool_lent_locked(pool);
	p.existing = pool->idle.count + pool->owned - pool->inherited - pool->opening;
	p.opening = pool->opening;
	p.waiting = pool->waitq.count;
	p.max_size = pool->config.max_size;
	p.max_waiters = pool->config.max_waiters;
	p.paused = pool->paused;
	if (pool->share != NULL) {
		p.places = pool->share->family->total;
		p.taken = pool->share->family->used;
		p.wait_for_any = pool->share->family->waiting;
	}
	if (pool->backoff.failures > 0) {
		p.cause = pool->backoff.error;
		p.failing_ns = qp_clock_now() - pool->backoff.since_ns;
	}
	qp_pool_unlock(pool, NULL);
	return p;
}

/* The cause or what was waited for, then the counts, then the holders as they fit. */
static void
explain_timeout(const qp_asking *asking, const qp_holders *holders, qpool_error *error)
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
		(void)qp_error_set(error, QPOOL_ETIMEOUT, "%s: ",
		    p.paused               ? "paused"
		    : p.lent >= p.max_size ? "all are lent"
					   : "none came free");
	}
	qp_error_add(error,
	    "pool '%s' gave nothing within %s: %" PRIu32 " of %" PRIu32 " lent, %" PRIu32
	    " open, %" PRIu32 " opening, %" PRIu32 " more wait",
	    name, qp_error_span(asking->timeout_ns).text, p.lent, p.max_size, p.existing, p.opening,
	    p.waiting);
	if (asking->pool->share != NULL)
		qp_error_add(error,
		    "; all keys: %" PRIu32 " of %" PRIu32 " places taken, %" PRIu32 " more wait",
		    p.taken, p.places, p.wait_for_any);
	qp_holders_say(holders, asking->spare, error);
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
explain(const qp_asking *asking, qpool_err err, const qp_holders *holders, qpool_error *error)
{
	const char *name = asking->pool->name;

	switch (err) {
	case QPOOL_ETIMEOUT:
		explain_timeout(asking, holders, error);
		return;
	case QPOOL_EOPEN:
	case QPOOL_EDENIED:
	case QPOOL_EFULL:
		explain_open(asking, error);
		return;
	case QPOOL_EAGAIN:
		(void)qp_error_set(error, err,
		    asking->paused ? "pool '%s' is paused, and the call may not wait"
				   : "nothing is idle in pool '%s', and the call may not wait",
		    name);
		break;
	case QPOOL_EBUSY:
		(void)qp_error_set(error, err,
		    "the line of pool '%s' is full: max_waiters is %" PRIu32, name,
		    take_picture(asking->pool).max_waiters);
		break;
	case QPOOL_ECANCEL:
		(void)qp_error_set(error, err, "the wait for pool '%s' was interrupted after %s",
		    name, qp_error_span(asking->waited_ns).text);
		break;
	case QPOOL_EINVAL:
		(void)qp_error_set(error, err,
		    "n is %" PRIu32 "; it must be at most max_size, which is %" PRIu32
		    " in pool '%s' by now",
		    asking->wants, take_picture(asking->pool).max_size, name);
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
		    asking->inside
			? "an acquire inside a callback of pool '%s' would wait or open; nothing is idle"
			: "this pool of keyed pool '%s' is of a key that is gone; acquire from the keyed "
			  "pool, by key",
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

	if (err == QPOOL_EOPEN || err == QPOOL_EDENIED || err == QPOOL_EFULL)
		qp_open_tell_down(asking->pool);
	if (err == QPOOL_ETIMEOUT)
		qp_notice_pool(asking->pool, QPOOL_EV_TIMED_OUT, took_ns, error, asking->site);
	else if (err == QPOOL_EBUSY || asking->refused)
		qp_notice_pool(asking->pool, QPOOL_EV_REFUSED, took_ns, error, asking->site);
}

/* Look at the leases that were in the way, as a pass would.  Whether a holder has exited is asked
 * only of those that the sentence could name. */
static void
look_at_holders(qpool *pool, const qp_holders *holders)
{
	(void)qp_watch_all(pool, false);
	for (uint32_t i = 0; i < holders->others_kept; i++)
		qp_watch_one(qp_slot_pool(holders->longest[i].slot), holders->longest[i].slot);
}

static QP_COLD void
fail_by_timeout(qp_asking *asking, qpool_error *error)
{
	qp_holders holders;

	qp_holders_find(asking->pool, &holders);
	explain(asking, QPOOL_ETIMEOUT, &holders, error);
	tell_failure(asking, QPOOL_ETIMEOUT, error);
	look_at_holders(asking->pool, &holders);
}

qpool_err
qp_acquire_fail(qp_asking *asking, qpool_err err, qpool_error *error)
{
	qpool_error own;

	if (err == QPOOL_ETIMEOUT) {
		fail_by_timeout(asking, &own);
	} else {
		explain(asking, err, NULL, &own);
		own.code = err;
		tell_failure(asking, err, &own);
	}
	if (error != NULL)
		*error = own;
	if (err == QPOOL_EMISUSE)
		(void)qp_pool_misuse(asking->pool,
		    asking->inside ? "an acquire inside a callback would wait or open"
				   : "an acquire from the pool of a key that is gone");
	return err;
}

/* Find a slot and tell that it was waited for; start over if the process forked while
 * that was told. */
static qpool_err
find_and_tell(qp_asking *asking, qp_slot **slot)
{
	bool has_told = false;
	qpool_why why;
	qpool_err err;

	while ((err = qp_acquire_find(asking, slot)) == QPOOL_OK) {
		if (asking->has_waited && !has_told)
			qp_notice_holding(asking->pool, *slot, QPOOL_EV_WAITED, asking->waited_ns,
			    NULL, asking->site);
		has_told = asking->has_waited;
		if (!is_inherited(*slot, &why))
			break;
		qp_acquire_retire(asking, *slot, why);
	}
	return err;
}

/* The caller has entered (qp_line_enter); this leaves. */
static QP_COLD qpool_err
acquire_slowly(qp_asking *asking, qpool_lease *out, qpool_error *error)
{
	qpool *pool = asking->pool;
	qp_slot *slot;
	qpool_err err = find_and_tell(asking, &slot);

	if (err == QPOOL_OK) {
		qp_acquire_lend(pool, slot, asking, qp_clock_coarse(), out);
		asking->lent = asking->has_waited ? slot : NULL;
		qp_shelf_greet(pool);
	} else {
		(void)qp_acquire_fail(asking, err, error);
	}
	qp_line_leave(asking, err);
	return err;
}

static qp_slot *
take_newest_locked(qpool *pool, qp_wakes *wakes)
{
	qp_slot *slot;

	if (pool->idle.count == 0 || !qp_shelf_is_spread_locked(pool))
		qp_shelf_gather_locked(pool);
	slot = qp_exchange_take_locked(pool, wakes);
	if (slot != NULL) {
		qp_shelf_lay_locked(pool, slot);
		qp_crew_call_locked(pool, wakes); /* to mind the shelf */
	}
	return slot;
}

/* An idle slot, if the line lets a newcomer pass: the common case.  `looked`: not from the shelf. */
static qp_slot *
take_at_once(qpool *pool, bool looked)
{
	qp_wakes wakes = QP_WAKES_INIT;
	qp_slot *slot = looked ? NULL : qp_shelf_take(pool);

	if (slot != NULL)
		return slot;
	qp_shelf_greet(pool);
	qp_pool_lock(pool);
	if (!pool->closing && qp_exchange_may_pass_locked(pool, 0))
		slot = take_newest_locked(pool, &wakes);
	qp_pool_unlock(pool, &wakes);
	return slot;
}

qpool_err
qp_acquire_go_on(qp_asking *asking, qp_slot *slot, qpool_lease *out, qpool_error *error)
{
	int64_t now_ns;
	qpool_why why = QP_WHY_NONE;

	if (QP_LIKELY(slot != NULL)) {
		now_ns = qp_clock_coarse();
		if (QP_LIKELY(is_fit(asking, slot, now_ns, &why))) {
			qp_acquire_lend(asking->pool, slot, asking, now_ns, out);
			return QPOOL_OK;
		}
	}
	/* Enter before the unfit slot goes: so far, owning it has kept the pool alive for us. */
	qp_line_enter(asking);
	if (slot != NULL)
		qp_acquire_retire(asking, slot, why);
	return acquire_slowly(asking, out, error);
}

static qpool_err
acquire(qp_asking *asking, bool looked, qpool_lease *out, qpool_error *error)
{
	return qp_acquire_go_on(asking, take_at_once(asking->pool, looked), out, error);
}

static qpool_err
prepare(qp_asking *asking, qpool *pool, qpool_nsec timeout, qpool_error *error)
{
	qpool_err err;

	/* Not `cause`: it is large, and read only when its code says that there is one. */
	memset(asking, 0, offsetof(qp_asking, cause));
	asking->cause.code = QPOOL_OK;
	asking->pool = pool;
	err = qp_pool_look(pool, error);
	if (err != QPOOL_OK)
		return err;
	return qp_options_timeout(&pool->dials, timeout, &asking->timeout_ns, error);
}

static qpool_err
begin(qp_asking *asking, qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error)
{
	if (out == NULL) {
		(void)qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the lease");
		return QPOOL_EINVAL;
	}
	*out = (qpool_lease)QPOOL_LEASE_INIT;
	return prepare(asking, pool, timeout, error);
}

qpool_err
qp_acquire_whole(qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error,
    const char *site, bool looked, qp_slot *slot)
{
	qp_asking asking;
	qpool_err err = begin(&asking, pool, timeout, out, error);

	if (err != QPOOL_OK)
		return err; /* not with a slot: whoever took it has looked */
	asking.site = site;
	if (QP_FAST && slot != NULL)
		return qp_acquire_go_on(&asking, slot, out, error);
	return acquire(&asking, looked, out, error);
}

qpool_err(qpool_acquire)(qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error)
{
	return qpool_acquire_at(pool, timeout, out, error, NULL);
}

qpool_err
qp_acquire_read(qp_asking *asking, qpool *pool, const qpool_request *request, qpool_error *error)
{
	qpool_request known;
	qpool_err err;

	if (request == NULL) {
		(void)qp_error_set(
		    error, QPOOL_EINVAL, "request is NULL: start from qpool_request_init()");
		return QPOOL_EINVAL;
	}
	err = qp_abi_read(&known, sizeof known, request, "qpool_request", error);
	if (err == QPOOL_OK)
		err = prepare(asking, pool, known.timeout, error);
	if (err == QPOOL_OK && known.interrupt_every < 0)
		err = qp_error_set(error, QPOOL_EINVAL,
		    "interrupt_every is %" PRId64
		    " ns; it must be 0 (only after a signal) or positive",
		    known.interrupt_every);
	if (err != QPOOL_OK)
		return err;
	asking->site = known.site;
	asking->label = known.label;
	asking->interrupted = known.interrupted;
	asking->interrupt_user = known.interrupt_user;
	asking->interrupt_every_ns = known.interrupt_every;
	return QPOOL_OK;
}

qpool_err
qpool_acquire_with(qpool *pool, const qpool_request *request, qpool_lease *out, qpool_error *error)
{
	qp_asking asking;
	qpool_err err;

	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the lease");
	*out = (qpool_lease)QPOOL_LEASE_INIT;
	err = qp_acquire_read(&asking, pool, request, error);
	return err != QPOOL_OK ? err : acquire(&asking, false, out, error);
}
