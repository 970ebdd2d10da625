/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ownership: two had the same one, because a lease was ended twice or used after its end.
 */
#include "core/chunk.h"
#include "regress.h"

/* sidorares/node-mysql2#1280, #3559, npgsql/npgsql#4479: released twice, lent to two at once. */
static void
node_mysql2_1280_second_release_lends_to_nobody_else(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease first = must_acquire(pool), copy = first, second, third;

	(void)state;
	must_release(&first);
	second = must_acquire(pool); /* the same resource */
	assert_int_equal(fake_of(&second)->number, 1);
	assert_int_equal(qpool_release(&copy), QPOOL_EMISUSE);
	assert_int_equal(stats_of(pool).leased, 1);
	third = must_acquire(pool);
	assert_ptr_not_equal(third.resource, second.resource);
	assert_int_equal(qpool_release(&copy), QPOOL_EMISUSE);
	assert_int_equal(stats_of(pool).misuses, 2);
	must_release(&second);
	must_release(&third);
	assert_whole(pool);
	end_pool(pool, peer);
}

enum { COPIES = 3 };

typedef struct copies {
	qp_atomic_u32 round; /* released by who prepared it, acquired by await_round */
	pthread_barrier_t end;
	qpool_lease lease;
	qp_atomic_u64 threads, ended, refused;
	unsigned rounds;
} copies;

static void *
ends_a_copy(void *argument)
{
	copies *c = argument;
	unsigned own = (unsigned)qp_add64_relaxed(&c->threads, 1) + 1;

	for (unsigned i = 0; i < c->rounds; i++) {
		qpool_lease copy;
		await_round(&c->round, i + 1);
		copy = c->lease;
		linger(i * own % 64);
		switch (qpool_release(&copy)) {
		case QPOOL_OK:
			qp_add64_relaxed(&c->ended, 1);
			break;
		case QPOOL_EMISUSE:
			qp_add64_relaxed(&c->refused, 1);
			break;
		default:
			abort();
		}
		pthread_barrier_wait(&c->end);
	}
	return NULL;
}

/* jackc/pgx#2564: released twice by two threads at the same time. */
static void
pgx_2564_of_releases_at_once_one_ends_the_lease(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops_plain(), &options);
	copies c = {.rounds = ROUNDS(20000)};
	pthread_t threads[COPIES];

	(void)state;
	pthread_barrier_init(&c.end, NULL, COPIES + 1);
	for (unsigned i = 0; i < COPIES; i++)
		actor_runs(&threads[i], ends_a_copy, &c);
	for (unsigned i = 0; i < c.rounds; i++) {
		c.lease = must_acquire(pool);
		(void)qp_add_release(&c.round, 1);
		pthread_barrier_wait(&c.end);
		assert_whole(pool);
	}
	for (unsigned i = 0; i < COPIES; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(qp_load64_relaxed(&c.ended), c.rounds);
	assert_int_equal(qp_load64_relaxed(&c.refused), c.rounds * (COPIES - 1));
	assert_int_equal(stats_of(pool).misuses, c.rounds * (COPIES - 1));
	pthread_barrier_destroy(&c.end);
	end_pool(pool, peer);
}

/* mysqljs/mysql#1873: what was released went on being used, and the next owner had it too. */
static void
mysql_1873_every_verb_refuses_a_lease_that_has_ended(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease first = must_acquire(pool), stale = first, second;
	const qp_slot *slot = first.slot_;

	(void)state;
	must_release(&first);
	assert_null(first.resource); /* nothing to use by mistake */
	second = must_acquire(pool);
	qpool_label(&second, "mine");
	assert_int_equal(qpool_spoil(&stale), QPOOL_EMISUSE);
	assert_int_equal(qpool_release(&stale), QPOOL_EMISUSE);
	assert_int_equal(qpool_discard(&stale), QPOOL_EMISUSE);
	assert_null(qpool_detach(&stale));
	qpool_label(&stale, "yours");
	assert_string_equal(qp_loadptr_relaxed(&qp_slot_note(slot)->label), "mine");
	qpool_scope_end(&stale);
	qpool_scope_fail(&stale);
	assert_ptr_equal(qpool_of(&stale), pool);
	assert_int_equal(stats_of(pool).misuses, 6); /* a label is no end: it is merely not taken */
	must_release(&second);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 0); /* nothing was spoiled */
	end_pool(pool, peer);
}

