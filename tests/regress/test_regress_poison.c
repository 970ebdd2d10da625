/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poison: what one holder left behind, the next one found.
 */
#include "regress.h"

enum { BYTES = 40 };

/* redis/redis-py#2624, #2665: interrupted between sending and reading, it gave the connection back, and the
 * reply went to the next one.  Here a holder is cut off after each byte; a half-read reply makes the resource
 * dirty, and nobody may ever be lent a dirty one. */
static void
redis_py_2624_holder_cut_off_at_any_byte_poisons_nobody(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);

	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		for (unsigned cut = 0; cut <= BYTES; cut++) {
			qpool_lease lease = must_acquire(pool);

			fake_use(&lease); /* ends the process when it is dirty */
			for (unsigned byte = 0; byte < cut; byte++)
				fake_of(&lease)->dirty = byte + 1 < BYTES;
			fake_unuse(&lease);
			if (way == 0 && fake_of(&lease)->dirty)
				assert_int_equal(qpool_spoil(&lease), QPOOL_OK);
			if (way == 1 && fake_of(&lease)->dirty) /* it cannot be cleaned */
				fake_fail(peer, FAKE_RESET, 1, QPOOL_ECHECK);
			must_release(&lease);
			assert_whole(pool);
		}
	}
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_DISCARDED], BYTES - 1);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_RESET], BYTES - 1);
	end_pool(pool, peer);
}

typedef struct crowd {
	qpool *pool;
	unsigned rounds;
	qp_atomic_u64 seeds;
} crowd;

static void *
leaves_it_dirty(void *argument)
{
	crowd *c = argument;
	uint64_t seed = qp_add64_relaxed(&c->seeds, 1);

	for (unsigned i = 0; i < c->rounds; i++) {
		qpool_lease lease = must_acquire(c->pool);
		fake_use(&lease);
		fake_of(&lease)->dirty = (i + seed) % 3 != 0;
		fake_unuse(&lease);
		(void)((i + seed) % 7 == 0 ? qpool_discard(&lease) : qpool_release(&lease));
	}
	return NULL;
}

static void
redis_py_2624_nobody_in_a_crowd_sees_what_another_left(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	crowd c = {.rounds = ROUNDS(4000)};

	(void)state;
	c.pool = pool_of(peer, fake_ops(), &options);
	fake_fail_one_in(peer, 20, 2624);
	run_threads(5, leaves_it_dirty, &c);
	assert_whole(c.pool);
	end_pool(c.pool, peer);
}

/* ---- every way back leads through reset ---- */

typedef struct way {
	const char *name;
	uint32_t flags;
	unsigned workers;
	void (*back)(fake *peer, qpool *pool, qpool_lease *lease);
	unsigned closes; /* 0: it was cleaned, not thrown away */
} way;

static void
by_release(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)peer, (void)pool;
	must_release(lease);
}

static void
by_the_end_of_a_scope(fake *peer, qpool *pool, qpool_lease *lease)
{
	QPOOL_SCOPED qpool_lease mine = *lease;

	(void)peer, (void)pool;
	assert_non_null(mine.resource);
}

static void *
releases(void *argument)
{
	(void)qpool_release(argument);
	return NULL;
}

static void
by_another_thread(fake *peer, qpool *pool, qpool_lease *lease)
{
	pthread_t other;

	(void)peer, (void)pool;
	actor_runs(&other, releases, lease);
	pthread_join(other, NULL);
}

static void
by_a_worker_when_asked(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)pool;
	fake_fail(peer, FAKE_RESET, 1, QPOOL_EAGAIN);
	must_release(lease);
}

static void
straight_to_a_waiter(fake *peer, qpool *pool, qpool_lease *lease)
{
	actor waiter;

	(void)peer;
	actor_acquires(&waiter, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	must_release(lease);
	assert_int_equal(actor_join(&waiter), QPOOL_OK);
	fake_use(&waiter.lease);
	fake_unuse(&waiter.lease);
	must_release(&waiter.lease);
}

static void
inside_a_callback(fake *peer, fake_step step, void *argument)
{
	fake_hook_on(peer, step, NULL, NULL);
	(void)qpool_release(argument);
}

static void
by_a_callback(fake *peer, qpool *pool, qpool_lease *lease)
{
	qpool_lease other = must_acquire(pool);

	fake_hook_on(peer, FAKE_RESET, inside_a_callback, lease);
	must_release(&other);
	other = must_acquire(pool); /* the first one stays idle and is looked at below */
	must_release(&other);
}

/* sqlalchemy ticket 4184: on one of the ways back, the garbage collector's, nothing was rolled back. */
static void
sqlalchemy_4184_every_way_back_leads_through_reset(void **state)
{
	static const way ways[] = {
	    {"release", 0, 0, by_release, 0},
	    {"release, with workers", 0, 1, by_release, 0},
	    {"a worker", QPOOL_RESET_ON_WORKERS, 1, by_release, 0},
	    {"a worker when asked", 0, 1, by_a_worker_when_asked, 0},
	    {"a worker when asked, and there is none", 0, 0, by_a_worker_when_asked, 1},
	    {"the end of a scope", 0, 0, by_the_end_of_a_scope, 0},
	    {"another thread", 0, 0, by_another_thread, 0},
	    {"hand-over", 0, 0, straight_to_a_waiter, 0},
	    {"hand-over by a worker", QPOOL_RESET_ON_WORKERS, 1, straight_to_a_waiter, 0},
	    {"a callback", 0, 0, by_a_callback, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		fake *peer = fake_new();
		qpool_options options = sized(ways[i].back == by_a_callback ? 2 : 1);
		qpool_lease leases[2];
		unsigned idle;
		qpool *pool;

		print_message("# back by %s\n", ways[i].name);
		options.flags = ways[i].flags;
		options.max_overtake = QPOOL_ZERO;
		pool = pool_of(peer, fake_ops(), &options);
		if (ways[i].workers > 0)
			must_start(pool, ways[i].workers);
		leases[0] = must_acquire(pool);
		fake_of(&leases[0])->dirty = true;
		ways[i].back(peer, pool, &leases[0]);
		await_idle(pool, options.max_size - ways[i].closes);
		idle = options.max_size;
		for (unsigned k = 0; k < idle; k++) {
			leases[k] = must_acquire(pool);
			fake_use(&leases[k]);
			fake_unuse(&leases[k]);
		}
		for (unsigned k = 0; k < idle; k++)
			must_release(&leases[k]);
		assert_int_equal(fake_calls(peer, FAKE_CLOSE), ways[i].closes);
		end_pool(pool, peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(redis_py_2624_holder_cut_off_at_any_byte_poisons_nobody),
	    IN_REAL_TIME(redis_py_2624_nobody_in_a_crowd_sees_what_another_left),
	    IN_VIRTUAL_TIME(sqlalchemy_4184_every_way_back_leads_through_reset),
	};
	return RUN(tests);
}
