/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases that are held long, and holders that are gone: who tells of them, when and how often.
 */
#include "ear.h"

#include <sched.h>
#include <stdlib.h>

static void
say_its_name(void *user, void *resource, char *out, size_t room)
{
	(void)user;
	(void)resource;
	(void)strncpy(out, "number one", room - 1);
}

/* ---- held long ---- */

static void
a_pass_tells_once_of_a_lease_held_long(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	qpool_ops ops = fake_ops();
	fake *peer = fake_new();
	qpool_lease lease, other;
	qpool *pool;
	const told *t;

	(void)state;
	ops.describe = say_its_name;
	pool = pool_of(peer, ops, &o);
	assert_int_equal(
	    qpool_acquire_at(pool, QPOOL_FOREVER, &lease, NULL, "import.c:12"), QPOOL_OK);
	qpool_label(&lease, "nightly");
	qp_testing_clock_advance(QPOOL_SEC(1) - 1);
	other = must_acquire(pool);
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 0);
	qp_testing_clock_advance(1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(qpool_maintain(pool), 0);
		assert_int_equal(e.count, 1);
	}
	t = only(&e, 0, QPOOL_EV_HELD_LONG);
	assert_int_equal(t->event.size, sizeof(qpool_event));
	assert_int_equal(t->event.took, QPOOL_SEC(1));
	assert_int_equal(t->event.resource_id, 1);
	assert_int_equal(t->entry.resource_id, 1);
	assert_int_equal(t->entry.held, QPOOL_SEC(1));
	assert_string_equal(t->entry.site, "import.c:12");
	assert_string_equal(t->entry.label, "nightly");
	assert_string_equal(t->entry.state, "leased");
	assert_string_equal(t->describe, "number one");
	assert_true(t->entry.thread != 0);
	assert_false(t->entry.gone);
	qp_testing_clock_advance(QPOOL_MSEC(500));
	qpool_release(&lease);
	t = only(&e, 1, QPOOL_EV_HELD_BACK);
	assert_int_equal(t->event.took, QPOOL_MSEC(1500));
	assert_string_equal(t->entry.site, "import.c:12");
	assert_int_equal(only(&e, 2, QPOOL_EV_RELEASED)->event.took, QPOOL_MSEC(1500));
	assert_null(e.all[2].event.entry);
	/* The other one was not long enough, and no lease inherits what was told of one before it. */
	qpool_release(&other);
	only(&e, 3, QPOOL_EV_RELEASED);
	lease = must_acquire(pool);
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 4);
	qp_testing_clock_advance(QPOOL_SEC(2));
	(void)qpool_maintain(pool);
	only(&e, 4, QPOOL_EV_HELD_LONG);
	qpool_discard(&lease);
	only(&e, 5, QPOOL_EV_HELD_BACK);
	only(&e, 6, QPOOL_EV_RELEASED);
	assert_int_equal(e.count, 7);
	end_pool(pool, peer);
}

static void
by_default_nothing_is_held_long(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.held_long = 0;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	qp_testing_clock_advance(QPOOL_SEC(86400));
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 0);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
one_that_times_out_tells(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_TIMED_OUT);
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	o.max_size = 1;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	actor_acquires(&a, pool, QPOOL_SEC(3));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(3));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	only(&e, 0, QPOOL_EV_TIMED_OUT);
	only(&e, 1, QPOOL_EV_HELD_LONG);
	assert_int_equal(e.count, 2);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* ---- by the crew ---- */

static void
a_worker_wakes_when_the_first_one_is_due(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG);
	fake *peer = fake_new();
	qpool_lease first, second;
	qpool *pool;

	(void)state;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	first = must_acquire(pool);
	while (qp_testing_next_deadline() != QPOOL_SEC(1001))
		sched_yield();
	qp_testing_clock_advance(QPOOL_MSEC(300));
	second = must_acquire(pool);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(700));
	await_told(&e, 1);
	assert_int_equal(only(&e, 0, QPOOL_EV_HELD_LONG)->event.resource_id, 1);
	assert_false(pthread_equal(e.all[0].by, pthread_self()));
	while (qp_testing_next_deadline() != QPOOL_MSEC(1001300))
		sched_yield();
	qp_testing_clock_advance(QPOOL_MSEC(300));
	await_told(&e, 2);
	assert_int_equal(only(&e, 1, QPOOL_EV_HELD_LONG)->event.resource_id, 2);
	/* All is told: nothing to wake for. */
	qp_testing_await_parked(1);
	while (qp_testing_next_deadline() != QP_TIME_NEVER)
		sched_yield();
	qpool_release(&first);
	qpool_release(&second);
	end_pool(pool, peer);
}

/* A thousand leases in the time of one look: the crew looks once, and when nothing is lent then, sleeps on. */
static void
a_pool_that_is_idle_wakes_nobody(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HOLDER_GONE);
	fake *peer = fake_new();
	qpool_lease lease;
	uint64_t parks;
	qpool *pool;

	(void)state;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	lease = must_acquire(pool);
	while (qp_testing_next_deadline() != QPOOL_SEC(1001))
		sched_yield();
	qpool_release(&lease);
	parks = qp_testing_parks();
	for (unsigned i = 0; i < 1000; i++) {
		lease = must_acquire(pool);
		qpool_release(&lease);
	}
	assert_int_equal(qp_testing_parks(), parks);
	qp_testing_clock_advance(QPOOL_SEC(1));
	while (qp_testing_next_deadline() != QP_TIME_NEVER || qp_testing_parked() != 1)
		sched_yield();
	qp_testing_clock_advance(QPOOL_SEC(86400));
	assert_int_equal(qp_testing_parks(), parks + 1);
	assert_int_equal(e.count, 0);
	end_pool(pool, peer);
}

