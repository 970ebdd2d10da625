/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pthread_cancel: it ends a wait in line, whose place and slot go to the next.  Where it may
 * strike on a real system is tried by chance, everything else in virtual time.
 */
#include "goer.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

/* ---- the wait ---- */

static void
a_cancel_that_is_pending_ends_the_wait_as_it_begins(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	g.cancels_itself = true;
	go(&g);
	assert_true(was_cancelled(&g));
	assert_cancels(pool, 1);
	assert_int_equal(stats_of(pool).acquires_waited, 1);
	assert_null(g.lease.slot_);
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_cancel_in_the_wait_leaves_the_place_to_the_next(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER), next = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	go(&g);
	qp_testing_await_parked(1);
	go(&next);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_MSEC(7));
	assert_int_equal(pthread_cancel(g.thread), 0);
	assert_true(was_cancelled(&g));
	assert_int_equal(stats_of(pool).waiting, 1);
	assert_int_equal(stats_of(pool).wait_ns, QPOOL_MSEC(7));
	qpool_release(&held);
	must_be_served(&next);
	assert_cancels(pool, 1);
	qpool_release(&next.lease);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* The head was told to look, which nobody else is told until it has. */
static void
a_cancel_of_the_one_that_was_woken_wakes_the_next(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	goer g, next;
	qpool_lease held;
	qpool *pool;

	(void)state;
	o.max_size = 1;
	o.max_overtake = QPOOL_FOREVER; /* never handed over: woken to look */
	pool = pool_of(peer, fake_ops(), &o);
	held = must_acquire(pool);
	g = next = goer_of(pool, QPOOL_FOREVER);
	go(&g);
	qp_testing_await_parked(1);
	go(&next);
	qp_testing_await_parked(2);
	qp_testing_hold(true);
	qpool_release(&held);
	assert_int_equal(pthread_cancel(g.thread), 0);
	assert_true(was_cancelled(&g));
	qp_testing_hold(false);
	must_be_served(&next);
	assert_cancels(pool, 1);
	qpool_release(&next.lease);
	end_pool(pool, peer);
}

/* `hand_over` serves the head, whose thread is cancelled before it has seen it. */
static void
cross(qpool *pool, goer *g, qpool_lease *held, qpool_err (*hand_over)(qpool_lease *))
{
	go(g);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	assert_int_equal(hand_over(held), QPOOL_OK);
	assert_int_equal(stats_of(pool).waiting, 0);
	assert_int_equal(pthread_cancel(g->thread), 0);
	assert_true(was_cancelled(g));
	qp_testing_hold(false);
	assert_int_equal(stats_of(pool).cancels, 1);
}

static void
a_slot_handed_to_one_that_is_cancelled_is_idle_again(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	cross(pool, &g, &held, qpool_release);
	assert_int_equal(stats_of(pool).idle, 1);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* The resource was discarded, so what the head was handed is an empty slot to open. */
static void
an_empty_slot_handed_to_one_that_is_cancelled_is_empty_again(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	cross(pool, &g, &held, qpool_discard);
	assert_int_equal(stats_of(pool).empty, 1);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	held = must_acquire(pool);
	qpool_release(&held);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* As before, and there is a next one. */
static void
a_slot_handed_to_one_that_is_cancelled_goes_to_the_next(void **state)
{
	qpool_err (*const ways[])(qpool_lease *) = {qpool_release, qpool_discard};

	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		fake *peer = fake_new();
		qpool *pool = pool_of_one(peer);
		qpool_lease held = must_acquire(pool);
		goer g = goer_of(pool, QPOOL_FOREVER), next = goer_of(pool, QPOOL_FOREVER);
		go(&g);
		qp_testing_await_parked(1);
		go(&next);
		qp_testing_await_parked(2);
		qp_testing_hold(true);
		assert_int_equal(ways[way](&held), QPOOL_OK);
		assert_int_equal(pthread_cancel(g.thread), 0);
		assert_true(was_cancelled(&g));
		qp_testing_hold(false);
		must_be_served(&next);
		assert_cancels(pool, 1);
		qpool_release(&next.lease);
		end_pool(pool, peer);
	}
}

/* The slot on its way to the cancelled one is the last thing that keeps a freed pool. */
static void
a_cancel_crosses_the_end_of_the_pool(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	go(&g);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	assert_int_equal(qpool_release(&held), QPOOL_OK);
	qpool_free(pool);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 0);
	assert_int_equal(pthread_cancel(g.thread), 0);
	assert_true(was_cancelled(&g));
	qp_testing_hold(false);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 1);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	fake_end(peer);
}

