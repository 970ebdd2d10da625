/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * counts: a place was counted twice, or never again, when something failed half way.
 */
#include "regress.h"

/* As many as there are slots can be lent at once: nothing was lost. */
static void
assert_all_can_be_lent(qpool *pool)
{
	qpool_lease leases[64];
	uint32_t count = stats_of(pool).max_size;

	assert_in_range(count, 1, 64);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &leases[i], NULL), QPOOL_OK);
	assert_int_equal(stats_of(pool).leased, count);
	for (uint32_t i = 0; i < count; i++)
		must_release(&leases[i]);
	assert_whole(pool);
}

static uint64_t
drawn(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

typedef struct hurry {
	qpool *pool;
	unsigned rounds;
	qp_atomic_u64 seeds;
} hurry;

static void *
takes_in_a_hurry(void *argument)
{
	hurry *h = argument;
	uint64_t random = qp_add64_relaxed(&h->seeds, 1) + 1;

	for (unsigned i = 0; i < h->rounds; i++) {
		qpool_lease lease;
		qpool_nsec timeout = (qpool_nsec)(drawn(&random) % 50000);

		if (qpool_acquire(h->pool, timeout, &lease, NULL) != QPOOL_OK)
			continue;
		fake_use(&lease);
		fake_unuse(&lease);
		(void)(drawn(&random) % 8 == 0 ? qpool_discard(&lease) : qpool_release(&lease));
	}
	return NULL;
}

/* redis/go-redis#3625: a turn was given back twice after a timeout, and the pool stood still. */
static void
go_redis_3625_hasty_timeouts_neither_lose_nor_double_a_slot(void **state)
{
	enum { SLOTS = 2, THREADS = 6 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	hurry h = {.rounds = ROUNDS(10000)};

	(void)state;
	h.pool = pool_of(peer, fake_ops(), &options);
	run_threads(THREADS, takes_in_a_hurry, &h);
	assert_in_range(fake_live_peak(peer), 1, SLOTS);
	assert_all_can_be_lent(h.pool);
	end_pool(h.pool, peer);
}

/* sqlalchemy ticket 2772: a pooled record whose connecting again failed stayed counted as checked out. */
static void
sqlalchemy_2772_failed_reopening_leaves_the_counts_right(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool_lease lease;
	qpool_error error;
	qpool *pool;

	(void)state;
	options.open_failure = QPOOL_OPEN_TELL;
	options.down_after = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &options);
	lease = must_acquire(pool);
	assert_int_equal(qpool_discard(&lease), QPOOL_OK);
	fake_fail(peer, FAKE_OPEN, 50, QPOOL_EOPEN);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error), QPOOL_EOPEN);
		assert_whole(pool);
	}
	assert_int_equal(stats_of(pool).open_failures, 50);
	assert_all_can_be_lent(pool);
	end_pool(pool, peer);
}

/* deadpool-rs/deadpool#18, #92, #205 and 0.9.5: when create, recycle or a hook failed, what is available
 * was counted below zero. */
static void
deadpool_18_counts_add_up_after_every_failing_step(void **state)
{
	enum { SLOTS = 4 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool_lease leases[SLOTS];
	uint64_t random = 18;
	uint32_t held = 0;
	qpool_stats s;
	qpool *pool;

	(void)state;
	options.check_after = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &options);
	fake_fail_one_in(peer, 3, 18);
	for (unsigned i = 0; i < 5000; i++) {
		if (drawn(&random) % 2 == 0 && held < SLOTS) {
			qpool_lease *next = &leases[held];
			held += qpool_acquire(pool, QPOOL_NOWAIT, next, NULL) == QPOOL_OK;
		} else if (held > 0) {
			must_release(&leases[--held]);
		}
		s = stats_of(pool);
		assert_true(s.exact);
		assert_int_equal(s.leased, held);
		assert_int_equal(s.idle + s.empty, SLOTS - held);
		assert_int_equal(fake_live(peer), s.idle + s.leased);
	}
	assert_true(s.open_failures > 100 && s.checks_failed > 100 && s.resets_failed > 100);
	while (held > 0)
		must_release(&leases[--held]);
	fake_fail_one_in(peer, 0, 0);
	assert_all_can_be_lent(pool);
	end_pool(pool, peer);
}

static void
it_dies_idle(fake *peer, qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	must_release(&lease);
	fake_kill_all(peer);
}

static void
it_dies_lent(fake *peer, qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	fake_kill_all(peer);
	must_release(&lease);
}

static void
kill_all(fake *peer, fake_step step, void *argument)
{
	(void)step, (void)argument;
	fake_kill_all(peer);
}