static void
nobody_who_listens_nobody_who_looks(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.held_long = QPOOL_SEC(1);
	o.max_idle = o.max_age = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	lease = must_acquire(pool);
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* The look finds it before it begins: it is looked at again. */
static void
a_lease_that_is_about_to_begin_is_not_overlooked(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG);
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	o.check_after = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	qpool_release(&lease);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	fake_gate_shut(peer, FAKE_CHECK);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_CHECK, 1);
	while (qp_testing_next_deadline() != QPOOL_SEC(1001))
		sched_yield();
	qp_testing_clock_advance(QPOOL_SEC(1));
	while (qp_testing_next_deadline() != QPOOL_SEC(1002))
		sched_yield();
	fake_gate_open(peer, FAKE_CHECK);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(1));
	await_told(&e, 1);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

/* The crew sleeps for ever, and then what is lent already may be held long. */
static void
a_limit_that_is_set_later_holds_for_what_is_lent(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG), change = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.held_long = 0;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	lease = must_acquire(pool);
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	qp_testing_clock_advance(QPOOL_SEC(3));
	change.held_long = QPOOL_SEC(5);
	assert_int_equal(qpool_configure(pool, &change, NULL), QPOOL_OK);
	while (qp_testing_next_deadline() != QPOOL_SEC(1005))
		sched_yield();
	change.held_long = QPOOL_SEC(2);
	assert_int_equal(qpool_configure(pool, &change, NULL), QPOOL_OK);
	await_told(&e, 1);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
a_lease_of_a_keyed_pool_says_its_key(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HELD_BACK);
	qpool_ops ops = fake_ops();
	fake *peer = fake_new();
	qpool_keyed *keyed;
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_keyed_create(&keyed, &o, 0, &ops, peer, NULL), QPOOL_OK);
	assert_int_equal(qpool_keyed_acquire(keyed, "blue", QPOOL_FOREVER, &lease, NULL), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(1));
	(void)qpool_keyed_maintain(keyed);
	assert_string_equal(only(&e, 0, QPOOL_EV_HELD_LONG)->key, "blue");
	assert_string_equal(e.all[0].entry_key, "blue");
	qpool_release(&lease);
	only(&e, 1, QPOOL_EV_HELD_BACK);
	assert_int_equal(qpool_keyed_close(keyed, QPOOL_FOREVER), QPOOL_OK);
	qpool_keyed_free(keyed);
	fake_end(peer);
}

/* ---- the holder is gone ---- */

static void
a_thread_that_exits_holding_is_told_by_its_site(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	fake *peer = fake_new();
	qpool_request request = qpool_request_init();
	qpool_lease mine;
	qpool *pool;
	const told *t;
	actor a;

	(void)state;
	o.held_long = 0;
	pool = pool_of(peer, fake_ops(), &o);
	mine = must_acquire(pool);
	request.timeout = QPOOL_FOREVER;
	request.site = "worker.c:88";
	actor_acquires_with(&a, pool, &request);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	/* It was joined, but the system may be a moment behind. */
	while (e.count == 0)
		(void)qpool_maintain(pool);
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 1);
	t = only(&e, 0, QPOOL_EV_HOLDER_GONE);
	assert_int_equal(t->event.resource_id, 2);
	assert_true(t->entry.gone);
	assert_string_equal(t->entry.site, "worker.c:88");
	assert_true(t->entry.thread != 0);
	assert_string_equal(t->entry.state, "leased");
	/* Somebody else may have the lease: it ends as ever. */
	qpool_release(&a.lease);
	only(&e, 1, QPOOL_EV_RELEASED);
	qpool_release(&mine);
	only(&e, 2, QPOOL_EV_RELEASED);
	assert_int_equal(e.count, 3);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_worker_looks_for_the_gone_with_every_pass(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HOLDER_GONE);
	fake *peer = fake_new();
	qpool *pool;
	actor a;

	(void)state;
	o.maintain_every = QPOOL_SEC(5);
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	do {
		while (qp_testing_parked() != 1 ||
		       (e.count == 0 && qp_testing_next_deadline() == QP_TIME_NEVER))
			sched_yield();
		qp_testing_clock_advance(QPOOL_SEC(5));
		qp_testing_await_parked(1);
	} while (e.count == 0);
	only(&e, 0, QPOOL_EV_HOLDER_GONE);
	while (qp_testing_next_deadline() != QP_TIME_NEVER)
		sched_yield();
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

/* In real time, as each look makes the next one due: what waits is opened all the same. */
static void
who_looks_without_end_works_too(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HOLDER_GONE);
	fake *peer = fake_new();
	qpool_lease first, second;
	qpool *pool;

	(void)state;
	o.maintain_every = 1;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	first = must_acquire(pool);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(10), &second, NULL), QPOOL_OK);
	qpool_release(&first);
	qpool_release(&second);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_pass_tells_once_of_a_lease_held_long),
	    VIRTUAL(by_default_nothing_is_held_long),
	    VIRTUAL(one_that_times_out_tells),
	    VIRTUAL(a_worker_wakes_when_the_first_one_is_due),
	    VIRTUAL(a_pool_that_is_idle_wakes_nobody),
	    VIRTUAL(nobody_who_listens_nobody_who_looks),
	    VIRTUAL(a_limit_that_is_set_later_holds_for_what_is_lent),
	    VIRTUAL(a_lease_of_a_keyed_pool_says_its_key),
	    VIRTUAL(a_lease_that_is_about_to_begin_is_not_overlooked),
	    VIRTUAL(a_thread_that_exits_holding_is_told_by_its_site),
	    VIRTUAL(a_worker_looks_for_the_gone_with_every_pass),
	    cmocka_unit_test(who_looks_without_end_works_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
