/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies on the shelf of the fast engine at the edges: ages beyond the clock's beginning, a head of the line that does not get
 * a processor, a lease that has not quite begun when somebody looks.  In each the plain engine says what is right.
 */
#include "virtual.h"

#include "core/exchange.h"
#include "core/open.h"
#include "core/pool.h"
#include "core/shelf_words.h"
#include "core/watch.h"

static void
lend_once(qpool *pool)
{
	qpool_lease lease = must_acquire(pool);

	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

static void
older_than_the_clock_is_too_old(void **state)
{
	qpool_times times = qpool_times_init();
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.max_age = QPOOL_SEC(100);
	o.age_jitter = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops_plain(), &o);
	lend_once(pool);
	lease = must_acquire(pool);
	times.opened = QPOOL_SEC(5000); /* the clock says 1,000 */
	times.uses = 1;
	assert_int_equal(qpool_set_times(&lease, &times), QPOOL_OK);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_AGE], 1);
	end_pool(pool, peer);
}

/* What lies idle on the shelf while another is being opened is not lent. */
static void
the_peak_counts_what_is_lent(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	o.max_size = 2;
	pool = pool_of(peer, fake_ops_plain(), &o);
	lend_once(pool);
	lease = must_acquire(pool);
	fake_gate_shut(peer, FAKE_OPEN);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(stats_of(pool).leased_peak, 1);
	assert_int_equal(qpool_release(&a.lease), QPOOL_OK);
	end_pool(pool, peer);
}

/* In line and woken, but it does not get a processor. */
static void
join_and_be_woken_locked(qpool *pool, qp_waiter *waiter)
{
	memset(waiter, 0, sizeof *waiter);
	waiter->since_ns = qp_clock_now();
	waiter->deadline_ns = QP_TIME_NEVER;
	waiter->ticket = qp_waitq_ticket(&pool->waitq);
	qp_waitq_join(&pool->waitq, waiter);
	qp_waitq_wake(&pool->waitq, waiter);
}

/* A newcomer passed the head, and gives back when that is old: then what comes back is the head's. */
static void
a_return_is_for_the_old_head(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease;
	qp_waiter head;
	qpool *pool;

	(void)state;
	o.max_size = 1;
	o.max_overtake = QPOOL_MSEC(1);
	pool = pool_of(peer, fake_ops_plain(), &o);
	lend_once(pool);
	qp_pool_lock(pool);
	qp_shelf_shut_locked(pool);
	join_and_be_woken_locked(pool, &head);
	qp_pool_unlock(pool, NULL);
	lease = must_acquire(pool);
	qp_testing_clock_advance(QPOOL_MSEC(2));
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(qp_waitq_outcome(&head), QP_SERVED);
	qp_open_keep(pool, head.slot, QP_CHECKING);
	end_pool(pool, peer);
}

static void
hear(void *user, qpool *pool, const qpool_event *event)
{
	(void)user, (void)pool, (void)event;
}

/* Taken from its cell, and its lease has not begun: nothing else would make anybody look at it. */
static void
who_is_about_to_take_is_not_overlooked(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool *pool;

	(void)state;
	o.max_size = 1;
	o.held_long = QPOOL_SEC(1);
	o.on_event = hear;
	o.event_mask = 1u << QPOOL_EV_HELD_LONG;
	pool = pool_of(peer, fake_ops_plain(), &o);
	lend_once(pool);
	assert_true(qp_watch_all(pool, true) == QP_TIME_NEVER);
	lend_once(pool);
#if QP_FAST
	qp_cell *cell = &pool->shelf.cells[0];
	uint64_t held = qp_load64_relaxed(&cell->held);
	assert_true(qp_shelf_swap(cell, held, held - QP_CELL_IDLE));
	assert_true(qp_watch_all(pool, true) == qp_clock_now() + QPOOL_SEC(1));
	qp_slot_move(qp_shelf_slot(held), QP_IDLE, QP_CHECKING);
	qp_open_keep(pool, qp_shelf_slot(held), QP_CHECKING);
#endif
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(older_than_the_clock_is_too_old),
	    VIRTUAL(the_peak_counts_what_is_lent),
	    VIRTUAL(a_return_is_for_the_old_head),
	    VIRTUAL(who_is_about_to_take_is_not_overlooked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
