/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back: exactly one end a lease, reset, spoil, discard, detach, scopes, misuse.
 */
#include "virtual.h"

#include "core/chunk.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void
a_second_end_is_misuse_and_changes_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool), copy = lease, before = lease, other;

	(void)state;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(qpool_release(&copy), QPOOL_EMISUSE);
	assert_memory_equal(&copy, &before, sizeof copy);
	other = must_acquire(pool); /* the same slot, lent anew */
	assert_int_equal(qpool_release(&copy), QPOOL_EMISUSE);
	assert_int_equal(qpool_discard(&copy), QPOOL_EMISUSE);
	assert_int_equal(qpool_spoil(&copy), QPOOL_EMISUSE);
	assert_null(qpool_detach(&copy));
	qpool_label(&copy, "stale");
	assert_int_equal(stats_of(pool).leased, 1);
	assert_int_equal(stats_of(pool).misuses, 5); /* label is none: nothing happens */
	fake_use(&other);
	fake_unuse(&other);
	assert_int_equal(qpool_release(&other), QPOOL_OK);
	assert_int_equal(fake_live(peer), 1);
	end_pool(pool, peer);
}

static void
the_empty_lease_is_a_no_op(void **state)
{
	qpool_lease empty = QPOOL_LEASE_INIT;

	(void)state;
	assert_int_equal(qpool_release(&empty), QPOOL_OK);
	assert_int_equal(qpool_discard(&empty), QPOOL_OK);
	assert_int_equal(qpool_spoil(&empty), QPOOL_OK);
	assert_null(qpool_detach(&empty));
	assert_null(qpool_of(&empty));
	qpool_label(&empty, "nothing");
	qpool_scope_end(&empty);
	qpool_scope_fail(&empty);
	assert_int_equal(qpool_release(NULL), QPOOL_EINVAL);
	assert_int_equal(qpool_spoil(NULL), QPOOL_EINVAL);
	assert_null(qpool_detach(NULL));
	assert_null(qpool_of(NULL));
	qpool_label(NULL, "nothing");
}

static void
a_lease_of_nobody_is_misuse(void **state)
{
	uint64_t junk[64] = {0};
	qpool_lease foreign = {junk, junk, 1}, odd = {junk, (char *)junk + 1, 1},
		    half = {junk, NULL, 0};

	(void)state;
	assert_int_equal(qpool_release(&foreign), QPOOL_EMISUSE);
	assert_int_equal(qpool_release(&odd), QPOOL_EMISUSE);
	assert_int_equal(qpool_release(&half), QPOOL_EMISUSE);
	assert_null(qpool_of(&foreign));
	assert_ptr_equal(foreign.slot_, junk);
}

static pthread_barrier_t both;

static void *
end_copy(void *argument)
{
	qpool_lease *lease = argument;

	pthread_barrier_wait(&both);
	return qpool_release(lease) == QPOOL_OK ? lease : NULL;
}

static void
of_two_threads_that_end_copies_one_wins(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	pthread_barrier_init(&both, NULL, 2);
	for (int i = 0; i < 500; i++) {
		qpool_lease a = must_acquire(pool), b = a;
		void *other_won;
		bool won;
		pthread_t other;
		actor_runs(&other, end_copy, &b);
		pthread_barrier_wait(&both);
		won = qpool_release(&a) == QPOOL_OK;
		pthread_join(other, &other_won);
		assert_true(won != (other_won != NULL));
	}
	pthread_barrier_destroy(&both);
	assert_int_equal(stats_of(pool).misuses, 500);
	assert_int_equal(fake_live_peak(peer), 1);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
strict_misuse_aborts(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		qpool_options o = qpool_options_init();
		fake *peer = fake_new();
		qpool_lease lease, copy;
		qpool *pool;
		(void)close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		o.flags = QPOOL_STRICT;
		pool = pool_of(peer, fake_ops(), &o);
		copy = lease = must_acquire(pool);
		(void)qpool_release(&lease);
		(void)qpool_release(&copy);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void
a_spoiled_one_is_closed_at_release(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	assert_int_equal(qpool_spoil(&lease), QPOOL_OK);
	assert_int_equal(fake_live(peer), 1); /* not before */
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_DISCARDED);
	assert_int_equal(fake_calls(peer, FAKE_RESET), 0);
	lease = must_acquire(pool);
	assert_int_equal(qpool_discard(&lease), QPOOL_OK);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_DISCARDED], 2);
	assert_null(lease.slot_);
	lease = must_acquire(pool); /* the mark does not stick to the slot */
	qpool_release(&lease);
	assert_int_equal(fake_live(peer), 1);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_detached_one_is_the_callers_for_good(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_ops ops = fake_ops();
	qpool_lease lease;
	qpool *pool;
	void *mine;
	actor a;

	(void)state;
	o.max_size = 1;
	pool = pool_of(peer, ops, &o);
	lease = must_acquire(pool);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	await_waiting(pool, 1);
	mine = qpool_detach(&lease);
	assert_non_null(mine);
	assert_null(lease.slot_);
	assert_int_equal(actor_join(&a), QPOOL_OK); /* its slot is free again */
	assert_int_equal(fake_live(peer), 2);
	qpool_release(&a.lease);
	assert_int_equal(stats_of(pool).closes[0], 1);
	ops.close(peer, mine, QPOOL_WHY_DISCARDED);
	end_pool(pool, peer);
}

