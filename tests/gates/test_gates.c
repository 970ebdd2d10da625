/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_gates: one thread stands inside a callback and does not come out.  For everybody else life goes on,
 * as far as its slot is not needed: each row of `actions` is done at every place there is.
 */
#include "stage.h"

#include "actor.h"
#include "platform/testing.h"

#include <stdio.h>

typedef struct action {
	const char *name;
	void (*act)(stage *s);
	unsigned never;     /* places with one of these traits cannot have it */
	unsigned needs;     /* only places with all of these can */
	qpool_nsec timeout; /* the subject's; 0: for ever */
	bool ends_subject;  /* its outcome is looked at by the action */
} action;

static bool
stands_here(const stage *s, unsigned traits)
{
	return (s->at->traits & traits) == traits;
}

static void
must_fail(hand *h, qpool_err err)
{
	hand_join(h);
	CELL_SAME(h->err, err);
}

static void
must_get(stage *s, hand *h)
{
	stage_elapse_until(s, h, QPOOL_SEC(1));
	hand_join(h);
	CELL_SAME(h->err, QPOOL_OK);
	fake_use(&h->lease);
	fake_unuse(&h->lease);
}

static void
give_back(hand *h)
{
	CELL_SAME(qpool_release(&h->lease), QPOOL_OK);
}

/* The one in line is next for whatever comes, once the subject, if it waits for a worker, is served; one that
 * is in its hook holds up nobody. */
static void
must_serve(stage *s, hand *waiter)
{
	if (stands_here(s, COVERS))
		stage_open_gate(s);
	if (stands_here(s, WAITS | ON_WORKER)) {
		must_get(s, stage_subject(s));
		give_back(stage_subject(s));
	}
	must_get(s, waiter);
}

/* ---- actions ---- */

static void
a_waiter_times_out(stage *s)
{
	hand *w = stage_waiter(s, QPOOL_SEC(2));

	stage_elapse(s, QPOOL_SEC(2) - 1);
	CELL_MUST(!hand_is_done(w));
	stage_elapse(s, 1);
	CELL_MUST(hand_is_done(w));
	must_fail(w, QPOOL_ETIMEOUT);
}

/* Its stack is gone when the next one is served. */
static void
a_waiter_leaves_for_good(stage *s)
{
	hand *first = stage_waiter(s, QPOOL_SEC(1)), *second = stage_waiter(s, QPOOL_FOREVER);
	hand *third = stage_waiter(s, QPOOL_SEC(2));

	stage_elapse(s, QPOOL_SEC(2));
	must_fail(first, QPOOL_ETIMEOUT);
	must_fail(third, QPOOL_ETIMEOUT);
	if (stands_here(s, NO_KEPT))
		stage_open_gate(s);
	else
		CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	if (stands_here(s, NO_KEPT | ASKS)) {
		must_get(s, stage_subject(s));
		give_back(stage_subject(s));
		must_get(s, second);
	} else {
		must_serve(s, second);
	}
}

static void
the_one_inside_times_out(stage *s)
{
	hand *subject = stage_subject(s);

	stage_elapse(s, QPOOL_SEC(3));
	if (stands_here(s, ON_WORKER | WAITS)) {
		/* It waits for a worker: exactly so long, whatever the worker does. */
		CELL_MUST(hand_is_done(subject));
	} else {
		stage_open_gate(s);
		stage_elapse_until(s, subject, QPOOL_SEC(1));
	}
	hand_join(subject);
	CELL_SAME(subject->err, s->at->late);
}

static void
must_be_closed(stage *s)
{
	qpool_lease lease;
	qpool_error error;

	CELL_SAME(qpool_acquire(s->pool, QPOOL_FOREVER, &lease, &error), QPOOL_ECLOSED);
	CELL_SAME(qpool_acquire(s->pool, QPOOL_NOWAIT, &lease, &error), QPOOL_ECLOSED);
	CELL_SAME(qpool_start(s->pool, 1, &error), QPOOL_ECLOSED);
	s->closed = true;
}

static void
it_is_closed_in_vain(stage *s)
{
	hand *waiter = stands_here(s, NO_LINE) ? NULL : stage_waiter(s, QPOOL_FOREVER);
	hand *closer = stage_hire(s, verb_close, QPOOL_SEC(1));

	if (waiter != NULL)
		must_fail(waiter, QPOOL_ECLOSED);
	stage_elapse(s, QPOOL_SEC(1) - 1);
	CELL_MUST(!hand_is_done(closer));
	stage_elapse(s, 1);
	CELL_MUST(hand_is_done(closer));
	must_fail(closer, QPOOL_ETIMEOUT);
	must_be_closed(s);
}

