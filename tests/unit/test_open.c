/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failing opens: retry and tell, pauses, denied, full, down and up again, limits on opens in flight.
 * Without workers; test_worker has the same with.
 */
#include "virtual.h"

#include <sched.h>

static qpool *
pool_with(fake *peer, uint32_t max_size, uint32_t open_failure)
{
	qpool_options o = qpool_options_init();

	o.max_size = max_size;
	o.open_failure = open_failure;
	return pool_of(peer, fake_ops(), &o);
}

/* Until the actor sleeps in its pause, or has called open that often. */
static void
await_pause_or_calls(fake *peer, unsigned calls)
{
	while (qp_testing_parked() == 0 && fake_calls(peer, FAKE_OPEN) < calls)
		sched_yield();
}

/* Move time by steps until open was called that often: at most `most_ns`. */
static void
advance_until_calls(fake *peer, unsigned calls, int64_t step_ns, int64_t most_ns)
{
	for (int64_t gone = 0; gone <= most_ns; gone += step_ns) {
		await_pause_or_calls(peer, calls);
		if (fake_calls(peer, FAKE_OPEN) >= calls)
			return;
		qp_testing_clock_advance(step_ns);
	}
	fail_msg("open was called %u times, not %u", fake_calls(peer, FAKE_OPEN), calls);
}

static void
retry_keeps_trying_within_the_deadline(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 1, QPOOL_OPEN_RETRY);
	actor a;

	(void)state;
	fake_fail(peer, FAKE_OPEN, 3, QPOOL_EOPEN);
	actor_acquires(&a, pool, QPOOL_SEC(2));
	advance_until_calls(peer, 4, QPOOL_MSEC(1), QPOOL_SEC(1));
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(stats_of(pool).open_failures, 3);
	assert_int_equal(stats_of(pool).opens, 1);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
while_someone_waits_a_probe_goes_out_every_100_ms(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 1, QPOOL_OPEN_RETRY);
	actor a;

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	actor_acquires(&a, pool, QPOOL_SEC(3));
	for (unsigned i = 1; i <= 20; i++)
		advance_until_calls(peer, i + 1, QPOOL_MSEC(100), QPOOL_MSEC(100));
	/* Never more than one probe each step: none ran hot. */
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 21);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	/* The last cause comes first. */
	assert_memory_equal(
	    a.error.message, "fake refuses to open; pool 'fake' gave nothing within 3 s", 56);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
tell_fails_the_opener_at_once_and_nobody_else(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 2, QPOOL_OPEN_TELL);
	qpool_lease held = must_acquire(pool);
	actor teller, waiter;

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	actor_acquires(&teller, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&teller), QPOOL_EOPEN);
	assert_memory_equal(
	    teller.error.message, "fake refuses to open (opening for pool 'fake'", 45);
	assert_int_equal(stats_of(pool).waiting, 1);
	qpool_release(&held);
	assert_int_equal(actor_join(&waiter), QPOOL_OK);
	qpool_release(&waiter.lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_failed_open_promotes_exactly_one_waiter(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 1, QPOOL_OPEN_TELL);
	actor opener, waiters[3];

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	actor_acquires(&opener, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	for (unsigned i = 0; i < 3; i++) {
		actor_acquires(&waiters[i], pool, QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	fake_gate_pass(peer, FAKE_OPEN, 1);
	assert_int_equal(actor_join(&opener), QPOOL_EOPEN);
	qp_testing_await_parked(3);
	qp_testing_clock_advance(QPOOL_MSEC(100)); /* the pause is over */
	fake_gate_await(peer, FAKE_OPEN, 1);
	assert_int_equal(stats_of(pool).waiting, 2);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&waiters[0]), QPOOL_OK);
	qpool_release(&waiters[0].lease);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(actor_join(&waiters[i]), QPOOL_OK);
		qpool_release(&waiters[i].lease);
	}
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
denied_fails_everyone_at_once_when_nothing_is_open(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 1, QPOOL_OPEN_RETRY);
	actor opener, waiter;
	qpool_lease lease;
	qpool_error error;

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EDENIED);
	actor_acquires(&opener, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&opener), QPOOL_EDENIED);
	assert_int_equal(actor_join(&waiter), QPOOL_EDENIED);
	assert_memory_equal(
	    waiter.error.message, "fake refuses to open (opening for pool 'fake'", 45);
	/* A password may have been mended: the next one after the pause tries. */
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, &error), QPOOL_OK);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
denied_lets_others_wait_while_something_is_open(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 2, QPOOL_OPEN_RETRY);
	qpool_lease held = must_acquire(pool);
	actor a;

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	qpool_release(&held);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
a_full_peer_makes_waiters_share_what_there_is(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 4, QPOOL_OPEN_TELL);
	qpool_lease a, b;
	actor waiter;

	(void)state;
	fake_limit(peer, 2);
	a = must_acquire(pool);
	b = must_acquire(pool);
	actor_acquires(&waiter, pool, QPOOL_FOREVER); /* TELL, but EFULL: others will come back */
	await_waiting(pool, 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	qpool_release(&a);
	assert_int_equal(actor_join(&waiter), QPOOL_OK);
	fake_limit(peer, 4);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	a = must_acquire(pool); /* capacity is back */
	assert_int_equal(fake_live(peer), 3);
	qpool_release(&a);
	qpool_release(&b);
	qpool_release(&waiter.lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
full_with_nothing_open_is_told(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 4, QPOOL_OPEN_TELL);
	qpool_lease lease;

	(void)state;
	fake_limit(peer, 0);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_EFULL);
	end_pool(pool, peer);
}

