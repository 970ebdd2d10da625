/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_callbacks: scenarios are run once to count the calls of each step; then for every such call with that
 * call failing, alone or with all that follow.  Then the faults stop, and within a stated time, counted by
 * the virtual clock, everyone is served and all of the capacity can be lent.
 */
#include "actor.h"
#include "cell.h"
#include "fake.h"
#include "platform/clock.h"
#include "platform/testing.h"
#include "tide.h"

#include <string.h>

/* While somebody asks, an open goes out at least this often; nothing else has to be waited for. */
#define BOUND QPOOL_MSEC(100)
#define MOST  5u

typedef struct trial trial;

typedef struct customer {
	trial *of;
	pthread_t thread;
	unsigned done; /* atomic */
	unsigned served, failed;
} customer;

typedef struct scenario {
	const char *name;
	uint32_t max_size;
	unsigned customers, cycles, workers;
	qpool_nsec timeout;
	void (*options)(qpool_options *o);
	bool tells, goes_down;
} scenario;

typedef struct fault {
	fake_step step;
	qpool_err err;
	const char *name;
	const char *says; /* in messages; NULL: nobody is told */
} fault;

struct trial {
	const scenario *runs;
	const fault *has; /* NULL: none */
	bool ever;        /* no resource can have been opened */
	fake *peer;
	qpool *pool;
	customer customers[MOST + 1];
	unsigned count;
};

/* ---- who comes ---- */

/* May an acquire end so? */
static bool
is_allowed(const trial *t, qpool_err err)
{
	const scenario *s = t->runs;

	if (t->has == NULL || t->has->step != FAKE_OPEN)
		return false;
	if (err == QPOOL_ETIMEOUT)
		return s->timeout != QPOOL_FOREVER;
	if (err == QPOOL_EDENIED)
		return t->has->err == QPOOL_EDENIED;
	if (err == QPOOL_EFULL)
		return t->has->err == QPOOL_EFULL && (s->tells || s->goes_down);
	return err == QPOOL_EOPEN && (s->tells || s->goes_down);
}

static void
must_be_clear(const trial *t, qpool_err err, const qpool_error *error)
{
	if (!is_allowed(t, err))
		cell_broken(__FILE__, __LINE__, "no %s: %s", qpool_err_name(err), error->message);
	CELL_SAME(error->code, err);
	/* What the peer said is passed on; that it said nonsense is said too. */
	if (err != QPOOL_ETIMEOUT || t->ever)
		CELL_MUST(strstr(error->message, t->has->says) != NULL);
	CELL_MUST(strstr(error->message, "'trial'") != NULL);
}

