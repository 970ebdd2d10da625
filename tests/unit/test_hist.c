/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Histograms: the buckets' arithmetic against random durations and a sorted reference, and what a pool puts in.
 */
#include "virtual.h"

#include "core/hist.h"
#include "platform/random.h"

#include <stdlib.h>

/* ---- arithmetic ---- */

/* Of every size alike. */
static int64_t
draw(uint64_t *random)
{
	int64_t shift = qp_random_upto(random, 62);

	return qp_random_upto(random, INT64_MAX - 1) >> shift;
}

static void
every_duration_has_a_bucket_close_above_it(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		int64_t v = i < 5000 ? i : draw(&random), bound;
		unsigned index = qp_hist_index(v);
		assert_true(index < QPOOL_HIST_BUCKETS);
		bound = qpool_hist_bound(index);
		assert_true(bound >= v);
		assert_true(bound - v <= v / 16);
		assert_int_equal(qp_hist_index(bound), index);
		if (bound != QPOOL_FOREVER)
			assert_int_equal(qp_hist_index(bound + 1), index + 1);
		if (index > 0)
			assert_true(qpool_hist_bound(index - 1) < v);
	}
}

static void
the_ends_have_buckets_too(void **state)
{
	(void)state;
	assert_int_equal(qp_hist_index(INT64_MIN), 0);
	assert_int_equal(qp_hist_index(-1), 0);
	assert_int_equal(qp_hist_index(0), 0);
	assert_int_equal(qp_hist_index(15), 15);
	assert_int_equal(qp_hist_index(16), 16);
	assert_int_equal(qp_hist_index(31), 31);
	assert_int_equal(qp_hist_index(32), 32);
	assert_int_equal(qp_hist_index(33), 32);
	assert_int_equal(qpool_hist_bound(32), 33);
	assert_int_equal(qp_hist_index(INT64_MAX), 959);
	assert_true(qpool_hist_bound(958) < QPOOL_FOREVER);
	assert_true(qpool_hist_bound(959) == QPOOL_FOREVER);
	assert_true(qpool_hist_bound(1023) == QPOOL_FOREVER);
	assert_true(qpool_hist_bound(UINT32_MAX) == QPOOL_FOREVER);
}

/* Sixteen buckets from any duration to twice as long. */
static void
a_doubling_has_sixteen_steps(void **state)
{
	(void)state;
	for (unsigned shift = 4; shift < 62; shift++)
		assert_int_equal(
		    qp_hist_index((int64_t)2 << shift) - qp_hist_index((int64_t)1 << shift), 16);
}

static int
ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static qpool_hist
report_of(const qp_hist *hist)
{
	qpool_hist out = qpool_hist_init();

	qp_hist_report(hist, &out);
	return out;
}

static void
quantiles_are_those_of_the_sorted(void **state)
{
	static const double shares[] = {-1, 0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1, 2};
	static int64_t values[3001];
	static qp_hist hist;
	uint64_t random = 7;

	(void)state;
	for (size_t count = 1; count < 3000; count = count * 3 + 1) {
		memset(&hist, 0, sizeof hist);
		for (size_t i = 0; i < count; i++) {
			values[i] = draw(&random);
			qp_hist_add(&hist, values[i]);
		}
		qsort(values, count, sizeof values[0], ascending);
		qpool_hist out = report_of(&hist);
		assert_int_equal(out.count, count);
		assert_int_equal(out.max_ns, values[count - 1]);
		for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
			size_t rank = 1;
			while (rank < count && (double)rank < shares[i] * (double)count)
				rank++;
			int64_t exact = values[rank - 1],
				got = qpool_hist_quantile(&out, shares[i]);
			assert_true(got >= exact);
			assert_true(got - exact <= exact / 16);
		}
		assert_int_equal(qpool_hist_quantile(&out, 1), values[count - 1]); /* exactly */
	}
}

