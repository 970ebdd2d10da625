/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_crossings: where two things meet in one particular order, and a slot, a wake-up or the last word
 * could be lost.  Gates and virtual time make the order.
 */
#include "stage.h"

#include "actor.h"
#include "platform/clock.h"
#include "platform/testing.h"

#include <string.h>

static const place *
place_named(const char *name)
{
	for (size_t i = 0; i < places_count; i++)
		if (strcmp(places[i].name, name) == 0)
			return &places[i];
	cell_broken(__FILE__, __LINE__, "there is a place called '%s'", name);
}

static void
must_get(stage *s, hand *h)
{
	stage_elapse_until(s, h, QPOOL_SEC(1));
	hand_join(h);
	CELL_SAME(h->err, QPOOL_OK);
	CELL_SAME(qpool_release(&h->lease), QPOOL_OK);
}

static void
release_it(qpool_lease *lease)
{
	CELL_SAME(qpool_release(lease), QPOOL_OK);
}

static void
discard_it(qpool_lease *lease)
{
	CELL_SAME(qpool_discard(lease), QPOOL_OK);
}

/* ---- workers and their time ---- */

/*
 * One worker keeps the time of a far maintenance pass.  An open fails, its pause ends much sooner: it must
 * not be forgotten until the pass, whichever worker falls asleep last.
 */
static void
a_pause_is_shorter_than_a_pass(const void *first, const void *second)
{
	const place at = {.max_size = 2, .step = FAKE_STEPS, .verb = verb_acquire};
	qpool_error error;
	hand *waiter;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, &at, 0);
	CELL_SAME(qpool_start(s.pool, 4, &error), QPOOL_OK);
	CELL_SAME(qpool_release(&s.kept), QPOOL_OK);
	stage_still(&s); /* one is idle: now somebody keeps the time of the next pass */
	CELL_SAME(qpool_acquire(s.pool, QPOOL_NOWAIT, &s.kept, &error), QPOOL_OK);
	for (unsigned failures = 1; failures < 6; failures++) {
		int64_t began = qp_clock_now();
		fake_fail(s.peer, FAKE_OPEN, failures, QPOOL_EOPEN);
		s.hired = 0;
		memset(s.hands, 0, sizeof s.hands);
		waiter = stage_waiter(&s, QPOOL_FOREVER);
		stage_elapse_until(&s, waiter, QPOOL_SEC(20));
		/* A pause is at most 100 ms while somebody asks. */
		cell_note("failures", failures);
		CELL_MUST(qp_clock_now() - began <= failures * QPOOL_MSEC(100));
		hand_join(waiter);
		CELL_SAME(waiter->err, QPOOL_OK);
		CELL_SAME(qpool_discard(&waiter->lease), QPOOL_OK);
		stage_still(&s);
	}
	stage_end(&s);
}

/* While a worker tells that it has opened one, nobody opens a second for the same waiter. */
static void
one_waiter_one_open(const void *first, const void *second)
{
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, place_named("OPENED on a worker"), 5);
	CELL_SAME(fake_calls(s.peer, FAKE_OPEN), 1); /* for kept */
	stage_begin(&s);
	stage_still(&s);
	CELL_SAME(fake_calls(s.peer, FAKE_OPEN), 2);
	stage_end(&s);
}

static void
release_one(hand *h)
{
	h->err = qpool_release(&h->on->kept);
}

/* What was handed to workers is done, though they are told to stop. */
static void
jobs_outlive_stop(const void *first, const void *second)
{
	hand *stopper, *releaser;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, place_named("reset on a worker"), 0);
	CELL_SAME(qpool_stop(s.pool), QPOOL_OK);
	CELL_SAME(qpool_start(s.pool, 1, NULL), QPOOL_OK);
	stage_begin(&s);
	releaser = stage_hire(&s, release_one, 0);
	hand_join(releaser);
	CELL_SAME(releaser->err, QPOOL_OK);
	s.kept = (qpool_lease)QPOOL_LEASE_INIT;
	CELL_SAME(stage_stats(&s).resetting, 2);
	stopper = stage_hire(&s, verb_stop, 0);
	stage_still(&s);
	CELL_SAME(stage_stats(&s).resetting, 2);
	stage_open_gate(&s);
	hand_join(stopper);
	CELL_SAME(stage_stats(&s).idle, 2);
	CELL_SAME(fake_calls(s.peer, FAKE_RESET), 2);
	stage_end(&s);
}

