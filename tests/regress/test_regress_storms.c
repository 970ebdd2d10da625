/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * storms: the peer was away, or full, and the pool made it worse.
 */
#include "regress.h"

/* pgbouncer/pgbouncer#328, #46, #946: one kind of error for all.  A database that was dropped was tried for
 * ever, and one that was starting up ended everybody who waited. */
static void
pgbouncer_328_refusal_ends_all_who_wait_when_nothing_exists(void **state)
{
	enum { TAKERS = 6 };
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	actor actors[TAKERS];

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	fake_gate_shut(peer, FAKE_OPEN);
	for (unsigned i = 0; i < TAKERS; i++)
		actor_acquires(&actors[i], pool, QPOOL_FOREVER);
	await_waiting(pool, TAKERS - 2);
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < TAKERS; i++) {
		assert_int_equal(actor_join(&actors[i]), QPOOL_EDENIED);
		assert_non_null(strstr(actors[i].error.message, "refuses to open"));
	}
	assert_in_range(fake_calls(peer, FAKE_OPEN), 1, 2 * TAKERS); /* not for ever */
	assert_whole(pool);
	/* It is let in again as soon as the peer does. */
	fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
	qpool_lease lease = must_acquire(pool);
	must_release(&lease);
	end_pool(pool, peer);
}

static void
pgbouncer_328_refusal_keeps_those_waiting_whom_a_return_can_serve(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);
	actor waiter;

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1); /* and it asks again now and then */
	must_release(&lease);
	join_and_release(&waiter);
	end_pool(pool, peer);
}

static void
pgbouncer_946_starting_up_ends_nobody_who_waits(void **state)
{
	enum { TAKERS = 4 };
	const qpool_err temporary[] = {QPOOL_EOPEN, QPOOL_EFULL};

	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		fake *peer = fake_new();
		qpool_options options = qpool_options_init();
		actor actors[TAKERS];
		qpool *pool;

		options.max_size = TAKERS;
		pool = pool_of(peer, fake_ops(), &options);
		fake_fail(peer, FAKE_OPEN, UINT32_MAX, temporary[kind]);
		for (unsigned i = 0; i < TAKERS; i++)
			actor_acquires(&actors[i], pool, QPOOL_SEC(30));
		for (unsigned i = 0; i < 20; i++) { /* two seconds */
			qp_testing_await_parked(TAKERS);
			qp_testing_clock_advance(QPOOL_MSEC(100));
		}
		qp_testing_await_parked(TAKERS);
		fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
		qp_testing_clock_advance(QPOOL_MSEC(100));
		for (unsigned i = 0; i < TAKERS; i++)
			join_and_release(&actors[i]);
		assert_whole(pool);
		end_pool(pool, peer);
	}
}

/* yandex/odyssey#61: "too many connections" went to the client, who might have waited for a return. */
static void
odyssey_61_full_peer_is_waited_for_and_its_room_used_later(void **state)
{
	enum { SLOTS = 4, ROOM = 2, TAKERS = 6 };
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	qpool_lease leases[SLOTS];
	pthread_t takers[TAKERS];
	qpool *pool;

	(void)state;
	options.max_size = SLOTS;
	options.open_failure =
	    QPOOL_OPEN_TELL; /* even so: EFULL is no reason while some are open */
	pool = pool_of(peer, fake_ops(), &options);
	fake_limit(peer, ROOM);
	leases[0] = must_acquire(pool);
	leases[1] = must_acquire(pool);
	for (unsigned i = 0; i < TAKERS; i++)
		actor_runs(&takers[i], takes_and_puts, pool);
	await_waiting(pool, TAKERS);
	must_release(&leases[0]);
	must_release(&leases[1]);
	for (unsigned i = 0; i < TAKERS; i++)
		pthread_join(takers[i], NULL);
	assert_int_equal(fake_live_peak(peer), ROOM);
	fake_limit(peer, UINT32_MAX);
	qp_testing_clock_advance(QPOOL_SEC(5));
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	for (unsigned i = 0; i < SLOTS; i++)
		must_release(&leases[i]);
	assert_int_equal(fake_live(peer), SLOTS);
	end_pool(pool, peer);
}

/* psycopg/psycopg#1176: each close that failed asked for one connection more than there was room for. */
static void
psycopg_1176_stuck_closes_ask_for_no_extra_ones(void **state)
{
	enum { SLOTS = 3, TAKERS = 6 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease leases[SLOTS];
	pthread_t takers[TAKERS];

	(void)state;
	must_start(pool, SLOTS + 1);
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	fake_gate_shut(peer, FAKE_CLOSE);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(qpool_discard(&leases[i]), QPOOL_OK);
	fake_gate_await(peer, FAKE_CLOSE, SLOTS);
	for (unsigned i = 0; i < TAKERS; i++)
		actor_runs(&takers[i], takes_and_puts, pool);
	await_waiting(pool, TAKERS);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), SLOTS); /* none beside those dying */
	fake_gate_pass(peer, FAKE_CLOSE, 1);
	await_calls(peer, FAKE_OPEN, SLOTS + 1);
	fake_gate_open(peer, FAKE_CLOSE);
	for (unsigned i = 0; i < TAKERS; i++)
		pthread_join(takers[i], NULL);
	assert_int_equal(fake_live_peak(peer), SLOTS);
	end_pool(pool, peer);
}

/* jackc/pgx#2425, #1780: the old ones were still dying at the server when new ones were opened.  We count
 * at the peer, not in the pool. */
