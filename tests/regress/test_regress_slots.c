/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slots: a place in the pool, or a count of one, got lost where two things crossed: a cancel or a deadline
 * and a hand-over.
 */
#include "regress.h"

/* What stops a wait: a hook that stands at a gate of its own, so that things can happen meanwhile. */
typedef struct canceller {
	pthread_barrier_t asked, answered;
	qp_atomic_u32 flag;
} canceller;

static int
stands_and_cancels(void *user)
{
	canceller *c = user;

	pthread_barrier_wait(&c->asked);
	pthread_barrier_wait(&c->answered);
	return 1;
}

static int
cancels_when_told(void *user)
{
	int cancels = (int)qp_load_acquire(&((canceller *)user)->flag);

	if (cancels)
		sched_yield(); /* this is where a hand-over may come */
	return cancels;
}

static qpool_request
cancelled_by(int (*hook)(void *user), canceller *c)
{
	qpool_request request = qpool_request_init();

	pthread_barrier_init(&c->asked, NULL, 2);
	pthread_barrier_init(&c->answered, NULL, 2);
	qp_store_release(&c->flag, 0);
	request.timeout = QPOOL_FOREVER;
	request.interrupted = hook;
	request.interrupt_user = c;
	return request;
}

static void
canceller_end(canceller *c)
{
	pthread_barrier_destroy(&c->asked);
	pthread_barrier_destroy(&c->answered);
}

/* One waits and is inside its hook when the lease ends as `end` says; then it cancels.  `next`, if it is
 * not NULL, waits behind it. */
static void
cancel_meets_hand_over(fake *peer, qpool_err (*end)(qpool_lease *lease), actor *next)
{
	qpool_options options = sized(1);
	canceller c;
	qpool_request request = cancelled_by(stands_and_cancels, &c);
	qpool_lease lease;
	actor waiter;
	qpool *pool;

	options.max_overtake = QPOOL_ZERO; /* every release is a hand-over */
	pool = pool_of(peer, fake_ops(), &options);
	lease = must_acquire(pool);
	actor_acquires_with(&waiter, pool, &request);
	qp_testing_await_parked(1);
	if (next != NULL) {
		actor_acquires(next, pool, QPOOL_FOREVER);
		qp_testing_await_parked(2);
	}
	qp_testing_wake_all(true);
	pthread_barrier_wait(&c.asked);
	assert_int_equal(end(&lease), QPOOL_OK);
	assert_int_equal(
	    stats_of(pool).waiting, 1); /* itself, still in its place: what came went past it */
	pthread_barrier_wait(&c.answered);
	assert_int_equal(actor_join(&waiter), QPOOL_ECANCEL);
	assert_null(waiter.lease.resource);
	if (next != NULL)
		join_and_release(next);
	assert_int_equal(stats_of(pool).cancels, 1);
	assert_whole(pool);
	canceller_end(&c);
	end_pool(pool, peer);
}

/* ClickHouse/clickhouse-go#1759: cancelled between its permit and the idle one, it kept the permit. */
static void
clickhouse_go_1759_cancelled_waiter_passes_on_what_it_was_handed(void **state)
{
	fake *peer = fake_new();
	actor next;

	(void)state;
	cancel_meets_hand_over(peer, qpool_release, NULL);
	peer = fake_new();
	cancel_meets_hand_over(peer, qpool_release, &next);
}

/* djc/bb8#59: the acquire was dropped when it had been told to open, and nobody else was told. */
static void
bb8_59_cancelled_opener_gives_its_empty_slot_back(void **state)
{
	fake *peer = fake_new();
	actor next;

	(void)state;
	cancel_meets_hand_over(peer, qpool_discard, NULL);
	peer = fake_new();
	cancel_meets_hand_over(peer, qpool_discard, &next);
}

/* Rounds of a race between an end of waiting and a hand-over of the only slot. */
typedef struct race {
	qpool *pool;
	pthread_barrier_t begin, end;
	qp_atomic_u32 round;
	qpool_lease lease; /* the one that comes back */
	qpool_request request;
	unsigned rounds;
	unsigned served, refused;
	qpool_err refusal;
} race;