static void
nothing_and_no_number_are_borne(void **state)
{
	qpool_hist out = qpool_hist_init();
	volatile double zero = 0;

	(void)state;
	assert_int_equal(qpool_hist_quantile(&out, 0.5), 0);
	assert_int_equal(qpool_hist_quantile(NULL, 0.5), 0);
	out.bucket[3] = out.bucket[5] = 1;
	out.max_ns = 5;
	assert_int_equal(qpool_hist_quantile(&out, zero / zero), 3);
	out.size = sizeof out.size;
	assert_int_equal(qpool_hist_quantile(&out, 0.5), 0);
}

static void
the_sum_of_two_is_that_of_all(void **state)
{
	static qp_hist first, second, both;
	uint64_t random = 3;
	qpool_hist a, b, c;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		int64_t v = draw(&random) >> 8; /* so that the sums do not wrap */
		qp_hist_add(i % 3 == 0 ? &first : &second, v);
		qp_hist_add(&both, v);
	}
	a = report_of(&first);
	b = report_of(&second);
	c = report_of(&both);
	a.count += b.count;
	a.sum_ns += b.sum_ns;
	a.max_ns = a.max_ns > b.max_ns ? a.max_ns : b.max_ns;
	for (unsigned i = 0; i < QPOOL_HIST_BUCKETS; i++)
		a.bucket[i] += b.bucket[i];
	assert_memory_equal(&a, &c, sizeof a);
}

static struct {
	qp_hist hist;
	qp_atomic_u32 ready;
} shared;

static void *
adds(void *argument)
{
	uint64_t random = *(const uint64_t *)argument;

	(void)qp_add_release(&shared.ready, 1);
	while (qp_load_acquire(&shared.ready) < 3)
		; /* all at once */
	for (int i = 0; i < 20000; i++)
		qp_hist_add(&shared.hist, qp_random_upto(&random, 1000000));
	return NULL;
}

static void
nothing_is_lost_between_threads(void **state)
{
	static uint64_t seeds[] = {1, 2, 3};
	int64_t most = 0;
	uint64_t sum = 0;
	pthread_t threads[3];
	qpool_hist out;

	(void)state;
	for (int i = 0; i < 3; i++)
		actor_runs(&threads[i], adds, &seeds[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (uint64_t seed = 1; seed <= 3; seed++) {
		uint64_t random = seed;
		for (int i = 0; i < 20000; i++) {
			int64_t v = qp_random_upto(&random, 1000000);
			sum += (uint64_t)v;
			most = v > most ? v : most;
		}
	}
	out = report_of(&shared.hist);
	assert_int_equal(out.count, 60000);
	assert_int_equal(out.sum_ns, sum);
	assert_int_equal(out.max_ns, most);
}

/* ---- of a pool ---- */

static qpool_hist
hist_of(const qpool *pool, qpool_hist_kind kind)
{
	qpool_hist out = qpool_hist_init();

	assert_int_equal(qpool_get_hist(pool, kind, &out), QPOOL_OK);
	return out;
}

static void
waits_are_in_it(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease held;
	qpool *pool;
	actor a;

	(void)state;
	o.max_size = 1;
	pool = pool_of(peer, fake_ops(), &o);
	held = must_acquire(pool);
	assert_int_equal(hist_of(pool, QPOOL_HIST_WAIT).count, 0); /* nobody waited */
	actor_acquires(&a, pool, QPOOL_SEC(5));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(5));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	actor_acquires(&a, pool, QPOOL_SEC(5));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2));
	qpool_release(&held);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(hist_of(pool, QPOOL_HIST_WAIT).count, 2);
	assert_int_equal(hist_of(pool, QPOOL_HIST_WAIT).sum_ns, QPOOL_SEC(7));
	assert_int_equal(hist_of(pool, QPOOL_HIST_WAIT).max_ns, QPOOL_SEC(5));
	assert_int_equal(hist_of(pool, QPOOL_HIST_WAIT).bucket[qp_hist_index(QPOOL_SEC(2))], 1);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
