/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run of failures: pauses, their ceiling, asking, hopelessness.
 */
#include "testing.h"

#include "core/backoff.h"
#include "platform/clock.h"

static qp_backoff
calm(void)
{
	qp_backoff b;

	memset(&b, 0, sizeof b);
	b.retry_min_ns = QPOOL_MSEC(50);
	b.retry_max_ns = QPOOL_SEC(5);
	b.down_after_ns = QPOOL_SEC(5);
	return b;
}

static qpool_error
cause(qpool_err code)
{
	qpool_error error;

	memset(&error, 0, sizeof error);
	error.code = code;
	return error;
}

static void
calm_means_at_once(void **state)
{
	qp_backoff b = calm();

	(void)state;
	assert_int_equal(qp_backoff_due(&b, false), 0);
	assert_false(qp_backoff_is_hopeless(&b, false, QPOOL_SEC(100)));
	assert_true(qp_backoff_is_valid(&b));
}

static void
pauses_double_up_to_their_ceiling_with_full_jitter(void **state)
{
	qpool_error error = cause(QPOOL_EOPEN);
	int64_t ceiling = QPOOL_MSEC(50), longest[12] = {0}, shortest[12];

	(void)state;
	for (int i = 0; i < 12; i++)
		shortest[i] = INT64_MAX;
	for (uint64_t seed = 0; seed < 400; seed++) {
		qp_backoff b = calm();
		uint64_t random = seed;
		int64_t now = QPOOL_SEC(10);
		for (int i = 0; i < 12; i++) {
			int64_t pause;
			qp_backoff_failed(&b, now, now, &error, &random);
			assert_true(qp_backoff_is_valid(&b));
			pause = qp_backoff_due(&b, false) - now;
			longest[i] = pause > longest[i] ? pause : longest[i];
			shortest[i] = pause < shortest[i] ? pause : shortest[i];
			assert_true(qp_backoff_due(&b, true) - now <= QP_BACKOFF_ASKED_NS);
			now += QPOOL_SEC(6);
		}
	}
	for (int i = 0; i < 12; i++) {
		assert_true(longest[i] <= ceiling && longest[i] > ceiling * 9 / 10);
		assert_true(shortest[i] < ceiling / 10);
		ceiling = ceiling * 2 > QPOOL_SEC(5) ? QPOOL_SEC(5) : ceiling * 2;
	}
}

static void
opens_that_failed_together_count_as_one_step(void **state)
{
	qpool_error error = cause(QPOOL_EOPEN);
	qp_backoff b = calm();
	uint64_t random = 1;
	int64_t due;

	(void)state;
	qp_backoff_failed(&b, 1000, 2000, &error, &random);
	due = qp_backoff_due(&b, false);
	for (int64_t now = 2001; now < 2005; now++)
		qp_backoff_failed(&b, 1500, now, &error, &random);
	assert_int_equal(qp_backoff_due(&b, false), due);
	assert_int_equal(b.failures, 5);
	assert_int_equal(b.ceiling_ns, QPOOL_MSEC(100));
}

static void
success_ends_the_run(void **state)
{
	qpool_error error = cause(QPOOL_EOPEN);
	qp_backoff b = calm();
	uint64_t random = 1;

	(void)state;
	for (int i = 1; i < 9; i++)
		qp_backoff_failed(&b, i * 10, i * 10, &error, &random);
	qp_backoff_succeeded(&b);
	assert_int_equal(qp_backoff_due(&b, false), 0);
	qp_backoff_failed(&b, 100, 100, &error, &random);
	assert_int_equal(b.ceiling_ns, QPOOL_MSEC(100));
	assert_int_equal(b.since_ns, 100);
}

static void
hopeless_when_denied_or_down_and_nothing_is_open(void **state)
{
	qpool_error error = cause(QPOOL_EOPEN), denied = cause(QPOOL_EDENIED),
		    full = cause(QPOOL_EFULL);
	qp_backoff b = calm();
	uint64_t random = 1;

	(void)state;
	qp_backoff_failed(&b, 0, QPOOL_SEC(1), &error, &random);
	assert_false(qp_backoff_is_hopeless(&b, false, QPOOL_SEC(6) - 1));
	assert_true(qp_backoff_is_hopeless(&b, false, QPOOL_SEC(6)));
	assert_false(qp_backoff_is_hopeless(&b, true, QPOOL_SEC(60)));
	qp_backoff_failed(&b, QPOOL_SEC(2), QPOOL_SEC(2), &full, &random);
	assert_false(qp_backoff_is_hopeless(&b, false, QPOOL_SEC(3)));
	qp_backoff_failed(&b, QPOOL_SEC(3), QPOOL_SEC(3), &denied, &random);
	assert_true(qp_backoff_is_hopeless(&b, false, QPOOL_SEC(3)));
	assert_false(qp_backoff_is_hopeless(&b, true, QPOOL_SEC(3)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(calm_means_at_once),
	    cmocka_unit_test(pauses_double_up_to_their_ceiling_with_full_jitter),
	    cmocka_unit_test(opens_that_failed_together_count_as_one_step),
	    cmocka_unit_test(success_ends_the_run),
	    cmocka_unit_test(hopeless_when_denied_or_down_and_nothing_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
