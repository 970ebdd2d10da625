/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * order: those who came later were served first, until the first one's time was up.  A newcomer may pass
 * the head only while that one has waited less than max_overtake, however slow it is to wake.
 */
#include "regress.h"

/* brettwooldridge/HikariCP#1909: newcomers took each return until the first waiter timed out. */
static void
hikaricp_1909_nobody_passes_a_head_older_than_max_overtake(void **state)
{
	enum { WAITERS = 6 };
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool), stolen;
	actor actors[WAITERS];
	unsigned order = 0;

	(void)state;
	for (unsigned i = 0; i < WAITERS; i++) {
		actor_acquires_in_order(&actors[i], pool, QPOOL_SEC(1), &order);
		await_waiting(pool, i + 1);
	}
	qp_testing_await_parked(WAITERS);
	qp_testing_clock_advance(QPOOL_MSEC(2)); /* over the default of 1.25 ms */
	for (unsigned i = 0; i < WAITERS; i++) {
		must_release(i == 0 ? &lease : &actors[i - 1].lease);
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &stolen, NULL), QPOOL_EAGAIN);
		assert_int_equal(actor_join(&actors[i]), QPOOL_OK);
		assert_int_equal(actors[i].rank, i + 1);
	}
	must_release(&actors[WAITERS - 1].lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* The same, when the head was told to look while it was young, and is slow to do so. */
static void
hikaricp_1909_nobody_passes_a_head_that_looks_late(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool), stolen;
	actor head;

	(void)state;
	actor_acquires(&head, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	must_release(&lease);
	assert_int_equal(stats_of(pool).idle, 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &stolen, NULL), QPOOL_OK); /* young */
	must_release(&stolen);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &stolen, NULL), QPOOL_EAGAIN);
	qp_testing_hold(false);
	join_and_release(&head);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* And when what there is for the head is not a return but an open. */
static void
hikaricp_1909_nobody_opens_before_the_head(void **state)
{
	fake *peer = fake_new();
	qpool_options options = qpool_options_init();
	qpool_lease stolen;
	actor head;
	qpool *pool;

	(void)state;
	options.max_size = 1;
	pool = pool_of(peer, fake_ops(), &options);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN); /* from now on it waits for the next try */
	actor_acquires(&head, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &stolen, NULL), QPOOL_EAGAIN);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	qp_testing_hold(false);
	join_and_release(&head);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* A head that stands inside its hook: awake, and not looking. */
typedef struct sleepwalker {
	pthread_barrier_t stands, goes;
} sleepwalker;

static int
stands_and_goes_on(void *user)
{
	sleepwalker *s = user;

	pthread_barrier_wait(&s->stands);
	pthread_barrier_wait(&s->goes);
	return 0;
}

static void
sleepwalker_begins(sleepwalker *s, actor *head, qpool *pool)
{
	qpool_request request = qpool_request_init();

	pthread_barrier_init(&s->stands, NULL, 2);
	pthread_barrier_init(&s->goes, NULL, 2);
	request.timeout = QPOOL_FOREVER;
	request.interrupted = stands_and_goes_on;
	request.interrupt_user = s;
	actor_acquires_with(head, pool, &request);
	qp_testing_await_parked(1);
	qp_testing_wake_all(true);
	pthread_barrier_wait(&s->stands);
}

static void
sleepwalker_free(sleepwalker *s)
{
	pthread_barrier_destroy(&s->stands);
	pthread_barrier_destroy(&s->goes);
}

/* One that runs its hook is away: what comes free meanwhile goes to others, or all would wait for the hook.
 * But it keeps its place, and from its return on nobody passes it. */
static void
hikaricp_1909_head_that_was_away_keeps_its_place(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool), stolen;
	sleepwalker walker;
	actor head, behind;

	(void)state;
	sleepwalker_begins(&walker, &head, pool);
	actor_acquires(&behind, pool, QPOOL_FOREVER);
	await_waiting(pool, 2);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	must_release(&lease);
	assert_int_equal(actor_join(&behind), QPOOL_OK);
	pthread_barrier_wait(&walker.goes);
	qp_testing_await_parked(1);
	must_release(&behind.lease);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &stolen, NULL), QPOOL_EAGAIN);
	join_and_release(&head);
	sleepwalker_free(&walker);
	assert_whole(pool);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(hikaricp_1909_nobody_passes_a_head_older_than_max_overtake),
	    IN_VIRTUAL_TIME(hikaricp_1909_nobody_passes_a_head_that_looks_late),
	    IN_VIRTUAL_TIME(hikaricp_1909_nobody_opens_before_the_head),
	    IN_VIRTUAL_TIME(hikaricp_1909_head_that_was_away_keeps_its_place),
	};
	return RUN(tests);
}
