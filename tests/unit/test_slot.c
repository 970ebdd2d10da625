/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slot's turns, its moves, and the list of idle ones.
 */
#include "testing.h"

#include "core/idle.h"
#include "core/slot.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char something;

static qp_slot
fresh(void)
{
	qp_slot slot;

	memset(&slot, 0, sizeof slot);
	qp_slot_init(&slot, 0);
	slot.resource = &something;
	return slot;
}

/* The moves of the drawing in slot.h; all others abort. */
static bool
is_drawn(qp_state from, qp_state to)
{
	static const qp_state drawn[][2] = {{QP_EMPTY, QP_OPENING}, {QP_OPENING, QP_CHECKING},
	    {QP_OPENING, QP_EMPTY}, {QP_IDLE, QP_CHECKING}, {QP_IDLE, QP_CLOSING},
	    {QP_CHECKING, QP_LEASED}, {QP_CHECKING, QP_IDLE}, {QP_CHECKING, QP_CLOSING},
	    {QP_LEASED, QP_RESETTING}, {QP_LEASED, QP_IDLE}, {QP_LEASED, QP_CLOSING},
	    {QP_LEASED, QP_EMPTY}, {QP_RESETTING, QP_IDLE}, {QP_RESETTING, QP_CLOSING},
	    {QP_CLOSING, QP_EMPTY}};

	for (size_t i = 0; i < sizeof drawn / sizeof drawn[0]; i++)
		if (drawn[i][0] == from && drawn[i][1] == to)
			return true;
	return false;
}

static bool
aborts(qp_slot slot, qp_state from, qp_state to)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		qp_slot_move(&slot, from, to);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
only_the_moves_of_the_drawing_are_possible(void **state)
{
	(void)state;
	for (uint32_t from = 0; from < QP_STATES; from++)
		for (uint32_t to = 0; to < QP_STATES; to++) {
			qp_slot slot = fresh();
			qp_store_relaxed(&slot.moved, from);
			if (!is_drawn((qp_state)from, (qp_state)to)) {
				assert_true(aborts(slot, (qp_state)from, (qp_state)to));
				continue;
			}
			qp_slot_move(&slot, (qp_state)from, (qp_state)to);
			assert_int_equal(qp_slot_state(&slot), to);
			assert_int_equal(qp_slot_moved(&slot) >> 3, 1);
		}
}

static void
a_move_from_another_state_aborts(void **state)
{
	(void)state;
	assert_true(aborts(fresh(), QP_IDLE, QP_CHECKING));
}

static void
a_turn_ends_once(void **state)
{
	qp_slot slot = fresh();
	qpool_lease lease, copy;
	unsigned told;

	(void)state;
	assert_int_equal(qp_slot_lent(&slot), 0);
	qp_slot_begin(&slot, &lease);
	copy = lease;
	assert_int_equal(qp_slot_lent(&slot), 1);
	assert_true(qp_slot_is_out(&slot, lease.turn_));
	assert_int_equal(qp_slot_end(&slot, lease.turn_, QP_END_RELEASE, &told), QP_ENDED_OURS);
	assert_false(qp_slot_is_out(&slot, copy.turn_));
	assert_int_equal(qp_slot_end(&slot, copy.turn_, QP_END_RELEASE, &told), QP_ENDED_STALE);
	qp_slot_begin(&slot, &lease);
	assert_int_equal(qp_slot_end(&slot, copy.turn_, QP_END_RELEASE, &told), QP_ENDED_STALE);
	assert_int_equal(qp_slot_end(&slot, 0, QP_END_RELEASE, &told), QP_ENDED_STALE);
	assert_false(qp_slot_is_out(&slot, lease.turn_ + 1)); /* even: never out */
	assert_int_equal(qp_slot_end(&slot, lease.turn_, QP_END_RELEASE, &told), QP_ENDED_OURS);
	assert_int_equal(qp_slot_lent(&slot), 2);
}

/* Idle slots, and nothing else, in a chunk of their own. */
static qp_chunk *
idle_ones(uint32_t count, qp_idle *idle)
{
	qp_chunk *chunk = qp_chunk_make(NULL, 0, count, 0);

	assert_non_null(chunk);
	for (uint32_t i = 0; i < count; i++) {
		qp_slot *slot = &qp_chunk_slots(chunk)[i];
		qp_slot_init(slot, i);
		slot->resource = &something;
		qp_store_relaxed(&slot->moved, QP_IDLE);
		qp_idle_push(idle, slot);
		assert_true(qp_idle_is_valid(idle));
	}
	return chunk;
}

