/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edges: everything that can happen to a slot while somebody waits for it; each must wake the one it matters
 * to.
 */
#include "regress.h"

/* An edge: something happens to the only slot, which is lent, while somebody waits for it. */
typedef struct edge {
	const char *name;
	uint32_t flags;
	unsigned workers;
	void (*happens)(fake *peer, qpool *pool, qpool_lease *lease);
} edge;

static void
it_returns(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)peer, (void)pool;
	must_release(lease);
}

static void
it_returns_dead(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)pool;
	fake_kill_all(peer);
	must_release(lease);
}

static void
it_returns_and_cannot_be_cleaned(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)pool;
	fake_fail(peer, FAKE_RESET, 1, QPOOL_ECHECK);
	must_release(lease);
}

static void
it_returns_and_only_a_worker_can_clean_it(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)pool;
	fake_fail(peer, FAKE_RESET, 1, QPOOL_EAGAIN);
	must_release(lease);
}

static void
it_is_discarded(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)peer, (void)pool;
	assert_int_equal(qpool_discard(lease), QPOOL_OK);
}

static void
it_is_taken_out(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)peer, (void)pool;
	assert_int_equal(detach_and_close(lease), QPOOL_OK);
}

static void
it_is_discarded_and_the_next_open_fails(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)pool;
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EFULL);
	assert_int_equal(qpool_discard(lease), QPOOL_OK);
}

static void *
stop(void *argument)
{
	assert_int_equal(qpool_stop(argument), QPOOL_OK);
	return NULL;
}

/* The only worker is stuck closing the old one when it is told to stop; the slot is empty once it is not. */
static void
workers_leave_while_it_is_discarded(fake *peer, qpool *pool, qpool_lease *lease)
{
	pthread_t stopper;

	fake_gate_shut(peer, FAKE_CLOSE);
	assert_int_equal(qpool_discard(lease), QPOOL_OK);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	actor_runs(&stopper, stop, pool);
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(stopper, NULL);
}

static void
workers_come_while_it_is_discarded(fake *peer, qpool *pool, qpool_lease *lease)
{
	(void)peer;
	must_start(pool, 2);
	assert_int_equal(qpool_discard(lease), QPOOL_OK);
}

/* ghostdogpr/sage#105: one of the changes that matter to who waits was told to nobody. */
static void
sage_105_every_edge_wakes_the_waiter_it_matters_to(void **state)
{
	static const edge edges[] = {
	    {"returns", 0, 0, it_returns},
	    {"returns, cleaned by a worker", QPOOL_RESET_ON_WORKERS, 1, it_returns},
	    {"returns dead", 0, 0, it_returns_dead},
	    {"returns dead, closed by a worker", 0, 1, it_returns_dead},
	    {"cannot be cleaned", 0, 0, it_returns_and_cannot_be_cleaned},
	    {"cannot be cleaned by a worker", QPOOL_RESET_ON_WORKERS, 1,
		it_returns_and_cannot_be_cleaned},
	    {"asks for a worker", 0, 1, it_returns_and_only_a_worker_can_clean_it},
	    {"asks for a worker, and there is none", 0, 0,
		it_returns_and_only_a_worker_can_clean_it},
	    {"discarded", 0, 0, it_is_discarded},
	    {"discarded, closed by a worker", 0, 1, it_is_discarded},
	    {"taken out", 0, 0, it_is_taken_out},
	    {"taken out beside workers", 0, 2, it_is_taken_out},
	    {"next open fails", 0, 0, it_is_discarded_and_the_next_open_fails},
	    {"next open fails on a worker", 0, 1, it_is_discarded_and_the_next_open_fails},
	    {"workers leave", 0, 1, workers_leave_while_it_is_discarded},
	    {"workers come", 0, 0, workers_come_while_it_is_discarded},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof edges / sizeof edges[0]; i++) {
		fake *peer = fake_new();
		qpool_options options = sized(1);
		qpool_lease lease;
		actor waiter;
		qpool *pool;

		print_message("# the only one %s\n", edges[i].name);
		options.flags = edges[i].flags;
		pool = pool_of(peer, fake_ops(), &options);
		if (edges[i].workers > 0)
			must_start(pool, edges[i].workers);
		lease = must_acquire(pool);
		actor_acquires(&waiter, pool, QPOOL_FOREVER);
		await_waiting(pool, 1);
		edges[i].happens(peer, pool, &lease);
		join_and_release(&waiter);
		end_pool(pool, peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_VIRTUAL_TIME(sage_105_every_edge_wakes_the_waiter_it_matters_to),
	};
	return RUN(tests);
}
