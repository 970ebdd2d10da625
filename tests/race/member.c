/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * member: one thread that draws verbs.  It waits for ever only while it holds nothing: else all could wait
 * for each other, and nobody would be to blame.
 */
#include "crowd.h"

#include <sched.h>
#include <string.h>

static const char *const sites[] = {"one", "two", "three"};

bool
member_end_somehow(crowd *c, qpool_lease *lease, unsigned how)
{
	switch (how % 10) {
	case 0:
		return qpool_discard(lease) == QPOOL_OK;
	case 1:
		return fake_detach(c->peer, lease);
	default:
		return qpool_release(lease) == QPOOL_OK;
	}
}

static void
must_grow(const member *m, const uint64_t *before, const uint64_t *after, const char *what)
{
	if (*after < *before)
		cell_broken(__FILE__, __LINE__, "%s only grows (member %u)", what, m->number);
}

qpool_stats
member_looks(member *m)
{
	qpool_stats s = qpool_stats_init();

	qpool_get_stats(m->of->pool, &s);
	CELL_SAME(s.empty + s.opening + s.idle + s.checking + s.leased + s.resetting + s.closing,
	    s.max_size + s.over);
#define GROWS(field) must_grow(m, &m->seen.field, &s.field, #field)
	GROWS(acquires);
	GROWS(acquires_waited);
	GROWS(timeouts);
	GROWS(cancels);
	GROWS(opens);
	GROWS(open_failures);
	GROWS(misuses);
	for (unsigned why = 0; why < 16; why++)
		GROWS(closes[why]);
#undef GROWS
	CELL_MUST(
	    s.open_peak <= m->of->options.max_size && s.leased_peak <= m->of->options.max_size);
	m->seen = s;
	return s;
}

/* ---- acquiring ---- */

typedef struct hook {
	member *by;
	unsigned answers; /* so many times 0, then 1 */
} hook;

static int
interrupted(void *user)
{
	hook *h = user;
	qpool_lease lease;

	/* From in here nothing may wait, but what is idle may be taken. */
	if (chance_one_in(&h->by->luck, 8) &&
	    qpool_acquire(h->by->of->pool, QPOOL_NOWAIT, &lease, NULL) == QPOOL_OK)
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
	if (h->answers == 0)
		return 1;
	h->answers--;
	return 0;
}

static qpool_nsec
some_timeout(member *m)
{
	unsigned draw = chance_upto(&m->luck, 16);

	if (draw < 2 || (m->holds > 0 && draw < 10))
		return QPOOL_NOWAIT;
	if (draw < 6 || m->holds > 0)
		return 1 + chance_upto(&m->luck, 200000);
	if (draw < 9)
		return QPOOL_MSEC(1 + chance_upto(&m->luck, 20));
	return draw < 10 ? QPOOL_DEFAULT : QPOOL_FOREVER;
}

static qpool_err
acquire_by_some_name(
    member *m, qpool_nsec timeout, qpool_lease *lease, qpool_error *error, bool *has_hook)
{
	qpool *pool = m->of->pool;
	qpool_request request = qpool_request_init();
	hook h = {m, chance_upto(&m->luck, 6)};

	*has_hook = false;
	switch (chance_upto(&m->luck, 4)) {
	case 0:
		return qpool_acquire(pool, timeout, lease, error);
	case 1:
		return (qpool_acquire)(pool, timeout, lease, error);
	case 2:
		return qpool_acquire_at(
		    pool, timeout, lease, error, sites[chance_upto(&m->luck, 3)]);
	default:
		*has_hook = true;
		request.timeout = timeout;
		request.label = "label";
		request.interrupted = interrupted;
		request.interrupt_user = &h;
		request.interrupt_every =
		    chance_one_in(&m->luck, 3) ? 0 : 50000 + chance_upto(&m->luck, 500000);
		return qpool_acquire_with(pool, &request, lease, error);
	}
}

