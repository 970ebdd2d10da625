/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other limits for a pool at work: what may change and what not, all or nothing, and that they hold at once.
 * Another max_size has a file of its own, test_resize.
 */
#include "virtual.h"

static qpool_options
with_size(uint32_t max_size)
{
	qpool_options o = qpool_options_init();

	o.max_size = max_size;
	return o;
}

static void
must_configure(qpool *pool, const qpool_options *o)
{
	qpool_error error;

	if (qpool_configure(pool, o, &error) != QPOOL_OK)
		fail_msg("qpool_configure: %s", error.message);
}

static void
resize(qpool *pool, uint32_t max_size)
{
	qpool_options o = with_size(max_size);

	must_configure(pool, &o);
}

/* ---- what may be said ---- */

static void
what_is_zero_stays(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(3), none = qpool_options_init();
	qpool *pool;

	(void)state;
	o.min_idle = 2;
	pool = pool_of(peer, fake_ops(), &o);
	must_configure(pool, &none);
	assert_int_equal(stats_of(pool).max_size, 3);
	assert_int_equal(stats_of(pool).min_idle, 2);
	none.min_idle = QPOOL_ZERO32;
	must_configure(pool, &none);
	assert_int_equal(stats_of(pool).max_size, 3);
	assert_int_equal(stats_of(pool).min_idle, 0);
	end_pool(pool, peer);
}

static void
refused(qpool *pool, const qpool_options *o, qpool_err expected, const char *message)
{
	qpool_stats before = stats_of(pool), after;
	qpool_error error;

	assert_int_equal(qpool_configure(pool, o, &error), expected);
	assert_int_equal(error.code, expected);
	assert_string_equal(error.message, message);
	after = stats_of(pool);
	assert_memory_equal(&before, &after, sizeof before);
}

#define FIXED(field, value)                                                                \
	do {                                                                               \
		qpool_options o_ = with_size(9);                                           \
		o_.field = (value);                                                        \
		refused(pool, &o_, QPOOL_EINVAL,                                           \
		    #field " is fixed since the pool was made; it must be 0 (unchanged)"); \
	} while (0)

static void
on_event(void *user, qpool *pool, const qpool_event *event)
{
	(void)pool;
	*(qpool_event_type *)user = event->type;
}

static void
what_is_fixed_is_named(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_options o = with_size(9);

	(void)state;
	FIXED(name, "other");
	FIXED(order, QPOOL_OLDEST_FIRST);
	FIXED(open_failure, QPOOL_OPEN_TELL);
	FIXED(flags, QPOOL_STRICT);
	FIXED(on_event, on_event);
	FIXED(event_user, peer);
	o.name_text[0] = 'n';
	refused(pool, &o, QPOOL_EINVAL,
	    "name_text is fixed since the pool was made; it must be 0 (unchanged)");
	end_pool(pool, peer);
}

static void
all_or_nothing(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(4);
	qpool *pool = pool_of(peer, fake_ops(), &o);

	(void)state;
	o = with_size(70000);
	o.min_idle = 1;
	refused(pool, &o, QPOOL_EINVAL,
	    "max_size is 70000; it must be 0 (unchanged), 1 to 65535, QPOOL_ZERO32");
	o = with_size(9);
	o.max_idle = -7;
	refused(pool, &o, QPOOL_EINVAL,
	    "max_idle is -7 ns; it must be 0 (unchanged), a positive number of nanoseconds, "
	    "QPOOL_ZERO, QPOOL_FOREVER");
	o = with_size(0);
	o.min_idle = 5; /* with the max_size that there is */
	refused(pool, &o, QPOOL_EINVAL, "min_idle is 5; it must be at most max_size, which is 4");
	o = with_size(9);
	o.retry_min = QPOOL_SEC(6);
	refused(
	    pool, &o, QPOOL_EINVAL, "retry_min is 6 s; it must be at most retry_max, which is 5 s");
	o.retry_min = 0;
	o.reserved_ = 1;
	refused(pool, &o, QPOOL_ENOTSUP, "reserved_ is 1; it must be 0");
	refused(pool, NULL, QPOOL_EINVAL, "options is NULL: start from qpool_options_init()");
	assert_int_equal(qpool_configure(NULL, &o, NULL), QPOOL_EINVAL);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	o = with_size(9);
	refused(pool, &o, QPOOL_ECLOSED, "pool 'fake' is closing or closed");
	end_pool(pool, peer);
}

static void
no_memory_changes_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_options o = with_size(1000);

	(void)state;
	o.min_idle = 3;
	for (unsigned nth = 1; nth <= 5; nth++) {
		qp_testing_fail(QP_FAULT_ALLOC, nth, false);
		refused(pool, &o, QPOOL_ENOMEM,
		    "no memory for 1000 slots of pool 'fake'; nothing was changed");
	}
	qp_testing_fail(
	    QP_FAULT_ALLOC, 6, false); /* 16 are there; 32, 64 ... 512 more are needed */
	must_configure(pool, &o);
	qp_testing_fail(QP_FAULT_ALLOC, 1, true);
	resize(pool, 4); /* less, and as many again, ask for nothing */
	resize(pool, 1000);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	assert_int_equal(stats_of(pool).max_size, 1000);
	end_pool(pool, peer);
}

