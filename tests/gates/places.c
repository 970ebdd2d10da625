/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * places: every callback there is, and how a thread comes to stand in it.
 */
#include "stage.h"

#include "actor.h"
#include "platform/testing.h"

/* ---- options ---- */

static void
idle_for_a_second(qpool_options *o)
{
	o->max_idle = QPOOL_SEC(1);
	o->maintain_every = QPOOL_FOREVER;
}

static void
maintained(qpool_options *o)
{
	o->max_idle = QPOOL_SEC(1);
	o->maintain_every = QPOOL_SEC(5);
}

static void
one_warm(qpool_options *o)
{
	o->min_idle = 1;
}

static void
resets_elsewhere(qpool_options *o)
{
	o->flags = QPOOL_RESET_ON_WORKERS;
}

static void
no_line(qpool_options *o)
{
	o->max_waiters = QPOOL_ZERO32;
}

static void
tells(qpool_options *o)
{
	o->open_failure = QPOOL_OPEN_TELL;
}

/* ---- before ---- */

static qpool_lease
take(stage *s)
{
	qpool_lease lease;
	qpool_error error;

	CELL_SAME(qpool_acquire(s->pool, QPOOL_FOREVER, &lease, &error), QPOOL_OK);
	return lease;
}

static void
give_one(stage *s)
{
	s->given = take(s);
}