static void
a_cancel_crosses_a_timeout_and_counts_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_SEC(1));

	(void)state;
	go(&g);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(pthread_cancel(g.thread), 0);
	assert_true(was_cancelled(&g));
	qp_testing_hold(false);
	assert_cancels(pool, 1);
	qpool_release(&held);
	end_pool(pool, peer);
}

/* ---- who may not be cancelled ---- */

static void
with_cancel_disabled_the_wait_goes_on(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	g.state = PTHREAD_CANCEL_DISABLE;
	g.cancels_itself = true;
	go(&g);
	qp_testing_await_parked(1);
	assert_int_equal(pthread_cancel(g.thread), 0);
	qpool_release(&held);
	must_be_served(&g);
	assert_cancels(pool, 0);
	qpool_release(&g.lease);
	end_pool(pool, peer);
}

/* Nothing here sleeps: not what is idle, not an open, not what may not wait. */
static void
what_does_not_wait_is_no_cancellation_point(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	goer g[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		g[i] = goer_of(pool, i < 2 ? QPOOL_FOREVER : QPOOL_NOWAIT);
		g[i].cancels_itself = true;
		go(&g[i]);
		assert_false(was_cancelled(&g[i]));
		assert_int_equal(g[i].err, i < 2 ? QPOOL_OK : QPOOL_EAGAIN);
		if (i == 0) /* it was opened; the next one finds it idle, the last one lent */
			qpool_release(&g[i].lease);
	}
	qpool_release(&g[1].lease);
	assert_cancels(pool, 0);
	end_pool(pool, peer);
}

static void
the_type_of_the_caller_is_kept(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER);

	(void)state;
	g.state = PTHREAD_CANCEL_DISABLE; /* as whoever has this type must */
	g.type = PTHREAD_CANCEL_ASYNCHRONOUS;
	go(&g);
	qp_testing_await_parked(1);
	qpool_release(&held);
	must_be_served(&g);
	qpool_release(&g.lease);
	end_pool(pool, peer);
}

/* ---- several at once ---- */

typedef struct gatherer {
	pthread_t thread;
	qpool *pool;
	qpool_lease out[2];
	qpool_err err;
} gatherer;

static void *
gathers(void *argument)
{
	gatherer *g = argument;
	qpool_request request = qpool_request_init();

	request.timeout = QPOOL_FOREVER;
	g->err = qpool_acquire_many(g->pool, 2, &request, g->out, NULL);
	return g;
}

static void
gather(gatherer *g, qpool *pool)
{
	memset(g, 0, sizeof *g);
	g->pool = pool;
	actor_runs(&g->thread, gathers, g);
}

static bool
gathering_was_cancelled(gatherer *g)
{
	void *result;

	assert_int_equal(pthread_cancel(g->thread), 0);
	assert_int_equal(pthread_join(g->thread, &result), 0);
	return result == PTHREAD_CANCELED;
}

static void
must_have_gathered(gatherer *g)
{
	assert_int_equal(pthread_join(g->thread, NULL), 0);
	assert_int_equal(g->err, QPOOL_OK);
	assert_int_equal(qpool_release(&g->out[0]), QPOOL_OK);
	assert_int_equal(qpool_release(&g->out[1]), QPOOL_OK);
}

/* The first of two has one and waits for the other; the second stands at the gate. */
static qpool *
pool_of_two(fake *peer, qpool_lease *held, gatherer *first, gatherer *second)
{
	qpool_options o = qpool_options_init();
	qpool *pool;

	o.max_size = 2;
	o.max_overtake = QPOOL_ZERO;
	pool = pool_of(peer, fake_ops(), &o);
	*held = must_acquire(pool);
	gather(first, pool);
	qp_testing_await_parked(1);
	gather(second, pool);
	qp_testing_await_parked(2);
	return pool;
}

