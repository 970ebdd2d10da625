/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exchange, the plain engine: everything that is decided, under the pool's one lock.  It is easy to believe, and
 * stays as the reference for any faster one.
 *
 * Why no wake-up is lost.  Every change that could serve a waiter (a slot becomes idle or empty, an
 * open ends, the head leaves, a pause is over, the crew goes) is made under the lock, and settle
 * follows before the lock is released.  settle leaves a waiter unserved only in these cases:
 *   - nothing is there for it: the next change calls settle again;
 *   - the head has been woken and has not looked yet: it calls settle itself, under the lock,
 *     before it sleeps or leaves;
 *   - the pause after a failed open runs: the head, or the crew's timekeeper, has an alarm set
 *     no later than its end;
 *   - the pool is paused: resume calls settle.
 * What a slot becomes on the shelf (shelf.h) is no such change: nobody sleeps unwoken while it is open.
 * settle sees to that, too: it gathers what lies there before it begins, and shuts the shelf when it is
 * done, if somebody is left who was not woken.
 *
 * A waiter joins the line and decides to sleep under the lock; if it is served before it is parked,
 * its word has changed, and the park returns at once.
 */
#include "core/exchange.h"

#include "core/fork.h"
#include "core/watch.h"
#include "core/worker.h"
#include "platform/assert.h"

bool
qp_exchange_may_pass_locked(const qpool *pool, uint64_t ticket)
{
	const qp_waiter *head = qp_waitq_first(&pool->waitq);
	int64_t most_ns = pool->config.max_overtake_ns;

	if (QP_UNLIKELY(pool->paused))
		return false;
	if (head == NULL || (ticket != 0 && ticket < head->ticket) || most_ns == QPOOL_FOREVER)
		return true;
	return qp_clock_now() - head->since_ns < most_ns;
}

qp_slot *
qp_exchange_take_locked(qpool *pool, qp_wakes *wakes)
{
	qp_slot *slot = pool->config.oldest_first ? pool->idle.oldest : pool->idle.newest;

	if (slot == NULL)
		return NULL;
	qp_idle_remove(&pool->idle, slot);
	qp_slot_move(slot, QP_IDLE, QP_CHECKING);
	pool->owned++;
	qp_tally_peak(&pool->tally.lent_peak, qp_pool_lent_locked(pool));
	if (QP_UNLIKELY(pool->idle.count < pool->config.min_idle))
		qp_crew_call_locked(pool, wakes);
	qp_watch_lent_locked(pool, wakes);
	return slot;
}

bool
qp_exchange_any_exist_locked(const qpool *pool)
{
	return pool->idle.count + pool->owned - pool->inherited > pool->opening;
}

static uint32_t
most_opening(const qpool *pool)
{
	return pool->backoff.failures > 0 ? 1 : pool->config.max_opening;
}

int64_t
qp_exchange_open_due_locked(const qpool *pool, bool somebody_asks)
{
	if (pool->opening >= most_opening(pool))
		return QP_TIME_NEVER;
	if (qp_pool_room_locked(pool) == 0)
		return QP_TIME_NEVER;
	return qp_backoff_due(&pool->backoff, somebody_asks);
}

/* Must a failing key's probe rest?  It would take its place from another key, so it waits for the
 * whole pause, even if somebody asks. */
static bool
must_rest(const qpool *pool, int64_t now_ns)
{
	const qp_share *share = pool->share;

	return share != NULL && pool->backoff.failures > 0 &&
	       share->family->used >= share->family->total &&
	       now_ns < qp_backoff_due(&pool->backoff, false);
}

uint32_t
qp_exchange_opens_locked(const qpool *pool, int64_t now_ns)
{
	uint32_t room = qp_pool_room_locked(pool), may_begin;

	if (pool->paused)
		return 0;
	if (now_ns < qp_exchange_open_due_locked(pool, true))
		return pool->opening;
	may_begin = most_opening(pool) - pool->opening;
	return pool->opening + (may_begin < room ? may_begin : room);
}

/* When the head is to look whether it may open. */
static int64_t
probe_due_locked(const qpool *pool)
{
	int64_t due_ns = qp_exchange_open_due_locked(pool, true), now_ns, rested_ns, soon_ns;

	if (pool->share == NULL || due_ns == 0 || due_ns == QP_TIME_NEVER)
		return due_ns;
	now_ns = qp_clock_now();
	if (!must_rest(pool, now_ns))
		return due_ns;
	/* Nobody wakes the head when a place comes free meanwhile, so it looks now and then. */
	rested_ns = qp_backoff_due(&pool->backoff, false);
	soon_ns = qp_clock_after(now_ns, QP_BACKOFF_ASKED_NS);
	soon_ns = soon_ns < rested_ns ? soon_ns : rested_ns;
	return due_ns > soon_ns ? due_ns : soon_ns;
}

