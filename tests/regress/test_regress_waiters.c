/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiters: somebody slept, or burned the processor, while there was a slot to be had.
 */
#include "regress.h"

/* jackc/puddle 1.1.3: a constructor's error woke nobody. */
static void
puddle_1_1_3_failed_open_promotes_the_next_waiter(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	actor first, second;
	qpool *pool;

	(void)state;
	options.open_failure = QPOOL_OPEN_TELL;
	pool = pool_of(peer, fake_ops(), &options);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&first, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	actor_acquires(&second, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	fake_gate_pass(peer, FAKE_OPEN, 1);
	assert_int_equal(actor_join(&first), QPOOL_EOPEN);
	fake_gate_await(peer, FAKE_OPEN, 1); /* the second opens now */
	fake_gate_open(peer, FAKE_OPEN);
	join_and_release(&second);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* reactor/reactor-pool#82: the same, and those behind were not drained either. */
static void
reactor_pool_82_failed_opens_drain_the_whole_line(void **state)
{
	enum { WAITERS = 8 };
	fake *peer = fake_new();
	qpool_options options = sized(1);
	actor actors[WAITERS];
	unsigned failed = 0, served = 0;
	qpool *pool;

	(void)state;
	options.open_failure = QPOOL_OPEN_TELL;
	pool = pool_of(peer, fake_ops(), &options);
	fake_fail(peer, FAKE_OPEN, WAITERS - 1, QPOOL_EOPEN);
	fake_gate_shut(peer, FAKE_OPEN);
	for (unsigned i = 0; i < WAITERS; i++) {
		actor_acquires(&actors[i], pool, QPOOL_FOREVER);
		if (i == 0)
			fake_gate_await(peer, FAKE_OPEN, 1);
		await_waiting(pool, i);
	}
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < WAITERS; i++) {
		failed += actor_join(&actors[i]) == QPOOL_EOPEN;
		served += actors[i].err == QPOOL_OK;
	}
	assert_int_equal(failed, WAITERS - 1);
	assert_int_equal(served, 1);
	must_release(&actors[WAITERS - 1].lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* golang/go#10886: an open's error gave its count back and nobody began the next open. */
static void
go_10886_all_takers_return_from_an_unreachable_peer(void **state)
{
	enum { TAKERS = 3 };
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	actor actors[TAKERS];
	unsigned calls;
	qpool *pool;

	(void)state;
	options.max_size = 2;
	pool = pool_of(peer, fake_ops(), &options);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	for (unsigned i = 0; i < TAKERS; i++)
		actor_acquires(&actors[i], pool, QPOOL_SEC(1));
	for (unsigned i = 0; i < 10; i++) {
		qp_testing_await_parked(TAKERS);
		calls = fake_calls(peer, FAKE_OPEN);
		assert_true(calls > i); /* each 100 ms somebody tries */
		qp_testing_clock_advance(QPOOL_MSEC(100));
	}
	for (unsigned i = 0; i < TAKERS; i++) {
		assert_int_equal(actor_join(&actors[i]), QPOOL_ETIMEOUT);
		assert_non_null(strstr(actors[i].error.message, "refuses to open"));
	}
	assert_whole(pool);
	end_pool(pool, peer);
}

/* The same: the one that kept the time of the next open left, and took it along. */
static void
go_10886_next_in_line_opens_when_the_head_gives_up(void **state)
{
	fake *peer = fake_new();
	actor head, next;
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
	actor_acquires(&head, pool, QPOOL_MSEC(250));
	qp_testing_await_parked(1);
	actor_acquires(&next, pool, QPOOL_FOREVER);
	qp_testing_await_parked(2);
	for (unsigned i = 0; i < 5; i++) {
		qp_testing_clock_advance(QPOOL_MSEC(50));
		qp_testing_await_parked(i < 4 ? 2 : 1);
	}
	assert_int_equal(actor_join(&head), QPOOL_ETIMEOUT);
	fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	join_and_release(&next);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* One is lent, one waits; the lease ends as `end` says; the waiter gets a new one. */
static void
waiter_is_served_after(qpool_err (*end)(qpool_lease *lease))
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	actor waiter;

	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	assert_int_equal(end(&lease), QPOOL_OK);
	join_and_release(&waiter);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* apache/commons-pool POOL-424: invalidating the one that was out left the line asleep. */
static void
commons_pool_424_discard_serves_the_waiter_by_a_new_open(void **state)
{
	(void)state;
	waiter_is_served_after(qpool_discard);
}

static qpool_err
spoil_and_release(qpool_lease *lease)
{
	assert_int_equal(qpool_spoil(lease), QPOOL_OK);
	return qpool_release(lease);
}

/* apr-util 94d9bde1: the same in C, years before. */
static void
apr_util_94d9bde1_spoil_and_detach_serve_the_waiter(void **state)
{
	(void)state;
	waiter_is_served_after(spoil_and_release);
	waiter_is_served_after(detach_and_close);
}

static unsigned nothings; /* how often open still says OK and gives nothing */

static qpool_err
open_nothing(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	if (nothings == 0)
		return fake_ops().open(user, step, out, error);
	nothings--;
	return QPOOL_OK;
}

/* apache/commons-pool#346: create gave nothing, and the only borrower waited for a return by others. */
static void
commons_pool_346_lone_borrower_opens_again_by_itself(void **state)
{
	fake *peer = fake_new();
	qpool_ops ops = fake_ops();
	actor lone;
	qpool *pool;

	(void)state;
	nothings = 1;
	ops.open = open_nothing;
	pool = pool_of(peer, ops, NULL);
	actor_acquires(&lone, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1); /* the pause after the failure, kept by the lone borrower */
	qp_testing_clock_advance(QPOOL_MSEC(100));
	join_and_release(&lone);
	assert_int_equal(stats_of(pool).open_failures, 1);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* jolestar/go-commons-pool#25: each return destroyed its object, and only the first waiter was served. */
static void
go_commons_pool_25_every_waiter_is_served_though_each_reset_fails(void **state)
{
	enum { WAITERS = 5 };
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	actor actors[WAITERS];

	(void)state;
	fake_fail(peer, FAKE_RESET, UINT32_MAX, QPOOL_ECHECK);
	for (unsigned i = 0; i < WAITERS; i++) {
		actor_acquires(&actors[i], pool, QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	must_release(&lease);
	for (unsigned i = 0; i < WAITERS; i++)
		join_and_release(&actors[i]);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), WAITERS + 1);
	assert_int_equal(stats_of(pool).resets_failed, WAITERS + 1);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
steal(void *user, qpool *pool, const qpool_event *event)
{
	qpool_lease lease;

	(void)user;
	if (event->type == QPOOL_EV_OPENED)
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
}

/* DanielYWoo/fast-object-pool#25: a newcomer stole the new object, and its maker went to sleep. */
static void
fast_object_pool_25_opener_keeps_what_it_opened(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	actor opener, other;
	qpool *pool;

	(void)state;
	options.on_event = steal;
	pool = pool_of(peer, fake_ops(), &options);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&opener, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	actor_acquires(&other, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&opener), QPOOL_OK);
	assert_int_equal(fake_of(&opener.lease)->number, 1);
	assert_int_equal(stats_of(pool).waiting, 1);
	must_release(&opener.lease);
	join_and_release(&other);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	end_pool(pool, peer);
}

typedef struct storm {
	qpool *pool;
	unsigned rounds;
} storm;

static void *
take_and_put(void *argument)
{
	const storm *s = argument;

	for (unsigned i = 0; i < s->rounds; i++) {
		qpool_lease lease = must_acquire(s->pool);
		fake_use(&lease);
		fake_unuse(&lease);
		must_release(&lease);
	}
	return NULL;
}

static void
everybody_comes_round(uint32_t slots, unsigned threads, unsigned rounds, qpool_nsec max_overtake)
{
	fake *peer = fake_new();
	qpool_options options = sized(slots);
	storm s = {.rounds = rounds};

	options.max_overtake = max_overtake;
	s.pool = pool_of(peer, fake_ops_plain(), &options);
	run_threads(threads, take_and_put, &s);
	assert_int_equal(stats_of(s.pool).acquires, (uint64_t)threads * rounds);
	assert_whole(s.pool);
	end_pool(s.pool, peer);
}

/* djc/bb8#122: a return between "nothing is idle" and "I stand in line" was seen by nobody. */
static void
bb8_122_no_return_falls_between_looking_and_joining(void **state)
{
	(void)state;
	everybody_comes_round(1, 2, ROUNDS(20000), 0);
	everybody_comes_round(2, 5, ROUNDS(5000), QPOOL_FOREVER);
}

/* glibc bug 25847, met by ocurrent/ocaml-ci#963, oxcaml/oxcaml#787 and mratsim/weave#56: the condition
 * variable itself lost a wake-up.  Ours is a futex a waiter; here every release is a hand-over. */
static void
glibc_25847_no_hand_over_is_lost(void **state)
{
	(void)state;
	everybody_comes_round(1, 3, ROUNDS(10000), QPOOL_ZERO);
}

/* djc/bb8#167: all came back broken, and those who waited were not given new ones. */
static void
bb8_167_twice_as_many_waiters_are_served_when_all_come_back_broken(void **state)
{
	enum { SLOTS = 4, WAITERS = 8 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease leases[SLOTS];
	actor actors[WAITERS];

	(void)state;
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	for (unsigned i = 0; i < WAITERS; i++) {
		actor_acquires(&actors[i], pool, QPOOL_FOREVER);
		await_waiting(pool, i + 1);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(qpool_discard(&leases[i]), QPOOL_OK);
	for (unsigned i = 0; i < WAITERS; i++) {
		assert_int_equal(actor_join(&actors[i]), QPOOL_OK);
		assert_int_equal(qpool_discard(&actors[i].lease), QPOOL_OK);
	}
	assert_int_equal(fake_live_peak(peer), SLOTS);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* deadpool-rs/deadpool#462: stuck in a slow create while another one came back. */
static void
deadpool_462_waiter_takes_what_returns_before_its_open_ends(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	actor waiter;

	(void)state;
	must_start(pool, 1);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&waiter, pool, QPOOL_SEC(1));
	fake_gate_await(peer, FAKE_OPEN, 1);
	must_release(&lease);
	assert_int_equal(actor_join(&waiter), QPOOL_OK);
	assert_int_equal(fake_of(&waiter.lease)->number, 1);
	assert_int_equal(stats_of(pool).opening, 1);
	fake_gate_open(peer, FAKE_OPEN);
	must_release(&waiter.lease);
	await_idle(pool, 2);
	end_pool(pool, peer);
}

typedef struct meeting {
	qpool *pool;
	pthread_barrier_t all_hold;
} meeting;

static void *
take_meet_and_put(void *argument)
{
	meeting *m = argument;
	qpool_lease lease = must_acquire(m->pool);

	pthread_barrier_wait(&m->all_hold);
	must_release(&lease);
	return NULL;
}

/* haproxy/haproxy#1281: what other threads had put aside was not found, and new ones were opened. */
static void
haproxy_1281_any_thread_finds_what_any_thread_left(void **state)
{
	enum { SLOTS = 6 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool_lease leases[SLOTS];
	meeting m;

	(void)state;
	m.pool = pool_of(peer, fake_ops(), &options);
	pthread_barrier_init(&m.all_hold, NULL, SLOTS);
	run_threads(SLOTS, take_meet_and_put, &m);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(qpool_acquire(m.pool, QPOOL_NOWAIT, &leases[i], NULL), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), SLOTS);
	for (unsigned i = 0; i < SLOTS; i++)
		must_release(&leases[i]);
	pthread_barrier_destroy(&m.all_hold);
	end_pool(m.pool, peer);
}

/* brettwooldridge/HikariCP#835 and #1305: at saturation all waiters spun.  Ours go to sleep once, and a
 * release wakes the one it is for, whether that one is told to look or handed the slot. */
static void
hikaricp_835_waiters_sleep_until_it_is_their_turn(void **state)
{
	enum { WAITERS = 150 };

	(void)state;
	for (unsigned waited = 0; waited < 2; waited++) {
		fake *peer = fake_new();
		qpool_options options = sized(1);
		qpool *pool = pool_of(peer, fake_ops(), &options);
		qpool_lease lease = must_acquire(pool);
		actor actors[WAITERS];
		uint64_t parks;

		for (unsigned i = 0; i < WAITERS; i++) {
			actor_acquires(&actors[i], pool, QPOOL_FOREVER);
			await_waiting(pool, i + 1);
		}
		qp_testing_await_parked(WAITERS);
		parks = qp_testing_parks();
		for (unsigned i = 0; i < 100 * waited; i++)
			qp_testing_clock_advance(QPOOL_SEC(1));
		assert_int_equal(qp_testing_parked(), WAITERS);
		must_release(&lease);
		for (unsigned i = 0; i < WAITERS; i++) {
			assert_int_equal(actor_join(&actors[i]), QPOOL_OK);
			assert_int_equal(qp_testing_parked(), WAITERS - i - 1);
			must_release(&actors[i].lease);
		}
		assert_int_equal(qp_testing_parks(), parks);
		assert_whole(pool);
		end_pool(pool, peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(puddle_1_1_3_failed_open_promotes_the_next_waiter),
	    IN_VIRTUAL_TIME(reactor_pool_82_failed_opens_drain_the_whole_line),
	    IN_VIRTUAL_TIME(go_10886_all_takers_return_from_an_unreachable_peer),
	    IN_VIRTUAL_TIME(go_10886_next_in_line_opens_when_the_head_gives_up),
	    IN_VIRTUAL_TIME(commons_pool_424_discard_serves_the_waiter_by_a_new_open),
	    IN_VIRTUAL_TIME(commons_pool_346_lone_borrower_opens_again_by_itself),
	    IN_VIRTUAL_TIME(apr_util_94d9bde1_spoil_and_detach_serve_the_waiter),
	    IN_VIRTUAL_TIME(go_commons_pool_25_every_waiter_is_served_though_each_reset_fails),
	    IN_VIRTUAL_TIME(fast_object_pool_25_opener_keeps_what_it_opened),
	    IN_REAL_TIME(bb8_122_no_return_falls_between_looking_and_joining),
	    IN_VIRTUAL_TIME(bb8_167_twice_as_many_waiters_are_served_when_all_come_back_broken),
	    IN_VIRTUAL_TIME(deadpool_462_waiter_takes_what_returns_before_its_open_ends),
	    IN_VIRTUAL_TIME(haproxy_1281_any_thread_finds_what_any_thread_left),
	    IN_VIRTUAL_TIME(hikaricp_835_waiters_sleep_until_it_is_their_turn),
	    IN_REAL_TIME(glibc_25847_no_hand_over_is_lost),
	};
	return RUN(tests);
}
