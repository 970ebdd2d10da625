/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshot: counts that add up while everything moves, counters, names, structs of other sizes.
 */
#include "testing.h"

#include "core/pool.h"
#include "platform/testing.h"

#include <stdlib.h>

static uint32_t
sum(const qpool_stats *s)
{
	return s->empty + s->opening + s->idle + s->checking + s->leased + s->resetting +
	       s->closing;
}

static struct {
	qpool *pool;
	qp_atomic_u32 stop;
} churn;

static void *
churns(void *argument)
{
	(void)argument;
	while (qp_load_acquire(&churn.stop) == 0) {
		qpool_lease lease;
		if (qpool_acquire(churn.pool, QPOOL_MSEC(1), &lease, NULL) == QPOOL_OK) {
			if ((uintptr_t)lease.resource & 64)
				qpool_discard(&lease);
			else
				qpool_release(&lease);
		}
	}
	return NULL;
}

static uint64_t
open_now(const qpool_stats *s)
{
	return s->idle + s->checking + s->leased + s->resetting + s->closing;
}

static uint64_t
closed(const qpool_stats *s)
{
	uint64_t count = 0;

	for (unsigned why = 0; why < 16; why++)
		count += s->closes[why];
	return count;
}

static void
counts_always_add_up(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	pthread_t threads[4];
	unsigned exact = 0;

	(void)state;
	o.max_size = 3;
	churn.pool = pool_of(peer, fake_ops(), &o);
	for (int i = 0; i < 4; i++)
		actor_runs(&threads[i], churns, NULL);
	for (int i = 0; i < 20000; i++) {
		qpool_stats s = stats_of(churn.pool);
		assert_int_equal(sum(&s), 3);
		if (s.exact)
			assert_int_equal(s.opens, open_now(&s) + closed(&s));
		exact += s.exact;
	}
	qp_store_release(&churn.stop, 1);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(exact > 0);
	assert_whole(churn.pool);
	end_pool(churn.pool, peer);
}

static void
counters_say_what_happened(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease a, b;
	qpool_stats s;
	qpool *pool;

	(void)state;
	o.max_size = 5;
	o.min_idle = 2; /* no workers, so nobody keeps it */
	o.name = "books";
	pool = pool_of(peer, fake_ops(), &o);
	a = must_acquire(pool);
	b = must_acquire(pool);
	qpool_release(&a);
	qpool_discard(&b);
	a = must_acquire(pool);
	s = stats_of(pool);
	assert_int_equal(s.size, sizeof s);
	assert_int_equal(s.max_size, 5);
	assert_int_equal(s.min_idle, 2);
	assert_int_equal(s.acquires, 3);
	assert_int_equal(s.opens, 2);
	assert_int_equal(s.leased, 1);
	assert_int_equal(s.empty, 4);
	assert_int_equal(s.open_peak, 2);
	assert_int_equal(s.leased_peak, 2);
	assert_int_equal(s.exact, 1);
	assert_int_equal(s.acquires_waited, 0);
	qpool_release(&a);
	assert_string_equal(qpool_name(pool), "books");
	assert_string_equal(qpool_kind(pool), "fake");
	end_pool(pool, peer);
}

static void
waits_are_measured_for_those_who_wait(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease held;
	qpool *pool;
	actor a;

	(void)state;
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	o.max_size = 1;
	pool = pool_of(peer, fake_ops(), &o);
	held = must_acquire(pool);
	for (int i = 1; i <= 3; i++) {
		actor_acquires(&a, pool, QPOOL_FOREVER);
		qp_testing_await_parked(1);
		qp_testing_clock_advance(QPOOL_MSEC(10 * i));
		qpool_release(&held);
		actor_join(&a);
		held = a.lease;
	}
	assert_int_equal(stats_of(pool).acquires_waited, 3);
	assert_int_equal(stats_of(pool).wait_ns, QPOOL_MSEC(60));
	assert_int_equal(stats_of(pool).wait_ns_max, QPOOL_MSEC(30));
	assert_int_equal(stats_of(pool).waiting_peak, 1);
	qpool_release(&held);
	end_pool(pool, peer);
	qp_testing_clock_real();
}

/* An open that takes as long as the test says. */
static void
takes_a_while(fake *peer, fake_step step, void *argument)
{
	(void)peer;
	(void)step;
	qp_testing_clock_advance(*(const qpool_nsec *)argument);
}

static void
opens_are_measured(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease leases[3];
	qpool_nsec took;

	(void)state;
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	fake_hook_on(peer, FAKE_OPEN, takes_a_while, &took);
	for (int i = 0; i < 3; i++) {
		took = QPOOL_MSEC(i == 1 ? 40 : 10);
		leases[i] = must_acquire(pool);
	}
	assert_int_equal(stats_of(pool).open_ns, QPOOL_MSEC(60));
	assert_int_equal(stats_of(pool).open_ns_max, QPOOL_MSEC(40));
	for (int i = 0; i < 3; i++)
		qpool_release(&leases[i]);
	end_pool(pool, peer);
	qp_testing_clock_real();
}

