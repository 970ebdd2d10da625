/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_memory: scenarios are run once to count what they ask the system for; then once for every such call
 * with that call failing, alone or with all that follow.  What fails says so and changes nothing; everything
 * works as soon as the system gives again.  Verbs that promise to ask for nothing are held to it.
 */
#include "actor.h"
#include "cell.h"
#include "fake.h"
#include "platform/testing.h"

#include <errno.h>
#include <stdlib.h>

typedef struct trial {
	fake *peer;
	qpool *pool;
	qpool_err err; /* the first there was */
	qpool_error error;
} trial;

typedef struct scenario {
	const char *name;
	void (*run)(trial *t);
} scenario;

static bool
goes_on(trial *t, qpool_err err, const qpool_error *error)
{
	if (err == QPOOL_OK)
		return true;
	CELL_SAME(t->err, QPOOL_OK);
	t->err = err;
	t->error = *error;
	return false;
}

static bool
create(trial *t, uint32_t max_size)
{
	qpool_options o = qpool_options_init();
	qpool_ops ops = fake_ops();
	qpool_error error;
	qpool_err err;

	o.name = "trial";
	o.max_size = max_size;
	err = qpool_create(&t->pool, &o, &ops, t->peer, &error);
	CELL_MUST((err == QPOOL_OK) == (t->pool != NULL));
	return goes_on(t, err, &error);
}

/* All or none. */
static bool
start(trial *t, unsigned count)
{
	unsigned before = stats_of(t->pool).workers;
	qpool_error error;
	qpool_err err = qpool_start(t->pool, count, &error);

	CELL_SAME(stats_of(t->pool).workers, before + (err == QPOOL_OK ? count : 0));
	return goes_on(t, err, &error);
}

/* ---- what asks for something ---- */

static void
creates_small(trial *t)
{
	(void)create(t, 0);
}

static void
creates_large(trial *t)
{
	(void)create(t, 65535);
}

static void
starts_one(trial *t)
{
	if (create(t, 3))
		(void)start(t, 1);
}

static void
starts_several(trial *t)
{
	if (create(t, 3))
		(void)start(t, 4);
}

static void
starts_more(trial *t)
{
	if (create(t, 3) && start(t, 2))
		(void)start(t, 3);
}

static void
starts_again(trial *t)
{
	if (!create(t, 3) || !start(t, 2))
		return;
	CELL_SAME(qpool_stop(t->pool), QPOOL_OK);
	(void)start(t, 2);
}

/* One is out and somebody waits while threads are asked for. */
static void
starts_while_lending(trial *t)
{
	qpool_lease lease;
	actor waiter;

	if (!create(t, 1))
		return;
	CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &lease, NULL), QPOOL_OK);
	actor_acquires(&waiter, t->pool, QPOOL_FOREVER);
	await_waiting(t->pool, 1);
	(void)start(t, 2);
	CELL_SAME(stats_of(t->pool).waiting, 1);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(actor_join(&waiter), QPOOL_OK);
	CELL_SAME(qpool_release(&waiter.lease), QPOOL_OK);
}

/* All or nothing. */
static void
grows(trial *t)
{
	qpool_options o = qpool_options_init();
	qpool_error error;
	qpool_err err;

	if (!create(t, 3))
		return;
	o.max_size = 1000;
	o.min_idle = 2;
	err = qpool_configure(t->pool, &o, &error);
	CELL_SAME(stats_of(t->pool).max_size, err == QPOOL_OK ? 1000 : 3);
	CELL_SAME(stats_of(t->pool).min_idle, err == QPOOL_OK ? 2 : 0);
	o.min_idle = QPOOL_ZERO32;
	o.max_size = 3;
	CELL_SAME(qpool_configure(t->pool, &o, NULL), QPOOL_OK);
	(void)goes_on(t, err, &error);
}

static const scenario scenarios[] = {
    {"a small pool is made", creates_small},
    {"a large pool is made", creates_large},
    {"one worker is started", starts_one},
    {"several workers are started", starts_several},
    {"more workers are started", starts_more},
    {"workers are started again", starts_again},
    {"workers are started while somebody waits", starts_while_lending},
    {"it grows", grows},
};

