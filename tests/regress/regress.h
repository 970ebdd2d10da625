/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * regress: what the regression tests share.  Each test retells, with our pool, a bug that another one had;
 * its name begins with the place where that one is told.  Time is virtual unless a test says otherwise.
 */
#ifndef REGRESS_H
#define REGRESS_H

#include "platform/atomic.h"
#include "platform/testing.h"
#include "testing.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* How often a race is tried: a build that is ten times slower tries ten times less. */
#define ROUNDS(plain) (SANITIZED ? (plain) / 10 : (plain))

static inline int
time_stands(void **state)
{
	(void)state;
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	return 0;
}

static inline int
time_runs(void **state)
{
	(void)state;
	qp_testing_clock_real();
	return 0;
}

#define IN_VIRTUAL_TIME(test) cmocka_unit_test_setup_teardown(test, time_stands, time_runs)
#define IN_REAL_TIME(test)    cmocka_unit_test(test)
/* All of them, or what TEST_ONLY=pattern in the environment says. */
#define RUN(tests) \
	(cmocka_set_test_filter(getenv("TEST_ONLY")), cmocka_run_group_tests(tests, NULL, NULL))

/* All defaults, but this size and no pause after a failed open. */
static inline qpool_options
sized(uint32_t max_size)
{
	qpool_options options = qpool_options_init();

	options.max_size = max_size;
	options.retry_min = options.retry_max = QPOOL_ZERO;
	return options;
}

static inline void
must_start(qpool *pool, unsigned count)
{
	qpool_error error;

	if (qpool_start(pool, count, &error) != QPOOL_OK)
		fail_msg("qpool_start: %s", error.message);
}

static inline void
must_release(qpool_lease *lease)
{
	assert_int_equal(qpool_release(lease), QPOOL_OK);
}

/* A way to end a lease, too. */
static inline qpool_err
detach_and_close(qpool_lease *lease)
{
	void *resource = qpool_detach(lease);

	assert_non_null(resource);
	fake_ops().close(((fake_resource *)resource)->peer, resource, QPOOL_WHY_DISCARDED);
	return QPOOL_OK;
}

/* It got a resource; give that back. */
static inline void
join_and_release(actor *a)
{
	if (actor_join(a) != QPOOL_OK)
		fail_msg("%s: %s", qpool_err_name(a->err), a->error.message);
	must_release(&a->lease);
}

/* A start that is nearer to "at once" than a barrier's: everybody spins until `round` has come. */
static inline void
await_round(qp_atomic_u32 *round, uint32_t number)
{
	for (unsigned i = 1; qp_load_acquire(round) < number; i++)
		if (i % 1000 == 0)
			sched_yield();
}

/* Some nanoseconds each. */
static inline void
linger(unsigned steps)
{
	for (volatile unsigned i = 0; i < steps; i++)
		;
}

/* For threads that come, take one, and give it back. */
static inline void *
takes_and_puts(void *pool)
{
	qpool_lease lease = must_acquire(pool);

	must_release(&lease);
	return NULL;
}

/* So many threads run `body`; all have ended when this returns. */
static inline void
run_threads(unsigned count, void *(*body)(void *), void *argument)
{
	pthread_t threads[64];

	assert_true(count <= 64);
	for (unsigned i = 0; i < count; i++)
		actor_runs(&threads[i], body, argument);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* Until the peer has seen this many calls. */
static inline void
await_calls(fake *peer, fake_step step, unsigned count)
{
	while (fake_calls(peer, step) < count)
		sched_yield();
}

/* Until `idle` are idle and nothing is on its way. */
static inline void
await_idle(qpool *pool, unsigned idle)
{
	qpool_stats stats;

	do {
		sched_yield();
		stats = stats_of(pool);
	} while (!stats.exact || stats.idle != idle || stats.idle + stats.empty != stats.max_size);
}

#endif