takes_a_second(fake *peer, fake_step step, void *argument)
{
	(void)peer;
	(void)step;
	(void)argument;
	qp_testing_clock_advance(QPOOL_SEC(1));
}

static void
opens_are_in_it_failed_ones_too(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease;

	(void)state;
	fake_hook_on(peer, FAKE_OPEN, takes_a_second, NULL);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EOPEN);
	assert_int_equal(hist_of(pool, QPOOL_HIST_OPEN).count, 1);
	qp_testing_clock_advance(QPOOL_SEC(60));
	lease = must_acquire(pool);
	assert_int_equal(hist_of(pool, QPOOL_HIST_OPEN).count, 2);
	assert_int_equal(hist_of(pool, QPOOL_HIST_OPEN).sum_ns, QPOOL_SEC(2));
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
one_lease_in_64_of_a_slot_is_in_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease other = must_acquire(pool);

	(void)state;
	for (int i = 0; i < 200; i++) {
		qpool_lease lease = must_acquire(pool);
		bool sampled = i % 64 == 0;
		uint64_t before = hist_of(pool, QPOOL_HIST_HELD).count;
		qp_testing_clock_advance(QPOOL_MSEC(1 + i));
		if (i % 5 == 4)
			assert_int_equal(qpool_discard(&lease), QPOOL_OK); /* slots are counted */
		else
			assert_int_equal(qpool_release(&lease), QPOOL_OK);
		assert_int_equal(hist_of(pool, QPOOL_HIST_HELD).count, before + sampled);
	}
	assert_int_equal(hist_of(pool, QPOOL_HIST_HELD).sum_ns, QPOOL_MSEC(1 + 65 + 129 + 193));
	assert_true(fake_detach(peer, &other));
	assert_int_equal(hist_of(pool, QPOOL_HIST_HELD).count, 5); /* that one, too */
	end_pool(pool, peer);
}

static void
bad_questions_are_refused(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_hist out = qpool_hist_init();
	qpool_lease lease;

	(void)state;
	lease = must_acquire(pool);
	qpool_release(&lease);
	out.count = 77;
	assert_int_equal(qpool_get_hist(NULL, QPOOL_HIST_WAIT, &out), QPOOL_EINVAL);
	assert_int_equal(qpool_get_hist(pool, QPOOL_HIST_WAIT, NULL), QPOOL_EINVAL);
	assert_int_equal(qpool_get_hist(pool, (qpool_hist_kind)0, &out), QPOOL_EINVAL);
	assert_int_equal(qpool_get_hist(pool, (qpool_hist_kind)4, &out), QPOOL_EINVAL);
	assert_int_equal(out.count, 77);
	out.size = 0;
	assert_int_equal(qpool_get_hist(pool, QPOOL_HIST_OPEN, &out), QPOOL_EINVAL);
	out.size = offsetof(qpool_hist, sum_ns); /* somebody who knows the count only */
	out.sum_ns = 78;
	assert_int_equal(qpool_get_hist(pool, QPOOL_HIST_OPEN, &out), QPOOL_OK);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.sum_ns, 78);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_duration_has_a_bucket_close_above_it),
	    cmocka_unit_test(the_ends_have_buckets_too),
	    cmocka_unit_test(a_doubling_has_sixteen_steps),
	    cmocka_unit_test(quantiles_are_those_of_the_sorted),
	    cmocka_unit_test(nothing_and_no_number_are_borne),
	    cmocka_unit_test(the_sum_of_two_is_that_of_all),
	    cmocka_unit_test(nothing_is_lost_between_threads),
	    VIRTUAL(waits_are_in_it),
	    VIRTUAL(opens_are_in_it_failed_ones_too),
	    VIRTUAL(one_lease_in_64_of_a_slot_is_in_it),
	    cmocka_unit_test(bad_questions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