static void
a_cancel_gives_back_what_was_collected_and_the_gate(void **state)
{
	fake *peer = fake_new();
	gatherer first, second;
	qpool_lease held;
	qpool *pool = pool_of_two(peer, &held, &first, &second);

	(void)state;
	assert_true(gathering_was_cancelled(&first));
	assert_null(first.out[0].slot_);
	qpool_release(&held);
	must_have_gathered(&second);
	assert_cancels(pool, 1);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_cancel_at_the_gate_leaves_it_to_the_next(void **state)
{
	fake *peer = fake_new();
	gatherer first, second, third;
	qpool_lease held;
	qpool *pool = pool_of_two(peer, &held, &first, &second);

	(void)state;
	gather(&third, pool);
	qp_testing_await_parked(3);
	assert_true(gathering_was_cancelled(&second));
	qpool_release(&held);
	must_have_gathered(&first);
	must_have_gathered(&third);
	assert_cancels(pool, 1);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* The first goes, the second is through the gate and does not know it yet. */
static void
a_gate_that_opened_for_one_that_is_cancelled_opens_for_the_next(void **state)
{
	fake *peer = fake_new();
	gatherer first, second, third;
	qpool_lease held;
	qpool *pool = pool_of_two(peer, &held, &first, &second);

	(void)state;
	gather(&third, pool);
	qp_testing_await_parked(3);
	qp_testing_hold(true);
	assert_true(gathering_was_cancelled(&first));
	assert_true(gathering_was_cancelled(&second));
	qp_testing_hold(false);
	qpool_release(&held);
	must_have_gathered(&third);
	assert_cancels(pool, 2);
	assert_whole(pool);
	end_pool(pool, peer);
}

/* ---- with the real system call ---- */

/* What its frames hold is let go of as they unwind. */
static void *
waits_with_a_scope(void *argument)
{
	qpool **pools = argument;
	QPOOL_SCOPED qpool_lease other = must_acquire(pools[1]), lease = QPOOL_LEASE_INIT;

	(void)other;
	return qpool_acquire(pools[0], QPOOL_FOREVER, &lease, NULL) == QPOOL_OK ? pools : NULL;
}

static void
scopes_end_as_the_thread_unwinds(void **state)
{
	fake *peer = fake_new(), *other_peer = fake_new();
	qpool *pools[] = {pool_of_one(peer), pool_of_one(other_peer)};
	qpool_lease held = must_acquire(pools[0]);
	pthread_t thread;
	void *result;

	(void)state;
	actor_runs(&thread, waits_with_a_scope, pools);
	await_waiting(pools[0], 1);
	assert_int_equal(stats_of(pools[1]).leased, 1);
	assert_int_equal(pthread_cancel(thread), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_cancels(pools[0], 1);
	assert_whole(pools[1]);
	qpool_release(&held);
	assert_whole(pools[0]);
	end_pool(pools[0], peer);
	end_pool(pools[1], other_peer);
}

/* Does that thread sleep in our system call?  On its way there it holds a lock.  -1: the system does not say. */
static int
is_parked(const goer *g)
{
	char path[64];
	unsigned long number = 0, word = 0, how = 0;
	int found;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/self/task/%u/syscall", qp_load_acquire(&g->tid));
	file = fopen(path, "r");
	if (file == NULL)
		return -1;
	found = fscanf(file, "%lu %lx %lx", &number, &word, &how);
	(void)fclose(file);
	return found == 3 && number == SYS_futex && how == FUTEX_WAIT_BITSET_PRIVATE;
}

/* Who has this type must be disabled in verbs, as in all but three functions there are; in its sleep it comes
 * to no harm. */
static void
an_asynchronous_cancel_ends_the_wait(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	qpool_lease held = must_acquire(pool);
	goer g = goer_of(pool, QPOOL_FOREVER);
	int parked;

	(void)state;
	g.type = PTHREAD_CANCEL_ASYNCHRONOUS;
	go(&g);
	await_waiting(pool, 1);
	while ((parked = is_parked(&g)) == 0)
		sched_yield();
	if (parked > 0) {
		assert_int_equal(pthread_cancel(g.thread), 0);
		assert_true(was_cancelled(&g));
		assert_cancels(pool, 1);
		qpool_release(&held);
	} else {
		qpool_release(&held);
		must_be_served(&g);
		qpool_release(&g.lease);
	}
	assert_whole(pool);
	end_pool(pool, peer);
	if (parked < 0)
		skip();
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CROSSINGS 200u
#else
#define CROSSINGS 1000u
#endif

static void
linger(unsigned *seed)
{
	unsigned steps = (unsigned)rand_r(seed) % 20000;

	for (volatile unsigned i = 0; i < steps; i++)
		;
}

/* One slot, three that want it, one that gives it up, and two cancels, all at once. */
static unsigned
cross_by_chance(qpool *pool, unsigned *seed)
{
	goer g[3];
	qpool_lease held = must_acquire(pool);
	unsigned cancelled = 0, served = 0;

	for (unsigned i = 0; i < 3; i++) {
		g[i] = goer_of(pool, QPOOL_FOREVER);
		go(&g[i]);
	}
	linger(seed);
	assert_int_equal(pthread_cancel(g[0].thread), 0);
	linger(seed);
	assert_int_equal(rand_r(seed) & 1 ? qpool_release(&held) : qpool_discard(&held), QPOOL_OK);
	linger(seed);
	assert_int_equal(pthread_cancel(g[1].thread), 0);
	/* Whoever is served first holds it until we have seen so; then the next one is. */
	while (cancelled + served < 3)
		for (unsigned i = 0; i < 3; i++) {
			if (g[i].pool == NULL || pthread_tryjoin_np(g[i].thread, NULL) != 0)
				continue;
			g[i].pool = NULL;
			/* Not what the join says: glibc calls a thread cancelled, too, whose cancel
			 * came too late for the wait and met it on its last step. */
			if (qp_load_acquire(&g[i].returned) == 0) {
				cancelled++;
				continue;
			}
			served++;
			assert_int_equal(g[i].err, QPOOL_OK);
			assert_int_equal(qpool_release(&g[i].lease), QPOOL_OK);
		}
	assert_whole(pool);
	return cancelled;
}

static void
whatever_a_cancel_crosses_nothing_is_lost(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_one(peer);
	unsigned seed = 20240229, cancelled = 0;

	(void)state;
	for (unsigned round = 0; round < CROSSINGS; round++)
		cancelled += cross_by_chance(pool, &seed);
	assert_true(cancelled > 0); /* some found nobody in line, some did */
	assert_cancels(pool, cancelled);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_cancel_that_is_pending_ends_the_wait_as_it_begins),
	    VIRTUAL(a_cancel_in_the_wait_leaves_the_place_to_the_next),
	    VIRTUAL(a_cancel_of_the_one_that_was_woken_wakes_the_next),
	    VIRTUAL(a_slot_handed_to_one_that_is_cancelled_is_idle_again),
	    VIRTUAL(an_empty_slot_handed_to_one_that_is_cancelled_is_empty_again),
	    VIRTUAL(a_slot_handed_to_one_that_is_cancelled_goes_to_the_next),
	    VIRTUAL(a_cancel_crosses_the_end_of_the_pool),
	    VIRTUAL(a_cancel_crosses_a_timeout_and_counts_once),
	    VIRTUAL(with_cancel_disabled_the_wait_goes_on),
	    VIRTUAL(what_does_not_wait_is_no_cancellation_point),
	    VIRTUAL(the_type_of_the_caller_is_kept),
	    VIRTUAL(a_cancel_gives_back_what_was_collected_and_the_gate),
	    VIRTUAL(a_cancel_at_the_gate_leaves_it_to_the_next),
	    VIRTUAL(a_gate_that_opened_for_one_that_is_cancelled_opens_for_the_next),
	    cmocka_unit_test(a_cancel_that_is_pending_ends_the_wait_as_it_begins),
	    cmocka_unit_test(scopes_end_as_the_thread_unwinds),
	    cmocka_unit_test(an_asynchronous_cancel_ends_the_wait),
	    cmocka_unit_test(whatever_a_cancel_crosses_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