/* Every acquire ends in one of the ways that were possible, and never too early. */
static void
must_be_allowed(member *m, qpool_err err, const qpool_error *error, qpool_nsec timeout,
    int64_t took, bool has_hook)
{
	const qpool_options *o = &m->of->options;

	switch (err) {
	case QPOOL_EAGAIN:
		CELL_SAME(timeout, QPOOL_NOWAIT);
		break;
	case QPOOL_ETIMEOUT:
		CELL_MUST(timeout > 0 && timeout != QPOOL_FOREVER && took >= timeout);
		break;
	case QPOOL_EBUSY:
		CELL_MUST(o->max_waiters != 0);
		break;
	case QPOOL_ECANCEL:
		CELL_MUST(has_hook);
		break;
	case QPOOL_EOPEN:
	case QPOOL_EFULL:
	case QPOOL_EDENIED:
		break;
	default:
		cell_broken(__FILE__, __LINE__, "no %s: %s", qpool_err_name(err), error->message);
	}
	CELL_MUST(error->code == err && error->message[0] != '\0');
}

static void
uses(member *m, const qpool_lease *lease)
{
	m->acquires++;
	m->holds++;
	fake_use(lease);
	if (!m->of->in->plain)
		fake_of(lease)->dirty = true;
}

static bool
acquires(member *m, qpool_nsec timeout)
{
	qpool_lease *lease = &m->held[m->holds];
	int64_t began = chance_now();
	bool patient = timeout == QPOOL_FOREVER, has_hook;
	qpool_error error;
	qpool_err err;

	if (patient)
		__atomic_store_n(&m->waiting_since, began, __ATOMIC_RELAXED);
	err = acquire_by_some_name(m, timeout, lease, &error, &has_hook);
	__atomic_store_n(&m->waiting_since, 0, __ATOMIC_RELAXED);
	if (timeout == QPOOL_DEFAULT)
		timeout = m->of->options.acquire_timeout;
	if (err != QPOOL_OK) {
		must_be_allowed(m, err, &error, timeout, chance_now() - began, has_hook);
		CELL_MUST(lease->resource == NULL && lease->slot_ == NULL && lease->turn_ == 0);
		return false;
	}
	uses(m, lease);
	return true;
}

/* All or none, into an empty hand. */
static void
acquires_several(member *m)
{
	uint32_t n = 1 + chance_upto(&m->luck, MOST_HELD);
	qpool_request request = qpool_request_init();
	int64_t began = chance_now();
	qpool_error error;
	qpool_err err;

	request.timeout =
	    chance_one_in(&m->luck, 4) ? QPOOL_NOWAIT : QPOOL_MSEC(1 + chance_upto(&m->luck, 20));
	err = qpool_acquire_many(m->of->pool, n, &request, m->held, &error);
	/* EINVAL: another member has made the pool smaller than that. */
	if (err != QPOOL_OK && err != QPOOL_EINVAL)
		must_be_allowed(m, err, &error, request.timeout, chance_now() - began, false);
	for (uint32_t i = 0; i < n && err == QPOOL_OK; i++)
		uses(m, &m->held[i]);
	for (uint32_t i = 0; i < n && err != QPOOL_OK && err != QPOOL_EINVAL; i++)
		CELL_MUST(m->held[i].slot_ == NULL);
}

/* ---- holding and ending ---- */

static void
holds_for_a_while(member *m)
{
	for (unsigned i = chance_upto(&m->luck, 4); i > 0; i--)
		sched_yield();
}

static void
ends_one(member *m)
{
	unsigned which = chance_upto(&m->luck, m->holds), how = chance_upto(&m->luck, 40);
	qpool_lease lease = m->held[which], stale = lease;

	m->held[which] = m->held[--m->holds];
	fake_unuse(&lease);
	CELL_MUST(qpool_of(&lease) == m->of->pool);
	switch (how) {
	case 39:
	case 38:
	case 37:
		rival_duel(m, &lease);
		return;
	case 36:
		CELL_SAME(qpool_spoil(&lease), QPOOL_OK);
		break;
	case 35:
		qpool_label(&lease, "label");
		break;
	case 34:
		qpool_scope_fail(&lease);
		break;
	case 33:
		qpool_scope_end(&lease);
		break;
	default:
		break;
	}
	if (lease.resource != NULL)
		CELL_MUST(member_end_somehow(m->of, &lease, how));
	CELL_MUST(lease.resource == NULL && lease.slot_ == NULL && lease.turn_ == 0);
	if (chance_one_in(&m->luck, 50))
		CELL_SAME(qpool_release(&stale), QPOOL_EMISUSE);
}

