/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases that end while they are told of: nobody waits, and all is told in order.
 */
#include "ear.h"

#include "platform/atomic.h"

#include <sched.h>
#include <stdlib.h>

/* ---- ends that cross the telling ---- */

static void
run_pass_late(void *pool)
{
	qp_testing_clock_advance(QPOOL_SEC(2));
	(void)qpool_maintain(pool);
}

static void
nothing_is_told_of_a_lease_before_it_was_acquired(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, LEASES);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease;

	(void)state;
	e.on = QPOOL_EV_ACQUIRED;
	e.then = run_pass_late;
	e.argument = pool;
	lease = must_acquire(pool);
	only(&e, 0, QPOOL_EV_ACQUIRED);
	assert_int_equal(e.count, 1);
	qpool_release(&lease);
	end_pool(pool, peer);
}

typedef struct crossing {
	qpool_lease lease;
	qpool_err (*end)(qpool_lease *);
	qpool_err err;
	fake *peer;
} crossing;

static void
end_it(void *argument)
{
	crossing *c = argument;

	c->err = c->end != NULL                    ? c->end(&c->lease)
	         : fake_detach(c->peer, &c->lease) ? QPOOL_OK
	                                           : QPOOL_EMISUSE;
}

/* The end does not wait for the event function, and yet is told after it has returned. */
static void
a_lease_that_ends_while_it_is_told_of_is_told_in_order(void **state)
{
	qpool_err (*const ends[])(qpool_lease *) = {qpool_release, qpool_discard, NULL};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ear e = EAR_INIT;
		qpool_options o = heard_by(&e, LEASES | 1u << QPOOL_EV_CLOSED);
		fake *peer = fake_new();
		crossing c = {.end = ends[i], .peer = peer};
		qpool *pool = pool_of(peer, fake_ops(), &o);
		c.lease = must_acquire(pool);
		e.on = QPOOL_EV_HELD_LONG;
		e.then = end_it;
		e.argument = &c;
		qp_testing_clock_advance(QPOOL_SEC(2));
		(void)qpool_maintain(pool);
		assert_int_equal(c.err, QPOOL_OK);
		assert_null(c.lease.slot_);
		only(&e, 0, QPOOL_EV_ACQUIRED);
		only(&e, 1, QPOOL_EV_HELD_LONG);
		only(&e, 2, QPOOL_EV_HELD_BACK);
		only(&e, 3, QPOOL_EV_RELEASED);
		if (i == 1)
			only(&e, 4, QPOOL_EV_CLOSED);
		assert_int_equal(e.count, i == 1 ? 5 : 4);
		assert_int_equal(stats_of(pool).idle, i == 0);
		assert_int_equal(stats_of(pool).closes[0], i == 2);
		assert_whole(pool);
		end_pool(pool, peer);
	}
}

typedef struct doors {
	pthread_barrier_t in, out;
} doors;

static void
stand_still(void *argument)
{
	doors *d = argument;

	pthread_barrier_wait(&d->in);
	pthread_barrier_wait(&d->out);
}

static void *
run_pass(void *pool)
{
	(void)qpool_maintain(pool);
	return NULL;
}

/* Until something was told: a thread that was joined may for a moment be there still. */
static void *
run_passes(void *argument)
{
	void **of = argument;
	qpool *pool = of[0];
	ear *e = of[1];

	for (bool told_yet = false; !told_yet;) {
		(void)qpool_maintain(pool);
		pthread_mutex_lock(&e->mutex);
		told_yet = e->count > 0;
		pthread_mutex_unlock(&e->mutex);
	}
	return NULL;
}

/* The event function hangs; whoever gives its lease back goes on, and the rest of the pool too. */
static void
an_event_function_that_hangs_holds_up_no_end(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease = must_acquire(pool), copy = lease, other;
	pthread_t teller;
	doors d;

	(void)state;
	pthread_barrier_init(&d.in, NULL, 2);
	pthread_barrier_init(&d.out, NULL, 2);
	e.on = QPOOL_EV_HELD_LONG;
	e.then = stand_still;
	e.argument = &d;
	qp_testing_clock_advance(QPOOL_SEC(2));
	actor_runs(&teller, run_pass, pool);
	pthread_barrier_wait(&d.in);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(qpool_release(&copy), QPOOL_EMISUSE); /* it ended, if nobody was told */
	assert_int_equal(e.count, 0);
	other = must_acquire(pool);
	assert_int_equal(qpool_resource_id(&other), 2);
	qpool_release(&other);
	pthread_barrier_wait(&d.out);
	pthread_join(teller, NULL);
	only(&e, 0, QPOOL_EV_RELEASED); /* of the other one */
	only(&e, 1, QPOOL_EV_HELD_LONG);
	only(&e, 2, QPOOL_EV_HELD_BACK);
	only(&e, 3, QPOOL_EV_RELEASED);
	assert_int_equal(stats_of(pool).idle, 2);
	assert_whole(pool);
	pthread_barrier_destroy(&d.in);
	pthread_barrier_destroy(&d.out);
	end_pool(pool, peer);
}