static void
two_close_it(stage *s)
{
	hand *waiter = stands_here(s, NO_LINE) ? NULL : stage_waiter(s, QPOOL_FOREVER);
	hand *patient = stage_hire(s, verb_close, QPOOL_FOREVER);
	hand *hasty = stage_hire(s, verb_close, QPOOL_SEC(1));

	if (waiter != NULL)
		must_fail(waiter, QPOOL_ECLOSED);
	stage_elapse(s, QPOOL_SEC(1));
	must_fail(hasty, QPOOL_ETIMEOUT);
	CELL_MUST(!hand_is_done(patient));
	must_be_closed(s);
}

static void
it_is_freed(stage *s)
{
	hand *waiter = stands_here(s, NO_LINE) ? NULL : stage_waiter(s, QPOOL_FOREVER);
	bool waits_for_worker = stands_here(s, NO_KEPT | ON_WORKER);
	hand *freer;

	/* From here on nobody may name the pool. */
	s->freed = true;
	freer = stage_hire(s, verb_free, 0);
	if (waiter != NULL)
		must_fail(waiter, QPOOL_ECLOSED);
	if (waits_for_worker)
		stage_open_gate(s);
	hand_join(freer);
	/* A lease that is out is as good as ever. */
	if (s->kept.resource != NULL) {
		fake_use(&s->kept);
		fake_unuse(&s->kept);
	}
}

static void
a_waiter_is_interrupted(stage *s)
{
	hand *stays = stage_waiter(s, QPOOL_FOREVER), *goes = stage_waiter(s, QPOOL_FOREVER);

	__atomic_store_n(&goes->cancel, 1, __ATOMIC_RELAXED);
	qp_testing_wake_all(true);
	stage_still(s);
	must_fail(goes, QPOOL_ECANCEL);
	CELL_MUST(!hand_is_done(stays));
	qp_testing_wake_all(true);
	stage_still(s);
	CELL_MUST(!hand_is_done(stays));
}

static void
workers_come_and_go(stage *s)
{
	hand *stopper, *starter;

	starter = stage_hire(s, verb_start, 0);
	must_fail(starter, QPOOL_OK);
	stage_still(s);
	stopper = stage_hire(s, verb_stop, 0);
	/* It waits for the callback a worker is in, and for nothing else. */
	if (stands_here(s, ON_WORKER)) {
		stage_still(s);
		CELL_MUST(!hand_is_done(stopper));
	} else {
		hand_join(stopper);
	}
	stage_open_gate(s);
	must_fail(stopper, QPOOL_OK);
	CELL_SAME(stage_stats(s).workers, 0);
	starter = stage_hire(s, verb_start, 0);
	must_fail(starter, QPOOL_OK);
	CELL_SAME(stage_stats(s).workers, 2);
}

static void
another_is_released(stage *s)
{
	hand *waiter = stage_waiter(s, QPOOL_FOREVER);

	CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	must_serve(s, waiter);
}

static void
another_is_discarded(stage *s)
{
	hand *waiter = stage_waiter(s, QPOOL_FOREVER);

	CELL_SAME(qpool_discard(&s->kept), QPOOL_OK);
	must_serve(s, waiter);
}

static void
another_is_detached(stage *s)
{
	hand *waiter = stage_waiter(s, QPOOL_FOREVER);

	CELL_MUST(fake_detach(s->peer, &s->kept));
	must_serve(s, waiter);
}

/* The transfer: an old head is given the slot whoever comes by. */
static void
another_is_released_late(stage *s)
{
	hand *waiter = stage_waiter(s, QPOOL_FOREVER);
	qpool_lease lease;
	qpool_error error;

	stage_elapse(s, QPOOL_SEC(1));
	CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	CELL_SAME(qpool_acquire(s->pool, QPOOL_NOWAIT, &lease, &error), QPOOL_EAGAIN);
	must_serve(s, waiter);
}

static void
somebody_looks(stage *s)
{
	qpool_stats stats;
	unsigned at_least = 0;

	stage_still(s);
	stats = stage_stats(s);
	CELL_MUST(stats.exact);
	if (s->at->state != 0)
		memcpy(&at_least, (const char *)&stats + s->at->state, sizeof at_least);
	CELL_MUST(s->at->state == 0 || at_least >= 1);
	CELL_SAME(stats.leased, (unsigned)(s->kept.resource != NULL) + (s->given.resource != NULL) +
				    (s->at->state == offsetof(qpool_stats, leased)));
	CELL_SAME(stats.waiting, stands_here(s, WAITS));
	CELL_SAME(qpool_maintain(s->pool), 0);
}