static void
an_older_callers_struct_is_not_overrun(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	unsigned char small[sizeof(size_t) + 8];
	struct {
		qpool_stats known;
		uint64_t later;
	} big;
	void *out = malloc(sizeof small);
	size_t size = sizeof small;

	(void)state;
	assert_non_null(out);
	memcpy(out, &size, sizeof size);
	qpool_get_stats(pool, out); /* ASan watches the end */
	memcpy(small, out, sizeof small);
	memcpy(&size, small, sizeof size);
	assert_int_equal(size, sizeof small);
	free(out);
	memset(&big, 0xff, sizeof big);
	big.known.size = sizeof big;
	qpool_get_stats(pool, &big.known);
	assert_int_equal(big.later, 0);
	assert_int_equal(big.known.max_size, 10);
	assert_int_equal(big.known.size, sizeof big);
	qpool_get_stats(pool, NULL);
	end_pool(pool, peer);
}

static void
no_pool_has_no_name(void **state)
{
	qpool_stats s = qpool_stats_init();

	(void)state;
	assert_string_equal(qpool_name(NULL), "");
	assert_string_equal(qpool_kind(NULL), "");
	qpool_get_stats(NULL, &s);
	assert_int_equal(s.max_size, 0);
	assert_string_equal(qpool_version(), "0.1.0");
}

static const qp_slot *
chunk(const qpool *pool, unsigned number)
{
	return qp_chunk_slots(qp_loadptr_relaxed(&pool->chunks[number]));
}

static void
slots_lie_where_their_number_says(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;

	(void)state;
	o.max_size = 32;
	pool = pool_of(peer, fake_ops(), &o);
	o = qpool_options_init();
	o.max_size = 65535;
	assert_int_equal(qpool_configure(pool, &o, NULL), QPOOL_OK);
	for (uint32_t i = 1; i < 65535; i++)
		assert_ptr_not_equal(qp_pool_slot(pool, i), qp_pool_slot(pool, i - 1));
	assert_ptr_equal(qp_pool_slot(pool, 32), chunk(pool, 1));
	assert_ptr_equal(qp_pool_slot(pool, 31), chunk(pool, 0) + 31);
	assert_ptr_equal(qp_pool_slot(pool, 65534), chunk(pool, 11) + (65534 - 32 * 2047));
	end_pool(pool, peer);
	peer = fake_new();
	pool = pool_of(peer, fake_ops(), &o);
	assert_ptr_equal(qp_pool_slot(pool, 65534), chunk(pool, 0) + 65534);
	end_pool(pool, peer);
}

static void
a_broken_equation_is_noticed(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qp_lock_acquire(&pool->lock);
	assert_true(qp_pool_is_valid_locked(pool));
	pool->owned++;
	assert_false(qp_pool_is_valid_locked(pool));
	pool->owned--;
	pool->opening = 1;
	assert_false(qp_pool_is_valid_locked(pool));
	pool->opening = 0;
	pool->waitq.count = 1;
	assert_false(qp_pool_is_valid_locked(pool));
	pool->waitq.count = 0;
	qp_lock_release(&pool->lock);
	qpool_release(&lease);
	qp_lock_acquire(&pool->lock);
	assert_true(qp_pool_is_valid_locked(pool));
	pool->waitq.count = 1; /* somebody sleeps while one is idle */
	assert_false(qp_pool_is_valid_locked(pool));
	pool->waitq.count = 0;
	qp_lock_release(&pool->lock);
	end_pool(pool, peer);
}

static void *
discards(void *lease)
{
	qpool_discard(lease);
	return NULL;
}

static void
what_is_being_closed_is_not_lent(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool), other;
	pthread_t thread;

	(void)state;
	fake_gate_shut(peer, FAKE_CLOSE);
	actor_runs(&thread, discards, &lease);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	other = must_acquire(pool);
	assert_int_equal(stats_of(pool).leased, 1);
	assert_int_equal(stats_of(pool).closing, 1);
	assert_int_equal(stats_of(pool).leased_peak, 1);
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(thread, NULL);
	qpool_release(&other);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_always_add_up),
	    cmocka_unit_test(counters_say_what_happened),
	    cmocka_unit_test(what_is_being_closed_is_not_lent),
	    cmocka_unit_test(waits_are_measured_for_those_who_wait),
	    cmocka_unit_test(opens_are_measured),
	    cmocka_unit_test(an_older_callers_struct_is_not_overrun),
	    cmocka_unit_test(no_pool_has_no_name),
	    cmocka_unit_test(slots_lie_where_their_number_says),
	    cmocka_unit_test(a_broken_equation_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