static void
one_used_often_enough_is_closed_at_release(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;

	(void)state;
	o.max_uses = 3;
	pool = pool_of(peer, fake_ops(), &o);
	for (unsigned i = 0; i < 9; i++) {
		qpool_lease lease = must_acquire(pool);
		assert_int_equal(fake_of(&lease)->number, i / 3 + 1);
		qpool_release(&lease);
		assert_int_equal(fake_live(peer), i % 3 != 2);
	}
	assert_int_equal(stats_of(pool).closes[QPOOL_WHY_USES], 3);
	end_pool(pool, peer);
}

static void
one_grown_old_while_lent_is_closed_at_release(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qp_testing_clock_advance(QPOOL_SEC(1800));
	qpool_release(&lease);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_AGE);
	assert_int_equal(fake_live(peer), 0);
	end_pool(pool, peer);
}

static void
reset_makes_it_as_new(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	fake_of(&lease)->dirty = true;
	qpool_release(&lease);
	lease = must_acquire(pool);
	fake_use(&lease); /* ends the process if it is dirty */
	fake_unuse(&lease);
	assert_int_equal(fake_of(&lease)->resets, 1);
	assert_int_equal(fake_of(&lease)->budget, QPOOL_SEC(1));
	assert_false(fake_of(&lease)->on_worker);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
a_failing_reset_costs_the_resource_not_the_slot(void **state)
{
	static const qpool_err failures[] = {
	    QPOOL_ECHECK, QPOOL_EPEER, QPOOL_EAGAIN, (qpool_err)777};
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		qpool_lease lease = must_acquire(pool);
		fake_of(&lease)->dirty = true;
		fake_fail(
		    peer, FAKE_RESET, 1, failures[i]); /* EAGAIN without a worker: a failure */
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		assert_int_equal(fake_live(peer), 0);
		assert_int_equal(fake_last_why(peer), QPOOL_WHY_RESET);
		assert_int_equal(stats_of(pool).resets_failed, i + 1);
		assert_whole(pool);
	}
	end_pool(pool, peer);
}

static void
scope_release(qpool *pool)
{
	QPOOL_SCOPED qpool_lease lease = must_acquire(pool);

	fake_of(&lease)->dirty = true;
}

static void
scope_discard(qpool *pool)
{
	QPOOL_SCOPED_DISCARD qpool_lease lease = must_acquire(pool);

	(void)lease;
}

static void
scopes_end_leases(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);

	(void)state;
	scope_release(pool);
	assert_int_equal(fake_live(peer), 1);
	assert_int_equal(fake_calls(peer, FAKE_RESET), 1);
	scope_discard(pool);
	assert_int_equal(fake_live(peer), 0);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
a_lease_may_be_moved_and_ended_on_another_thread(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	actor a;

	(void)state;
	actor_acquires(&a, pool, QPOOL_FOREVER);
	assert_int_equal(actor_join(&a), QPOOL_OK); /* its thread is gone */
	assert_int_equal(qpool_release(&a.lease), QPOOL_OK);
	assert_whole(pool);
	end_pool(pool, peer);
}

static void
site_and_label_are_kept_with_the_lease(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	const qp_slot *slot;

	(void)state;
	assert_int_equal(qpool_acquire(pool, 0, &lease, NULL), QPOOL_OK);
	slot = lease.slot_;
	assert_non_null(strstr(qp_loadptr_relaxed(&qp_slot_note(slot)->site), "test_release.c:"));
	assert_null(qp_loadptr_relaxed(&qp_slot_note(slot)->label));
	qpool_label(&lease, "nightly report");
	assert_string_equal(qp_loadptr_relaxed(&qp_slot_note(slot)->label), "nightly report");
	qpool_release(&lease);
	request.site = "here";
	request.label = "this";
	assert_int_equal(qpool_acquire_with(pool, &request, &lease, NULL), QPOOL_OK);
	assert_string_equal(qp_loadptr_relaxed(&qp_slot_note(slot)->site), "here");
	assert_string_equal(qp_loadptr_relaxed(&qp_slot_note(slot)->label), "this");
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
release_and_free_allocate_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease a = must_acquire(pool), b = must_acquire(pool);

	(void)state;
	qp_testing_fail(QP_FAULT_ALLOC, 1, true);
	assert_int_equal(qpool_release(&a), QPOOL_OK);
	assert_int_equal(qpool_discard(&b), QPOOL_OK);
	assert_int_equal(qpool_maintain(pool), 0);
	qpool_free(pool);
	assert_int_equal(qp_testing_calls(QP_FAULT_ALLOC), 0);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	fake_end(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_second_end_is_misuse_and_changes_nothing),
	    VIRTUAL(the_empty_lease_is_a_no_op),
	    VIRTUAL(a_lease_of_nobody_is_misuse),
	    VIRTUAL(of_two_threads_that_end_copies_one_wins),
	    cmocka_unit_test(strict_misuse_aborts),
	    VIRTUAL(a_spoiled_one_is_closed_at_release),
	    VIRTUAL(a_detached_one_is_the_callers_for_good),
	    VIRTUAL(one_used_often_enough_is_closed_at_release),
	    VIRTUAL(one_grown_old_while_lent_is_closed_at_release),
	    VIRTUAL(reset_makes_it_as_new),
	    VIRTUAL(a_failing_reset_costs_the_resource_not_the_slot),
	    VIRTUAL(scopes_end_leases),
	    VIRTUAL(a_lease_may_be_moved_and_ended_on_another_thread),
	    VIRTUAL(site_and_label_are_kept_with_the_lease),
	    VIRTUAL(release_and_free_allocate_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