/* Fail until down_after has passed; the last actor sees it. */
static void
bring_down(fake *peer, qpool *pool)
{
	actor a;

	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	actor_acquires(&a, pool, QPOOL_SEC(60));
	while (!stats_of(pool).down) {
		while (qp_testing_parked() == 0 && !stats_of(pool).down)
			sched_yield();
		qp_testing_clock_advance(QPOOL_MSEC(50));
	}
	assert_int_equal(actor_join(&a), QPOOL_EOPEN);
	assert_true(stats_of(pool).down);
	assert_non_null(strstr(a.error.message, "failing for 5"));
}

static void
down_fails_at_once_while_one_probe_goes_on(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 4, QPOOL_OPEN_RETRY);
	qpool_lease lease;
	qpool_error error;
	unsigned before;

	(void)state;
	bring_down(peer, pool);
	before = fake_calls(peer, FAKE_OPEN);
	for (int i = 0; i < 10; i++)
		assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error), QPOOL_EOPEN);
	assert_in_range(fake_calls(peer, FAKE_OPEN) - before, 0, 1);
	assert_memory_equal(
	    error.message, "fake refuses to open (opening for pool 'fake', failing for", 58);
	/* The next asker after the pause is the probe, and fails with its own cause. */
	qp_testing_clock_advance(QPOOL_MSEC(100));
	before = fake_calls(peer, FAKE_OPEN);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error), QPOOL_EOPEN);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), before + 1);
	/* The peer is back: within 100 ms somebody has it. */
	fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error), QPOOL_OK);
	assert_false(stats_of(pool).down);
	qpool_release(&lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
not_down_while_something_is_open(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 2, QPOOL_OPEN_RETRY);
	qpool_lease held = must_acquire(pool);
	actor a;

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	actor_acquires(&a, pool, QPOOL_SEC(60));
	for (int i = 0; i < 59; i++) {
		qp_testing_await_parked(1);
		qp_testing_clock_advance(QPOOL_SEC(1));
	}
	assert_false(stats_of(pool).down);
	qpool_release(&held);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
opens_in_flight_are_bounded(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	actor a[8];

	(void)state;
	o.max_size = 8;
	o.max_opening = 3;
	pool = pool_of(peer, fake_ops(), &o);
	fake_gate_shut(peer, FAKE_OPEN);
	for (unsigned i = 0; i < 8; i++)
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 3);
	await_waiting(pool, 5);
	assert_int_equal(stats_of(pool).opening, 3);
	for (unsigned i = 0; i < 5; i++) { /* each that ends lets one more begin */
		fake_gate_pass(peer, FAKE_OPEN, 1);
		await_waiting(pool, 4 - i);
		fake_gate_await(peer, FAKE_OPEN, 3);
	}
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(actor_join(&a[i]), QPOOL_OK);
		qpool_release(&a[i].lease);
	}
	assert_int_equal(fake_opening_peak(peer), 3);
	assert_int_equal(fake_live_peak(peer), 8);
	end_pool(pool, peer);
}

