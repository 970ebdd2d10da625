/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The family by itself: whose turn it is among shares that want one of their own or a place, and which place
 * there is.  No pool, no thread, no clock.
 */
#include "testing.h"

#include "core/family.h"

#define SHARES 7u

static void
begin(qp_family *family, qp_share *shares, unsigned count, uint32_t total)
{
	qp_family_init(family, total);
	for (unsigned i = 0; i < count; i++)
		qp_share_init(&shares[i], family, NULL);
}

static void
nobody_wants_nobody_is_next(void **state)
{
	qp_family family;
	qp_share s[1];

	(void)state;
	begin(&family, s, 1, 1);
	assert_null(qp_family_next(&family));
	assert_true(qp_family_is_clear(&family));
	qp_family_stand(&s[0], true, QP_WANTS_NOTHING); /* at its own limit */
	assert_null(qp_family_next(&family));
	assert_true(qp_family_is_clear(&family));
	qp_family_stand(&s[0], true, QP_WANTS_OWN);
	assert_ptr_equal(qp_family_next(&family), &s[0]);
	assert_true(qp_family_is_alone(&s[0]));
	assert_false(qp_family_is_clear(&family));
}

static void
equal_counts_go_by_who_came_first(void **state)
{
	qp_family family;
	qp_share s[SHARES];

	(void)state;
	begin(&family, s, SHARES, 1);
	for (unsigned i = 0; i < SHARES; i++)
		qp_family_stand(&s[i], true, QP_WANTS_PLACE);
	for (unsigned turn = 0; turn < 5 * SHARES; turn++) {
		assert_ptr_equal(qp_family_next(&family), &s[turn % SHARES]);
		qp_family_charge(&s[turn % SHARES]);
		assert_true(qp_family_is_valid(&family) || qp_family_has_place(&family));
	}
}

static void
ones_own_may_be_ahead_by_the_slack(void **state)
{
	qp_family family;
	qp_share s[2];

	(void)state;
	begin(&family, s, 2, 1);
	qp_family_stand(&s[0], true, QP_WANTS_OWN);
	qp_family_stand(&s[1], true, QP_WANTS_PLACE);
	for (unsigned i = 0; i <= QP_SLACK; i++) {
		assert_ptr_equal(qp_family_next(&family), &s[0]);
		qp_family_charge(&s[0]);
	}
	assert_ptr_equal(qp_family_next(&family), &s[1]);
	assert_false(qp_family_is_alone(&s[0]));
}

static void
without_a_place_nobody_waits_for_one_first(void **state)
{
	qp_family family;
	qp_share s[2];
	qp_slot *ousted;

	(void)state;
	begin(&family, s, 2, 1);
	assert_true(qp_family_take_place(&family, &ousted));
	assert_null(ousted);
	assert_false(qp_family_has_place(&family));
	assert_false(qp_family_take_place(&family, &ousted));
	qp_family_stand(&s[1], true, QP_WANTS_PLACE);
	assert_null(qp_family_next(&family));
	assert_true(qp_family_is_valid(&family));
	family.used = 0;
	assert_false(qp_family_is_valid(&family)); /* somebody waits for what is there */
	assert_ptr_equal(qp_family_next(&family), &s[1]);
}