int64_t
qp_exchange_alarm_locked(const qpool *pool)
{
	int64_t alarm_ns = QP_TIME_NEVER, due_ns;
	/* The open may begin and lacks only a place: settle begins it as soon as there is one. */
	bool is_due = pool->share != NULL && pool->share->want == QP_WANTS_PLACE;

	if (pool->paused)
		return QP_TIME_NEVER; /* resume calls settle */
	if (!qp_exchange_any_exist_locked(pool))
		alarm_ns = qp_backoff_hopeless_at(&pool->backoff);
	if (!is_due && !qp_crew_serves(&pool->crew)) {
		due_ns = probe_due_locked(pool);
		alarm_ns = due_ns < alarm_ns ? due_ns : alarm_ns;
	}
	return alarm_ns;
}

static qp_slot *
pop_empty(qpool *pool)
{
	qp_slot *slot = pool->empty_top;

	if (slot != NULL) {
		pool->empty_top = qp_slot_older(slot);
		slot->older = 0;
		pool->empties--;
		return slot;
	}
	QP_MUST(pool->fresh < pool->slots);
	return qp_pool_new_slot(pool, pool->fresh++);
}

/* What this key's pool can use now. */
static qp_want
wants(const qpool *pool, int64_t now_ns)
{
	if (qp_waitq_first(&pool->waitq) == NULL)
		return QP_WANTS_NOTHING;
	if (pool->idle.count > 0)
		return QP_WANTS_OWN;
	if (pool->closing || now_ns < qp_exchange_open_due_locked(pool, true) ||
	    must_rest(pool, now_ns))
		return QP_WANTS_NOTHING;
	return QP_WANTS_PLACE;
}

static void
stand(const qpool *pool, int64_t now_ns)
{
	qp_pool_count_locked(pool);
	qp_family_stand(pool->share, pool->waitq.count > 0, wants(pool, now_ns));
}

/* An idle slot loses its place; the thread that took the place will close it.  If the slot's key
 * has waiters, hand_over looks again at what they can use. */
static void
oust(qp_slot *victim)
{
	qpool *pool = qp_slot_pool(victim);

	qp_idle_remove(&pool->idle, victim);
	qp_slot_set_why(victim, QPOOL_WHY_SHRUNK);
	qp_slot_move(victim, QP_IDLE, QP_CLOSING);
	pool->owned++;
	pool->leaving++;
	qp_pool_count_locked(pool);
}

/* The caller has a place for it, or takes one in the same hold of the lock. */
static qp_slot *
begin_open(qpool *pool)
{
	qp_slot *slot = pop_empty(pool);
	qp_answers *answers = qp_slot_answers(slot);

	qp_slot_move(slot, QP_EMPTY, QP_OPENING);
	/* relaxed, as in qp_pool_is_renewed and qp_suspect_last: what these count happened
	 * before this open. */
	qp_store_relaxed(&slot->born, qp_fork_born(pool));
	if (answers != NULL)
		answers->asked = qp_load64_relaxed(&pool->suspicions);
	if (pool->idle.all != NULL)
		qp_idle_begin(pool->idle.all, slot);
	pool->owned++;
	pool->opening++;
	return slot;
}

qp_slot *
qp_exchange_begin_open_locked(qpool *pool, int64_t now_ns, bool somebody_asks)
{
	qp_slot *slot, *victim = NULL;

	if (pool->closing || now_ns < qp_exchange_open_due_locked(pool, somebody_asks) ||
	    must_rest(pool, now_ns))
		return NULL;
	if (pool->share != NULL && !qp_family_take_place(pool->share->family, &victim))
		return NULL;
	if (victim != NULL)
		oust(victim);
	pool->nudged = false;
	slot = begin_open(pool);
	if (pool->share != NULL)
		qp_slot_kin(slot)->victim = victim;
	return slot;
}

qp_slot *
qp_exchange_begin_adopt_locked(qpool *pool)
{
	return qp_pool_room_locked(pool) > 0 ? begin_open(pool) : NULL;
}

/* How many are asked for: by those in line, by the one that collects several, by a nudge. */
static uint32_t
asked_for(const qpool *pool)
{
	return pool->paused ? 0 : pool->waitq.count + pool->gate.more + (pool->nudged ? 1 : 0);
}

uint32_t
qp_exchange_wanted_locked(const qpool *pool)
{
	uint32_t need = asked_for(pool), have = pool->idle.count + pool->opening;

	if (need < pool->config.min_idle)
		need = pool->config.min_idle;
	for (const qp_ready *ready = pool->readies; ready != NULL; ready = ready->next)
		need = need < ready->count ? ready->count : need;
	return need > have ? need - have : 0;
}