static void *
waits_again_and_again(void *argument)
{
	race *r = argument;

	for (unsigned i = 0; i < r->rounds; i++) {
		qpool_lease lease;
		qpool_err err;

		pthread_barrier_wait(&r->begin);
		err = qpool_acquire_with(r->pool, &r->request, &lease, NULL);
		if (err == QPOOL_OK) {
			r->served++;
			(void)qpool_release(&lease);
		} else if (err == r->refusal && lease.slot_ == NULL) {
			r->refused++;
		}
		pthread_barrier_wait(&r->end);
	}
	return NULL;
}

static void *
releases_again_and_again(void *argument)
{
	race *r = argument;

	for (unsigned i = 0; i < r->rounds; i++) {
		await_round(&r->round, i + 1);
		linger(i * 7 % 2048); /* so that it comes before, during and after */
		(void)qpool_release(&r->lease);
		pthread_barrier_wait(&r->end);
	}
	return NULL;
}

/* Each round: one stands in line, then the release and `other` happen at once. */
static void
run_race(race *r, void (*other)(race *r))
{
	pthread_t waiter, releaser;

	pthread_barrier_init(&r->begin, NULL, 2);
	pthread_barrier_init(&r->end, NULL, 3);
	actor_runs(&waiter, waits_again_and_again, r);
	actor_runs(&releaser, releases_again_and_again, r);
	for (unsigned i = 0; i < r->rounds; i++) {
		r->lease = must_acquire(r->pool);
		pthread_barrier_wait(&r->begin);
		qp_testing_await_parked(1);
		qp_store_release(&r->round, i + 1);
		other(r);
		pthread_barrier_wait(&r->end);
		assert_whole(r->pool);
	}
	pthread_join(waiter, NULL);
	pthread_join(releaser, NULL);
	pthread_barrier_destroy(&r->begin);
	pthread_barrier_destroy(&r->end);
	assert_int_equal(r->served + r->refused, r->rounds);
}

static void
the_deadline_comes(race *r)
{
	qp_testing_clock_advance(r->request.timeout);
}

/* Once where a release wakes the head to look, once where it hands over. */
static qpool *
pool_for_race(fake *peer, unsigned handing_over)
{
	qpool_options options = sized(1);

	options.max_overtake = handing_over ? QPOOL_ZERO : 0;
	return pool_of(peer, fake_ops_plain(), &options);
}

/* gomodule/redigo#520: deadline and slot were both there, and of the two the slot was dropped. */
static void
redigo_520_deadline_at_the_instant_of_hand_over_drops_no_slot(void **state)
{
	(void)state;
	for (unsigned handing_over = 0; handing_over < 2; handing_over++) {
		fake *peer = fake_new();
		race r = {.rounds = ROUNDS(5000), .refusal = QPOOL_ETIMEOUT};

		r.pool = pool_for_race(peer, handing_over);
		r.request = qpool_request_init();
		r.request.timeout = QPOOL_MSEC(3);
		run_race(&r, the_deadline_comes);
		assert_int_equal(stats_of(r.pool).timeouts, r.refused);
		end_pool(r.pool, peer);
	}
}

static void
the_cancel_comes(race *r)
{
	canceller *c = r->request.interrupt_user;

	qp_store_release(&c->flag, 1);
	qp_testing_wake_all(true);
}

static void
the_cancel_comes_and_goes(race *r)
{
	canceller *c = r->request.interrupt_user;

	the_cancel_comes(r);
	while (stats_of(r->pool).waiting > 0)
		sched_yield();
	qp_store_release(&c->flag, 0);
}

/* psycopg/psycopg#1275, #1345, #1401: cancel and hand-over crossed; one of them was swallowed. */
static void
psycopg_1275_cancel_and_hand_over_end_in_exactly_one_of_them(void **state)
{
	(void)state;
	for (unsigned handing_over = 0; handing_over < 2; handing_over++) {
		fake *peer = fake_new();
		race r = {.rounds = ROUNDS(5000), .refusal = QPOOL_ECANCEL};
		canceller c;

		r.pool = pool_for_race(peer, handing_over);
		r.request = cancelled_by(cancels_when_told, &c);
		run_race(&r, the_cancel_comes_and_goes);
		assert_int_equal(stats_of(r.pool).cancels, r.refused);
		canceller_end(&c);
		end_pool(r.pool, peer);
	}
}