/* Two jobs come before the one worker that was called has looked: it calls the other. */
static void
a_worker_calls_the_next(const void *first, const void *second)
{
	const place at = {.max_size = 2, .step = FAKE_STEPS, .workers = 2};
	qpool_lease lease;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, &at, 0);
	for (unsigned round = 0; round < 20; round++) {
		CELL_SAME(qpool_acquire(s.pool, QPOOL_FOREVER, &lease, NULL), QPOOL_OK);
		stage_still(&s);
		fake_gate_shut(s.peer, FAKE_CLOSE);
		discard_it(&s.kept);
		discard_it(&lease);
		fake_gate_await(s.peer, FAKE_CLOSE, 2);
		fake_gate_open(s.peer, FAKE_CLOSE);
		CELL_SAME(qpool_acquire(s.pool, QPOOL_FOREVER, &s.kept, NULL), QPOOL_OK);
	}
	stage_end(&s);
}

/* ---- one that is in its hook ---- */

/* What comes while the head is in its hook is for the next; then the head wants to go. */
static void
passed_over_in_its_hook(void (*end_it)(qpool_lease *lease))
{
	hand *next;
	stage s;

	stage_set(&s, place_named("interrupt hook"), 0);
	stage_begin(&s);
	next = stage_waiter(&s, QPOOL_FOREVER);
	end_it(&s.kept);
	must_get(&s, next);
	__atomic_store_n(&stage_subject(&s)->cancel, 1, __ATOMIC_RELAXED);
	stage_open_gate(&s);
	hand_join(stage_subject(&s));
	CELL_SAME(stage_subject(&s)->err, QPOOL_ECANCEL);
	stage_end(&s);
}

static void
an_idle_one_is_for_the_next(const void *first, const void *second)
{
	(void)first;
	(void)second;
	passed_over_in_its_hook(release_it);
}

static void
an_empty_one_is_for_the_next(const void *first, const void *second)
{
	(void)first;
	(void)second;
	passed_over_in_its_hook(discard_it);
}

static void
let_newcomers_win(qpool_options *o)
{
	o->max_overtake = QPOOL_FOREVER;
}

/* It is woken to take what came, and when it wakes it is time for its hook. */
static void
wake_it_late(stage *s)
{
	await_waiting(s->pool, 1);
	s->user = stage_waiter(s, QPOOL_FOREVER);
	qp_testing_clock_virtual(qp_clock_now() + QPOOL_SEC(1));
	release_it(&s->kept);
}

/* What the head was woken for goes on to the next when it runs its hook first. */
static void
woken_into_its_hook(const void *first, const void *second)
{
	place at = *place_named("interrupt hook");
	stage s;

	(void)first;
	(void)second;
	at.options = let_newcomers_win;
	at.push = wake_it_late;
	stage_set(&s, &at, 0);
	stage_begin(&s);
	must_get(&s, s.user);
	CELL_MUST(!hand_is_done(stage_subject(&s)));
	stage_end(&s);
	CELL_SAME(stage_subject(&s)->err, QPOOL_OK);
}

static void
let_nothing_be_opened(stage *s)
{
	fake_gate_shut(s->peer, FAKE_OPEN);
}

/* The worker stands in open meanwhile. */
static void
let_a_second_pass_for_one(stage *s)
{
	fake_gate_await(s->peer, FAKE_OPEN, 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(1));
}

/* What a worker opened is for the next, too. */
static void
an_opened_one_is_for_the_next(const void *first, const void *second)
{
	place at = *place_named("interrupt hook");
	hand *next;
	stage s;

	(void)first;
	(void)second;
	at.workers = 1;
	at.prepare = let_nothing_be_opened;
	at.push = let_a_second_pass_for_one;
	stage_set(&s, &at, 0);
	stage_begin(&s);
	next = stage_hire(&s, verb_acquire, QPOOL_FOREVER);
	await_waiting(s.pool, 2);
	qp_testing_await_parked(1);
	fake_gate_open(s.peer, FAKE_OPEN);
	must_get(&s, next);
	CELL_MUST(!hand_is_done(stage_subject(&s)));
	stage_end(&s);
	CELL_SAME(stage_subject(&s)->err, QPOOL_OK);
}

/* Nobody is behind it: what came meanwhile is there when it is back. */
static void
it_comes_back_to_an_idle_one(const void *first, const void *second)
{
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, place_named("interrupt hook"), 0);
	stage_begin(&s);
	release_it(&s.kept);
	CELL_SAME(stage_stats(&s).idle, 1);
	stage_open_gate(&s);
	must_get(&s, stage_subject(&s));
	stage_end(&s);
}

/* Back from its hook it has its place again: it was there first. */
static void
it_keeps_its_place(const void *first, const void *second)
{
	hand *next;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, place_named("interrupt hook"), 0);
	stage_begin(&s);
	next = stage_waiter(&s, QPOOL_FOREVER);
	stage_open_gate(&s);
	stage_still(&s);
	release_it(&s.kept);
	stage_still(&s);
	CELL_MUST(hand_is_done(stage_subject(&s)) && !hand_is_done(next));
	stage_end(&s);
	CELL_SAME(stage_subject(&s)->err, QPOOL_OK);
	CELL_SAME(next->err, QPOOL_OK);
}

