/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool that becomes larger or smaller: who is served by it, what is too many, and when that goes.
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

static void
take(qpool *pool, qpool_lease *leases, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		leases[i] = must_acquire(pool);
}

static void
give(qpool_lease *leases, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(qpool_release(&leases[i]), QPOOL_OK);
}

static void *
give_one(void *lease)
{
	(void)qpool_release(lease);
	return NULL;
}

static void
more_serves_those_who_wait(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(1);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease held = must_acquire(pool);
	actor a[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		actor_acquires(&a[i], pool, QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	resize(pool, 3);
	assert_int_equal(actor_join(&a[0]), QPOOL_OK);
	assert_int_equal(actor_join(&a[1]), QPOOL_OK);
	assert_int_equal(stats_of(pool).waiting, 1);
	resize(pool, 4);
	assert_int_equal(actor_join(&a[2]), QPOOL_OK);
	assert_int_equal(stats_of(pool).leased, 4);
	for (unsigned i = 0; i < 3; i++)
		qpool_release(&a[i].lease);
	qpool_release(&held);
	end_pool(pool, peer);
}

static void
many_more_have_slots(void **state)
{
	static qpool_lease leases[300];
	fake *peer = fake_new();
	qpool_options o = with_size(QPOOL_ZERO32);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease more;

	(void)state;
	resize(pool, 17);
	take(pool, leases, 17);
	resize(pool, 300);
	take(pool, leases + 17, 283);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &more, NULL), QPOOL_EAGAIN);
	assert_int_equal(stats_of(pool).leased, 300);
	give(leases, 300);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
idle_ones_too_many_are_closed_now_oldest_first(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(5);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease leases[5];

	(void)state;
	take(pool, leases, 5);
	give(leases + 1, 4); /* 2 is the oldest */
	resize(pool, 3);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_SHRUNK], 2);
	assert_int_equal(stats_of(pool).idle, 2);
	assert_int_equal(stats_of(pool).over, 0);
	take(pool, leases + 1, 2);
	assert_int_equal(fake_of(&leases[1])->number, 5);
	assert_int_equal(fake_of(&leases[2])->number, 4);
	give(leases, 3);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
lent_ones_too_many_are_closed_when_they_come_back(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(4);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease leases[4];
	qpool_stats s;
	actor a;

	(void)state;
	take(pool, leases, 4);
	resize(pool, 2);
	s = stats_of(pool);
	assert_int_equal(s.over, 2);
	assert_int_equal(s.leased, 4);
	assert_int_equal(s.empty, 0);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	give(leases, 2); /* not for the one that waits */
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_SHRUNK], 2);
	assert_int_equal(stats_of(pool).over, 0);
	assert_int_equal(stats_of(pool).waiting, 1);
	give(leases + 2, 1);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(fake_of(&a.lease)->number, 3);
	qpool_release(&a.lease);
	give(leases + 3, 1);
	assert_int_equal(stats_of(pool).idle, 2);
	end_pool(pool, peer);
}

static void
a_reset_that_ends_too_late_is_one_too_many(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease leases[2];
	pthread_t giver;

	(void)state;
	take(pool, leases, 2);
	fake_gate_shut(peer, FAKE_RESET);
	actor_runs(&giver, give_one, &leases[0]);
	fake_gate_await(peer, FAKE_RESET, 1);
	resize(pool, 1);
	assert_int_equal(stats_of(pool).over, 1);
	fake_gate_open(peer, FAKE_RESET);
	pthread_join(giver, NULL);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_SHRUNK], 1);
	give(leases + 1, 1);
	assert_int_equal(stats_of(pool).idle, 1);
	end_pool(pool, peer);
}

static bool
two_are_left(const qpool_stats *s)
{
	return s->idle == 2 && s->closing == 0 && s->opening == 0 && s->over == 0;
}