static void
serve(qpool *pool, qp_waiter *waiter, const qp_waiter *self, qp_slot *slot, qp_wakes *wakes)
{
	qp_atomic_u32 *word = &waiter->word;
	bool asleep = waiter != self;

	qp_waitq_serve(&pool->waitq, waiter, slot);
	if (asleep)
		qp_wakes_add(wakes, word);
}

static void
fail(qpool *pool, qp_waiter *waiter, const qp_waiter *self, qpool_err err, qp_wakes *wakes)
{
	qp_atomic_u32 *word = &waiter->word;
	bool asleep = waiter != self;

	if (waiter->cause != NULL && pool->backoff.failures > 0)
		*waiter->cause = pool->backoff.error;
	qp_waitq_fail(&pool->waitq, waiter, err);
	if (asleep)
		qp_wakes_add(wakes, word);
}

static void
wake(qpool *pool, qp_waiter *waiter, qp_wakes *wakes)
{
	if (pool->waitq.woken != NULL)
		return;
	qp_waitq_wake(&pool->waitq, waiter);
	qp_wakes_add(wakes, &waiter->word);
}

/* A slot is idle and `head` is first.  True: the head is served; look at the next one. */
static bool
offer_idle(qpool *pool, qp_waiter *head, const qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	if (head == self || now_ns - head->since_ns >= pool->config.max_overtake_ns) {
		serve(pool, head, self, qp_exchange_take_locked(pool, wakes), wakes);
		return true;
	}
	wake(pool, head, wakes);
	return false;
}

/* The head keeps the time.  If it would sleep past the time to look, wake it: it looks again. */
static void
keep_time(qpool *pool, qp_waiter *head, const qp_waiter *self, qp_wakes *wakes)
{
	if (head != self && head->alarm_ns > qp_exchange_alarm_locked(pool))
		wake(pool, head, wakes);
}

/* Nothing is idle.  True: the head is served; look at the next one. */
static bool
offer_open(qpool *pool, qp_waiter *head, const qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	qp_slot *slot = NULL;

	if (!qp_crew_serves(&pool->crew)) /* else settle calls the crew at its end */
		slot = qp_exchange_begin_open_locked(pool, now_ns, true);
	if (slot != NULL) {
		serve(pool, head, self, slot, wakes);
		return true;
	}
	keep_time(pool, head, self, wakes);
	return false;
}

/* Must this head fail, whatever there is?  True: it has failed; look at the next one. */
static bool
turn_away(qpool *pool, qp_waiter *head, const qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	if (pool->closing)
		fail(pool, head, self, QPOOL_ECLOSED, wakes);
	else if (head != self && qp_waitq_refuses(head, now_ns))
		fail(pool, head, self, QPOOL_ETIMEOUT, wakes);
	else if (pool->idle.count == 0 && !pool->paused &&
		 qp_backoff_is_hopeless(&pool->backoff, qp_exchange_any_exist_locked(pool), now_ns))
		fail(pool, head, self, pool->backoff.error.code, wakes);
	else
		return false;
	return true;
}

/* Fail the heads that must fail, tell the family what this key's pool can use, and, unless that is
 * an idle slot of its own, see that the head wakes in time. */
static void
attend(qpool *pool, const qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	qp_waiter *head;

	do
		head = qp_waitq_first(&pool->waitq);
	while (head != NULL && turn_away(pool, head, self, now_ns, wakes));
	stand(pool, now_ns);
	if (head != NULL && pool->share->want != QP_WANTS_OWN)
		keep_time(pool, head, self, wakes);
}

/* It is this key's turn.  False: its head was woken to look, and all keys wait until it has. */
static bool
hand_over(qpool *pool, const qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	qp_waiter *head = qp_waitq_first(&pool->waitq);
	bool is_alone = qp_family_is_alone(pool->share);

	if (head == NULL || wants(pool, now_ns) != pool->share->want ||
	    turn_away(pool, head, self, now_ns, wakes))
		return true; /* it has no use for its turn any more */
	if (pool->share->want == QP_WANTS_PLACE) {
		qp_slot *slot = qp_exchange_begin_open_locked(pool, now_ns, true);
		QP_MUST(slot != NULL);
		qp_family_charge(pool->share);
		serve(pool, head, self, slot, wakes);
		return true;
	}
	/* A newcomer of the same key may overtake a young head, but not while another key waits. */
	if (is_alone && !offer_idle(pool, head, self, now_ns, wakes))
		return false;
	qp_family_charge(pool->share);
	if (!is_alone)
		serve(pool, head, self, qp_exchange_take_locked(pool, wakes), wakes);
	return true;
}

/* settle for one line across all keys.  What each other key can use is what the last
 * settle that touched it found.  A key whose time has come since then looks by itself: its
 * head keeps the time. */
