/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases that are held long, and holders that are gone: who tells of them, when, how often, and in what order
 * with their end.
 */
#include "virtual.h"

#include "platform/atomic.h"

#include <sched.h>
#include <stdlib.h>

/* What was told, in order.  The texts an entry points at live only while it is told of. */
typedef struct told {
	qpool_event event;
	qpool_entry entry;
	char describe[64];
	pthread_t by;
} told;

typedef struct ear {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	told all[64];
	unsigned count;
	/* Run when this type is told, before it is written down. */
	qpool_event_type on;
	void (*then)(void *argument);
	void *argument;
} ear;

static void
hear(void *user, qpool *pool, const qpool_event *event)
{
	ear *e = user;
	told *t;

	(void)pool;
	if (event->type == e->on && e->then != NULL)
		e->then(e->argument);
	pthread_mutex_lock(&e->mutex);
	t = &e->all[e->count++ % 64];
	memset(t, 0, sizeof *t);
	t->event = *event;
	t->by = pthread_self();
	if (event->entry != NULL) {
		t->entry = *event->entry;
		(void)strncpy(t->describe, event->entry->describe, sizeof t->describe - 1);
	}
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->mutex);
}

#define EAR_INIT                                                                        \
	{                                                                               \
		.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
	}

/* Until so many were told. */
static void
await_told(ear *e, unsigned count)
{
	pthread_mutex_lock(&e->mutex);
	while (e->count < count)
		pthread_cond_wait(&e->changed, &e->mutex);
	pthread_mutex_unlock(&e->mutex);
}

static const told *
only(ear *e, unsigned at, qpool_event_type type)
{
	if (at >= e->count)
		fail_msg("only %u events", e->count);
	assert_int_equal(e->all[at].event.type, type);
	return &e->all[at];
}

#define LEASES                                                                           \
	(1u << QPOOL_EV_ACQUIRED | 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HELD_BACK | \
	    1u << QPOOL_EV_HOLDER_GONE | 1u << QPOOL_EV_RELEASED)
#define ENDS (LEASES & ~(1u << QPOOL_EV_ACQUIRED))

static qpool_options
heard_by(ear *e, uint64_t mask)
{
	qpool_options o = qpool_options_init();

	o.max_size = 2;
	o.held_long = QPOOL_SEC(1);
	o.max_idle = o.max_age = QPOOL_FOREVER;
	o.on_event = hear;
	o.event_user = e;
	o.event_mask = mask;
	return o;
}

static void
say_its_name(void *user, void *resource, char *out, size_t room)
{
	(void)user;
	(void)resource;
	(void)strncpy(out, "number one", room - 1);
}

/* ---- held long ---- */

static void
a_pass_tells_once_of_a_lease_held_long(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	qpool_ops ops = fake_ops();
	fake *peer = fake_new();
	qpool_lease lease, other;
	qpool *pool;
	const told *t;

	(void)state;
	ops.describe = say_its_name;
	pool = pool_of(peer, ops, &o);
	assert_int_equal(
	    qpool_acquire_at(pool, QPOOL_FOREVER, &lease, NULL, "import.c:12"), QPOOL_OK);
	qpool_label(&lease, "nightly");
	qp_testing_clock_advance(QPOOL_SEC(1) - 1);
	other = must_acquire(pool);
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 0);
	qp_testing_clock_advance(1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(qpool_maintain(pool), 0);
		assert_int_equal(e.count, 1);
	}
	t = only(&e, 0, QPOOL_EV_HELD_LONG);
	assert_int_equal(t->event.size, sizeof(qpool_event));
	assert_int_equal(t->event.took, QPOOL_SEC(1));
	assert_int_equal(t->event.resource_id, 1);
	assert_int_equal(t->entry.resource_id, 1);
	assert_int_equal(t->entry.held, QPOOL_SEC(1));
	assert_string_equal(t->entry.site, "import.c:12");
	assert_string_equal(t->entry.label, "nightly");
	assert_string_equal(t->entry.state, "leased");
	assert_string_equal(t->describe, "number one");
	assert_true(t->entry.thread != 0);
	assert_false(t->entry.gone);
	qp_testing_clock_advance(QPOOL_MSEC(500));
	qpool_release(&lease);
	t = only(&e, 1, QPOOL_EV_HELD_BACK);
	assert_int_equal(t->event.took, QPOOL_MSEC(1500));
	assert_string_equal(t->entry.site, "import.c:12");
	assert_int_equal(only(&e, 2, QPOOL_EV_RELEASED)->event.took, QPOOL_MSEC(1500));
	assert_null(e.all[2].event.entry);
	/* The other one was not long enough, and no lease inherits what was told of one before it. */
	qpool_release(&other);
	only(&e, 3, QPOOL_EV_RELEASED);
	lease = must_acquire(pool);
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 4);
	qp_testing_clock_advance(QPOOL_SEC(2));
	(void)qpool_maintain(pool);
	only(&e, 4, QPOOL_EV_HELD_LONG);
	qpool_discard(&lease);
	only(&e, 5, QPOOL_EV_HELD_BACK);
	only(&e, 6, QPOOL_EV_RELEASED);
	assert_int_equal(e.count, 7);
	end_pool(pool, peer);
}