/* The slot comes for the head in the moment in which the head turns to its hook: it is the next one's. */
static void
psycopg_1275_slot_that_comes_with_the_signal_goes_to_the_next(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	canceller c;
	qpool_request request = cancelled_by(stands_and_cancels, &c);
	actor head, next;

	(void)state;
	actor_acquires_with(&head, pool, &request);
	qp_testing_await_parked(1);
	actor_acquires(&next, pool, QPOOL_FOREVER);
	qp_testing_await_parked(2);
	qp_testing_hold(true);
	qp_testing_wake_all(true); /* both have been woken, and neither runs yet */
	must_release(&lease);
	assert_int_equal(stats_of(pool).idle, 1); /* the head is to look */
	qp_testing_hold(false);
	pthread_barrier_wait(&c.asked); /* it looks into its hook instead */
	join_and_release(&next);
	pthread_barrier_wait(&c.answered);
	assert_int_equal(actor_join(&head), QPOOL_ECANCEL);
	assert_whole(pool);
	canceller_end(&c);
	end_pool(pool, peer);
}

static void *
releases(void *argument)
{
	(void)qpool_release(argument);
	return NULL;
}

/* psycopg/psycopg#509, #1123, #1208: cancelled while waiting, while a check ran, while a rollback ran. */
static void
psycopg_509_cancel_during_each_step_keeps_the_slot(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	canceller c;
	qpool_request request = cancelled_by(cancels_when_told, &c);
	qpool_lease lease;
	actor waiter, releaser;
	qpool *pool;

	(void)state;
	options.max_overtake = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &options);
	fake_born(peer, true, false); /* peek cannot tell: each acquire checks */
	/* While the rollback of the one before runs, and nothing is to be had yet. */
	lease = must_acquire(pool);
	actor_acquires_with(&waiter, pool, &request);
	qp_testing_await_parked(1);
	fake_gate_shut(peer, FAKE_RESET);
	actor_runs(&releaser.thread, releases, &lease);
	fake_gate_await(peer, FAKE_RESET, 1);
	qp_store_release(&c.flag, 1);
	qp_testing_wake_all(true);
	assert_int_equal(actor_join(&waiter), QPOOL_ECANCEL);
	fake_gate_open(peer, FAKE_RESET);
	pthread_join(releaser.thread, NULL);
	assert_whole(pool);
	/* While it is checked for us: too late, we have it. */
	fake_gate_shut(peer, FAKE_CHECK);
	actor_acquires_with(&waiter, pool, &request);
	fake_gate_await(peer, FAKE_CHECK, 1);
	qp_testing_wake_all(true);
	fake_gate_open(peer, FAKE_CHECK);
	join_and_release(&waiter);
	assert_whole(pool);
	canceller_end(&c);
	end_pool(pool, peer);
}

/* transact-rs/sqlx#3132: waiters past their deadline still got a permit, opened with it
 * and threw the new one away, thousands a second. */
static void
sqlx_3132_waiters_past_their_deadline_open_nothing(void **state)
{
	enum { SLOTS = 2, TAKERS = 60 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	actor actors[TAKERS];

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	for (unsigned i = 0; i < TAKERS; i++)
		actor_acquires(&actors[i], pool, QPOOL_SEC(1));
	await_waiting(pool, TAKERS - SLOTS);
	fake_gate_await(peer, FAKE_OPEN, SLOTS);
	qp_testing_await_parked(TAKERS - SLOTS);
	qp_testing_clock_advance(QPOOL_SEC(1));
	fake_gate_open(peer, FAKE_OPEN);
	for (unsigned i = 0; i < TAKERS; i++)
		if (actor_join(&actors[i]) == QPOOL_OK)
			must_release(&actors[i].lease);
		else
			assert_int_equal(actors[i].err, QPOOL_ETIMEOUT);
	assert_int_equal(stats_of(pool).timeouts, TAKERS - SLOTS);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), SLOTS);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 0);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* transact-rs/sqlx#4349: a release talked for ever to a peer that had silently gone, and its permit went
 * with it.  Every step has a budget, and with workers the releaser does not even wait for it. */