static void
the_budget_is_the_time_left(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 4, QPOOL_OPEN_RETRY);
	qpool_lease a, b;

	(void)state;
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(7), &a, NULL), QPOOL_OK);
	assert_int_equal(fake_last_open(peer).budget, QPOOL_MSEC(7));
	assert_false(fake_last_open(peer).on_worker);
	assert_int_equal(fake_last_open(peer).size, sizeof(qpool_step));
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &b, NULL), QPOOL_OK);
	assert_int_equal(fake_last_open(peer).budget, QPOOL_SEC(10));
	qpool_release(&a);
	qpool_release(&b);
	end_pool(pool, peer);
}

static qpool_err
ok_but_nothing(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)user;
	(void)step;
	(void)error;
	*out = NULL;
	return QPOOL_OK;
}

static qpool_err
nonsense(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step;
	(void)error;
	*out = user; /* ignored: the call failed */
	return (qpool_err)4242;
}

static qpool_err
wordless(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)user;
	(void)step;
	(void)out;
	(void)error;
	return QPOOL_EDENIED;
}

static void
close_nothing(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

static void
what_open_returns_is_made_sense_of(void **state)
{
	static const struct {
		qpool_err (*open)(void *, const qpool_step *, void **, qpool_error *);
		qpool_err err;
		const char *says;
	} cases[] = {
	    {ok_but_nothing, QPOOL_EOPEN, "open of kind 'resource' returned OK and no resource"},
	    {nonsense, QPOOL_EOPEN, "open of kind 'resource' returned 4242, which is no qpool_err"},
	    {wordless, QPOOL_EDENIED,
		"open of kind 'resource' failed without a word: the peer refuses"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		qpool_ops ops = qpool_ops_init();
		qpool_lease lease;
		qpool_error error;
		qpool *pool;
		ops.open = cases[i].open;
		ops.close = close_nothing;
		assert_int_equal(qpool_create(&pool, NULL, &ops, NULL, &error), QPOOL_OK);
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error), cases[i].err);
		assert_int_equal(error.code, cases[i].err);
		assert_memory_equal(error.message, cases[i].says, strlen(cases[i].says));
		assert_whole(pool);
		qpool_free(pool);
	}
}

static void
down_counts_from_when_nothing_is_open(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_with(peer, 2, QPOOL_OPEN_RETRY);
	qpool_lease held = must_acquire(pool);
	actor a;

	(void)state;
	fake_limit(peer, 1); /* the peer is full, and stays so */
	actor_acquires(&a, pool, QPOOL_SEC(30));
	for (unsigned i = 1; i <= 80; i++)
		advance_until_calls(peer, i + 1, QPOOL_MSEC(100), QPOOL_MSEC(100));
	/* The only one breaks after 8 s: now the peer has room, and who waited patiently gets it. */
	qp_testing_await_parked(1);
	qpool_discard(&held);
	assert_int_equal(stats_of(pool).down, 0);
	advance_until_calls(peer, 82, QPOOL_MSEC(100), QPOOL_MSEC(100));
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(retry_keeps_trying_within_the_deadline),
	    VIRTUAL(while_someone_waits_a_probe_goes_out_every_100_ms),
	    VIRTUAL(tell_fails_the_opener_at_once_and_nobody_else),
	    VIRTUAL(a_failed_open_promotes_exactly_one_waiter),
	    VIRTUAL(denied_fails_everyone_at_once_when_nothing_is_open),
	    VIRTUAL(denied_lets_others_wait_while_something_is_open),
	    VIRTUAL(a_full_peer_makes_waiters_share_what_there_is),
	    VIRTUAL(full_with_nothing_open_is_told),
	    VIRTUAL(down_fails_at_once_while_one_probe_goes_on),
	    VIRTUAL(not_down_while_something_is_open),
	    VIRTUAL(opens_in_flight_are_bounded),
	    VIRTUAL(the_budget_is_the_time_left),
	    VIRTUAL(what_open_returns_is_made_sense_of),
	    VIRTUAL(down_counts_from_when_nothing_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
