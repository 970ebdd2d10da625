/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seed_limits: what the Python package queuepool 1.3.2 took for a time, a number, or a life.  Numbers are
 * those of the list of its defects in docs/REGRESSIONS.md.
 */
#include "regress.h"

/* 20: put says "used now" first, and then asks whether it was unused for too long. */
static void
seed_20_idle_time_counts_from_release_to_acquire(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool_lease lease;
	qpool *pool;

	(void)state;
	options.max_idle = QPOOL_SEC(10);
	pool = pool_of(peer, fake_ops(), &options);
	lease = must_acquire(pool);
	must_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(10)); /* as long as it may */
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 1);
	must_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(10) + 1);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 2);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_IDLE], 1);
	must_release(&lease);
	end_pool(pool, peer);
}

/* 21: the time of use is taken before the wait, so that what was just returned seems old. */
static void
seed_21_time_in_line_and_time_lent_are_not_idle_time(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool_lease lease;
	actor waiter;
	qpool *pool;

	(void)state;
	options.max_idle = QPOOL_SEC(10);
	pool = pool_of(peer, fake_ops(), &options);
	lease = must_acquire(pool);
	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(60)); /* waited, and lent, for that long */
	must_release(&lease);
	assert_int_equal(actor_join(&waiter), QPOOL_OK);
	assert_int_equal(fake_of(&waiter.lease)->number, 1);
	qp_testing_clock_advance(QPOOL_SEC(60));
	must_release(&waiter.lease);
	assert_int_equal(qpool_maintain(pool), 0);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 1);
	must_release(&lease);
	end_pool(pool, peer);
}

/* 22: after a slow open it was last used before it was opened. */
static void
seed_22_slow_open_does_not_age_what_it_opened(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool_lease lease;
	actor asker;
	qpool *pool;

	(void)state;
	options.max_idle = QPOOL_SEC(10);
	options.max_age = QPOOL_SEC(20);
	options.age_jitter = QPOOL_ZERO32;
	options.open_budget = QPOOL_SEC(100);
	pool = pool_of(peer, fake_ops(), &options);
	must_start(pool, 1);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&asker, pool, QPOOL_SEC(1));
	fake_gate_await(peer, FAKE_OPEN, 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(60));
	assert_int_equal(actor_join(&asker), QPOOL_ETIMEOUT);
	fake_gate_open(peer, FAKE_OPEN);
	await_idle(pool, 1);
	qp_testing_clock_advance(QPOOL_SEC(10)); /* idle and open for that long, not for 70 s */
	assert_int_equal(qpool_maintain(pool), 0);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 1);
	must_release(&lease);
	end_pool(pool, peer);
}

/* The options are refused, and the sentence names `option`. */
static void
refused(const qpool_options *options, const char *option)
{
	qpool_ops ops = fake_ops();
	qpool *pool = NULL;
	qpool_error error;

	if (qpool_create(&pool, options, &ops, NULL, &error) != QPOOL_EINVAL)
		fail_msg("%s was accepted", option);
	assert_null(pool);
	assert_int_equal(error.code, QPOOL_EINVAL);
	if (strstr(error.message, option) == NULL)
		fail_msg("no %s in: %s", option, error.message);
}

/* 14: capacity 0 and -1 mean no limit, 2.5 is accepted, '3' fails later. */
static void
seed_14_sizes_out_of_range_are_refused_by_name(void **state)
{
	const uint32_t bad[] = {65536, 1u << 31, (uint32_t)-1};
	qpool_options options = qpool_options_init();

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		options.max_size = bad[i];
		refused(&options, "max_size");
	}
	options.max_size = 3;
	options.min_idle = 4;
	refused(&options, "min_idle");
}

/* 23: a maximum of 0 uses opens and closes each time, and nobody is told. */
static void
seed_23_uses_are_not_limited_unless_asked(void **state)
{
	const struct {
		uint32_t max_uses;
		unsigned opens;
	} cases[] = {{0, 1}, {QPOOL_NOLIMIT, 1}, {5, 4}, {1, 20}, {QPOOL_ZERO32, 20}};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fake *peer = fake_new();
		qpool_options options = sized(1);
		qpool *pool;

		options.max_uses = cases[i].max_uses;
		pool = pool_of(peer, fake_ops(), &options);
		for (unsigned k = 0; k < 20; k++)
			(void)takes_and_puts(pool);
		assert_int_equal(fake_calls(peer, FAKE_OPEN), cases[i].opens);
		end_pool(pool, peer);
	}
}

/* 28: an interval of -1, None or 'x' kills the recycler at once. */
static void
seed_28_intervals_and_crews_out_of_range_are_refused(void **state)
{
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_error error;

	(void)state;
	options.maintain_every = -7;
	refused(&options, "maintain_every");
	options.maintain_every = QPOOL_ZERO;
	refused(&options, "maintain_every");
	assert_int_equal(qpool_start(pool, 0, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_start(pool, 1025, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "1025"));
	assert_int_equal(stats_of(pool).workers, 0);
	end_pool(pool, peer);
}

/* 37: limits that are no numbers never expire, or fail at the first take. */
static void
seed_37_limits_out_of_range_are_refused_by_name(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
	} limits[] = {
#define LIMIT(field) {#field, offsetof(qpool_options, field)}
	    LIMIT(acquire_timeout),
	    LIMIT(max_overtake),
	    LIMIT(max_idle),
	    LIMIT(max_age),
	    LIMIT(check_after),
	    LIMIT(open_budget),
	    LIMIT(step_budget),
	    LIMIT(retry_min),
	    LIMIT(retry_max),
	    LIMIT(down_after),
	    LIMIT(maintain_every),
#undef LIMIT
	};
	const qpool_nsec bad[] = {QPOOL_DEFAULT, -3, INT64_MIN};

	(void)state;
	for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		for (unsigned k = 0; k < sizeof bad / sizeof bad[0]; k++) {
			qpool_options options = qpool_options_init();
			memcpy((char *)&options + limits[i].offset, &bad[k], sizeof bad[k]);
			refused(&options, limits[i].name);
		}
	}
}

static void *
starts_one(void *argument)
{
	must_start(argument, 1);
	return NULL;
}

static void *
stops(void *argument)
{
	if (qpool_stop(argument) != QPOOL_OK)
		abort();
	return NULL;
}

/* 30: eight threads that race to start the recycler start eight of them. */
static void
seed_30_racing_starts_and_stops_lose_no_worker(void **state)
{
	enum { THREADS = 8 };
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	for (unsigned i = 0; i < ROUNDS(200); i++) {
		run_threads(THREADS, starts_one, pool);
		assert_int_equal(stats_of(pool).workers, THREADS); /* as many as were asked for */
		run_threads(THREADS, stops, pool);
		assert_int_equal(stats_of(pool).workers, 0);
	}
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(seed_20_idle_time_counts_from_release_to_acquire),
	    IN_VIRTUAL_TIME(seed_21_time_in_line_and_time_lent_are_not_idle_time),
	    IN_VIRTUAL_TIME(seed_22_slow_open_does_not_age_what_it_opened),
	    IN_VIRTUAL_TIME(seed_14_sizes_out_of_range_are_refused_by_name),
	    IN_VIRTUAL_TIME(seed_23_uses_are_not_limited_unless_asked),
	    IN_VIRTUAL_TIME(seed_28_intervals_and_crews_out_of_range_are_refused),
	    IN_VIRTUAL_TIME(seed_37_limits_out_of_range_are_refused_by_name),
	    IN_REAL_TIME(seed_30_racing_starts_and_stops_lose_no_worker),
	};
	return RUN(tests);
}