/* A newcomer that may not wait is told so at once. */
static void
one_comes_who_may_not_wait(stage *s)
{
	unsigned opens = fake_calls(s->peer, FAKE_OPEN);
	hand *newcomer = stage_hire(s, verb_acquire, QPOOL_NOWAIT);

	hand_join(newcomer);
	if (stands_here(s, IDLE_ONE))
		CELL_SAME(newcomer->err, QPOOL_OK);
	else
		CELL_MUST(newcomer->err == QPOOL_EAGAIN ||
			  (stands_here(s, CLOSING) && newcomer->err == QPOOL_ECLOSED) ||
			  (stands_here(s, NO_KEPT) && newcomer->err == QPOOL_EDENIED));
	CELL_SAME(fake_calls(s->peer, FAKE_OPEN), opens);
}

static void
all_are_woken_for_nothing(stage *s)
{
	hand *waiter = stands_here(s, NO_LINE) ? NULL : stage_waiter(s, QPOOL_FOREVER);

	for (int i = 0; i < 3; i++) {
		qp_testing_wake_all(i & 1);
		stage_still(s);
	}
	CELL_MUST(waiter == NULL || !hand_is_done(waiter));
}

/* ---- several at once ---- */

/* One has what was kept, or will have it, and waits for the other; another one stands behind it at the gate.  Both
 * are served when the one inside has gone on: see run. */
static void
two_ask_for_several(stage *s)
{
	hand *first = stage_several(s, QPOOL_FOREVER), *second = stage_several(s, QPOOL_FOREVER);

	CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	stage_still(s);
	CELL_MUST(!hand_is_done(first) && !hand_is_done(second));
	s->served[0] = first;
	s->served[1] = second;
}

/* What it had collected is for who comes behind. */
static void
several_time_out(stage *s)
{
	hand *several = stage_several(s, QPOOL_SEC(2)), *next = stage_waiter(s, QPOOL_FOREVER);

	CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	stage_elapse(s, QPOOL_SEC(2) - 1);
	CELL_MUST(!hand_is_done(several));
	stage_elapse(s, 1);
	CELL_MUST(hand_is_done(several));
	must_fail(several, QPOOL_ETIMEOUT);
	must_serve(s, next);
}

static void
several_are_interrupted(stage *s)
{
	hand *first = stage_several(s, QPOOL_FOREVER), *second = stage_several(s, QPOOL_FOREVER);

	CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	stage_still(s);
	__atomic_store_n(&first->cancel, 1, __ATOMIC_RELAXED);
	qp_testing_wake_all(true);
	stage_still(s);
	must_fail(first, QPOOL_ECANCEL);
	CELL_MUST(!hand_is_done(second));
	__atomic_store_n(&second->cancel, 1, __ATOMIC_RELAXED);
	qp_testing_wake_all(true);
	stage_still(s);
	must_fail(second, QPOOL_ECANCEL);
}

/* In line with one in hand, and at the gate: both are told, and what was collected is closed. */
static void
several_wait_while_it_is_closed(stage *s)
{
	hand *first = stage_several(s, QPOOL_FOREVER), *second = stage_several(s, QPOOL_FOREVER);

	CELL_SAME(qpool_release(&s->kept), QPOOL_OK);
	stage_still(s);
	(void)stage_hire(s, verb_close, QPOOL_FOREVER);
	must_fail(first, QPOOL_ECLOSED);
	must_fail(second, QPOOL_ECLOSED);
	must_be_closed(s);
}

/* ---- it is run ---- */

static void
it_is_renewed(stage *s)
{
	hand *waiter = stands_here(s, NO_LINE) ? NULL : stage_waiter(s, QPOOL_FOREVER);

	qpool_renew(s->pool);
	stage_still(s);
	CELL_MUST(waiter == NULL || !hand_is_done(waiter) || waiter->err == QPOOL_OK);
}

static void
it_is_paused_meanwhile(stage *s)
{
	hand *newcomer;

	qpool_pause(s->pool);
	newcomer = stage_hire(s, verb_acquire, QPOOL_NOWAIT);
	hand_join(newcomer);
	CELL_SAME(newcomer->err, stands_here(s, CLOSING) ? QPOOL_ECLOSED : QPOOL_EAGAIN);
	stage_still(s);
	qpool_resume(s->pool);
}