/* One thing at a time is told of a lease.  Who finds somebody telling comes back later, and does not spin. */
static void
two_tellers_take_turns(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HOLDER_GONE);
	fake *peer = fake_new();
	pthread_t teller;
	qpool *pool;
	actor a;
	doors d;

	(void)state;
	o.held_long = QPOOL_SEC(10);
	pool = pool_of(peer, fake_ops(), &o);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	pthread_barrier_init(&d.in, NULL, 2);
	pthread_barrier_init(&d.out, NULL, 2);
	e.on = QPOOL_EV_HOLDER_GONE;
	e.then = stand_still;
	e.argument = &d;
	actor_runs(&teller, run_passes, (void *[]){pool, &e});
	pthread_barrier_wait(&d.in);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	while (qp_testing_next_deadline() != QPOOL_SEC(1010))
		sched_yield();
	qp_testing_clock_advance(QPOOL_SEC(10));
	while (qp_testing_next_deadline() != QPOOL_SEC(1020))
		sched_yield();
	pthread_barrier_wait(&d.out);
	pthread_join(teller, NULL);
	only(&e, 0, QPOOL_EV_HOLDER_GONE);
	assert_int_equal(e.count, 1);
	qp_testing_clock_advance(QPOOL_SEC(10));
	await_told(&e, 2);
	only(&e, 1, QPOOL_EV_HELD_LONG);
	pthread_barrier_destroy(&d.in);
	pthread_barrier_destroy(&d.out);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

/* The last lease of a freed pool ends while it is told of: then the teller is the last of all. */
static void
free_and_end_it(void *argument)
{
	crossing *c = argument;

	qpool_free(qpool_of(&c->lease));
	c->err = qpool_release(&c->lease);
}

static void
whoever_tells_of_the_last_lease_ends_the_pool(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	crossing c = {.lease = must_acquire(pool)};

	(void)state;
	e.on = QPOOL_EV_HELD_LONG;
	e.then = free_and_end_it;
	e.argument = &c;
	qp_testing_clock_advance(QPOOL_SEC(2));
	(void)qpool_maintain(pool);
	assert_int_equal(c.err, QPOOL_OK);
	only(&e, 0, QPOOL_EV_HELD_LONG);
	only(&e, 1, QPOOL_EV_HELD_BACK);
	only(&e, 2, QPOOL_EV_RELEASED);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	fake_end(peer);
}

/* ---- in a crowd ---- */

#define RESOURCES 4u
#define LENT      4000u

/* Per resource: what may come next.  Told at once by several threads, of one resource by one at a time. */
typedef struct order {
	qp_atomic_u32 at[64]; /* by resource: 0 idle, 1 acquired, 2 told long */
	qp_atomic_u32 wrong;
	qp_atomic_u64 longs, backs;
} order;

static void
check_order(void *user, qpool *pool, const qpool_event *event)
{
	order *o = user;
	qp_atomic_u32 *at = &o->at[event->resource_id % 64];
	uint32_t is = qp_load_acquire(at), next = is;
	bool ok = false;

	(void)pool;
	if (event->type == QPOOL_EV_ACQUIRED) {
		ok = is == 0;
		next = 1;
	} else if (event->type == QPOOL_EV_HELD_LONG) {
		ok = is == 1;
		next = 2;
		qp_add64_relaxed(&o->longs, 1);
	} else if (event->type == QPOOL_EV_HELD_BACK) {
		ok = is == 2;
		next = 3;
		qp_add64_relaxed(&o->backs, 1);
	} else if (event->type == QPOOL_EV_RELEASED) {
		ok = is == 1 || is == 3;
		next = 0;
	}
	if (!ok)
		(void)qp_add_release(&o->wrong, 1);
	qp_store_release(at, next);
}

static order seen;

/* On, until a look has met a lease: how soon it does is the scheduler's business. */
static void *
takes_and_gives(void *pool)
{
	for (unsigned i = 0; i < LENT || qp_load64_relaxed(&seen.longs) == 0; i++) {
		qpool_lease lease = must_acquire(pool);
		if (i % 8 == 0)
			sched_yield();
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	}
	return NULL;
}

static void
events_of_a_resource_come_in_order_whoever_tells_them(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	pthread_t threads[RESOURCES];
	qpool *pool;

	(void)state;
	o.max_size = RESOURCES;
	o.held_long = 1;
	o.on_event = check_order;
	o.event_user = &seen;
	o.event_mask = LEASES & ~(1u << QPOOL_EV_HOLDER_GONE);
	pool = pool_of(peer, fake_ops_plain(), &o);
	for (unsigned i = 0; i < RESOURCES; i++)
		actor_runs(&threads[i], takes_and_gives, pool);
	while (stats_of(pool).acquires < RESOURCES * LENT || qp_load64_relaxed(&seen.longs) == 0) {
		(void)qpool_maintain(pool);
		sched_yield();
	}
	for (unsigned i = 0; i < RESOURCES; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(qp_load_acquire(&seen.wrong), 0);
	assert_int_equal(qp_load64_relaxed(&seen.longs), qp_load64_relaxed(&seen.backs));
	assert_whole(pool);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(nothing_is_told_of_a_lease_before_it_was_acquired),
	    VIRTUAL(a_lease_that_ends_while_it_is_told_of_is_told_in_order),
	    VIRTUAL(an_event_function_that_hangs_holds_up_no_end),
	    VIRTUAL(two_tellers_take_turns),
	    VIRTUAL(whoever_tells_of_the_last_lease_ends_the_pool),
	    cmocka_unit_test(events_of_a_resource_come_in_order_whoever_tells_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