static void
ends_all(member *m)
{
	while (m->holds > 0)
		ends_one(m);
}

/* While one of this pool is held, one of another. */
static void
goes_elsewhere(member *m)
{
	qpool_lease lease;

	if (qpool_acquire(m->of->side, QPOOL_MSEC(2), &lease, NULL) != QPOOL_OK)
		return;
	fake_use(&lease);
	if (m->holds < MOST_HELD)
		(void)acquires(m, QPOOL_MSEC(1));
	fake_unuse(&lease);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static bool
is_shown(void *user, const qpool_entry *entry)
{
	const member *m = user;
	bool leased = strcmp(entry->state, "leased") == 0;

	CELL_MUST(entry->age >= 0 && entry->idle >= 0 && entry->held >= 0);
	CELL_SAME(entry->thread != 0, leased);
	CELL_MUST(leased || (entry->site == NULL && entry->label == NULL && entry->held == 0));
	CELL_MUST(!leased || entry->uses >= 1);
	CELL_MUST(strncmp(entry->describe, "fake ", 5) == 0 || entry->resource_id == 0);
	CELL_SAME(entry->resource_id == 0, strcmp(entry->state, "opening") == 0);
	return entry->resource_id % 8 != m->number; /* or it stops */
}

static void
looks_at_all(member *m)
{
	CELL_MUST(qpool_each(m->of->pool, is_shown, m) <= m->of->options.max_size);
	qpool_dump(m->of->pool, m->of->sink);
}

static void
hires_or_fires(member *m)
{
	qpool_err err = QPOOL_OK;

	if (m->of->in->workers == 0)
		return;
	if (chance_one_in(&m->luck, 2))
		err = qpool_stop(m->of->pool);
	else if (member_looks(m).workers < m->of->in->workers)
		err = qpool_start(m->of->pool, 1, NULL);
	/* EMISUSE: another one stops them at this moment. */
	CELL_MUST(err == QPOOL_OK || err == QPOOL_EMISUSE);
}

/* ---- running the pool ---- */

/* Another size, never above the one it was made with, and other limits; whatever they are, they may be merged. */
static void
configures(member *m)
{
	const qpool_options *first = &m->of->options;
	qpool_options o = qpool_options_init();
	qpool_error error;

	if (chance_one_in(&m->luck, 2))
		o.max_size = 1 + chance_upto(&m->luck, first->max_size);
	/* The other weathers are known by their limits. */
	if (m->of->in->any) {
		o.max_age = 1 + chance_upto(&m->luck, 3000000);
		o.max_idle = 1 + chance_upto(&m->luck, 3000000);
		o.check_after = 1 + chance_upto(&m->luck, 3000000);
		o.max_overtake = chance_one_in(&m->luck, 2) ? QPOOL_ZERO : QPOOL_MSEC(1);
		o.min_idle = chance_one_in(&m->luck, 2) ? QPOOL_ZERO32 : 1;
		o.maintain_every = 1 + chance_upto(&m->luck, 2000000);
	}
	o.step_budget = 1 + chance_upto(&m->luck, 1000000000);
	if (qpool_configure(m->of->pool, &o, &error) != QPOOL_OK)
		CELL_MUST(strstr(error.message, "min_idle is ") == error.message);
}

static void
adopts(member *m)
{
	fake_resource *mine = fake_make(m->of->peer);
	qpool_err err = qpool_adopt(m->of->pool, mine, NULL);

	CELL_MUST(err == QPOOL_OK || err == QPOOL_EAGAIN);
	if (err == QPOOL_OK)
		__atomic_add_fetch(&m->of->adopted, 1, __ATOMIC_RELAXED);
	else
		fake_unmake(mine);
}

/* Not while it holds any: then all could be ready but what it holds. */
static void
waits_until_ready(member *m)
{
	uint32_t n = chance_upto(&m->luck, m->of->options.max_size + 1);
	qpool_error error;
	qpool_err err = qpool_wait_ready(m->of->pool, n, chance_upto(&m->luck, 3000000), &error);

	CELL_MUST(err == QPOOL_OK || err == QPOOL_ETIMEOUT || err == QPOOL_EINVAL ||
		  err == QPOOL_EOPEN || err == QPOOL_EDENIED || err == QPOOL_EFULL);
	CELL_MUST(err == QPOOL_OK || (error.code == err && error.message[0] != '\0'));
}

/* Paused for as long as it takes to do something else. */
static void
pauses(member *m)
{
	qpool_pause(m->of->pool);
	switch (chance_upto(&m->luck, 3)) {
	case 0:
		qpool_renew(m->of->pool);
		break;
	case 1:
		waits_until_ready(m);
		break;
	default:
		sched_yield();
		break;
	}
	qpool_resume(m->of->pool);
}

static void
runs_the_pool(member *m)
{
	switch (chance_upto(&m->luck, 6)) {
	case 0:
		configures(m);
		break;
	case 1:
		qpool_renew(m->of->pool);
		break;
	case 2:
		qpool_suspect(m->of->pool);
		break;
	case 3:
		adopts(m);
		break;
	case 4:
		waits_until_ready(m);
		break;
	default:
		pauses(m);
		break;
	}
}

/* ---- life ---- */

static void
does_something(member *m)
{
	unsigned draw = chance_upto(&m->luck, 100);

	if (draw < 55 && (m->holds == 0 || (draw < 10 && m->holds < MOST_HELD)))
		(void)acquires(m, some_timeout(m));
	else if (draw < 92 && m->holds > 0)
		ends_one(m);
	else if (draw < 94)
		goes_elsewhere(m);
	else if (draw < 95)
		(void)qpool_maintain(m->of->pool);
	else if (draw < 96)
		looks_at_all(m);
	else if (draw < 97)
		(void)member_looks(m);
	else if (draw < 98 && chance_one_in(&m->luck, 16))
		hires_or_fires(m);
	else if (draw == 98)
		runs_the_pool(m);
	else if (draw == 99 && m->holds == 0)
		acquires_several(m);
	holds_for_a_while(m);
}

/* Nothing fails any more: every acquire must succeed, but for the time it takes to notice. */
static void
is_served(member *m)
{
	qpool_lease lease;
	qpool_error error;
	qpool_err err;

	__atomic_store_n(&m->waiting_since, chance_now(), __ATOMIC_RELAXED);
	while ((err = qpool_acquire(m->of->pool, QPOOL_FOREVER, &lease, &error)) == QPOOL_EOPEN ||
	       err == QPOOL_EDENIED || err == QPOOL_EFULL || err == QPOOL_EBUSY)
		sched_yield(); /* who is turned away lets those run whom the pool waits for */
	__atomic_store_n(&m->waiting_since, 0, __ATOMIC_RELAXED);
	if (err != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "served in the quiet phase: %s", error.message);
	m->acquires++;
	fake_use(&lease);
	fake_unuse(&lease);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

void *
member_live(void *argument)
{
	member *m = argument;

	while (__atomic_load_n(&m->of->phase, __ATOMIC_ACQUIRE) == LOAD)
		does_something(m);
	__atomic_store_n(&m->quiet, 1, __ATOMIC_RELEASE);
	ends_all(m);
	for (unsigned i = 0; i < 100; i++)
		is_served(m);
	__atomic_store_n(&m->done, 1, __ATOMIC_RELEASE);
	return NULL;
}