static QP_COLD void
settle_family(qpool *pool, const qp_waiter *self, qp_wakes *wakes)
{
	const qp_family *family = pool->share->family;
	qp_share *next;
	int64_t now_ns;
	bool goes_on = true;

	if (pool->waitq.head == NULL && !pool->share->waits && qp_family_is_clear(family))
		return;
	now_ns = qp_clock_now();
	attend(pool, self, now_ns, wakes);
	while (goes_on && (next = qp_family_next(family)) != NULL) {
		goes_on = hand_over(next->pool, self, now_ns, wakes);
		attend(next->pool, self, now_ns, wakes);
	}
}

/* Serve heads until one stays: there is nothing for it, or it was woken to look. */
static void
serve_line(qpool *pool, qp_waiter *self, int64_t now_ns, qp_wakes *wakes)
{
	qp_waiter *head;
	bool done = false;

	while (!done && (head = qp_waitq_first(&pool->waitq)) != NULL) {
		if (turn_away(pool, head, self, now_ns, wakes))
			continue;
		if (pool->paused)
			done = true;
		else if (pool->idle.count > 0)
			done = !offer_idle(pool, head, self, now_ns, wakes);
		else
			done = !offer_open(pool, head, self, now_ns, wakes);
	}
}

void
qp_exchange_settle_locked(qpool *pool, qp_waiter *self, qp_wakes *wakes)
{
	int64_t now_ns;

	if (pool->share != NULL) {
		settle_family(pool, self, wakes);
		return;
	}
	now_ns = pool->waitq.head != NULL ? qp_clock_now() : 0;
	if (pool->waitq.head != NULL)
		qp_shelf_gather_locked(pool);
	do
		serve_line(pool, self, now_ns, wakes);
	while (qp_shelf_mind_line_locked(pool));
	qp_crew_call_locked(pool, wakes);
}

/* Why this slot, one of the owned, may not become idle; QP_WHY_NONE: it may. */
static qpool_why
why_not_idle(const qpool *pool, const qp_slot *slot)
{
	if (pool->closing)
		return QPOOL_WHY_CLOSED;
	if (qp_pool_is_renewed(pool, slot))
		return QPOOL_WHY_RENEWED;
	return qp_pool_surplus_locked(pool) > 0 ? QPOOL_WHY_SHRUNK : QP_WHY_NONE;
}

bool
qp_exchange_put_idle_locked(qpool *pool, qp_slot *slot, qp_state from)
{
	qpool_why why = why_not_idle(pool, slot);

	qp_shelf_leave_locked(slot);
	if (why != QP_WHY_NONE) {
		/* Counted at once: of several that come back together, only the surplus must go. */
		qp_slot_set_why(slot, why);
		slot->leaves = true;
		qp_slot_move(slot, from, QP_CLOSING);
		pool->leaving += !qp_fork_is_inherited(slot);
		return false;
	}
	qp_slot_move(slot, from, QP_IDLE);
	pool->owned--;
	pool->nudged = false; /* the nudge is answered */
	/* A resource that owes an answer to its check is taken last: others may answer sooner. */
	if (QP_UNLIKELY(slot->owes) && !pool->config.oldest_first)
		qp_idle_push_oldest(&pool->idle, slot);
	else
		qp_idle_push(&pool->idle, slot);
	return true;
}

bool
qp_exchange_put_opened_locked(qpool *pool, qp_slot *slot, qp_wakes *wakes)
{
	int64_t now_ns = qp_clock_now();
	qp_waiter *head;

	QP_MUST(pool->share == NULL); /* no key has a crew */
	do
		head = qp_waitq_first(&pool->waitq);
	while (head != NULL && turn_away(pool, head, NULL, now_ns, wakes));
	if (head == NULL || pool->paused || why_not_idle(pool, slot) != QP_WHY_NONE)
		return qp_exchange_put_idle_locked(pool, slot, QP_CHECKING);
	qp_tally_peak(&pool->tally.lent_peak, qp_pool_lent_locked(pool));
	qp_watch_lent_locked(pool, wakes);
	serve(pool, head, NULL, slot, wakes);
	return true;
}

void
qp_exchange_put_empty_locked(qpool *pool, qp_slot *slot, qp_state from)
{
	bool inherited = from != QP_OPENING && qp_fork_is_inherited(slot);

	qp_shelf_leave_locked(slot);
	qp_slot_move(slot, from, QP_EMPTY);
	qp_pool_push_empty_locked(pool, slot);
	pool->owned--;
	pool->inherited -= inherited;
	pool->leaving -= from == QP_CLOSING && !inherited;
	if (pool->share != NULL)
		qp_idle_end(pool->idle.all, slot);
	if (pool->share != NULL && !inherited)
		qp_family_leave_place(pool->share->family, slot);
	if (from != QP_OPENING && pool->backoff.failures > 0 && !qp_exchange_any_exist_locked(pool))
		qp_backoff_bare(&pool->backoff, qp_clock_now());
}