static void
the_crew_closes_what_is_too_many(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(5);
	qpool *pool;
	qpool_lease leases[5];

	(void)state;
	o.min_idle = 5;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 2, NULL), QPOOL_OK);
	assert_int_equal(qpool_wait_ready(pool, 5, QPOOL_FOREVER, NULL), QPOOL_OK);
	take(pool, leases, 2);
	fake_gate_shut(peer, FAKE_CLOSE);
	o = with_size(2);
	o.min_idle = 1;
	must_configure(pool, &o); /* returns though closes hang */
	fake_gate_await(peer, FAKE_CLOSE, 2);
	fake_gate_open(peer, FAKE_CLOSE);
	give(leases, 2);
	await_stats(pool, two_are_left);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_SHRUNK], 3);
	end_pool(pool, peer);
}

/* However many come back at the same time: only those too many go. */
static void
not_one_more_goes_than_must(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(8);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease leases[8];
	pthread_t givers[8];

	(void)state;
	take(pool, leases, 8);
	fake_gate_shut(peer, FAKE_CLOSE);
	resize(pool, 5);
	for (unsigned i = 0; i < 8; i++)
		actor_runs(&givers[i], give_one, &leases[i]);
	fake_gate_await(peer, FAKE_CLOSE, 3);
	while (stats_of(pool).leased + stats_of(pool).resetting > 0)
		;
	assert_int_equal(stats_of(pool).closing, 3);
	assert_int_equal(stats_of(pool).idle, 5);
	fake_gate_open(peer, FAKE_CLOSE);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(givers[i], NULL);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 3);
	end_pool(pool, peer);
}

static void
less_while_one_opens(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(2);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease;
	actor a;

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	resize(pool, QPOOL_ZERO32);
	assert_int_equal(stats_of(pool).over, 1);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&a), QPOOL_OK); /* it was its own */
	qpool_release(&a.lease);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_SHRUNK], 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(0), &lease, NULL), QPOOL_EAGAIN);
	assert_int_equal(fake_live(peer), 0);
	end_pool(pool, peer);
}

typedef struct several {
	qpool *pool;
	qpool_lease leases[3];
	qpool_error error;
	qpool_err err;
} several;

static void *
take_three(void *argument)
{
	several *s = argument;
	qpool_request request = qpool_request_init();

	request.timeout = QPOOL_FOREVER;
	s->err = qpool_acquire_many(s->pool, 3, &request, s->leases, &s->error);
	return NULL;
}

/* It would wait for ever with what it has, and everybody behind it. */
static void
who_wants_more_at_once_than_there_are_now_is_told(void **state)
{
	fake *peer = fake_new();
	qpool_options o = with_size(3);
	qpool *pool = pool_of(peer, fake_ops(), &o);
	several s = {.pool = pool, .err = QPOOL_OK};
	qpool_lease held = must_acquire(pool);
	pthread_t collector;
	actor a;

	(void)state;
	actor_runs(&collector, take_three, &s);
	await_waiting(pool, 1); /* it has two */
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 2);
	resize(pool, 2);
	pthread_join(collector, NULL);
	assert_int_equal(s.err, QPOOL_EINVAL);
	assert_string_equal(s.error.message,
	    "2 of 3 wanted at once came free: n is 3; it must be at "
	    "most max_size, which is 2 in pool 'fake' by now");
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	qpool_release(&held);
	assert_int_equal(stats_of(pool).idle, 2);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(more_serves_those_who_wait),
	    VIRTUAL(many_more_have_slots),
	    VIRTUAL(idle_ones_too_many_are_closed_now_oldest_first),
	    VIRTUAL(lent_ones_too_many_are_closed_when_they_come_back),
	    VIRTUAL(a_reset_that_ends_too_late_is_one_too_many),
	    VIRTUAL(the_crew_closes_what_is_too_many),
	    VIRTUAL(not_one_more_goes_than_must),
	    VIRTUAL(less_while_one_opens),
	    VIRTUAL(who_wants_more_at_once_than_there_are_now_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
