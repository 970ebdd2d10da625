/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seed_line: how the Python package queuepool 1.3.2 let its takers wait, and whose a resource was.  Numbers
 * are those of the list of its defects in docs/REGRESSIONS.md.
 */
#include "regress.h"

static qp_atomic_u32 cancelled;

static int
is_cancelled(void *user)
{
	(void)user;
	return (int)qp_load_acquire(&cancelled);
}

/* 9: no timeout, no cancel, no try. */
static void
seed_9_wait_can_be_tried_limited_and_cancelled(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_request request = qpool_request_init();
	qpool_lease lease = must_acquire(pool), none;
	actor waiter;

	(void)state;
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &none, NULL), QPOOL_EAGAIN);
	actor_acquires(&waiter, pool, QPOOL_DEFAULT);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(30) - 1);
	assert_int_equal(stats_of(pool).waiting, 1);
	qp_testing_clock_advance(1);
	assert_int_equal(actor_join(&waiter), QPOOL_ETIMEOUT);
	qp_store_release(&cancelled, 0);
	request.timeout = QPOOL_FOREVER;
	request.interrupted = is_cancelled;
	request.interrupt_every = QPOOL_MSEC(10);
	actor_acquires_with(&waiter, pool, &request);
	for (unsigned i = 0; i < 10; i++) {
		qp_testing_await_parked(1);
		qp_testing_clock_advance(QPOOL_MSEC(10));
	}
	qp_testing_await_parked(1);
	qp_store_release(&cancelled, 1);
	qp_testing_clock_advance(QPOOL_MSEC(10));
	assert_int_equal(actor_join(&waiter), QPOOL_ECANCEL);
	must_release(&lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* 10: who takes from an empty pool waits for ever.  (And 44: its maintenance did nothing.) */
static void
seed_10_pool_of_no_slots_keeps_deadlines_and_can_be_closed(void **state)
{
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	actor waiters[2];
	qpool *pool;

	(void)state;
	options.max_size = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops(), &options);
	actor_acquires(&waiters[0], pool, QPOOL_SEC(1));
	actor_acquires(&waiters[1], pool, QPOOL_FOREVER);
	qp_testing_await_parked(2);
	assert_int_equal(qpool_maintain(pool), 0);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&waiters[0]), QPOOL_ETIMEOUT);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	assert_int_equal(actor_join(&waiters[1]), QPOOL_ECLOSED);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 0);
	end_pool(pool, peer);
}

static void *
maintains(void *argument)
{
	(void)qpool_maintain(argument);
	return NULL;
}

/* 18: the sweep takes everything out while it closes one by one. */
static void
seed_18_maintenance_never_empties_the_pool(void **state)
{
	enum { SLOTS = 4 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease leases[SLOTS];
	pthread_t sweeper;

	(void)state;
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	must_release(&leases[0]);
	qp_testing_clock_advance(QPOOL_SEC(601)); /* only that one is idle, and for too long */
	for (unsigned i = 1; i < SLOTS; i++)
		must_release(&leases[i]);
	fake_gate_shut(peer, FAKE_CLOSE);
	actor_runs(&sweeper, maintains, pool);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	for (unsigned i = 1; i < SLOTS; i++)
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &leases[i], NULL), QPOOL_OK);
	/* 19: and who gives one back meanwhile waits for nobody. */
	for (unsigned i = 1; i < SLOTS; i++)
		must_release(&leases[i]);
	assert_int_equal(stats_of(pool).closing, 1);
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(sweeper, NULL);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), SLOTS);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void *
sweeps_for_ever(void *argument)
{
	qpool *pool = argument;

	while (stats_of(pool).acquires < ROUNDS(10000))
		(void)qpool_maintain(pool);
	return NULL;
}

static void *
takes_for_ever(void *argument)
{
	qpool *pool = argument;

	while (stats_of(pool).acquires < ROUNDS(10000))
		(void)takes_and_puts(pool);
	return NULL;
}

/* 19: the sweep and a put of a new one wait for each other. */
static void
seed_19_maintenance_and_release_never_wait_for_each_other(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	pthread_t threads[4];
	qpool *pool;

	(void)state;
	options.max_idle = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &options);
	for (unsigned i = 0; i < 4; i++)
		actor_runs(&threads[i], i < 2 ? sweeps_for_ever : takes_for_ever, pool);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* 12: a second put into a full pool blocks for ever. */
static void
seed_12_second_release_into_a_full_pool_returns_at_once(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease first = must_acquire(pool), second = must_acquire(pool), copy = first;

	(void)state;
	must_release(&first);
	must_release(&second); /* all are idle */
	assert_int_equal(qpool_release(&copy), QPOOL_EMISUSE);
	assert_int_equal(stats_of(pool).idle, 2);
	end_pool(pool, peer);
}

/* 15, 42: a resource of another pool is accepted, and its own pool starves. */
static void
seed_15_lease_goes_back_to_its_own_pool(void **state)
{
	fake *peers[2] = {fake_new(), fake_new()};
	qpool_options options = sized(1);
	qpool *pools[2] = {
	    pool_of(peers[0], fake_ops(), &options), pool_of(peers[1], fake_ops(), &options)};
	qpool_lease first = must_acquire(pools[0]), second, mixed;

	(void)state;
	assert_ptr_equal(qpool_of(&first), pools[0]);
	mixed = first;
	must_release(&first);
	assert_int_equal(stats_of(pools[0]).idle, 1);
	assert_int_equal(stats_of(pools[1]).acquires, 0);
	/* One that says the slot of the other pool, and a turn of its own. */
	second = must_acquire(pools[1]);
	must_release(&second);
	second = must_acquire(pools[1]);
	mixed.slot_ = second.slot_;
	assert_int_equal(qpool_release(&mixed), QPOOL_EMISUSE);
	assert_int_equal(stats_of(pools[1]).leased, 1);
	assert_int_equal(stats_of(pools[1]).misuses, 1);
	assert_int_equal(stats_of(pools[0]).misuses, 0);
	must_release(&second);
	for (unsigned i = 0; i < 2; i++) {
		assert_whole(pools[i]);
		end_pool(pools[i], peers[i]);
	}
}