static void
by_default_nothing_is_held_long(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.held_long = 0;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	qp_testing_clock_advance(QPOOL_SEC(86400));
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 0);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
one_that_times_out_tells(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_TIMED_OUT);
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	o.max_size = 1;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	actor_acquires(&a, pool, QPOOL_SEC(3));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(3));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	only(&e, 0, QPOOL_EV_TIMED_OUT);
	only(&e, 1, QPOOL_EV_HELD_LONG);
	assert_int_equal(e.count, 2);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* ---- by the crew ---- */

static void
a_worker_wakes_when_the_first_one_is_due(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG);
	fake *peer = fake_new();
	qpool_lease first, second;
	qpool *pool;

	(void)state;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	first = must_acquire(pool);
	while (qp_testing_next_deadline() != QPOOL_SEC(1001))
		sched_yield();
	qp_testing_clock_advance(QPOOL_MSEC(300));
	second = must_acquire(pool);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(700));
	await_told(&e, 1);
	assert_int_equal(only(&e, 0, QPOOL_EV_HELD_LONG)->event.resource_id, 1);
	assert_false(pthread_equal(e.all[0].by, pthread_self()));
	while (qp_testing_next_deadline() != QPOOL_MSEC(1001300))
		sched_yield();
	qp_testing_clock_advance(QPOOL_MSEC(300));
	await_told(&e, 2);
	assert_int_equal(only(&e, 1, QPOOL_EV_HELD_LONG)->event.resource_id, 2);
	/* All is told: nothing to wake for. */
	qp_testing_await_parked(1);
	while (qp_testing_next_deadline() != QP_TIME_NEVER)
		sched_yield();
	qpool_release(&first);
	qpool_release(&second);
	end_pool(pool, peer);
}

/* A thousand leases in the time of one look: the crew looks once, and when nothing is lent then, sleeps on. */
static void
a_pool_that_is_idle_wakes_nobody(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HOLDER_GONE);
	fake *peer = fake_new();
	qpool_lease lease;
	uint64_t parks;
	qpool *pool;

	(void)state;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	lease = must_acquire(pool);
	while (qp_testing_next_deadline() != QPOOL_SEC(1001))
		sched_yield();
	qpool_release(&lease);
	parks = qp_testing_parks();
	for (unsigned i = 0; i < 1000; i++) {
		lease = must_acquire(pool);
		qpool_release(&lease);
	}
	assert_int_equal(qp_testing_parks(), parks);
	qp_testing_clock_advance(QPOOL_SEC(1));
	while (qp_testing_next_deadline() != QP_TIME_NEVER || qp_testing_parked() != 1)
		sched_yield();
	qp_testing_clock_advance(QPOOL_SEC(86400));
	assert_int_equal(qp_testing_parks(), parks + 1);
	assert_int_equal(e.count, 0);
	end_pool(pool, peer);
}

static void
nobody_who_listens_nobody_who_looks(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.held_long = QPOOL_SEC(1);
	o.max_idle = o.max_age = QPOOL_FOREVER;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	lease = must_acquire(pool);
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), QP_TIME_NEVER);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* The look finds it before it begins: it is looked at again. */
static void
a_lease_that_is_about_to_begin_is_not_overlooked(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HELD_LONG);
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	o.check_after = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	qpool_release(&lease);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	fake_gate_shut(peer, FAKE_CHECK);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_CHECK, 1);
	while (qp_testing_next_deadline() != QPOOL_SEC(1001))
		sched_yield();
	qp_testing_clock_advance(QPOOL_SEC(1));
	while (qp_testing_next_deadline() != QPOOL_SEC(1002))
		sched_yield();
	fake_gate_open(peer, FAKE_CHECK);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(1));
	await_told(&e, 1);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

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