static void
leave_one_idle(stage *s)
{
	qpool_lease lease = take(s);

	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static void
leave_two_idle(stage *s)
{
	qpool_lease first = take(s), second = take(s);

	CELL_SAME(qpool_release(&first), QPOOL_OK);
	CELL_SAME(qpool_release(&second), QPOOL_OK);
}

static void
leave_one_expired(stage *s)
{
	leave_one_idle(s);
	stage_elapse(s, QPOOL_SEC(2));
}

static void
leave_one_unsure(stage *s)
{
	fake_born(s->peer, true, false);
	leave_one_idle(s);
}

static void
make_one_stale(stage *s)
{
	s->given = take(s);
	s->stale = s->given;
	CELL_SAME(qpool_release(&s->given), QPOOL_OK);
	s->given = take(s);
}

static void
refuse_to_open(stage *s)
{
	fake_fail(s->peer, FAKE_OPEN, 1, QPOOL_EOPEN);
}

static void
deny(stage *s)
{
	fake_fail(s->peer, FAKE_OPEN, 1, QPOOL_EDENIED);
}

static void
have_been_down(stage *s)
{
	qpool_lease lease;
	qpool_error error;

	deny(s);
	CELL_SAME(qpool_acquire(s->pool, QPOOL_FOREVER, &lease, &error), QPOOL_EDENIED);
	stage_still(s);
	CELL_MUST(stage_stats(s).down);
	stage_elapse(s, QPOOL_SEC(5));
}

static void
give_one_to_be_reset_elsewhere(stage *s)
{
	s->given = take(s);
	fake_fail(s->peer, FAKE_RESET, 1, QPOOL_EAGAIN);
}

/* ---- meanwhile ---- */

static void
hand_over(stage *s)
{
	await_waiting(s->pool, 1);
	stage_still(s);
	CELL_SAME(qpool_release(&s->given), QPOOL_OK);
}

/* Not stage_elapse: the one meant arrives while the time passes. */
static void
let_a_second_pass(stage *s)
{
	stage_still(s);
	qp_testing_clock_advance(QPOOL_SEC(1));
}

static void
let_five_seconds_pass(stage *s)
{
	stage_still(s);
	qp_testing_clock_advance(QPOOL_SEC(5));
}

static void
acquire_within_a_second(hand *h)
{
	h->timeout = QPOOL_SEC(1);
	verb_acquire(h);
}

/* The worker opens for nobody: else whoever waited might tell that the pool is down before it does. */
static void
acquire_at_once(hand *h)
{
	h->timeout = QPOOL_NOWAIT;
	verb_acquire(h);
}

static void
acquire_with_hook(hand *h)
{
	h->hook_every = QPOOL_SEC(1);
	verb_acquire(h);
}

static void
acquire_several_with_hook(hand *h)
{
	h->hook_every = QPOOL_SEC(1);
	verb_acquire_several(h);
}

#define AT(field) offsetof(qpool_stats, field)
#define EVENT(it) .step = FAKE_STEPS, .event = (it)

const place places[] = {
    {.name = "open on a caller",
	.step = FAKE_OPEN,
	.traits = ASKS,
	.max_size = 2,
	.verb = verb_acquire,
	.state = AT(opening)},
    {.name = "open on a worker",
	.step = FAKE_OPEN,
	.traits = ON_WORKER | WAITS | ASKS,
	.workers = 2,
	.max_size = 2,
	.verb = verb_acquire,
	.late = QPOOL_ETIMEOUT,
	.state = AT(opening)},
    {.name = "open to keep one warm",
	.step = FAKE_OPEN,
	.traits = ON_WORKER | RETURNED | COVERS,
	.max_size = 2,
	.options = one_warm,
	.verb = verb_start,
	.state = AT(opening)},
    {.name = "close by a discard",
	.step = FAKE_CLOSE,
	.max_size = 2,
	.prepare = give_one,
	.verb = verb_discard_given,
	.state = AT(closing)},
    {.name = "close by an acquire",
	.step = FAKE_CLOSE,
	.traits = ASKS,
	.max_size = 2,
	.options = idle_for_a_second,
	.prepare = leave_one_expired,
	.verb = verb_acquire,
	.late = QPOOL_ETIMEOUT,
	.state = AT(closing)},
    {.name = "close by maintain",
	.step = FAKE_CLOSE,
	.max_size = 2,
	.options = idle_for_a_second,
	.prepare = leave_one_expired,
	.verb = verb_maintain,
	.state = AT(closing)},
    {.name = "close by qpool_close",
	.step = FAKE_CLOSE,
	.traits = CLOSING | NO_LINE,
	.max_size = 2,
	.prepare = leave_one_idle,
	.verb = verb_close,
	.state = AT(closing)},
    {.name = "close on a worker",
	.step = FAKE_CLOSE,
	.traits = ON_WORKER | RETURNED,
	.workers = 2,
	.max_size = 2,
	.prepare = give_one,
	.verb = verb_discard_given,
	.state = AT(closing)},
    {.name = "close by a worker's maintenance",
	.step = FAKE_CLOSE,
	.traits = ON_WORKER | RETURNED,
	.workers = 2,
	.max_size = 2,
	.options = maintained,
	.prepare = leave_one_idle,
	.verb = verb_nothing,
	.push = let_five_seconds_pass,
	.state = AT(closing)},
    {.name = "peek",
	.step = FAKE_PEEK,
	.traits = ASKS,
	.max_size = 2,
	.prepare = leave_one_idle,
	.verb = verb_acquire,
	.state = AT(checking)},
    {.name = "check",
	.step = FAKE_CHECK,
	.traits = ASKS,
	.max_size = 2,
	.prepare = leave_one_unsure,
	.verb = verb_acquire,
	.state = AT(checking)},
    {.name = "reset on a caller",
	.step = FAKE_RESET,
	.max_size = 2,
	.prepare = give_one,
	.verb = verb_release_given,
	.state = AT(resetting)},
    {.name = "reset on a worker",
	.step = FAKE_RESET,
	.traits = ON_WORKER | RETURNED,
	.workers = 2,
	.max_size = 2,
	.options = resets_elsewhere,
	.prepare = give_one,
	.verb = verb_release_given,
	.state = AT(resetting)},
    {.name = "reset again on a worker",
	.step = FAKE_RESET,
	.traits = ON_WORKER | RETURNED,
	.skip = 1,
	.workers = 2,
	.max_size = 2,
	.prepare = give_one_to_be_reset_elsewhere,
	.verb = verb_release_given,
	.state = AT(resetting)},
    {.name = "destroy",
	.step = FAKE_DESTROY,
	.traits = CLOSING | NO_LINE | NO_KEPT,
	.max_size = 2,
	.prepare = leave_one_idle,
	.verb = verb_close},
    {.name = "interrupt hook",
	.step = FAKE_STEPS,
	.traits = FULL | WAITS | ASKS,
	.max_size = 2,
	.prepare = give_one,
	.verb = acquire_with_hook,
	.push = let_a_second_pass,
	.late = QPOOL_ETIMEOUT},
    {.name = "open of the second of several",
	.step = FAKE_OPEN,
	.traits = ASKS,
	.skip = 1,
	.max_size = 3,
	.verb = verb_acquire_several,
	.state = AT(opening)},
    {.name = "peek at the second of several",
	.step = FAKE_PEEK,
	.traits = ASKS,
	.skip = 1,
	.max_size = 3,
	.prepare = leave_two_idle,
	.verb = verb_acquire_several,
	.state = AT(checking)},
    {.name = "interrupt hook of one that has one of several",
	.step = FAKE_STEPS,
	.traits = FULL | WAITS | ASKS,
	.max_size = 3,
	.prepare = give_one,
	.verb = acquire_several_with_hook,
	.push = let_a_second_pass,
	.late = QPOOL_ETIMEOUT,
	.state = AT(checking)},
    {.name = "OPENED on a caller",
	EVENT(QPOOL_EV_OPENED),
	.traits = ASKS,
	.max_size = 2,
	.verb = verb_acquire,
	.state = AT(opening)},
    {.name = "OPENED on a worker",
	EVENT(QPOOL_EV_OPENED),
	.traits = ON_WORKER | WAITS | ASKS,
	.workers = 2,
	.max_size = 2,
	.verb = verb_acquire,
	.late = QPOOL_ETIMEOUT,
	.state = AT(opening)},
    {.name = "OPEN_FAILED on a caller",
	EVENT(QPOOL_EV_OPEN_FAILED),
	.traits = ASKS,
	.max_size = 2,
	.prepare = refuse_to_open,
	.verb = verb_acquire,
	.late = QPOOL_ETIMEOUT,
	.state = AT(opening)},
    {.name = "OPEN_FAILED on a caller that is told",
	EVENT(QPOOL_EV_OPEN_FAILED),
	.traits = ASKS,
	.max_size = 2,
	.options = tells,
	.prepare = refuse_to_open,
	.verb = verb_acquire,
	.outcome = QPOOL_EOPEN,
	.late = QPOOL_EOPEN,
	.state = AT(opening)},
    {.name = "OPEN_FAILED on a worker",
	EVENT(QPOOL_EV_OPEN_FAILED),
	.traits = ON_WORKER | WAITS | ASKS,
	.workers = 2,
	.max_size = 2,
	.prepare = refuse_to_open,
	.verb = verb_acquire,
	.late = QPOOL_ETIMEOUT,
	.state = AT(opening)},
    {.name = "CLOSED on a caller",
	EVENT(QPOOL_EV_CLOSED),
	.max_size = 2,
	.prepare = give_one,
	.verb = verb_discard_given,
	.state = AT(closing)},
    {.name = "CLOSED on a worker",
	EVENT(QPOOL_EV_CLOSED),
	.traits = ON_WORKER | RETURNED,
	.workers = 2,
	.max_size = 2,
	.prepare = give_one,
	.verb = verb_discard_given,
	.state = AT(closing)},
    {.name = "ACQUIRED",
	EVENT(QPOOL_EV_ACQUIRED),
	.traits = ASKS,
	.max_size = 2,
	.prepare = leave_one_idle,
	.verb = verb_acquire,
	.state = AT(leased)},
    {.name = "RELEASED",
	EVENT(QPOOL_EV_RELEASED),
	.max_size = 2,
	.prepare = give_one,
	.verb = verb_release_given,
	.state = AT(leased)},
    {.name = "WAITED",
	EVENT(QPOOL_EV_WAITED),
	.traits = FULL | ASKS,
	.max_size = 2,
	.prepare = give_one,
	.verb = verb_acquire,
	.push = hand_over,
	.state = AT(checking)},
    {.name = "TIMED_OUT",
	EVENT(QPOOL_EV_TIMED_OUT),
	.traits = FULL | ASKS | TIMED,
	.max_size = 2,
	.prepare = give_one,
	.verb = acquire_within_a_second,
	.push = let_a_second_pass,
	.outcome = QPOOL_ETIMEOUT,
	.late = QPOOL_ETIMEOUT},
    {.name = "REFUSED",
	EVENT(QPOOL_EV_REFUSED),
	.traits = FULL | ASKS | NO_LINE,
	.max_size = 2,
	.options = no_line,
	.prepare = give_one,
	.verb = verb_acquire,
	.outcome = QPOOL_EBUSY,
	.late = QPOOL_EBUSY},
    {.name = "MISUSE",
	EVENT(QPOOL_EV_MISUSE),
	.max_size = 2,
	.prepare = make_one_stale,
	.verb = verb_release_stale,
	.outcome = QPOOL_EMISUSE},
    {.name = "DOWN on a caller",
	EVENT(QPOOL_EV_DOWN),
	.traits = ASKS | NO_KEPT | NO_LINE,
	.max_size = 1,
	.prepare = deny,
	.verb = verb_acquire,
	.outcome = QPOOL_EDENIED,
	.late = QPOOL_EDENIED},
    {.name = "DOWN on a worker",
	EVENT(QPOOL_EV_DOWN),
	.traits = ON_WORKER | RETURNED | NO_KEPT | NO_LINE,
	.workers = 2,
	.max_size = 1,
	.prepare = deny,
	.verb = acquire_at_once,
	.outcome = QPOOL_EAGAIN},
    {.name = "UP on a caller",
	EVENT(QPOOL_EV_UP),
	.traits = ASKS | NO_KEPT,
	.max_size = 1,
	.prepare = have_been_down,
	.verb = verb_acquire,
	.state = AT(checking)},
    {.name = "UP on a worker",
	EVENT(QPOOL_EV_UP),
	.traits = IDLE_ONE | NO_LINE | ON_WORKER | RETURNED | NO_KEPT,
	.workers = 2,
	.max_size = 1,
	.prepare = have_been_down,
	.verb = verb_acquire,
	.outcome = QPOOL_EDENIED,
	.state = AT(idle)},
};

const size_t places_count = sizeof places / sizeof places[0];