static void *
come_and_go(void *argument)
{
	customer *c = argument;
	trial *t = c->of;
	qpool_lease lease;
	qpool_error error;

	for (unsigned i = 0; i < t->runs->cycles; i++) {
		qpool_err err = qpool_acquire(t->pool, t->runs->timeout, &lease, &error);
		if (err != QPOOL_OK) {
			must_be_clear(t, err, &error);
			c->failed++;
			continue;
		}
		c->served++;
		fake_use(&lease);
		fake_of(&lease)->dirty = true;
		fake_unuse(&lease);
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
	}
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Afterwards: one that wants all there is at the same time. */
static void *
take_all(void *argument)
{
	customer *c = argument;
	trial *t = c->of;
	qpool_lease leases[8];
	qpool_error error;

	for (uint32_t i = 0; i < t->runs->max_size; i++) {
		qpool_err err;
		do
			err = qpool_acquire(t->pool, QPOOL_FOREVER, &leases[i], &error);
		while (err != QPOOL_OK && t->runs->goes_down && is_allowed(t, err));
		if (err != QPOOL_OK)
			cell_broken(__FILE__, __LINE__, "all can be lent: %s", error.message);
	}
	for (uint32_t i = 0; i < t->runs->max_size; i++)
		CELL_SAME(qpool_release(&leases[i]), QPOOL_OK);
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static unsigned
those_at_work(void *of)
{
	trial *t = of;
	unsigned movers = stats_of(t->pool).workers;

	for (unsigned i = 0; i < t->count; i++)
		movers += !__atomic_load_n(&t->customers[i].done, __ATOMIC_ACQUIRE);
	return movers;
}

static bool
all_are_done(void *of)
{
	trial *t = of;

	for (unsigned i = 0; i < t->count; i++)
		if (!__atomic_load_n(&t->customers[i].done, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static void
send(trial *t, void *(*body)(void *))
{
	customer *c = &t->customers[t->count++];

	c->of = t;
	actor_runs(&c->thread, body, c);
}

/* ---- a trial from end to end ---- */

static void
set_up(trial *t)
{
	const scenario *s = t->runs;
	qpool_options o = qpool_options_init();
	qpool_ops ops = fake_ops();
	qpool_error error;

	qp_testing_clock_virtual(QPOOL_SEC(1000));
	t->peer = fake_new();
	fake_born(t->peer, true, false);
	o.name = "trial";
	o.max_size = s->max_size;
	if (s->options != NULL)
		s->options(&o);
	o.open_failure = s->tells ? QPOOL_OPEN_TELL : QPOOL_OPEN_RETRY;
	o.down_after = s->goes_down ? QPOOL_MSEC(200) : 0;
	CELL_SAME(qpool_create(&t->pool, &o, &ops, t->peer, &error), QPOOL_OK);
}

/* Down: those who come are told at once, and an open goes out when it is due. */
static void
await_up(trial *t)
{
	int64_t end = qp_clock_now() + 2 * BOUND;
	qpool_error error;
	qpool_lease lease;

	while (qpool_acquire(t->pool, QPOOL_NOWAIT, &lease, &error) != QPOOL_OK) {
		CELL_MUST(qp_clock_now() < end);
		(void)tide_elapse(those_at_work, NULL, t, BOUND / 2);
	}
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static void
wind_up(trial *t)
{
	tide_still(those_at_work, t);
	assert_whole(t->pool);
	await_up(t);
	send(t, take_all);
	CELL_MUST(tide_elapse(those_at_work, all_are_done, t, BOUND));
	for (unsigned i = 0; i < t->count; i++)
		pthread_join(t->customers[i].thread, NULL);
	tide_still(those_at_work, t);
	assert_whole(t->pool);
	CELL_SAME(stats_of(t->pool).idle, fake_live(t->peer));
	CELL_MUST(fake_live_peak(t->peer) <= t->runs->max_size);
	CELL_SAME(qpool_close(t->pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(t->pool);
	fake_end(t->peer);
	qp_testing_clock_real();
}

/* The nth call of the step fails, and more if for_good; returns how many calls there were. */
static unsigned
try(const scenario *s, const fault *has, fake_step step, unsigned nth, bool for_good)
{
	unsigned served = 0, failed = 0, calls, failures;
	qpool_error error;
	trial t;

	memset(&t, 0, sizeof t);
	t.runs = s;
	t.has = has;
	t.ever = has != NULL && has->step == FAKE_OPEN && nth == 1 && for_good;
	set_up(&t);
	if (has != NULL)
		fake_fail_after(t.peer, step, nth - 1, for_good ? UINT32_MAX : 1, has->err);
	if (s->workers > 0)
		CELL_SAME(qpool_start(t.pool, s->workers, &error), QPOOL_OK);
	for (unsigned i = 0; i < s->customers; i++)
		send(&t, come_and_go);
	(void)tide_elapse(those_at_work, all_are_done, &t, QPOOL_SEC(1));
	calls = fake_calls(t.peer, step);
	/* From here on all goes well. */
	fake_fail(t.peer, step, 0, QPOOL_OK);
	CELL_MUST(tide_elapse(those_at_work, all_are_done, &t, BOUND));
	for (unsigned i = 0; i < s->customers; i++) {
		served += t.customers[i].served;
		failed += t.customers[i].failed;
	}
	CELL_SAME(served + failed, s->customers * s->cycles);
	failures = (unsigned)stats_of(t.pool).open_failures;
	if (s->tells && (has == NULL || has->err != QPOOL_EDENIED))
		CELL_MUST(failed <= failures); /* each is told to one, at most */
	wind_up(&t);
	return calls;
}

static void
each_fails(const void *first, const void *second)
{
	const scenario *s = first;
	const fault *has = second;
	unsigned calls = try(s, NULL, has->step, 0, false);

	for (unsigned i = 1; i <= calls; i++)
		for (int for_good = 0; for_good <= 1; for_good++) {
			cell_note(for_good ? "failing from call" : "failing call", i);
			(void)try(s, has, has->step, i, for_good);
		}
}

/* ---- the tables ---- */

static void
one_at_a_time(qpool_options *o)
{
	o->max_opening = 1;
}

static void
one_is_warm(qpool_options *o)
{
	o->min_idle = 1;
}

static void
reset_elsewhere(qpool_options *o)
{
	o->flags = QPOOL_RESET_ON_WORKERS;
}

static void
used_once(qpool_options *o)
{
	o->max_uses = 1;
}

static void
never_overtaken(qpool_options *o)
{
	o->max_overtake = QPOOL_ZERO;
	o->order = QPOOL_OLDEST_FIRST;
}

#define EVER .timeout = QPOOL_FOREVER

static const scenario scenarios[] = {
    {"one comes alone", 2, 1, 4, 0, EVER},
    {"some wait", 2, 5, 3, 0, EVER},
    {"some wait for workers", 2, 5, 3, 2, EVER},
    {"some wait for one slot", 1, 3, 3, 0, EVER},
    {"some wait for one worker and one slot", 1, 3, 3, 1, EVER},
    {"some wait and may not be overtaken", 2, 5, 3, 0, EVER, .options = never_overtaken},
    {"each is used once", 2, 4, 3, 0, EVER, .options = used_once},
    {"each is used once, with workers", 2, 4, 3, 2, EVER, .options = used_once},
    {"workers reset", 2, 4, 3, 2, EVER, .options = reset_elsewhere},
    {"one is kept warm", 3, 3, 3, 2, EVER, .options = one_is_warm},
    {"opens go out one at a time", 4, 5, 3, 3, EVER, .options = one_at_a_time},
    {"openers are told", 2, 5, 3, 0, EVER, .tells = true},
    {"openers are told by workers", 2, 5, 3, 2, EVER, .tells = true},
    {"time runs out", 2, 5, 2, 0, .timeout = QPOOL_MSEC(150)},
    {"time runs out, with workers", 2, 5, 2, 2, .timeout = QPOOL_MSEC(150)},
    {"the pool goes down", 2, 5, 3, 0, EVER, .goes_down = true},
    {"the pool goes down, with workers", 2, 5, 3, 2, EVER, .goes_down = true},
};

static const fault faults[] = {
    {FAKE_OPEN, QPOOL_EOPEN, "open says EOPEN", "fake refuses to open"},
    {FAKE_OPEN, QPOOL_EFULL, "open says EFULL", "fake refuses to open"},
    {FAKE_OPEN, QPOOL_EDENIED, "open says EDENIED", "fake refuses to open"},
    {FAKE_OPEN, (qpool_err)999, "open says 999", "returned 999"},
    {FAKE_PEEK, QPOOL_ECHECK, "peek says ECHECK", NULL},
    {FAKE_PEEK, (qpool_err)999, "peek says 999", NULL},
    {FAKE_CHECK, QPOOL_ECHECK, "check says ECHECK", NULL},
    {FAKE_CHECK, QPOOL_EAGAIN, "check says EAGAIN", NULL},
    {FAKE_RESET, QPOOL_ECHECK, "reset says ECHECK", NULL},
    {FAKE_RESET, QPOOL_EAGAIN, "reset says EAGAIN", NULL},
};

int
main(int argc, char **argv)
{
	cells all = {NULL, 0, 0};

	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		for (size_t j = 0; j < sizeof faults / sizeof faults[0]; j++)
			cells_add(&all, each_fails, &scenarios[i], &faults[j], "%s, while %s",
			    faults[j].name, scenarios[i].name);
	return cells_run(&all, "callbacks", argc, argv);
}
