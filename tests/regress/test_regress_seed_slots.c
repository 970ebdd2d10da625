/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seed_slots: the Python package queuepool 1.3.2, which this pool re-creates, lost a slot for ever whenever
 * one of its hooks failed.  Numbers are those of the list of its defects in docs/REGRESSIONS.md.
 */
#include "regress.h"

static void
assert_two_can_be_lent(qpool *pool)
{
	qpool_lease first = must_acquire(pool), second = must_acquire(pool);

	assert_int_equal(stats_of(pool).leased, 2);
	must_release(&first);
	must_release(&second);
	assert_whole(pool);
}

/* 1: open raises. */
static void
seed_1_failed_open_costs_no_slot(void **state)
{
	(void)state;
	for (uint32_t tells = 0; tells < 2; tells++) {
		fake *peer = fake_new();
		qpool_options options = sized(2);
		qpool_lease lease;
		qpool_err err;
		qpool *pool;

		options.open_failure = tells ? QPOOL_OPEN_TELL : QPOOL_OPEN_RETRY;
		pool = pool_of(peer, fake_ops(), &options);
		for (unsigned i = 0; i < 5; i++) { /* two of those, and the third take hung */
			fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
			err = qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL);
			assert_int_equal(err, tells ? QPOOL_EOPEN : QPOOL_OK);
			if (err == QPOOL_OK)
				assert_int_equal(qpool_discard(&lease), QPOOL_OK);
		}
		assert_two_can_be_lent(pool);
		end_pool(pool, peer);
	}
}

/* 2: the repair at take raises. */
static void
seed_2_failed_check_costs_no_slot(void **state)
{
	const fake_step steps[] = {FAKE_PEEK, FAKE_CHECK};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fake *peer = fake_new();
		qpool_options options = sized(2);
		qpool *pool;

		options.check_after = QPOOL_ZERO;
		pool = pool_of(peer, fake_ops(), &options);
		assert_two_can_be_lent(pool);
		fake_fail(peer, steps[i], 2, QPOOL_ECHECK);
		assert_two_can_be_lent(pool);
		assert_int_equal(fake_calls(peer, FAKE_OPEN), 4);
		assert_int_equal(stats_of(pool).checks_failed, 2);
		end_pool(pool, peer);
	}
}

/* What a close can do wrong, as it cannot fail: spoil errno, take its time, call the pool. */
static void
misbehaves(fake *peer, fake_step step, void *argument)
{
	qpool **pool = argument;
	qpool_lease lease;

	(void)peer, (void)step;
	if (qpool_acquire(*pool, QPOOL_FOREVER, &lease, NULL) == QPOOL_OK)
		(void)qpool_release(&lease);
	if (qpool_close(*pool, QPOOL_FOREVER) != QPOOL_EMISUSE)
		abort();
	errno = EIO;
}

/* A pool of two idle ones past their age, whose close misbehaves. */
static qpool *
pool_of_aged(fake *peer, qpool **where)
{
	qpool_options options = sized(2);

	options.max_idle = QPOOL_FOREVER;
	*where = pool_of(peer, fake_ops(), &options);
	assert_two_can_be_lent(*where);
	qp_testing_clock_advance(QPOOL_SEC(1801));
	fake_hook_on(peer, FAKE_CLOSE, misbehaves, where);
	return *where;
}

/* 3: close raises inside take. */
static void
seed_3_close_inside_acquire_costs_no_slot(void **state)
{
	fake *peer = fake_new();
	qpool *where, *pool = pool_of_aged(peer, &where);
	qpool_lease lease;

	(void)state;
	errno = 0;
	lease = must_acquire(pool); /* closes an aged one, opens another */
	assert_int_equal(errno, 0);
	must_release(&lease);
	assert_two_can_be_lent(pool);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_AGE], 2);
	end_pool(pool, peer);
}