static void
it_dies_while_it_is_cleaned(fake *peer, qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	fake_hook_on(peer, FAKE_RESET, kill_all, NULL);
	must_release(&lease);
	fake_hook_on(peer, FAKE_RESET, NULL, NULL);
}

static void
it_dies_while_it_is_asked(fake *peer, qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	must_release(&lease);
	fake_hook_on(peer, FAKE_CHECK, kill_all, NULL);
	lease = must_acquire(pool); /* finds out, and opens another one */
	fake_hook_on(peer, FAKE_CHECK, NULL, NULL);
	must_release(&lease);
}

static void
it_dies_while_it_is_closed(fake *peer, qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	fake_hook_on(peer, FAKE_CLOSE, kill_all, NULL);
	assert_int_equal(qpool_discard(&lease), QPOOL_OK);
	fake_hook_on(peer, FAKE_CLOSE, NULL, NULL);
}

/* nodemailer/nodemailer-smtp-pool#7, #14: the peer hung up at a moment nobody listened; busy for ever. */
static void
nodemailer_smtp_pool_7_peer_may_hang_up_at_any_step(void **state)
{
	static void (*const deaths[])(fake * peer, qpool * pool) = {
	    it_dies_idle,
	    it_dies_lent,
	    it_dies_while_it_is_cleaned,
	    it_dies_while_it_is_asked,
	    it_dies_while_it_is_closed,
	};
	qpool_options options = sized(1);

	(void)state;
	options.check_after = QPOOL_ZERO;
	for (unsigned i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
		fake *peer = fake_new();
		qpool *pool = pool_of(peer, fake_ops(), &options);
		qpool_lease lease;

		deaths[i](peer, pool);
		lease = must_acquire(pool);
		assert_false(fake_of(&lease)->dead);
		assert_int_equal(fake_of(&lease)->number, 2);
		must_release(&lease);
		assert_whole(pool);
		end_pool(pool, peer);
	}
}

static int not_a_connection;

static qpool_err
open_says_both(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)user, (void)step, (void)error;
	*out = &not_a_connection;
	return QPOOL_EPEER; /* it greeted us, and then it refused */
}

static qpool_err
open_says_nothing(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)user, (void)step, (void)out, (void)error;
	return QPOOL_OK;
}

static void
must_not_close(void *user, void *resource, qpool_why why)
{
	(void)user, (void)resource, (void)why;
	abort();
}

/* pgagroal/pgagroal#746: refused after the greeting, taken for connected, dead in its slot for ever. */
static void
pgagroal_746_half_an_open_is_no_open(void **state)
{
	qpool_options options = sized(1);
	qpool_ops ops = qpool_ops_init();
	qpool_lease lease;
	qpool_error error;
	qpool *pool = NULL;

	(void)state;
	options.open_failure = QPOOL_OPEN_TELL;
	ops.close = must_not_close;
	for (unsigned i = 0; i < 2; i++) {
		ops.open = i == 0 ? open_says_both : open_says_nothing;
		assert_int_equal(qpool_create(&pool, &options, &ops, NULL, &error), QPOOL_OK);
		assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error), QPOOL_EOPEN);
		assert_null(lease.resource);
		assert_int_equal(stats_of(pool).opens, 0);
		assert_whole(pool);
		qpool_free(pool);
	}
}

/* jackc/puddle 2.2.1, apr-util 44df6776, varnishcache/varnish-cache#4154: counted only once it was open, so
 * that many opened beyond the limit at the same time. */
static void
puddle_2_2_1_no_more_than_max_size_are_open_or_opening(void **state)
{
	enum { SLOTS = 3, TAKERS = 20 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	pthread_t takers[TAKERS];

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	for (unsigned i = 0; i < TAKERS; i++)
		actor_runs(&takers[i], takes_and_puts, pool);
	fake_gate_await(peer, FAKE_OPEN, SLOTS);
	await_waiting(pool, TAKERS - SLOTS);
	assert_int_equal(fake_opening_peak(peer), SLOTS);
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < TAKERS; i++)
		pthread_join(takers[i], NULL);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), SLOTS);
	assert_int_equal(fake_live_peak(peer), SLOTS);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void *
releases(void *argument)
{
	(void)qpool_release(argument);
	return NULL;
}

/* npgsql/npgsql#3863, #4657: broken while its transaction was being ended, and then broken again: its slot
 * was given back twice. */