/* The head's time is over, and it has not woken yet: what comes back is the next one's. */
static void
too_late_for_the_first(const void *first, const void *second)
{
	const place at = {.max_size = 1, .step = FAKE_STEPS};
	hand *hasty, *next;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, &at, 0);
	hasty = stage_waiter(&s, QPOOL_SEC(3));
	next = stage_waiter(&s, QPOOL_FOREVER);
	qp_testing_clock_virtual(qp_clock_now() + QPOOL_SEC(3)); /* wakes nobody */
	release_it(&s.kept);
	must_get(&s, next);
	hand_join(hasty);
	CELL_SAME(hasty->err, QPOOL_ETIMEOUT);
	stage_end(&s);
}

/* The same while it is in its hook. */
static void
too_late_in_its_hook(const void *first, const void *second)
{
	hand *next;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, place_named("interrupt hook"), 0);
	stage_subject(&s)->timeout = QPOOL_SEC(3);
	stage_begin(&s);
	next = stage_waiter(&s, QPOOL_FOREVER);
	stage_elapse(&s, QPOOL_SEC(3));
	release_it(&s.kept);
	stage_elapse_until(&s, next, 0);
	hand_join(next);
	CELL_SAME(next->err, QPOOL_OK);
	stage_open_gate(&s);
	hand_join(stage_subject(&s));
	CELL_SAME(stage_subject(&s)->err, QPOOL_ETIMEOUT);
	stage_end(&s);
}

/* The same of what a worker opened, though the first in line would be given it however young it is. */
static void
too_late_for_what_was_opened(const void *first, const void *second)
{
	hand *hasty, *next;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, place_named("open on a worker"), 0);
	hasty = stage_subject(&s);
	hasty->timeout = QPOOL_SEC(3);
	stage_begin(&s);
	next = stage_waiter(&s, QPOOL_FOREVER);
	qp_testing_clock_virtual(qp_clock_now() + QPOOL_SEC(3)); /* wakes nobody */
	stage_open_gate(&s);
	must_get(&s, next);
	hand_join(hasty);
	CELL_SAME(hasty->err, QPOOL_ETIMEOUT);
	CELL_SAME(fake_calls(s.peer, FAKE_OPEN), 2); /* one for kept */
	stage_end(&s);
}

/* It is told nothing while the pool closes, and says itself that it goes. */
static void
it_goes_while_the_pool_closes(const void *first, const void *second)
{
	hand *subject, *closer;
	stage s;

	(void)first;
	(void)second;
	stage_set(&s, place_named("interrupt hook"), 0);
	stage_begin(&s);
	subject = stage_subject(&s);
	release_it(&s.kept);
	closer = stage_hire(&s, verb_close, QPOOL_FOREVER);
	while (qpool_start(s.pool, 1, NULL) != QPOOL_ECLOSED)
		CELL_SAME(qpool_stop(s.pool), QPOOL_OK);
	s.closed = true;
	__atomic_store_n(&subject->cancel, 1, __ATOMIC_RELAXED);
	stage_open_gate(&s);
	hand_join(subject);
	CELL_SAME(subject->err, QPOOL_ECANCEL);
	release_it(&s.given);
	hand_join(closer);
	CELL_SAME(closer->err, QPOOL_OK);
	CELL_SAME(fake_last_why(s.peer), QPOOL_WHY_CLOSED);
	stage_end(&s);
}

/* ---- the end ---- */