static void
pgx_2425_peer_never_sees_more_than_max_size(void **state)
{
	enum { SLOTS = 3, TAKERS = 5 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease leases[SLOTS];
	pthread_t takers[TAKERS];

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < SLOTS; i++)
			leases[i] = must_acquire(pool);
		for (unsigned i = 0; i < SLOTS; i++)
			must_release(&leases[i]);
		qp_testing_clock_advance(QPOOL_SEC(3600)); /* all expired */
		fake_gate_shut(peer, FAKE_CLOSE);
		for (unsigned i = 0; i < TAKERS; i++)
			actor_runs(&takers[i], takes_and_puts, pool);
		fake_gate_await(peer, FAKE_CLOSE, SLOTS);
		await_waiting(pool, TAKERS - SLOTS);
		fake_gate_open(peer, FAKE_CLOSE);
		for (unsigned i = 0; i < TAKERS; i++)
			pthread_join(takers[i], NULL);
	}
	assert_int_equal(fake_live_peak(peer), SLOTS);
	end_pool(pool, peer);
}

/* deadpool-rs/deadpool#201: the peer restarted, and all cores were busy asking it. */
static void
deadpool_201_restart_is_asked_gently_and_noticed_soon(void **state)
{
	enum { TAKERS = 3 };
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	qpool *pool;

	(void)state;
	options.max_size = 4;
	pool = pool_of(peer, fake_ops(), &options);
	for (unsigned round = 0; round < ROUNDS(100); round++) {
		actor actors[TAKERS];
		unsigned before;

		fake_kill_all(peer);
		fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EOPEN);
		for (unsigned i = 0; i < TAKERS; i++)
			actor_acquires(&actors[i], pool, QPOOL_FOREVER);
		qp_testing_await_parked(TAKERS);
		before = fake_calls(peer, FAKE_OPEN);
		for (unsigned i = 0; i < 100; i++) { /* a second */
			qp_testing_clock_advance(QPOOL_MSEC(10));
			qp_testing_await_parked(TAKERS);
		}
		/* At least every 100 ms; faster only in the first few pauses. */
		assert_in_range(fake_calls(peer, FAKE_OPEN) - before, 10, 40);
		fake_fail(peer, FAKE_OPEN, 0, QPOOL_OK);
		qp_testing_clock_advance(QPOOL_MSEC(100));
		for (unsigned i = 0; i < TAKERS; i++)
			join_and_release(&actors[i]);
		assert_whole(pool);
	}
	end_pool(pool, peer);
}

typedef struct crowd {
	qpool *pool;
	qp_atomic_u64 here; /* threads that have not ended */
} crowd;

static void *
opens_again_and_again(void *argument)
{
	crowd *c = argument;

	for (unsigned i = 0; i < 10; i++) {
		qpool_lease lease = must_acquire(c->pool);
		(void)qpool_discard(&lease);
	}
	qp_add64_relaxed(&c->here, (uint64_t)-1);
	return NULL;
}

static void
takes_its_time(fake *peer, fake_step step, void *argument)
{
	(void)peer, (void)step, (void)argument;
	for (unsigned i = 0; i < 20; i++)
		sched_yield();
}

/* yandex/odyssey#1485: the limit on connecting at once stopped everybody for good; its mend was taken back
 * a week later (#1501). */
static void
odyssey_1485_limiter_always_has_somebody_going(void **state)
{
	enum { THREADS = 6 };
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	pthread_t threads[THREADS];
	crowd c;

	(void)state;
	options.max_size = 4;
	options.max_opening = 1;
	options.down_after = QPOOL_FOREVER;
	c.pool = pool_of(peer, fake_ops(), &options);
	qp_store64_relaxed(&c.here, THREADS);
	fake_fail_one_in(peer, 2, 1485);
	fake_hook_on(peer, FAKE_OPEN, takes_its_time, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		actor_runs(&threads[i], opens_again_and_again, &c);
	for (uint64_t here; (here = qp_load64_relaxed(&c.here)) > 0;) {
		int64_t now_ns = 0;

		(void)qp_testing_clock(&now_ns);
		/* If all sleep that were here just before, one of them wakes in time for the next open. */
		if (qp_testing_parked() == here)
			assert_in_range(
			    qp_testing_next_deadline(), 0, (uint64_t)(now_ns + QPOOL_MSEC(100)));
		qp_testing_clock_advance(QPOOL_MSEC(10));
		sched_yield();
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fake_opening_peak(peer), 1);
	assert_int_equal(stats_of(c.pool).opens, THREADS * 10);
	assert_whole(c.pool);
	end_pool(c.pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(pgbouncer_328_refusal_ends_all_who_wait_when_nothing_exists),
	    IN_VIRTUAL_TIME(pgbouncer_328_refusal_keeps_those_waiting_whom_a_return_can_serve),
	    IN_VIRTUAL_TIME(pgbouncer_946_starting_up_ends_nobody_who_waits),
	    IN_VIRTUAL_TIME(odyssey_61_full_peer_is_waited_for_and_its_room_used_later),
	    IN_VIRTUAL_TIME(psycopg_1176_stuck_closes_ask_for_no_extra_ones),
	    IN_VIRTUAL_TIME(pgx_2425_peer_never_sees_more_than_max_size),
	    IN_VIRTUAL_TIME(deadpool_201_restart_is_asked_gently_and_noticed_soon),
	    IN_VIRTUAL_TIME(odyssey_1485_limiter_always_has_somebody_going),
	};
	return RUN(tests);
}