static void
idle_keeps_the_order_of_return(void **state)
{
	qp_idle idle = {NULL, NULL, 0, NULL};
	qp_chunk *chunk;
	qp_slot *slots;

	(void)state;
	assert_true(qp_idle_is_valid(&idle));
	chunk = idle_ones(4, &idle);
	slots = qp_chunk_slots(chunk);
	assert_ptr_equal(idle.newest, &slots[3]);
	assert_ptr_equal(idle.oldest, &slots[0]);
	qp_idle_remove(&idle, &slots[1]);
	qp_idle_remove(&idle, &slots[3]);
	assert_true(qp_idle_is_valid(&idle));
	assert_ptr_equal(idle.newest, &slots[2]);
	assert_ptr_equal(qp_slot_older(idle.newest), &slots[0]);
	qp_idle_remove(&idle, &slots[0]);
	qp_idle_remove(&idle, &slots[2]);
	assert_true(qp_idle_is_valid(&idle) && idle.count == 0);
	qp_chunk_free(chunk);
}

static void
a_broken_idle_list_is_noticed(void **state)
{
	qp_idle idle = {NULL, NULL, 0, NULL};
	qp_chunk *chunk = idle_ones(2, &idle);
	qp_slot *slots = qp_chunk_slots(chunk);

	(void)state;
	idle.count = 1;
	assert_false(qp_idle_is_valid(&idle));
	idle.count = 2;
	qp_store_relaxed(&slots[0].moved, QP_LEASED);
	assert_false(qp_idle_is_valid(&idle));
	qp_store_relaxed(&slots[0].moved, QP_IDLE);
	slots[0].newer = 0;
	assert_false(qp_idle_is_valid(&idle));
	qp_chunk_free(chunk);
}

/* ---- a lease that is told of ---- */

static void
it_is_told_once_a_lease(void **state)
{
	qp_slot slot = fresh();
	qpool_lease lease;
	uint64_t turn;
	unsigned told;

	(void)state;
	assert_false(qp_slot_peer_into(&slot, &turn, &told));
	qp_slot_begin(&slot, &lease);
	assert_true(qp_slot_peer_into(&slot, &turn, &told));
	assert_int_equal(turn, lease.turn_);
	assert_int_equal(told, 0);
	assert_true(qp_slot_watch(&slot, turn, QP_TOLD_LONG));
	assert_false(qp_slot_watch(&slot, turn, QP_TOLD_GONE)); /* one at a time */
	assert_int_equal(qp_slot_unwatch(&slot, &told), QP_END_NONE);
	assert_int_equal(told, QP_TOLD_LONG);
	assert_false(qp_slot_watch(&slot, turn, QP_TOLD_LONG));
	assert_true(qp_slot_watch(&slot, turn, QP_TOLD_GONE));
	assert_int_equal(qp_slot_unwatch(&slot, &told), QP_END_NONE);
	assert_int_equal(told, QP_TOLD_LONG | QP_TOLD_GONE);
	assert_true(qp_slot_is_out(&slot, lease.turn_));
	assert_int_equal(qp_slot_lent(&slot), 1);
	assert_int_equal(qp_slot_end(&slot, lease.turn_, QP_END_RELEASE, &told), QP_ENDED_OURS);
	assert_int_equal(told, QP_TOLD_LONG | QP_TOLD_GONE);
	assert_false(qp_slot_watch(&slot, turn, QP_TOLD_LONG));
	qp_slot_begin(&slot, &lease);
	assert_true(qp_slot_peer_into(&slot, &turn, &told));
	assert_int_equal(told, 0);
	assert_int_equal(qp_slot_lent(&slot), 2);
}

static void
an_end_while_it_is_told_is_left_to_the_teller(void **state)
{
	const qp_end ways[] = {QP_END_RELEASE, QP_END_DISCARD, QP_END_DETACH};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		qp_slot slot = fresh();
		qpool_lease lease;
		unsigned told;
		qp_slot_begin(&slot, &lease);
		assert_true(qp_slot_watch(&slot, lease.turn_, QP_TOLD_LONG));
		assert_int_equal(qp_slot_end(&slot, lease.turn_, ways[i], &told), QP_ENDED_LEFT);
		assert_false(qp_slot_is_out(&slot, lease.turn_));
		assert_int_equal(
		    qp_slot_end(&slot, lease.turn_, QP_END_RELEASE, &told), QP_ENDED_STALE);
		assert_int_equal(qp_slot_unwatch(&slot, &told), ways[i]);
		assert_int_equal(told, QP_TOLD_LONG);
		assert_int_equal(qp_slot_lent(&slot), 1);
		qp_slot_begin(&slot, &lease);
		assert_int_equal(
		    qp_slot_end(&slot, lease.turn_, QP_END_RELEASE, &told), QP_ENDED_OURS);
		assert_int_equal(told, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_the_moves_of_the_drawing_are_possible),
	    cmocka_unit_test(a_move_from_another_state_aborts),
	    cmocka_unit_test(a_turn_ends_once),
	    cmocka_unit_test(it_is_told_once_a_lease),
	    cmocka_unit_test(an_end_while_it_is_told_is_left_to_the_teller),
	    cmocka_unit_test(idle_keeps_the_order_of_return),
	    cmocka_unit_test(a_broken_idle_list_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