/* More than are woken in one go. */
static void
a_long_line_is_told(const void *first, const void *second)
{
	const place at = {.max_size = 1, .step = FAKE_STEPS};
	actor line[30];
	stage s;

	(void)second;
	stage_set(&s, &at, 0);
	for (unsigned i = 0; i < 30; i++)
		actor_acquires(&line[i], s.pool, QPOOL_FOREVER);
	await_waiting(s.pool, 30);
	qp_testing_await_parked(30);
	if (first != NULL) {
		CELL_SAME(qpool_close(s.pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
		s.closed = true;
	} else {
		qpool_free(s.pool);
		s.freed = true;
	}
	for (unsigned i = 0; i < 30; i++)
		CELL_SAME(actor_join(&line[i]), QPOOL_ECLOSED);
	stage_end(&s);
}

typedef struct bell {
	unsigned rung;
} bell;

static void
ring(void *user, qpool *pool, const qpool_event *event)
{
	bell *b = user;

	(void)pool;
	(void)event;
	__atomic_add_fetch(&b->rung, 1, __ATOMIC_RELAXED);
}

/* Once qpool_close has said OK no callback runs, whatever is called. */
static void
silence_after_close(const void *first, const void *second)
{
	qpool_options o = qpool_options_init();
	qpool_ops ops = fake_ops();
	fake *peer = fake_new();
	bell b = {0};
	qpool_lease lease, copy;
	qpool_error error;
	qpool *pool;
	unsigned rung;

	(void)first;
	(void)second;
	o.on_event = ring;
	o.event_user = &b;
	o.event_mask = ~UINT64_C(0);
	CELL_SAME(qpool_create(&pool, &o, &ops, peer, &error), QPOOL_OK);
	CELL_SAME(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error), QPOOL_OK);
	copy = lease;
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	rung = b.rung;
	CELL_MUST(rung > 0);
	CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
	CELL_SAME(qpool_discard(&copy), QPOOL_EMISUSE);
	CELL_SAME(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error), QPOOL_ECLOSED);
	CELL_SAME(qpool_start(pool, 1, &error), QPOOL_ECLOSED);
	CELL_SAME(qpool_stop(pool), QPOOL_OK);
	CELL_SAME(qpool_maintain(pool), 0);
	CELL_SAME(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	CELL_SAME(stats_of(pool).misuses, 2);
	CELL_SAME(fake_calls(peer, FAKE_DESTROY), 1);
	CELL_SAME(b.rung, rung);
	qpool_free(pool);
	CELL_SAME(b.rung, rung);
	fake_end(peer);
}

/* The end of the last lease of a freed pool closes, destroys and frees, on the thread that ends it. */
static void
the_last_lease_ends_it(void (*end_it)(qpool_lease *lease))
{
	const place at = {.max_size = 3, .step = FAKE_STEPS, .workers = 2};
	qpool_error error;
	stage s;

	stage_set(&s, &at, 0);
	CELL_SAME(qpool_acquire(s.pool, QPOOL_FOREVER, &s.given, &error), QPOOL_OK);
	qpool_free(s.pool);
	s.freed = true;
	release_it(&s.given);
	CELL_SAME(fake_calls(s.peer, FAKE_DESTROY), 0);
	fake_use(&s.kept);
	fake_unuse(&s.kept);
	end_it(&s.kept);
	stage_end(&s);
}

static void
detach_it(qpool_lease *lease)
{
	CELL_MUST(fake_detach(fake_of(lease)->peer, lease));
}

static void
a_release_ends_it(const void *first, const void *second)
{
	(void)first;
	(void)second;
	the_last_lease_ends_it(release_it);
}

static void
a_discard_ends_it(const void *first, const void *second)
{
	(void)first;
	(void)second;
	the_last_lease_ends_it(discard_it);
}

static void
a_detach_ends_it(const void *first, const void *second)
{
	(void)first;
	(void)second;
	the_last_lease_ends_it(detach_it);
}

int
main(int argc, char **argv)
{
	cells all = {NULL, 0, 0};

#define ADD(name, text) cells_add(&all, name, NULL, NULL, text)
	ADD(a_pause_is_shorter_than_a_pass, "a pause ends though a worker sleeps longer");
	ADD(one_waiter_one_open, "one waiter, one open");
	ADD(jobs_outlive_stop, "what workers were handed is done before they stop");
	ADD(a_worker_calls_the_next, "a worker calls the next");
	ADD(an_idle_one_is_for_the_next, "an idle one passes by who is in a hook");
	ADD(an_empty_one_is_for_the_next, "an empty one passes by who is in a hook");
	ADD(an_opened_one_is_for_the_next, "an opened one passes by who is in a hook");
	ADD(woken_into_its_hook, "one is woken, and runs its hook first");
	ADD(it_comes_back_to_an_idle_one, "one comes back from its hook to an idle one");
	ADD(it_keeps_its_place, "one comes back from its hook to its place");
	ADD(too_late_for_the_first, "one whose time is over is passed over");
	ADD(too_late_for_what_was_opened, "one whose time is over is given nothing opened");
	ADD(too_late_in_its_hook, "one whose time ends in its hook is passed over");
	ADD(it_goes_while_the_pool_closes, "one is in its hook while the pool closes");
	cells_add(&all, a_long_line_is_told, "", NULL, "a long line is told that the pool closes");
	ADD(a_long_line_is_told, "a long line is told that the pool is freed");
	ADD(silence_after_close, "silence after close");
	ADD(a_release_ends_it, "the last release ends a freed pool");
	ADD(a_discard_ends_it, "the last discard ends a freed pool");
	ADD(a_detach_ends_it, "the last detach ends a freed pool");
#undef ADD
	return cells_run(&all, "crossings", argc, argv);
}