/* ---- after each ---- */

static void
look_that_it_works(trial *t)
{
	qpool_lease lease;
	qpool_error error;

	CELL_SAME(qpool_start(t->pool, 1, &error), QPOOL_OK);
	CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &lease, &error), QPOOL_OK);
	fake_use(&lease);
	fake_unuse(&lease);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(qpool_stop(t->pool), QPOOL_OK);
	assert_whole(t->pool);
}

static void
end(trial *t)
{
	if (t->pool != NULL) {
		look_that_it_works(t);
		CELL_SAME(qpool_close(t->pool, QPOOL_FOREVER), QPOOL_OK);
		qpool_free(t->pool);
	} else {
		CELL_SAME(fake_calls(t->peer, FAKE_DESTROY), 0);
	}
	fake_end(t->peer);
}

static trial
run_with(const scenario *s, qp_fault fault, unsigned nth, bool for_good)
{
	trial t;

	memset(&t, 0, sizeof t);
	t.peer = fake_new();
	qp_testing_fail(fault, nth, for_good);
	s->run(&t);
	return t;
}

static void
must_be_told(const trial *t, qp_fault fault)
{
	CELL_SAME(t->err, fault == QP_FAULT_ALLOC ? QPOOL_ENOMEM : QPOOL_ESYS);
	CELL_SAME(t->error.code, t->err);
	CELL_MUST(strstr(t->error.message, "'trial'") != NULL);
	if (fault == QP_FAULT_ALLOC)
		CELL_MUST(strstr(t->error.message, "memory") != NULL);
	else
		CELL_MUST(
		    t->error.sys_errno == EAGAIN && strstr(t->error.message, "worker") != NULL);
}

static void
each_fails(const void *first, const void *second)
{
	const scenario *s = first;
	qp_fault fault = second != NULL ? QP_FAULT_THREAD : QP_FAULT_ALLOC;
	trial t = run_with(s, fault, 0, false);
	unsigned calls = qp_testing_calls(fault);

	CELL_SAME(t.err, QPOOL_OK);
	end(&t);
	for (unsigned i = 1; i <= calls; i++)
		for (int for_good = 0; for_good <= 1; for_good++) {
			cell_note(for_good ? "failing from call" : "failing call", i);
			t = run_with(s, fault, i, for_good);
			qp_testing_fail(fault, 0, false);
			must_be_told(&t, fault);
			end(&t);
		}
}

/* ---- what asks for nothing ---- */

static void
lends(trial *t)
{
	qpool_lease a, b, stale;

	for (int i = 0; i < 3; i++) {
		CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &a, NULL), QPOOL_OK);
		CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &b, NULL), QPOOL_OK);
		stale = b;
		qpool_label(&a, "label");
		CELL_SAME(qpool_discard(&b), QPOOL_OK);
		CELL_SAME(qpool_release(&stale), QPOOL_EMISUSE);
		CELL_SAME(qpool_spoil(&a), QPOOL_OK);
		CELL_SAME(qpool_release(&a), QPOOL_OK);
		CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &a, NULL), QPOOL_OK);
		CELL_MUST(fake_detach(t->peer, &a));
		(void)qpool_maintain(t->pool);
		(void)stats_of(t->pool);
	}
}

static void
lets_wait(trial *t)
{
	qpool_lease held[3];
	actor waiters[5];

	for (int i = 0; i < 3; i++)
		CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &held[i], NULL), QPOOL_OK);
	CELL_SAME(qpool_acquire(t->pool, 1, &waiters[0].lease, NULL), QPOOL_ETIMEOUT);
	for (int i = 0; i < 5; i++)
		actor_acquires(&waiters[i], t->pool, QPOOL_FOREVER);
	await_waiting(t->pool, 5);
	for (int i = 0; i < 3; i++)
		CELL_SAME(qpool_release(&held[i]), QPOOL_OK);
	for (int served = 0; served < 5;)
		for (int i = 0; i < 5; i++)
			if (actor_is_done(&waiters[i]) && waiters[i].pool != NULL) {
				CELL_SAME(actor_join(&waiters[i]), QPOOL_OK);
				waiters[i].pool = NULL;
				CELL_SAME(qpool_release(&waiters[i].lease), QPOOL_OK);
				served++;
			}
}