static void
the_oldest_idle_one_gives_its_place(void **state)
{
	qp_chunk *chunk = qp_chunk_make(NULL, 0, 4, QP_HAS_KINS);
	qp_slot *slots = qp_chunk_slots(chunk);
	qp_family family;
	qp_idle one = {NULL, NULL, 0, NULL}, two = one;
	qp_slot *ousted;

	(void)state;
	qp_family_init(&family, 3);
	one.all = two.all = &family.idle;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(qp_family_take_place(&family, &ousted));
		qp_slot_init(&slots[i], i);
		qp_slot_move(&slots[i], QP_EMPTY, QP_OPENING);
		qp_slot_move(&slots[i], QP_OPENING, QP_CHECKING);
		qp_slot_move(&slots[i], QP_CHECKING, QP_IDLE);
		qp_idle_push(i == 1 ? &two : &one, &slots[i]);
	}
	qp_idle_remove(&one, &slots[0]); /* was lent, and came back last */
	qp_idle_push(&one, &slots[0]);
	assert_true(qp_family_take_place(&family, &ousted));
	assert_ptr_equal(ousted, &slots[1]);
	assert_int_equal(family.used, 3);
	assert_int_equal(family.ousted, 1);
	qp_idle_remove(&two, ousted);
	qp_family_leave_place(&family, ousted); /* its place has gone on before */
	assert_int_equal(family.used, 3);
	assert_int_equal(family.ousted, 0);
	qp_family_leave_place(&family, &slots[2]);
	assert_int_equal(family.used, 2);
	assert_ptr_equal(family.idle.oldest, &slots[2]);
	qp_chunk_free(chunk);
}

static void
who_was_away_keeps_a_credit_and_who_comes_has_none(void **state)
{
	qp_family family;
	qp_share s[3];

	(void)state;
	begin(&family, s, 3, 1);
	qp_family_stand(&s[0], true, QP_WANTS_PLACE);
	qp_family_stand(&s[1], true, QP_WANTS_PLACE);
	qp_family_charge(&s[1]);
	qp_family_stand(&s[1], true, QP_WANTS_NOTHING); /* waits on, at its limit */
	for (unsigned i = 0; i < 100; i++)
		qp_family_charge(&s[0]);
	qp_family_stand(&s[1], true, QP_WANTS_PLACE);
	qp_family_stand(&s[2], true, QP_WANTS_PLACE);
	assert_int_equal(s[2].served, family.pace);
	assert_int_equal(s[1].served, family.pace - QP_CREDIT);
	assert_ptr_equal(qp_family_next(&family), &s[1]);
	qp_family_stand(&s[1], false, QP_WANTS_NOTHING); /* nobody waits any more ... */
	qp_family_charge(&s[2]);                         /* ... when something is handed over */
	qp_family_stand(&s[1], true, QP_WANTS_PLACE);
	assert_int_equal(s[1].served, family.pace);
}

static uint64_t
draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Wants change at random, and the wheels stay true; the spread stays within its bound. */
static void
the_wheels_hold_whatever_is_wanted(void **state)
{
	qp_family family;
	qp_share s[SHARES];
	uint64_t luck = 1;
	qp_slot *ousted;

	(void)state;
	begin(&family, s, SHARES, 1);
	assert_true(qp_family_take_place(&family, &ousted));
	family.idle.oldest =
	    (qp_slot *)(uintptr_t)8; /* something is idle: there is a place always */
	for (unsigned i = 0; i < 200000; i++) {
		qp_share *share = &s[draw(&luck) % SHARES], *next;
		bool waits = draw(&luck) % 4 != 0;
		qp_family_stand(
		    share, waits, waits ? (qp_want)(draw(&luck) % 3) : QP_WANTS_NOTHING);
		next = qp_family_next(&family);
		if (next != NULL) {
			for (unsigned k = 0; k < SHARES; k++)
				if (s[k].want != QP_WANTS_NOTHING)
					assert_true(next->served <= s[k].served + QP_SLACK);
			qp_family_charge(next);
		}
		family.idle.oldest = NULL; /* so that to want a place is right */
		assert_true(qp_family_is_valid(&family));
		family.idle.oldest = (qp_slot *)(uintptr_t)8;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_wants_nobody_is_next),
	    cmocka_unit_test(equal_counts_go_by_who_came_first),
	    cmocka_unit_test(ones_own_may_be_ahead_by_the_slack),
	    cmocka_unit_test(without_a_place_nobody_waits_for_one_first),
	    cmocka_unit_test(the_oldest_idle_one_gives_its_place),
	    cmocka_unit_test(who_was_away_keeps_a_credit_and_who_comes_has_none),
	    cmocka_unit_test(the_wheels_hold_whatever_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
