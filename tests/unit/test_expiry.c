/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits at their edges, in order of their names.
 */
#include "testing.h"

#include "core/expiry.h"
#include "platform/clock.h"

static const qp_bounds limits = {.max_idle_ns = {100},
    .max_age_ns = {1000},
    .check_after_ns = {50},
    .max_uses = {3},
    .age_jitter_percent = {10}};
static const qp_bounds none = {.max_idle_ns = {QPOOL_FOREVER},
    .max_age_ns = {QPOOL_FOREVER},
    .check_after_ns = {QPOOL_FOREVER},
    .max_uses = {UINT64_MAX}};

static qp_slot
opened_at(int64_t opened_ns)
{
	qp_slot slot;

	memset(&slot, 0, sizeof slot);
	qp_storei64_release(&slot.opened_ns, opened_ns);
	qp_storei64_release(&slot.used_ns, opened_ns);
	return slot;
}

static void
idle_time_is_strict(void **state)
{
	qp_slot slot = opened_at(5000);

	(void)state;
	assert_int_equal(qp_expiry_of_idle(&limits, &slot, 5100), QP_WHY_NONE);
	assert_int_equal(qp_expiry_of_idle(&limits, &slot, 5101), QPOOL_WHY_IDLE);
	assert_int_equal(
	    qp_expiry_of_idle(&limits, &slot, 4000), QP_WHY_NONE); /* coarse clocks lag */
}

static void
age_and_uses_are_asked_after_idle_time(void **state)
{
	qp_slot slot = opened_at(5000);

	(void)state;
	qp_storei64_release(&slot.used_ns, 5999);
	assert_int_equal(qp_expiry_of_idle(&limits, &slot, 5999), QP_WHY_NONE);
	assert_int_equal(qp_expiry_of_idle(&limits, &slot, 6000), QPOOL_WHY_AGE);
	qp_store64_release(&slot.uses, 2);
	assert_int_equal(qp_expiry_of_idle(&limits, &slot, 5999), QP_WHY_NONE);
	qp_store64_release(&slot.uses, 3);
	assert_int_equal(qp_expiry_of_idle(&limits, &slot, 5999), QPOOL_WHY_USES);
	assert_int_equal(qp_expiry_of_returned(&limits, &slot, 5999), QPOOL_WHY_USES);
	slot.spoiled = true;
	assert_int_equal(qp_expiry_of_returned(&limits, &slot, 5999), QPOOL_WHY_DISCARDED);
}

static void
returned_ones_have_not_been_idle(void **state)
{
	qp_slot slot = opened_at(5000);

	(void)state;
	assert_int_equal(qp_expiry_of_returned(&limits, &slot, 5500), QP_WHY_NONE);
	assert_int_equal(qp_expiry_of_returned(&limits, &slot, 6000), QPOOL_WHY_AGE);
}

static void
no_limit_is_no_limit(void **state)
{
	qp_slot slot = opened_at(0);

	(void)state;
	qp_store64_release(&slot.uses, UINT64_MAX);
	assert_int_equal(qp_expiry_of_idle(&none, &slot, QP_TIME_NEVER), QP_WHY_NONE);
	assert_false(qp_expiry_needs_check(&none, &slot, 0, QP_TIME_NEVER));
	assert_int_equal(qp_expiry_age(&none, 0), QPOOL_FOREVER);
}

static void
a_check_is_due_after_sitting(void **state)
{
	qp_slot slot = opened_at(1000);

	(void)state;
	assert_false(qp_expiry_needs_check(&limits, &slot, 0, 1049));
	assert_true(qp_expiry_needs_check(&limits, &slot, 0, 1050));
	assert_false(qp_expiry_needs_check(&limits, &slot, 1010, 1059));
	assert_true(qp_expiry_needs_check(&limits, &slot, 1010, 1060));
}

static void
only_time_makes_a_pass_worth_while(void **state)
{
	qp_limits timeless = {
	    .max_idle_ns = QPOOL_FOREVER, .max_age_ns = QPOOL_FOREVER, .max_uses = 1};
	qp_limits idle = timeless, age = timeless;

	(void)state;
	idle.max_idle_ns = age.max_age_ns = 1;
	assert_false(qp_expiry_is_timed(&timeless));
	assert_true(qp_expiry_is_timed(&idle));
	assert_true(qp_expiry_is_timed(&age));
}

static int64_t
age(int64_t max_age_ns, uint32_t jitter_percent, int64_t draw)
{
	qp_limits plain = {.max_age_ns = max_age_ns, .age_jitter_percent = jitter_percent};
	qp_bounds bounds;

	qp_expiry_set(&bounds, &plain);
	return qp_expiry_age(&bounds, draw);
}

static void
jitter_takes_off_at_most_its_share(void **state)
{
	(void)state;
	assert_int_equal(age(1000000000000, 10, 0), 1000000000000);
	assert_int_equal(age(1000000000000, 10, QP_EXPIRY_DRAWS), 900000000000);
	assert_int_equal(age(1000000000000, 10, QP_EXPIRY_DRAWS / 2), 950000000000);
	assert_int_equal(age(QPOOL_FOREVER, 10, QP_EXPIRY_DRAWS / 2), QPOOL_FOREVER);
	assert_true(age(INT64_MAX - 1, 100, 0) == INT64_MAX - 1);
	assert_true(age(INT64_MAX - 1, 100, QP_EXPIRY_DRAWS) >= 0);
}

static void
a_draw_stays_when_the_limit_changes(void **state)
{
	qp_limits plain = {.max_idle_ns = QPOOL_FOREVER,
	    .max_age_ns = 1000000000000,
	    .age_jitter_percent = 10,
	    .max_uses = QPOOL_NOLIMIT};
	qp_slot slot = opened_at(7);
	qp_bounds bounds;

	(void)state;
	slot.age_draw = QP_EXPIRY_DRAWS / 2;
	qp_expiry_set(&bounds, &plain);
	assert_true(qp_load64_relaxed(&bounds.max_uses) ==
		    UINT64_MAX); /* above every count: quick compares only */
	assert_int_equal(qp_expiry_of_idle(&bounds, &slot, 7 + 949999999999), QP_WHY_NONE);
	assert_int_equal(qp_expiry_of_idle(&bounds, &slot, 7 + 950000000000), QPOOL_WHY_AGE);
	plain.max_age_ns = 2000000000000;
	qp_expiry_set(&bounds, &plain);
	assert_int_equal(qp_expiry_of_idle(&bounds, &slot, 7 + 1899999999999), QP_WHY_NONE);
	assert_int_equal(qp_expiry_of_idle(&bounds, &slot, 7 + 1900000000000), QPOOL_WHY_AGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(idle_time_is_strict),
	    cmocka_unit_test(age_and_uses_are_asked_after_idle_time),
	    cmocka_unit_test(returned_ones_have_not_been_idle),
	    cmocka_unit_test(no_limit_is_no_limit),
	    cmocka_unit_test(a_check_is_due_after_sitting),
	    cmocka_unit_test(only_time_makes_a_pass_worth_while),
	    cmocka_unit_test(jitter_takes_off_at_most_its_share),
	    cmocka_unit_test(a_draw_stays_when_the_limit_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