static void *
takes_and_gives(void *pool)
{
	for (unsigned i = 0; i < LENT; i++) {
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
	static order seen;
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
	while (stats_of(pool).acquires < RESOURCES * LENT) {
		(void)qpool_maintain(pool);
		sched_yield();
	}
	for (unsigned i = 0; i < RESOURCES; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(qp_load_acquire(&seen.wrong), 0);
	assert_true(qp_load64_relaxed(&seen.longs) > 0);
	assert_int_equal(qp_load64_relaxed(&seen.longs), qp_load64_relaxed(&seen.backs));
	assert_whole(pool);
	end_pool(pool, peer);
}

/* ---- the holder is gone ---- */

static void
a_thread_that_exits_holding_is_told_by_its_site(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, ENDS);
	fake *peer = fake_new();
	qpool_request request = qpool_request_init();
	qpool_lease mine;
	qpool *pool;
	const told *t;
	actor a;

	(void)state;
	o.held_long = 0;
	pool = pool_of(peer, fake_ops(), &o);
	mine = must_acquire(pool);
	request.timeout = QPOOL_FOREVER;
	request.site = "worker.c:88";
	actor_acquires_with(&a, pool, &request);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	/* It was joined, but the system may be a moment behind. */
	while (e.count == 0)
		(void)qpool_maintain(pool);
	(void)qpool_maintain(pool);
	assert_int_equal(e.count, 1);
	t = only(&e, 0, QPOOL_EV_HOLDER_GONE);
	assert_int_equal(t->event.resource_id, 2);
	assert_true(t->entry.gone);
	assert_string_equal(t->entry.site, "worker.c:88");
	assert_true(t->entry.thread != 0);
	assert_string_equal(t->entry.state, "leased");
	/* Somebody else may have the lease: it ends as ever. */
	qpool_release(&a.lease);
	only(&e, 1, QPOOL_EV_RELEASED);
	qpool_release(&mine);
	only(&e, 2, QPOOL_EV_RELEASED);
	assert_int_equal(e.count, 3);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_worker_looks_for_the_gone_with_every_pass(void **state)
{
	ear e = EAR_INIT;
	qpool_options o = heard_by(&e, 1u << QPOOL_EV_HOLDER_GONE);
	fake *peer = fake_new();
	qpool *pool;
	actor a;

	(void)state;
	o.maintain_every = QPOOL_SEC(5);
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	qp_testing_await_parked(1);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	do {
		while (qp_testing_parked() != 1 ||
		       (e.count == 0 && qp_testing_next_deadline() == QP_TIME_NEVER))
			sched_yield();
		qp_testing_clock_advance(QPOOL_SEC(5));
		qp_testing_await_parked(1);
	} while (e.count == 0);
	only(&e, 0, QPOOL_EV_HOLDER_GONE);
	while (qp_testing_next_deadline() != QP_TIME_NEVER)
		sched_yield();
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_pass_tells_once_of_a_lease_held_long),
	    VIRTUAL(by_default_nothing_is_held_long),
	    VIRTUAL(one_that_times_out_tells),
	    VIRTUAL(a_worker_wakes_when_the_first_one_is_due),
	    VIRTUAL(a_pool_that_is_idle_wakes_nobody),
	    VIRTUAL(nobody_who_listens_nobody_who_looks),
	    VIRTUAL(a_lease_that_is_about_to_begin_is_not_overlooked),
	    VIRTUAL(nothing_is_told_of_a_lease_before_it_was_acquired),
	    VIRTUAL(two_tellers_take_turns),
	    VIRTUAL(a_lease_that_ends_while_it_is_told_of_is_told_in_order),
	    VIRTUAL(an_event_function_that_hangs_holds_up_no_end),
	    VIRTUAL(whoever_tells_of_the_last_lease_ends_the_pool),
	    cmocka_unit_test(events_of_a_resource_come_in_order_whoever_tells_them),
	    VIRTUAL(a_thread_that_exits_holding_is_told_by_its_site),
	    VIRTUAL(a_worker_looks_for_the_gone_with_every_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