static void *
prunes_for_ever(void *argument)
{
	qpool *const *pool = argument;

	while (stats_of(*pool).acquires < ROUNDS(20000))
		(void)qpool_maintain(*pool);
	return NULL;
}

static void *
takes_for_ever(void *argument)
{
	qpool *const *pool = argument;

	while (stats_of(*pool).acquires < ROUNDS(20000)) {
		qpool_lease lease = must_acquire(*pool);
		fake_use(&lease);
		fake_unuse(&lease);
		(void)qpool_release(&lease);
	}
	return NULL;
}

/* npgsql/npgsql#3836: the keep-alive broke the one that was just being handed out. */
static void
npgsql_3836_maintenance_leaves_alone_what_is_being_handed_out(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	actor taker;

	(void)state;
	must_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(599)); /* to be checked, not yet expired */
	fake_gate_shut(peer, FAKE_CHECK);
	actor_acquires(&taker, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_CHECK, 1);
	qp_testing_clock_advance(QPOOL_SEC(10)); /* expired by now, but it is taken */
	assert_int_equal(qpool_maintain(pool), 0);
	fake_gate_open(peer, FAKE_CHECK);
	assert_int_equal(actor_join(&taker), QPOOL_OK);
	assert_int_equal(fake_of(&taker.lease)->number, 1);
	must_release(&taker.lease);
	end_pool(pool, peer);
}

static void *
maintains(void *argument)
{
	(void)qpool_maintain(argument);
	return NULL;
}

/* The same from the other side: what maintenance has taken is lent to nobody. */
static void
npgsql_3836_what_maintenance_closes_is_not_handed_out(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(2);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	pthread_t pruner;

	(void)state;
	must_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(601));
	fake_gate_shut(peer, FAKE_CLOSE);
	actor_runs(&pruner, maintains, pool);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 2);
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(pruner, NULL);
	must_release(&lease);
	end_pool(pool, peer);
}

/* And from both at once, as often as we can. */
static void
npgsql_3836_maintenance_and_takers_in_a_crowd(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(3);
	pthread_t threads[5];
	qpool *pool;

	(void)state;
	options.max_idle = 1; /* whatever the coarse clock has moved past is to go */
	pool = pool_of(peer, fake_ops(), &options);
	for (unsigned i = 0; i < 5; i++)
		actor_runs(&threads[i], i < 2 ? prunes_for_ever : takes_for_ever, &pool);
	for (unsigned i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* pmodels/argobots#178, odin-lang/Odin#6822, llvm/llvm-project#83026: the tag that tells an old handle from
 * a new one was too small, or wrapped.  Ours has 58 bits; here it wraps before our eyes. */
static void
argobots_178_old_leases_are_told_from_new_ones_across_the_wrap(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool), old[6];
	qp_slot *slot = lease.slot_;

	(void)state;
	must_release(&lease);
	qp_store64_relaxed(&slot->turn, QP_TURN_MOST - 5);            /* even: not lent */
	qp_store_relaxed(&slot->moved, (UINT32_MAX & ~7u) | QP_IDLE); /* the last move there is */
	for (unsigned i = 0; i < 6; i++) {
		lease = must_acquire(pool);
		for (unsigned k = 0; k < i; k++)
			assert_int_equal(qpool_release(&old[k]), QPOOL_EMISUSE);
		old[i] = lease;
		must_release(&lease);
		assert_int_equal(qpool_release(&old[i]), QPOOL_EMISUSE);
	}
	assert_true(qp_load64_relaxed(&slot->turn) < 10); /* it did wrap */
	assert_whole(pool);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(node_mysql2_1280_second_release_lends_to_nobody_else),
	    IN_VIRTUAL_TIME(pgx_2564_of_releases_at_once_one_ends_the_lease),
	    IN_VIRTUAL_TIME(mysql_1873_every_verb_refuses_a_lease_that_has_ended),
	    IN_VIRTUAL_TIME(npgsql_3836_maintenance_leaves_alone_what_is_being_handed_out),
	    IN_VIRTUAL_TIME(npgsql_3836_what_maintenance_closes_is_not_handed_out),
	    IN_REAL_TIME(npgsql_3836_maintenance_and_takers_in_a_crowd),
	    IN_VIRTUAL_TIME(argobots_178_old_leases_are_told_from_new_ones_across_the_wrap),
	};
	return RUN(tests);
}
