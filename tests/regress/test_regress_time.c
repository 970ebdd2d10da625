/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * time: limits that came too early, too late, never, or all at once.
 */
#include "platform/clock.h"
#include "regress.h"

#include <sys/time.h>
#include <time.h>

/* ---- a wall clock that somebody sets: linked in place of the system's ---- */

static qp_atomic_u64 wall_readings;
static qp_atomic_u64 wall_step; /* seconds by which it is off, modulo 2^64 */

int __real_clock_gettime(clockid_t which, struct timespec *now);
int __wrap_clock_gettime(clockid_t which, struct timespec *now);
time_t __wrap_time(time_t *out);
int __wrap_gettimeofday(struct timeval *now, void *zone);

int
__wrap_clock_gettime(clockid_t which, struct timespec *now)
{
	int failed = __real_clock_gettime(which, now);

	if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) {
		qp_add64_relaxed(&wall_readings, 1);
		now->tv_sec += (time_t)qp_load64_relaxed(&wall_step);
	}
	return failed;
}

time_t
__wrap_time(time_t *out)
{
	struct timespec now;

	(void)__wrap_clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

int
__wrap_gettimeofday(struct timeval *now, void *zone)
{
	(void)zone;
	now->tv_sec = __wrap_time(NULL);
	now->tv_usec = 0;
	return 0;
}

static void
set_wall_clock(int64_t off_by_seconds)
{
	qp_store64_relaxed(&wall_step, (uint64_t)off_by_seconds);
}

/* The coarse clock has gone on: whatever was idle has been so for longer than nothing. */
static void
await_tick(void)
{
	int64_t then_ns = qp_clock_coarse();

	while (qp_clock_coarse() == then_ns)
		sched_yield();
}

/* brettwooldridge/HikariCP#354, #745, #746: the clock was set forward, everything was evicted, and again,
 * until the memory was used up. */
static void
hikaricp_354_clock_set_forward_expires_nothing(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease;
	actor waiter;

	(void)state;
	qp_store64_relaxed(&wall_readings, 0);
	must_start(pool, 1);
	for (int64_t i = 1; i <= 200; i++) {
		set_wall_clock(i * 3600);
		lease = must_acquire(pool);
		must_release(&lease);
		assert_int_equal(qpool_maintain(pool), 0);
	}
	/* Nor does anybody who waits time out. */
	lease = must_acquire(pool);
	qpool_lease other = must_acquire(pool);
	actor_acquires(&waiter, pool, QPOOL_SEC(600));
	await_waiting(pool, 1);
	set_wall_clock(100 * 86400);
	must_release(&lease);
	join_and_release(&waiter);
	must_release(&other);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	assert_int_equal(qp_load64_relaxed(&wall_readings), 0);
	end_pool(pool, peer);
	set_wall_clock(0);
}

/* FirebirdSQL/NETProvider#725: the clock was set back, and nothing expired any more. */
static void
netprovider_725_clock_set_back_keeps_nothing_alive(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool_lease lease, none;
	qpool *pool;

	(void)state;
	options.max_idle = 1;
	pool = pool_of(peer, fake_ops(), &options);
	for (int64_t i = 1; i <= 5; i++) {
		lease = must_acquire(pool);
		assert_int_equal(fake_of(&lease)->number, i);
		must_release(&lease);
		set_wall_clock(-i * 3600);
		await_tick();
	}
	assert_int_equal(qpool_maintain(pool), 1);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_IDLE], 5);
	/* Nor does anybody wait longer. */
	lease = must_acquire(pool);
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(1), &none, NULL), QPOOL_ETIMEOUT);
	must_release(&lease);
	end_pool(pool, peer);
	set_wall_clock(0);
}

/* apache/commons-pool POOL-418, POOL-420, #409: woken for no reason, it waited its whole time again, or
 * returned at once. */