static void
it_is_told(void **state)
{
	fake *peer = fake_new();
	qpool_event_type last = 0;
	qpool_options o = with_size(4);
	qpool *pool;

	(void)state;
	o.on_event = on_event;
	o.event_user = &last;
	pool = pool_of(peer, fake_ops(), &o);
	resize(pool, 5);
	assert_int_equal(last, QPOOL_EV_CONFIGURED);
	o = qpool_options_init();
	o.event_mask = 1u << QPOOL_EV_MISUSE;
	must_configure(pool, &o);
	assert_int_equal(last, QPOOL_EV_CONFIGURED);
	last = 0;
	resize(pool, 4);
	assert_int_equal(last, 0);
	end_pool(pool, peer);
}

/* ---- limits ---- */

static void
another_age_holds_for_what_is_open(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease lease;

	(void)state;
	o.age_jitter = QPOOL_ZERO32;
	o.max_idle = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(100));
	o = qpool_options_init();
	o.max_age = QPOOL_SEC(100) + 1;
	must_configure(pool, &o);
	assert_int_equal(qpool_maintain(pool), 0);
	o.max_age = QPOOL_SEC(100);
	must_configure(pool, &o);
	assert_int_equal(qpool_maintain(pool), 1);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_AGE], 1);
	lease = must_acquire(pool);
	o = qpool_options_init();
	o.max_uses = 1;
	must_configure(pool, &o);
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_USES], 1);
	end_pool(pool, peer);
}

static bool
none_is_idle(const qpool_stats *s)
{
	return s->idle + s->closing == 0;
}

static void
the_next_pass_comes_by_the_new_clock(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease lease;

	(void)state;
	o.maintain_every = QPOOL_SEC(500);
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	lease = must_acquire(pool);
	qpool_release(&lease);
	while (qp_testing_next_deadline() != QPOOL_SEC(1500))
		;
	o = qpool_options_init();
	o.maintain_every = QPOOL_SEC(2);
	o.max_idle = QPOOL_SEC(1);
	must_configure(pool, &o);
	while (qp_testing_next_deadline() != QPOOL_SEC(1002))
		;
	qp_testing_clock_advance(QPOOL_SEC(2));
	await_stats(pool, none_is_idle);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_IDLE], 1);
	end_pool(pool, peer);
}