static void
npgsql_3863_broken_twice_gives_one_slot_back(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool), copy = lease;
	pthread_t releaser;

	(void)state;
	fake_gate_shut(peer, FAKE_RESET);
	actor_runs(&releaser, releases, &lease);
	fake_gate_await(peer, FAKE_RESET, 1);
	assert_int_equal(qpool_spoil(&copy), QPOOL_EMISUSE);
	assert_int_equal(qpool_discard(&copy), QPOOL_EMISUSE);
	assert_null(qpool_detach(&copy));
	fake_fail(peer, FAKE_RESET, 1, QPOOL_ECHECK);
	fake_gate_open(peer, FAKE_RESET);
	pthread_join(releaser, NULL);
	assert_int_equal(qpool_discard(&copy), QPOOL_EMISUSE);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 1);
	assert_int_equal(stats_of(pool).misuses, 4);
	assert_int_equal(stats_of(pool).empty, 2);
	assert_all_can_be_lent(pool);
	end_pool(pool, peer);
}

typedef struct pair {
	qp_atomic_u32 round; /* released by who prepared it, acquired by await_round */
	pthread_barrier_t end;
	qpool_lease copies[2];
	qpool_err said[2];
	unsigned rounds;
} pair;

static void *
discards_again_and_again(void *argument)
{
	pair *p = argument;

	for (unsigned i = 0; i < p->rounds; i++) {
		await_round(&p->round, i + 1);
		p->said[1] = qpool_discard(&p->copies[1]);
		pthread_barrier_wait(&p->end);
	}
	return NULL;
}

/* apache/commons-pool POOL-419: returned by one and invalidated by another at once, counted twice. */
static void
commons_pool_419_return_and_discard_at_once_end_one_lease(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	pair p = {.rounds = ROUNDS(50000)};
	pthread_t other;

	(void)state;
	pthread_barrier_init(&p.end, NULL, 2);
	actor_runs(&other, discards_again_and_again, &p);
	for (unsigned i = 0; i < p.rounds; i++) {
		p.copies[0] = p.copies[1] = must_acquire(pool);
		(void)qp_add_release(&p.round, 1);
		linger(i % 256); /* until the other one is there */
		p.said[0] = qpool_release(&p.copies[0]);
		pthread_barrier_wait(&p.end);
		assert_int_equal(p.said[0] + p.said[1], QPOOL_OK + QPOOL_EMISUSE);
		assert_true(p.said[0] == QPOOL_OK || p.said[1] == QPOOL_OK);
		assert_whole(pool);
	}
	pthread_join(other, NULL);
	assert_int_equal(stats_of(pool).misuses, p.rounds);
	pthread_barrier_destroy(&p.end);
	assert_all_can_be_lent(pool);
	end_pool(pool, peer);
}

/* RakuenSoftware/aimee#2198: threads kept leases in a cache of their own, and took them along. */
static void
aimee_2198_thread_that_ends_takes_nothing_along(void **state)
{
	enum { THREADS = 16 };
	fake *peer = fake_new();
	qpool_options options = sized(THREADS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	actor actors[THREADS];
	qpool_lease extra;
	qpool_error error;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		actor_acquires(&actors[i], pool, QPOOL_FOREVER);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(actor_join(&actors[i]), QPOOL_OK); /* the thread is gone */
	assert_int_equal(qpool_acquire(pool, 1, &extra, &error), QPOOL_ETIMEOUT);
	assert_non_null(strstr(error.message, "16 of 16 lent"));
	assert_non_null(strstr(error.message, "; held "));
	for (unsigned i = 0; i < THREADS; i++)
		must_release(&actors[i].lease); /* by another one than took it */
	assert_all_can_be_lent(pool);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), THREADS);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_REAL_TIME(go_redis_3625_hasty_timeouts_neither_lose_nor_double_a_slot),
	    IN_VIRTUAL_TIME(sqlalchemy_2772_failed_reopening_leaves_the_counts_right),
	    IN_VIRTUAL_TIME(deadpool_18_counts_add_up_after_every_failing_step),
	    IN_VIRTUAL_TIME(nodemailer_smtp_pool_7_peer_may_hang_up_at_any_step),
	    IN_VIRTUAL_TIME(pgagroal_746_half_an_open_is_no_open),
	    IN_VIRTUAL_TIME(puddle_2_2_1_no_more_than_max_size_are_open_or_opening),
	    IN_VIRTUAL_TIME(npgsql_3863_broken_twice_gives_one_slot_back),
	    IN_VIRTUAL_TIME(commons_pool_419_return_and_discard_at_once_end_one_lease),
	    IN_REAL_TIME(aimee_2198_thread_that_ends_takes_nothing_along),
	};
	return RUN(tests);
}