/* 4: close raises inside put. */
static void
seed_4_close_inside_release_costs_no_slot(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool_lease lease;
	qpool *pool;

	(void)state;
	options.max_uses = 1;
	pool = pool_of(peer, fake_ops(), &options);
	fake_hook_on(peer, FAKE_CLOSE, misbehaves, &pool);
	for (unsigned i = 0; i < 5; i++) {
		lease = must_acquire(pool);
		errno = 0;
		must_release(&lease);
		assert_int_equal(errno, 0);
	}
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_USES], 5);
	assert_two_can_be_lent(pool);
	end_pool(pool, peer);
}

/* 5: the repair at put raises. */
static void
seed_5_failed_reset_costs_no_slot(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		qpool_lease lease = must_acquire(pool);
		fake_fail(peer, FAKE_RESET, 1, QPOOL_ECHECK);
		must_release(&lease);
	}
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RESET], 5);
	assert_two_can_be_lent(pool);
	end_pool(pool, peer);
}

static int
fails_in_a_scope(qpool *pool)
{
	QPOOL_SCOPED_DISCARD qpool_lease lease = must_acquire(pool);

	fake_use(&lease);
	fake_unuse(&lease);
	errno = ENOENT; /* the user's own failure */
	return -1;
}

/* 6: close raises at the end of a with block, and hides what the user had to say. */
static void
seed_6_close_at_the_end_of_a_scope_costs_no_slot(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);

	(void)state;
	fake_hook_on(peer, FAKE_CLOSE, misbehaves, &pool);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(fails_in_a_scope(pool), -1);
		assert_int_equal(errno, ENOENT);
	}
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_DISCARDED], 5);
	assert_two_can_be_lent(pool);
	end_pool(pool, peer);
}

/* 7: close raises in recycle, and what had been popped for it is lost. */
static void
seed_7_close_inside_maintain_costs_no_slot(void **state)
{
	fake *peer = fake_new();
	qpool *where, *pool = pool_of_aged(peer, &where);

	(void)state;
	errno = 0;
	(void)qpool_maintain(pool);
	assert_int_equal(errno, 0);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_AGE], 2);
	assert_two_can_be_lent(pool);
	end_pool(pool, peer);
}

/* 8: the recycler dies of it, silently, and cannot be started again. */
static void
seed_8_workers_outlive_whatever_fails(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool_lease lease;
	qpool *pool;

	(void)state;
	options.flags = QPOOL_RESET_ON_WORKERS;
	pool = pool_of(peer, fake_ops(), &options);
	fake_hook_on(peer, FAKE_CLOSE, misbehaves, &pool);
	must_start(pool, 2);
	for (unsigned i = 0; i < 10; i++) {
		fake_fail(peer, FAKE_OPEN, i % 3, QPOOL_EOPEN);
		lease = must_acquire(pool);
		fake_fail(peer, FAKE_RESET, 1, i % 2 ? QPOOL_ECHECK : QPOOL_EAGAIN);
		must_release(&lease);
		await_idle(pool, 0);
		assert_int_equal(stats_of(pool).workers, 2);
	}
	must_start(pool, 1); /* more may be started */
	assert_int_equal(stats_of(pool).workers, 3);
	assert_int_equal(qpool_stop(pool), QPOOL_OK);
	must_start(pool, 1); /* and again, when all were stopped */
	lease = must_acquire(pool);
	must_release(&lease);
	await_idle(pool, 1);
	end_pool(pool, peer);
}

typedef struct soak {
	qpool *pool;
	unsigned rounds;
	qp_atomic_u64 served, failed;
} soak;

static void *
takes_and_breaks(void *argument)
{
	soak *s = argument;
	qpool_lease lease;

	for (unsigned i = 0; i < s->rounds; i++) {
		if (qpool_acquire(s->pool, QPOOL_FOREVER, &lease, NULL) != QPOOL_OK) {
			qp_add64_relaxed(&s->failed, 1);
			continue;
		}
		fake_use(&lease);
		fake_unuse(&lease);
		(void)qpool_discard(&lease);
		qp_add64_relaxed(&s->served, 1);
	}
	return NULL;
}