static void
said_again_and_again_a_pass_still_comes(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease lease;

	(void)state;
	o.maintain_every = QPOOL_SEC(10);
	o.max_idle = QPOOL_SEC(1);
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	lease = must_acquire(pool);
	qpool_release(&lease);
	for (unsigned i = 0; i < 9; i++) {
		qp_testing_clock_advance(QPOOL_SEC(1));
		resize(pool, 5 + i);
	}
	assert_int_equal(stats_of(pool).idle, 1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	await_stats(pool, none_is_idle);
	end_pool(pool, peer);
}

static bool
two_are_left(const qpool_stats *s)
{
	return s->idle == 2 && s->closing == 0 && s->opening == 0 && s->over == 0;
}

static void
more_min_idle_is_opened_at_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_options o = qpool_options_init();

	(void)state;
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	o.min_idle = 2;
	must_configure(pool, &o);
	await_stats(pool, two_are_left);
	end_pool(pool, peer);
}

static void
the_pause_that_runs_obeys_the_new_limits(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_error error;
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	o.retry_min = o.retry_max = QPOOL_SEC(600);
	o.down_after = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	actor_acquires(&a, pool, QPOOL_SEC(100));
	qp_testing_await_parked(1);
	o = qpool_options_init();
	o.retry_min = o.retry_max = QPOOL_MSEC(10);
	must_configure(pool, &o);
	qp_testing_await_parked(1);
	assert_in_range(
	    qp_testing_next_deadline(), QPOOL_SEC(1000), QPOOL_SEC(1000) + QPOOL_MSEC(10));
	o = qpool_options_init();
	o.down_after = QPOOL_ZERO;
	must_configure(pool, &o); /* down at once */
	assert_int_equal(actor_join(&a), QPOOL_EOPEN);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error), QPOOL_EOPEN);
	end_pool(pool, peer);
}

static void
those_in_line_stay(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(1);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease held = must_acquire(pool), lease;
	qpool_error error;
	actor a[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	o = qpool_options_init();
	o.max_waiters = 1;
	must_configure(pool, &o);
	assert_int_equal(stats_of(pool).waiting, 2);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, &error), QPOOL_EBUSY);
	assert_string_equal(error.message, "the line of pool 'fake' is full: max_waiters is 1");
	qpool_release(&held);
	assert_int_equal(actor_join(&a[0]), QPOOL_OK);
	qpool_release(&a[0].lease);
	assert_int_equal(actor_join(&a[1]), QPOOL_OK);
	qpool_release(&a[1].lease);
	end_pool(pool, peer);
}

static void
budgets_and_the_default_timeout_follow(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(1);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease held, lease;
	qpool_error error;
	actor a;

	(void)state;
	o = qpool_options_init();
	o.open_budget = QPOOL_SEC(3);
	o.step_budget = QPOOL_MSEC(70);
	o.acquire_timeout = QPOOL_SEC(2);
	must_configure(pool, &o);
	held = must_acquire(pool);
	assert_int_equal(fake_last_open(peer).budget, QPOOL_SEC(3));
	actor_acquires(&a, pool, QPOOL_DEFAULT);
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), QPOOL_SEC(1002));
	qpool_release(&held);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(fake_of(&a.lease)->budget, QPOOL_MSEC(70));
	assert_int_equal(qpool_acquire(pool, -5, &lease, &error), QPOOL_EINVAL);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(what_is_zero_stays),
	    VIRTUAL(what_is_fixed_is_named),
	    VIRTUAL(all_or_nothing),
	    VIRTUAL(no_memory_changes_nothing),
	    VIRTUAL(it_is_told),
	    VIRTUAL(another_age_holds_for_what_is_open),
	    VIRTUAL(the_next_pass_comes_by_the_new_clock),
	    VIRTUAL(said_again_and_again_a_pass_still_comes),
	    VIRTUAL(more_min_idle_is_opened_at_once),
	    VIRTUAL(the_pause_that_runs_obeys_the_new_limits),
	    VIRTUAL(those_in_line_stay),
	    VIRTUAL(budgets_and_the_default_timeout_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