/* No number: put(None) and put(object()) are AttributeErrors. */
static void
seed_put_none_is_told_apart_from_the_empty_lease(void **state)
{
	uint64_t no_slot[64] = {0};
	qpool_lease empty = QPOOL_LEASE_INIT, made_up = QPOOL_LEASE_INIT;

	(void)state;
	assert_int_equal(qpool_release(NULL), QPOOL_EINVAL);
	assert_int_equal(qpool_discard(NULL), QPOOL_EINVAL);
	assert_int_equal(qpool_spoil(NULL), QPOOL_EINVAL);
	assert_null(qpool_detach(NULL));
	qpool_label(NULL, "");
	assert_int_equal(qpool_release(&empty), QPOOL_OK);
	assert_int_equal(qpool_discard(&empty), QPOOL_OK);
	assert_int_equal(qpool_spoil(&empty), QPOOL_OK);
	assert_null(qpool_detach(&empty));
	assert_null(qpool_of(&empty));
	made_up.turn_ = 1;
	assert_int_equal(qpool_release(&made_up), QPOOL_EMISUSE);
	made_up.slot_ = no_slot;
	assert_int_equal(qpool_release(&made_up), QPOOL_EMISUSE);
	made_up.slot_ = (char *)no_slot + 1;
	assert_int_equal(qpool_release(&made_up), QPOOL_EMISUSE);
	assert_null(qpool_of(&made_up));
}

/* 26: a with block inside another on one handle gives it back early, and the outer one does so again. */
static void
seed_26_nested_scopes_end_one_lease_once(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease other;

	(void)state;
	{
		QPOOL_SCOPED qpool_lease outer = must_acquire(pool);
		{
			QPOOL_SCOPED qpool_lease inner = outer;
			assert_non_null(inner.resource);
		}
		other = must_acquire(pool); /* it is somebody else's now */
	}
	assert_int_equal(stats_of(pool).misuses, 1);
	assert_int_equal(stats_of(pool).leased, 1);
	must_release(&other);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* 27: a with block on a manager that no pool ever had is an AttributeError. */
static void
seed_27_scope_of_an_empty_lease_does_nothing(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease held = must_acquire(pool);

	(void)state;
	{
		QPOOL_SCOPED qpool_lease never = QPOOL_LEASE_INIT;
		QPOOL_SCOPED_DISCARD qpool_lease refused = held;
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &refused, NULL), QPOOL_EAGAIN);
		assert_null(never.resource);
	}
	assert_int_equal(stats_of(pool).misuses, 0);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 0);
	must_release(&held);
	end_pool(pool, peer);
}

static int
leaves_early(qpool *pool, unsigned way)
{
	for (unsigned i = 0; i < 2; i++) {
		QPOOL_SCOPED qpool_lease lease = must_acquire(pool);
		(void)lease; /* only its end matters */
		if (way == 0)
			return 1;
		if (way == 1)
			break;
		if (way == 2)
			continue;
		goto out;
	}
	return 2;
out:
	return 3;
}

/* 35, 36: leaving early, by SystemExit or out of a generator, closes what is healthy. */
static void
seed_36_leaving_a_scope_early_keeps_a_healthy_one(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);

	(void)state;
	for (unsigned way = 0; way < 4; way++) {
		assert_in_range(leaves_early(pool, way), 1, 3);
		assert_whole(pool);
	}
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 0);
	end_pool(pool, peer);
}

/* 24, 25: the user closed it, then an exception came, and it was closed again. */
static void
seed_24_discarded_in_a_scope_is_closed_once(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);

	(void)state;
	{
		QPOOL_SCOPED_DISCARD qpool_lease lease = must_acquire(pool);
		assert_int_equal(qpool_spoil(&lease), QPOOL_OK);
		assert_int_equal(qpool_discard(&lease), QPOOL_OK);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	}
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 1);
	assert_int_equal(stats_of(pool).misuses, 0);
	assert_whole(pool);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(seed_9_wait_can_be_tried_limited_and_cancelled),
	    IN_VIRTUAL_TIME(seed_10_pool_of_no_slots_keeps_deadlines_and_can_be_closed),
	    IN_VIRTUAL_TIME(seed_18_maintenance_never_empties_the_pool),
	    IN_REAL_TIME(seed_19_maintenance_and_release_never_wait_for_each_other),
	    IN_VIRTUAL_TIME(seed_12_second_release_into_a_full_pool_returns_at_once),
	    IN_VIRTUAL_TIME(seed_15_lease_goes_back_to_its_own_pool),
	    IN_VIRTUAL_TIME(seed_put_none_is_told_apart_from_the_empty_lease),
	    IN_VIRTUAL_TIME(seed_26_nested_scopes_end_one_lease_once),
	    IN_VIRTUAL_TIME(seed_27_scope_of_an_empty_lease_does_nothing),
	    IN_VIRTUAL_TIME(seed_36_leaving_a_scope_early_keeps_a_healthy_one),
	    IN_VIRTUAL_TIME(seed_24_discarded_in_a_scope_is_closed_once),
	};
	return RUN(tests);
}