/* 46: 50 slots, 8 threads, one open in a hundred fails: all slots were gone after 11,607 takes. */
static void
seed_46_one_failing_open_in_a_hundred_empties_no_pool(void **state)
{
	enum { SLOTS = 50, THREADS = 8 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool_lease leases[SLOTS];
	soak s = {.rounds = 4000};

	(void)state;
	options.open_failure = QPOOL_OPEN_TELL;
	s.pool = pool_of(peer, fake_ops_plain(), &options);
	fake_fail_one_in(peer, 100, 46);
	run_threads(THREADS, takes_and_breaks, &s);
	assert_true(stats_of(s.pool).open_failures > SLOTS);
	assert_int_equal(qp_load64_relaxed(&s.failed), stats_of(s.pool).open_failures);
	assert_int_equal(
	    qp_load64_relaxed(&s.served), THREADS * s.rounds - stats_of(s.pool).open_failures);
	assert_whole(s.pool);
	fake_fail_one_in(peer, 0, 0);
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(s.pool);
	for (unsigned i = 0; i < SLOTS; i++)
		must_release(&leases[i]);
	end_pool(s.pool, peer);
}

/* 45: 4 slots, 20 threads, 50 ms without the peer: 4 errors, and 16 threads blocked for ever. */
static void
seed_45_short_outage_leaves_nobody_blocked(void **state)
{
	enum { SLOTS = 4, THREADS = 20 };

	(void)state;
	for (uint32_t tells = 0; tells < 2; tells++) {
		fake *peer = fake_new();
		qpool_options options = qpool_options_init();
		soak s = {.rounds = 1};
		pthread_t threads[THREADS];

		options.max_size = SLOTS;
		options.open_failure = tells ? QPOOL_OPEN_TELL : QPOOL_OPEN_RETRY;
		s.pool = pool_of(peer, fake_ops(), &options);
		fake_gate_shut(peer, FAKE_OPEN);
		fake_fail(peer, FAKE_OPEN, SLOTS, QPOOL_EOPEN);
		for (unsigned i = 0; i < THREADS; i++)
			actor_runs(&threads[i], takes_and_breaks, &s);
		fake_gate_await(peer, FAKE_OPEN, SLOTS);
		await_waiting(s.pool, THREADS - SLOTS);
		fake_gate_open(peer, FAKE_OPEN); /* those opens fail; then the peer is there */
		while (stats_of(s.pool).open_failures < SLOTS)
			sched_yield();
		qp_testing_await_parked(tells ? THREADS - SLOTS : THREADS);
		qp_testing_clock_advance(QPOOL_MSEC(100));
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(qp_load64_relaxed(&s.failed), tells ? SLOTS : 0);
		assert_int_equal(qp_load64_relaxed(&s.served), THREADS - (tells ? SLOTS : 0));
		assert_whole(s.pool);
		end_pool(s.pool, peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(seed_1_failed_open_costs_no_slot),
	    IN_VIRTUAL_TIME(seed_2_failed_check_costs_no_slot),
	    IN_VIRTUAL_TIME(seed_3_close_inside_acquire_costs_no_slot),
	    IN_VIRTUAL_TIME(seed_4_close_inside_release_costs_no_slot),
	    IN_VIRTUAL_TIME(seed_5_failed_reset_costs_no_slot),
	    IN_VIRTUAL_TIME(seed_6_close_at_the_end_of_a_scope_costs_no_slot),
	    IN_VIRTUAL_TIME(seed_7_close_inside_maintain_costs_no_slot),
	    IN_VIRTUAL_TIME(seed_8_workers_outlive_whatever_fails),
	    IN_VIRTUAL_TIME(seed_45_short_outage_leaves_nobody_blocked),
	    IN_REAL_TIME(seed_46_one_failing_open_in_a_hundred_empties_no_pool),
	};
	return RUN(tests);
}