static bool
is_shown(void *user, const qpool_entry *entry)
{
	CELL_MUST(user != NULL && entry->state[0] != '\0');
	return true;
}

static void
looks(trial *t)
{
	qpool_times times = qpool_times_init();
	qpool_hist hist = qpool_hist_init();
	qpool_lease lease;

	CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &lease, NULL), QPOOL_OK);
	CELL_SAME(qpool_each(t->pool, is_shown, t), 1);
	qpool_dump(t->pool, -1);
	CELL_SAME(qpool_get_hist(t->pool, QPOOL_HIST_OPEN, &hist), QPOOL_OK);
	CELL_MUST(qpool_resource_id(&lease) > 0);
	CELL_SAME(qpool_get_times(&lease, &times), QPOOL_OK);
	CELL_SAME(qpool_set_times(&lease, &times), QPOOL_OK);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static void
closes_and_frees(trial *t)
{
	qpool_lease lease;

	CELL_SAME(qpool_acquire(t->pool, QPOOL_FOREVER, &lease, NULL), QPOOL_OK);
	CELL_SAME(qpool_close(t->pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	qpool_free(t->pool);
	t->pool = NULL;
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	fake_await_destroyed(t->peer);
}

static void
stops(trial *t)
{
	CELL_SAME(qpool_stop(t->pool), QPOOL_OK);
}

static void
is_run(trial *t)
{
	qpool_options o = qpool_options_init();
	fake_resource *mine = fake_make(t->peer);

	CELL_SAME(qpool_options_parse(&o, "max_size=2&max_idle=1min", NULL), QPOOL_OK);
	CELL_SAME(qpool_adopt(t->pool, mine, NULL), QPOOL_OK);
	CELL_SAME(qpool_wait_ready(t->pool, 3, QPOOL_FOREVER, NULL), QPOOL_OK);
	CELL_SAME(qpool_configure(t->pool, &o, NULL), QPOOL_OK);
	qpool_suspect(t->pool);
	qpool_pause(t->pool);
	qpool_renew(t->pool);
	qpool_resume(t->pool);
	o.max_size = 3;
	CELL_SAME(qpool_configure(t->pool, &o, NULL), QPOOL_OK);
	CELL_SAME(qpool_wait_ready(t->pool, 3, QPOOL_FOREVER, NULL), QPOOL_OK);
}

static const scenario frugal[] = {
    {"lending", lends},
    {"waiting", lets_wait},
    {"stopping", stops},
    {"looking", looks},
    {"being run", is_run},
    {"closing and freeing", closes_and_frees},
};

static void
none_is_asked(const void *first, const void *second)
{
	const scenario *s = first;
	trial t;

	memset(&t, 0, sizeof t);
	t.peer = fake_new();
	CELL_MUST(create(&t, 3));
	if (second != NULL)
		CELL_MUST(start(&t, 2));
	qp_testing_fail(QP_FAULT_ALLOC, 1, true);
	qp_testing_fail(QP_FAULT_THREAD, 1, true);
	s->run(&t);
	CELL_SAME(qp_testing_calls(QP_FAULT_ALLOC), 0);
	CELL_SAME(qp_testing_calls(QP_FAULT_THREAD), 0);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	qp_testing_fail(QP_FAULT_THREAD, 0, false);
	if (t.pool == NULL)
		fake_end(t.peer);
	else
		end(&t);
}

int
main(int argc, char **argv)
{
	cells all = {NULL, 0, 0};

	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
		const scenario *s = &scenarios[i];
		cells_add(&all, each_fails, s, NULL, "every allocation fails while %s", s->name);
		cells_add(&all, each_fails, s, s, "every thread fails while %s", s->name);
	}
	for (size_t i = 0; i < sizeof frugal / sizeof frugal[0]; i++) {
		const scenario *s = &frugal[i];
		cells_add(&all, none_is_asked, s, NULL, "%s asks for nothing", s->name);
		cells_add(&all, none_is_asked, s, s, "%s with workers asks for nothing", s->name);
	}
	return cells_run(&all, "memory", argc, argv);
}