/* The one inside comes out into a pool that is paused. */
static void
it_is_paused_until_the_gate_opens(stage *s)
{
	qpool_pause(s->pool);
	stage_open_gate(s);
	stage_still(s);
	qpool_resume(s->pool);
}

static void
it_is_none_and_as_large_again(stage *s)
{
	qpool_options o = qpool_options_init();
	uint32_t max_size = stage_stats(s).max_size;
	qpool_err err = stands_here(s, CLOSING) ? QPOOL_ECLOSED : QPOOL_OK;
	qpool_stats stats;

	o.max_size = QPOOL_ZERO32;
	o.min_idle = QPOOL_ZERO32;
	CELL_SAME(qpool_configure(s->pool, &o, NULL), err);
	stage_still(s);
	stats = stage_stats(s);
	CELL_MUST(err != QPOOL_OK || (stats.max_size == 0 && stats.empty == 0));
	o.max_size = max_size;
	CELL_SAME(qpool_configure(s->pool, &o, NULL), err);
}

static const action actions[] = {
    {"nothing else happens", NULL, 0, 0, 0, false},
    {"a waiter times out", a_waiter_times_out, NO_LINE, 0, 0, false},
    {"a waiter times out and its thread ends", a_waiter_leaves_for_good, NO_LINE, 0, 0, true},
    {"the one inside times out", the_one_inside_times_out, TIMED, ASKS, QPOOL_SEC(3), true},
    {"it is closed in vain", it_is_closed_in_vain, 0, 0, 0, true},
    {"two close it", two_close_it, 0, 0, 0, true},
    {"it is freed", it_is_freed, CLOSING, 0, 0, true},
    {"a waiter is interrupted", a_waiter_is_interrupted, NO_LINE, 0, 0, false},
    {"workers come and go", workers_come_and_go, CLOSING, 0, 0, false},
    {"another is released", another_is_released, NO_LINE | NO_KEPT, 0, 0, false},
    {"another is released late", another_is_released_late, NO_LINE | NO_KEPT, 0, 0, false},
    {"another is discarded", another_is_discarded, NO_LINE | NO_KEPT, 0, 0, false},
    {"another is detached", another_is_detached, NO_LINE | NO_KEPT, 0, 0, false},
    {"two ask for several", two_ask_for_several, NO_LINE | NO_KEPT, 0, 0, false},
    {"several time out", several_time_out, NO_LINE | NO_KEPT, 0, 0, false},
    {"several are interrupted", several_are_interrupted, NO_LINE | NO_KEPT, 0, 0, false},
    {"several wait while it is closed", several_wait_while_it_is_closed, NO_LINE | NO_KEPT, 0, 0,
	true},
    {"somebody looks", somebody_looks, 0, 0, 0, false},
    {"one comes who may not wait", one_comes_who_may_not_wait, 0, 0, 0, false},
    {"all are woken for nothing", all_are_woken_for_nothing, 0, 0, 0, false},
    {"it is renewed", it_is_renewed, 0, 0, 0, false},
    {"it is paused meanwhile", it_is_paused_meanwhile, 0, 0, 0, false},
    {"it is paused until the gate opens", it_is_paused_until_the_gate_opens, 0, 0, 0, false},
    {"it is none, and as large again", it_is_none_and_as_large_again, 0, 0, 0, false},
};

static void
run(const void *first, const void *second)
{
	const place *at = first;
	const action *does = second;
	hand *subject;
	stage s;

	stage_set(&s, at, 0);
	subject = stage_subject(&s);
	if (does->timeout != 0)
		subject->timeout = does->timeout;
	stage_begin(&s);
	if (does->act != NULL)
		does->act(&s);
	stage_end(&s);
	for (unsigned i = 0; i < 2; i++)
		CELL_MUST(s.served[i] == NULL || s.served[i]->err == QPOOL_OK);
	if (!does->ends_subject)
		CELL_SAME(subject->err, at->outcome);
}

int
main(int argc, char **argv)
{
	cells matrix = {NULL, 0, 0};

	for (size_t i = 0; i < places_count; i++)
		for (size_t j = 0; j < sizeof actions / sizeof actions[0]; j++) {
			const place *at = &places[i];
			const action *does = &actions[j];
			if ((at->traits & does->never) == 0 &&
			    (at->traits & does->needs) == does->needs)
				cells_add(
				    &matrix, run, at, does, "%s, while %s", at->name, does->name);
		}
	return cells_run(&matrix, "gates", argc, argv);
}
