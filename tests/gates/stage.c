/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage: arrivals, hands, and time that passes only while everybody rests.
 */
#include "stage.h"

#include "actor.h"
#include "platform/clock.h"
#include "platform/testing.h"
#include "tide.h"

#include <string.h>

/* ---- arriving in a callback ---- */

/* The one that is meant stops, or acts; all others pass. */
static void
arrive(stage *s)
{
	bool meant;

	pthread_mutex_lock(&s->mutex);
	meant = s->armed;
	if (meant && s->skip > 0) {
		s->skip--;
		meant = false;
	}
	if (!meant) {
		pthread_mutex_unlock(&s->mutex);
		return;
	}
	s->armed = false;
	pthread_mutex_unlock(&s->mutex);
	if (s->inside != NULL)
		s->inside(s);
	pthread_mutex_lock(&s->mutex);
	s->arrived = true;
	pthread_cond_broadcast(&s->changed);
	while (!s->open)
		pthread_cond_wait(&s->changed, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

static void
on_step(fake *peer, fake_step step, void *argument)
{
	(void)peer;
	(void)step;
	arrive(argument);
}

static void
on_event(void *user, qpool *pool, const qpool_event *event)
{
	stage *s = user;

	/* The pool's own address is not known to us before create has returned, and no event is told
	 * before that. */
	CELL_MUST(pool == s->pool);
	if (event->type == s->at->event)
		arrive(s);
}

static int
on_interrupt(void *user)
{
	hand *h = user;
	stage *s = h->on;

	if (h == &s->hands[0] && s->at->step == FAKE_STEPS && s->at->event == 0)
		arrive(s);
	return (int)__atomic_load_n(&h->cancel, __ATOMIC_RELAXED);
}

/* ---- verbs ---- */

static qpool_request
request_of(hand *h)
{
	qpool_request request = qpool_request_init();

	request.timeout = h->timeout;
	request.site = QPOOL_SITE;
	request.interrupted = on_interrupt;
	request.interrupt_user = h;
	request.interrupt_every = h->hook_every;
	return request;
}

static void
must_say_why(const hand *h)
{
	CELL_MUST(h->error.code == h->err && h->error.message[0] != '\0');
	CELL_MUST(h->lease.slot_ == NULL && h->lease.turn_ == 0);
	CELL_MUST(h->second.slot_ == NULL && h->second.turn_ == 0);
}

void
verb_acquire(hand *h)
{
	qpool_request request = request_of(h);

	h->err = qpool_acquire_with(h->on->pool, &request, &h->lease, &h->error);
	CELL_MUST((h->err == QPOOL_OK) == (h->lease.resource != NULL));
	if (h->err != QPOOL_OK)
		must_say_why(h);
}

void
verb_acquire_several(hand *h)
{
	qpool_request request = request_of(h);
	qpool_lease out[2];

	h->err = qpool_acquire_many(h->on->pool, 2, &request, out, &h->error);
	h->lease = out[0];
	h->second = out[1];
	CELL_MUST((h->err == QPOOL_OK) == (h->lease.resource != NULL));
	CELL_MUST((h->err == QPOOL_OK) == (h->second.resource != NULL));
	if (h->err != QPOOL_OK)
		must_say_why(h);
}

void
verb_close(hand *h)
{
	h->err = qpool_close(h->on->pool, h->timeout);
}

void
verb_free(hand *h)
{
	qpool_free(h->on->pool);
}

void
verb_maintain(hand *h)
{
	h->count = qpool_maintain(h->on->pool);
}

void
verb_stop(hand *h)
{
	h->err = qpool_stop(h->on->pool);
}

void
verb_start(hand *h)
{
	h->err = qpool_start(h->on->pool, 2, &h->error);
}

void
verb_release_given(hand *h)
{
	h->err = qpool_release(&h->on->given);
}

void
verb_discard_given(hand *h)
{
	h->err = qpool_discard(&h->on->given);
}

void
verb_release_stale(hand *h)
{
	h->err = qpool_release(&h->on->stale);
}

void
verb_nothing(hand *h)
{
	h->err = QPOOL_OK;
}

/* ---- hands ---- */

static void *
live(void *argument)
{
	hand *h = argument;

	h->verb(h);
	__atomic_store_n(&h->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void
send(stage *s, hand *h, void (*verb)(hand *self), qpool_nsec timeout)
{
	h->on = s;
	h->verb = verb;
	h->timeout = timeout;
	actor_runs(&h->thread, live, h);
}

hand *
stage_subject(stage *s)
{
	return &s->hands[0];
}

hand *
stage_hire(stage *s, void (*verb)(hand *self), qpool_nsec timeout)
{
	hand *h;

	CELL_MUST(s->hired < MOST_HANDS);
	h = &s->hands[s->hired++];
	send(s, h, verb, timeout);
	return h;
}

bool
hand_is_done(hand *h)
{
	return __atomic_load_n(&h->done, __ATOMIC_ACQUIRE) != 0;
}

void
hand_join(hand *h)
{
	if (!h->joined)
		pthread_join(h->thread, NULL);
	h->joined = true;
}

/* ---- time ---- */

qpool_stats
stage_stats(stage *s)
{
	qpool_stats stats = stats_of(s->pool);

	CELL_SAME(stats.empty + stats.opening + stats.idle + stats.checking + stats.leased +
		      stats.resetting + stats.closing,
	    stats.max_size + stats.over);
	return stats;
}

static bool
is_standing(stage *s)
{
	bool standing;

	pthread_mutex_lock(&s->mutex);
	standing = s->arrived && !s->open;
	pthread_mutex_unlock(&s->mutex);
	return standing;
}

static unsigned
those_who_move(void *of)
{
	stage *s = of;
	unsigned movers = stats_of(s->pool).workers;

	for (unsigned i = 0; i < s->hired; i++)
		movers += !hand_is_done(&s->hands[i]);
	return movers - is_standing(s);
}

void
stage_still(stage *s)
{
	CELL_MUST(!s->freed);
	tide_still(those_who_move, s);
}

void
stage_elapse(stage *s, qpool_nsec span)
{
	CELL_MUST(!s->freed);
	(void)tide_elapse(those_who_move, NULL, s, span);
}

static bool
awaited_is_done(void *of)
{
	stage *s = of;

	return hand_is_done(s->awaited);
}

void
stage_elapse_until(stage *s, hand *h, qpool_nsec most)
{
	CELL_MUST(!s->freed);
	s->awaited = h;
	CELL_MUST(tide_elapse(those_who_move, awaited_is_done, s, most));
}

static hand *
stand_in_line(stage *s, void (*verb)(hand *self), qpool_nsec timeout)
{
	unsigned before = stats_of(s->pool).waiting;
	hand *h = stage_hire(s, verb, timeout);

	await_waiting(s->pool, before + 1);
	stage_still(s);
	return h;
}

hand *
stage_waiter(stage *s, qpool_nsec timeout)
{
	return stand_in_line(s, verb_acquire, timeout);
}

hand *
stage_several(stage *s, qpool_nsec timeout)
{
	return stand_in_line(s, verb_acquire_several, timeout);
}

/* ---- from end to end ---- */

void
stage_set(stage *s, const place *at, uint32_t spare)
{
	qpool_options o = qpool_options_init();
	qpool_ops ops = fake_ops();
	qpool_error error;

	memset(s, 0, sizeof *s);
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	s->at = at;
	s->spare = spare;
	s->peer = fake_new();
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	o.max_size = at->max_size + spare;
	o.on_event = on_event;
	o.event_user = s;
	o.event_mask = ~UINT64_C(0);
	if (at->options != NULL)
		at->options(&o);
	CELL_SAME(qpool_create(&s->pool, &o, &ops, s->peer, &error), QPOOL_OK);
	for (int step = 0; step < FAKE_STEPS; step++)
		if ((fake_step)step == at->step)
			fake_hook_on(s->peer, (fake_step)step, on_step, s);
	if (at->workers > 0)
		CELL_SAME(qpool_start(s->pool, at->workers, &error), QPOOL_OK);
	if (!(at->traits & NO_KEPT))
		CELL_SAME(qpool_acquire(s->pool, QPOOL_FOREVER, &s->kept, &error), QPOOL_OK);
	if (at->prepare != NULL)
		at->prepare(s);
	stage_still(s);
	s->skip = at->skip;
	stage_subject(s)->timeout = QPOOL_FOREVER;
}

void
stage_begin(stage *s)
{
	hand *subject = stage_subject(s);

	pthread_mutex_lock(&s->mutex);
	s->armed = true;
	s->open = s->inside != NULL;
	pthread_mutex_unlock(&s->mutex);
	s->hired = 1;
	s->closed = (s->at->traits & CLOSING) != 0;
	send(s, subject, s->at->verb, subject->timeout);
	if (s->at->push != NULL)
		s->at->push(s);
	pthread_mutex_lock(&s->mutex);
	while (!s->arrived)
		pthread_cond_wait(&s->changed, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

void
stage_open_gate(stage *s)
{
	pthread_mutex_lock(&s->mutex);
	s->open = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
}

static void
end_lease(qpool_lease *lease)
{
	if (lease->resource == NULL)
		return;
	fake_use(lease);
	fake_unuse(lease);
	CELL_SAME(qpool_release(lease), QPOOL_OK);
}

/* Faults are over: within a second of virtual time one is lent again. */
static void
look_that_it_works(stage *s)
{
	int64_t end = qp_clock_now() + QPOOL_SEC(1);
	qpool_lease lease;
	qpool_error error;

	while (qpool_acquire(s->pool, QPOOL_NOWAIT, &lease, &error) != QPOOL_OK) {
		CELL_MUST(qp_clock_now() < end);
		stage_elapse(s, QPOOL_MSEC(100));
	}
	end_lease(&lease);
}

static void
end_open_pool(stage *s)
{
	qpool_stats stats;

	stage_still(s);
	assert_whole(s->pool);
	if (!s->closed)
		look_that_it_works(s);
	stage_still(s);
	assert_whole(s->pool);
	stats = stage_stats(s);
	CELL_SAME(stats.idle, fake_live(s->peer));
	CELL_SAME(qpool_close(s->pool, QPOOL_FOREVER), QPOOL_OK);
	CELL_SAME(fake_live(s->peer), 0);
	CELL_SAME(stage_stats(s).workers, 0);
	qpool_free(s->pool);
}

void
stage_end(stage *s)
{
	stage_open_gate(s);
	/* Those that close wait for the leases, and those in line for each other's. */
	for (unsigned round = 0; round <= s->hired; round++) {
		if (!s->freed)
			stage_elapse(s, QPOOL_SEC(1));
		else if (stage_subject(s)->verb == verb_close)
			end_lease(&s->kept); /* it waits for this one, freed or not */
		for (unsigned i = 0; i < s->hired; i++) {
			hand *h = &s->hands[i];
			if (s->freed || hand_is_done(h))
				hand_join(h);
			if (!h->joined)
				continue;
			end_lease(&h->lease);
			end_lease(&h->second);
		}
		end_lease(&s->given);
		end_lease(&s->kept);
	}
	for (unsigned i = 0; i < s->hired; i++)
		CELL_MUST(s->hands[i].joined);
	if (!s->freed)
		end_open_pool(s);
	fake_await_destroyed(s->peer);
	fake_end(s->peer);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	qp_testing_clock_real();
}