static void
commons_pool_418_spurious_wakes_move_no_deadline(void **state)
{
	const unsigned wakes = ROUNDS(20000);
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	actor waiters[2];

	(void)state;
	actor_acquires(&waiters[0], pool, QPOOL_MSEC(wakes));
	actor_acquires(&waiters[1], pool, QPOOL_FOREVER);
	for (unsigned i = 0; i < wakes; i++) {
		qp_testing_await_parked(2);
		assert_int_equal(stats_of(pool).waiting, 2);
		qp_testing_wake_all(i % 2 == 0);
		qp_testing_await_parked(2);
		qp_testing_clock_advance(QPOOL_MSEC(1) - (i == wakes - 1)); /* 1 ns before it */
	}
	qp_testing_await_parked(2);
	qp_testing_wake_all(false);
	qp_testing_await_parked(2);
	assert_int_equal(stats_of(pool).waiting, 2);
	qp_testing_clock_advance(1);
	assert_int_equal(actor_join(&waiters[0]), QPOOL_ETIMEOUT);
	must_release(&lease);
	join_and_release(&waiters[1]);
	end_pool(pool, peer);
}

/* h2o/h2o#2816: no timer was armed for the only entry, and it stayed half closed for ever. */
static void
h2o_2816_the_only_one_is_closed_on_time_without_traffic(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool_lease lease;
	unsigned passes = 0;
	qpool *pool;

	(void)state;
	options.max_idle = QPOOL_SEC(100);
	options.maintain_every = QPOOL_SEC(30);
	pool = pool_of(peer, fake_ops(), &options);
	must_start(pool, 2);
	lease = must_acquire(pool);
	must_release(&lease);
	for (; fake_calls(peer, FAKE_CLOSE) == 0; passes++) {
		qp_testing_await_parked(2);
		if (fake_calls(peer, FAKE_CLOSE) > 0)
			break;
		assert_int_not_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
		assert_in_range(passes, 0, 4);
		qp_testing_clock_advance(QPOOL_SEC(30));
	}
	assert_int_equal(passes, 4); /* the first pass after 100 s */
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_IDLE);
	await_idle(pool, 0);
	/* Nothing can expire now, and nobody wakes up to look. */
	qp_testing_await_parked(2);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	end_pool(pool, peer);
}

/* jackc/pgx#1437, redis/go-redis#3666, pgdogdev/pgdog#962: all were opened together, and expired so. */
static void
pgx_1437_what_opened_together_does_not_expire_together(void **state)
{
	enum { SLOTS = 200, AGE = 1800, SPREAD = AGE / 10 };
	static qpool_lease leases[SLOTS];
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	size_t closed = 0, most = 0;
	qpool *pool;

	(void)state;
	options.max_idle = QPOOL_FOREVER;
	options.max_age = QPOOL_SEC(AGE);
	pool = pool_of(peer, fake_ops(), &options);
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	for (unsigned i = 0; i < SLOTS; i++)
		must_release(&leases[i]);
	qp_testing_clock_advance(QPOOL_SEC(AGE - SPREAD) - 1);
	assert_int_equal(qpool_maintain(pool), 0);
	for (unsigned second = 0; second < SPREAD; second++) {
		qp_testing_clock_advance(QPOOL_SEC(1));
		size_t now = qpool_maintain(pool);
		closed += now;
		most = now > most ? now : most;
	}
	qp_testing_clock_advance(1);
	closed += qpool_maintain(pool);
	assert_int_equal(closed, SLOTS);
	/* One or two a second on average; chance would need ages for so many. */
	assert_in_range(most, 1, 16);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_AGE], SLOTS);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_REAL_TIME(hikaricp_354_clock_set_forward_expires_nothing),
	    IN_REAL_TIME(netprovider_725_clock_set_back_keeps_nothing_alive),
	    IN_VIRTUAL_TIME(commons_pool_418_spurious_wakes_move_no_deadline),
	    IN_VIRTUAL_TIME(h2o_2816_the_only_one_is_closed_on_time_without_traffic),
	    IN_VIRTUAL_TIME(pgx_1437_what_opened_together_does_not_expire_together),
	};
	return RUN(tests);
}