static void
sqlx_4349_release_is_bounded_when_the_peer_is_silent(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool_lease lease;
	qpool *pool;

	(void)state;
	options.step_budget = QPOOL_MSEC(70);
	pool = pool_of(peer, fake_ops(), &options);
	lease = must_acquire(pool);
	fake_resource *resource = fake_of(&lease);
	must_release(&lease);
	assert_int_equal(resource->budget, QPOOL_MSEC(70));
	end_pool(pool, peer);

	peer = fake_new();
	options.flags = QPOOL_RESET_ON_WORKERS;
	pool = pool_of(peer, fake_ops(), &options);
	must_start(pool, 1);
	lease = must_acquire(pool);
	fake_gate_shut(peer, FAKE_RESET);
	must_release(&lease); /* returns, though reset does not */
	fake_gate_await(peer, FAKE_RESET, 1);
	assert_int_equal(stats_of(pool).resetting, 1);
	fake_fail(peer, FAKE_RESET, 1, QPOOL_ECHECK);
	fake_gate_open(peer, FAKE_RESET);
	await_idle(pool, 0);
	lease = must_acquire(pool);
	must_release(&lease);
	end_pool(pool, peer);
}

/* brianc/node-postgres#3543, #3721: connected after the asker's timeout, counted for ever, never idle. */
static void
node_postgres_3543_open_that_outlives_its_asker_becomes_idle(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease;
	actor asker;

	(void)state;
	must_start(pool, 1);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&asker, pool, QPOOL_SEC(1));
	fake_gate_await(peer, FAKE_OPEN, 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&asker), QPOOL_ETIMEOUT);
	fake_gate_open(peer, FAKE_OPEN);
	await_idle(pool, 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_OK);
	assert_int_equal(fake_of(&lease)->number, 1);
	must_release(&lease);
	end_pool(pool, peer);
}

/* brianc/node-pg-pool#85: one's timeout took all but itself out of the line. */
static void
node_pg_pool_85_timeout_in_the_middle_takes_out_itself_alone(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(1);
	qpool *pool = pool_of(peer, fake_ops(), &options);
	qpool_lease lease = must_acquire(pool);
	actor actors[3];
	unsigned order = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		actor_acquires_in_order(
		    &actors[i], pool, i == 1 ? QPOOL_SEC(1) : QPOOL_SEC(9), &order);
		qp_testing_await_parked(i + 1);
	}
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&actors[1]), QPOOL_ETIMEOUT);
	assert_int_equal(stats_of(pool).waiting, 2);
	must_release(&lease);
	join_and_release(&actors[0]);
	join_and_release(&actors[2]);
	assert_int_equal(actors[0].rank, 1);
	assert_int_equal(actors[2].rank, 2);
	assert_whole(pool);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(clickhouse_go_1759_cancelled_waiter_passes_on_what_it_was_handed),
	    IN_VIRTUAL_TIME(redigo_520_deadline_at_the_instant_of_hand_over_drops_no_slot),
	    IN_VIRTUAL_TIME(bb8_59_cancelled_opener_gives_its_empty_slot_back),
	    IN_VIRTUAL_TIME(psycopg_509_cancel_during_each_step_keeps_the_slot),
	    IN_VIRTUAL_TIME(psycopg_1275_cancel_and_hand_over_end_in_exactly_one_of_them),
	    IN_VIRTUAL_TIME(psycopg_1275_slot_that_comes_with_the_signal_goes_to_the_next),
	    IN_VIRTUAL_TIME(sqlx_3132_waiters_past_their_deadline_open_nothing),
	    IN_VIRTUAL_TIME(sqlx_4349_release_is_bounded_when_the_peer_is_silent),
	    IN_VIRTUAL_TIME(node_postgres_3543_open_that_outlives_its_asker_becomes_idle),
	    IN_VIRTUAL_TIME(node_pg_pool_85_timeout_in_the_middle_takes_out_itself_alone),
	};
	return RUN(tests);
}
