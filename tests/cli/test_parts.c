/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_parts: the command's small rooms by themselves: durations, figures, histograms, URLs, the load, a tap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "figure.h"
#include "hist.h"
#include "lender.h"
#include "load.h"
#include "say.h"
#include "stop.h"
#include "target.h"

/* ---- durations ------------------------------------------------------------------------- */

static void
durations_are_read_exactly(void **state)
{
	static const struct {
		const char *text;
		qpool_nsec ns;
	} good[] = {
	    {"0", 0},
	    {"0.0", 0},
	    {"1ns", 1},
	    {"5ms", 5000000},
	    {"0.1s", 100000000},
	    {"1.5min", 90000000000},
	    {"1h", 3600000000000},
	    {"2\xc2\xb5s", 2000},
	    {"0.0000000001s", 0},
	    {"9223372036854775807ns", INT64_MAX},
	    {"00000000000000000000000000007s", 7000000000},
	};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		const char *wrong;
		qpool_nsec ns = -1;
		assert_true(duration_parse(good[i].text, 0, &ns, &wrong));
		assert_int_equal(ns, good[i].ns);
	}
}

static void
durations_that_are_none_say_why(void **state)
{
	static const char *const bad[] = {"", " ", "s", "5", "-5s", "+5s", " 5s", "5 s", "5 ",
	    "1.s", ".5s", "1.2.3s", "1e3s", "0x5s", "5S", "5sec", "nan", "inf",
	    "9223372036854775808ns", "9223372037s", "99999999999999999999999999h", "2562048h"};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *wrong = NULL;
		qpool_nsec ns = -7;
		assert_false(duration_parse(bad[i], 0, &ns, &wrong));
		assert_non_null(wrong);
		assert_int_equal(ns, -7);
	}
}

static void
a_bare_number_counts_what_the_option_says(void **state)
{
	const char *wrong;
	qpool_nsec ns;
	(void)state;
	assert_true(duration_parse("0.25", QPOOL_SEC(1), &ns, &wrong));
	assert_int_equal(ns, 250000000);
	assert_true(duration_parse("3ms", QPOOL_SEC(1), &ns, &wrong));
	assert_int_equal(ns, 3000000);
}

static void
durations_are_shown_in_three_digits(void **state)
{
	static const struct {
		qpool_nsec ns;
		const char *text;
	} shown[] = {
	    {0, "0 ns"},
	    {999, "999 ns"},
	    {1000, "1.00 us"},
	    {9994, "9.99 us"},
	    {9999, "10.0 us"},
	    {999499, "999 us"},
	    {999500, "1.00 ms"},
	    {99999999, "100 ms"},
	    {1500000000, "1.50 s"},
	    {119000000000, "119 s"},
	    {120000000000, "2.00 min"},
	    {INT64_MAX, "153722867 min"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
		assert_string_equal(figure_duration(shown[i].ns).text, shown[i].text);
}

/* ---- figures and histograms ------------------------------------------------------------ */

static void
counts_are_grouped_by_three(void **state)
{
	(void)state;
	assert_string_equal(figure_count(0).text, "0");
	assert_string_equal(figure_count(999).text, "999");
	assert_string_equal(figure_count(1000).text, "1,000");
	assert_string_equal(figure_count(1234567).text, "1,234,567");
	assert_string_equal(figure_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
	assert_string_equal(figure_rate(12.34).text, "12.3");
	assert_string_equal(figure_percent(0.5).text, "50 %");
	assert_string_equal(figure_times(8.21).text, "8.2 times");
}

static void
a_percentile_is_at_most_a_sixteenth_above_the_truth(void **state)
{
	struct hist *hist = calloc(1, sizeof *hist);
	(void)state;
	assert_non_null(hist);
	assert_int_equal(hist_percentile(hist, 0.5), 0);
	for (int64_t ns = 1; ns <= 1000000; ns++)
		hist_add(hist, ns);
	for (int percent = 1; percent <= 100; percent++) {
		int64_t truth = (int64_t)percent * 10000;
		int64_t told = hist_percentile(hist, percent / 100.0);
		assert_true(told >= truth && told <= truth + truth / 16 + 1);
	}
	assert_int_equal(hist->max, 1000000);
	assert_int_equal(hist_percentile(hist, 1), 1000000);
	assert_int_equal(hist_mean(hist), 500000);
	free(hist);
}

static void
times_beyond_the_scale_keep_their_maximum(void **state)
{
	struct hist *one = calloc(2, sizeof *one);
	struct hist *other = &one[1];
	(void)state;
	assert_non_null(one);
	hist_add(one, -5);
	hist_add(one, 3);
	hist_add(other, INT64_MAX);
	hist_merge(one, other);
	assert_int_equal(one->count, 3);
	assert_int_equal(one->max, INT64_MAX);
	assert_int_equal(hist_percentile(one, 0.3), 0);
	assert_true(hist_percentile(one, 1) >= (int64_t)1 << (HIST_TOP_BITS - 1));
	free(one);
}

/* ---- URLs ------------------------------------------------------------------------------ */

static void
assert_redacted(const char *text, const char *expected)
{
	char *shown = target_redact(text);
	assert_non_null(shown);
	assert_string_equal(shown, expected);
	free(shown);
}

static void
secrets_are_blotted_out(void **state)
{
	(void)state;
	assert_redacted("postgres://me:hush@host/db", "postgres://me:****@host/db");
	assert_redacted("postgres://me:p@ss:w@host/db", "postgres://me:******@host/db");
	assert_redacted("postgres://host:5432/a?user=b@c", "postgres://host:5432/a?user=b@c");
	assert_redacted("postgres://me:7/hush@host/db", "postgres://me:******@host/db");
	assert_redacted(
	    "postgres://me:7/hu?sh@host/db?user=b@c", "postgres://me:**********************@c");
	assert_redacted("host=h password=hush user=u", "host=h password=**** user=u");
	assert_redacted("sqlite:file:x?KEY=hush&mode=ro", "sqlite:file:x?KEY=****&mode=ro");
	assert_redacted("a?key=one&key=two", "a?key=***&key=***");
	assert_redacted("sqlite:plain.db", "sqlite:plain.db");
	assert_redacted("postgres://me:hu/sh@host/db", "postgres://me:*****@host/db");
	assert_redacted("postgres://me:12?3@host/db", "postgres://me:****@host/db");
	assert_redacted("postgres://us@er:hush@host", "postgres://us@er:****@host");
	assert_redacted("postgres://h/d?password=hu@s;h&x=1", "postgres://h/d?password=******&x=1");
	assert_redacted("redis:/me:hush@host", "redis:/me:****@host");
	assert_redacted("redis:me:hush@host", "redis:me:****@host");
	assert_redacted("redis//:hush@host", "redis//:****@host");
	assert_redacted("sqlite:a@b:c", "sqlite:a@b:c");
	assert_redacted("redis://h:1?password=hu/sh@x", "redis://h:******************");
	assert_redacted("redis://u:a?key=b@h?db=1", "redis://u:**************");
	assert_redacted("postgres://h/d?p%61ssword=hush", "postgres://h/d?p%61ssword=****");
	assert_redacted("postgres://h/d?sslpassword=hush#", "postgres://h/d?sslpassword=*****");
	assert_redacted("postgres://h/d?passfile=/f&x=1", "postgres://h/d?passfile=/f&x=1");
	assert_redacted("bell\a\x1b[31m", "bell??[31m");
}

/* What is quoted of a URL that is written wrong may be a piece of its password. */
static void
quoted_pieces_of_a_password_are_blotted_out(void **state)
{
	char shown[] = "postgres://me:****@host/db?nonsense=1";
	struct target target = {.shown = shown};
	qpool_error error = {.code = QPOOL_EINVAL,
	    .message = "bad \"hush\" and \"nonsense\" and \"hush@host\", \"hu"};
	(void)state;
	char *message = target_message(&target, &error);
	assert_non_null(message);
	assert_string_equal(message, "bad \"****\" and \"nonsense\" and \"*********\", \"**");
	free(message);
	snprintf(error.message, sizeof error.message,
	    "\"postgres://a:hush@b\" is not c://user:pw@host; @ is %%40");
	message = target_message(&target, &error);
	assert_non_null(message);
	assert_string_equal(message, "\"*******************\" is not c://user:**@host; @ is %40");
	free(message);
	error.code = QPOOL_EPEER;
	snprintf(error.message, sizeof error.message, "no \"table\"");
	message = target_message(&target, &error);
	assert_string_equal(message, error.message);
	free(message);
}

/* ---- the load -------------------------------------------------------------------------- */

static enum load_outcome
every_third_fails(struct load_thread *self, void *user, qpool_error *error)
{
	atomic_uint *calls = user;
	hist_add(&self->wait, 7);
	if (atomic_fetch_add(calls, 1) % 3 != 0)
		return LOAD_SERVED;
	error->code = QPOOL_EPEER;
	snprintf(error->message, sizeof error->message, "the third");
	return LOAD_FAILED;
}

static void
a_count_is_kept_to_the_request(void **state)
{
	atomic_uint calls = 0;
	struct load_plan plan = {
	    .threads = 7, .count = 3000, .request = every_third_fails, .user = &calls};
	struct load_result *result = calloc(1, sizeof *result);
	qpool_error error;
	(void)state;
	assert_non_null(result);
	assert_true(stop_catch());
	assert_int_equal(load_execute(&plan, result, &error), QPOOL_OK);
	assert_int_equal(calls, 3000);
	assert_int_equal(result->served, 2000);
	assert_int_equal(result->failed, 1000);
	assert_int_equal(result->cancelled, 0);
	assert_int_equal(result->wait.count, 3000);
	assert_int_equal(result->whole.count, 2000);
	assert_true(result->least <= result->most && result->most <= 2000);
	assert_string_equal(result->first_failure.message, "the third");
	free(result);
}

static enum load_outcome
runs_until_it_is_cut_short(struct load_thread *self, void *user, qpool_error *error)
{
	atomic_uint *begun = user;
	(void)error;
	atomic_fetch_add(begun, 1);
	while (!load_cancelled(self))
		load_sleep(self, QPOOL_SEC(3600));
	return LOAD_CANCELLED;
}

static void
what_is_under_way_long_after_the_end_is_cancelled(void **state)
{
	atomic_uint begun = 0;
	struct load_plan plan = {
	    .threads = 3, .request = runs_until_it_is_cut_short, .user = &begun};
	struct load_result *result = calloc(1, sizeof *result);
	qpool_error error;
	(void)state;
	assert_non_null(result);
	assert_true(stop_catch());
	/* on a busy machine the end may come before any thread has begun */
	while (atomic_load(&begun) == 0) {
		plan.duration += QPOOL_MSEC(1);
		assert_int_equal(load_execute(&plan, result, &error), QPOOL_OK);
	}
	assert_int_equal(result->cancelled, begun);
	assert_int_equal(result->served, 0);
	free(result);
}

/* ---- the tap --------------------------------------------------------------------------- */

static qpool_err
open_nothing(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step;
	(void)error;
	*out = user;
	return QPOOL_OK;
}

static void
close_nothing(void *user, void *resource, qpool_why why)
{
	(void)why;
	assert_ptr_equal(user, resource);
}

static void
a_tap_counts_and_fails_as_often_as_asked(void **state)
{
	int resource;
	struct tap tap = {.inner = qpool_ops_init(), .inner_user = &resource, .failing = 100};
	(void)state;
	tap.inner.open = open_nothing;
	tap.inner.close = close_nothing;
	qpool_ops ops = tap_ops(&tap);
	assert_null(ops.peek);
	unsigned opened = 0;
	for (unsigned i = 0; i < 100000; i++) {
		qpool_error error;
		void *out;
		if (ops.open(&tap, NULL, &out, &error) == QPOOL_OK) {
			opened++;
			ops.close(&tap, out, QPOOL_WHY_CLOSED);
		} else {
			assert_int_equal(error.code, QPOOL_EOPEN);
		}
	}
	assert_int_equal(tap.opens, opened);
	assert_int_equal(tap.closes, opened);
	assert_int_equal(tap.open_peak, 1);
	assert_int_equal(tap.open_failures, 100000 - opened);
	assert_int_equal(tap.on_purpose, 100000 - opened);
	assert_in_range(tap.on_purpose, 900, 1100);
}

/* ---- the lender ------------------------------------------------------------------------ */

struct waiting {
	struct lender lender;
	atomic_uint begun;
};

static enum load_outcome
takes_and_gives(struct load_thread *self, void *user, qpool_error *error)
{
	struct waiting *waiting = user;
	struct loan loan;
	atomic_fetch_add(&waiting->begun, 1);
	qpool_err err = lender_take(&waiting->lender, self, &loan, error);
	if (err == QPOOL_ECANCEL)
		return LOAD_CANCELLED;
	if (err != QPOOL_OK)
		return LOAD_FAILED;
	lender_give(&waiting->lender, &loan);
	return LOAD_SERVED;
}

static void
begin_to_wait(struct waiting *waiting, uint32_t failing)
{
	*waiting =
	    (struct waiting){.lender.tap = {.inner = qpool_ops_init(), .inner_user = waiting}};
	waiting->lender.tap.failing = failing;
	waiting->lender.tap.inner.open = open_nothing;
	waiting->lender.tap.inner.close = close_nothing;
	assert_true(stop_catch());
}

/* Nothing can be opened, and the pool would keep them waiting for ever. */
static void
who_waits_in_line_is_cancelled_too(void **state)
{
	struct waiting waiting;
	struct load_plan plan = {.threads = 3, .request = takes_and_gives, .user = &waiting};
	struct load_result *result = calloc(1, sizeof *result);
	qpool_options options = qpool_options_init();
	qpool_error error;
	(void)state;
	assert_non_null(result);
	begin_to_wait(&waiting, 10000);
	qpool_ops ops = tap_ops(&waiting.lender.tap);
	options.acquire_timeout = QPOOL_FOREVER;
	options.down_after = QPOOL_FOREVER;
	assert_int_equal(
	    qpool_create(&waiting.lender.pool, &options, &ops, &waiting.lender.tap, &error),
	    QPOOL_OK);
	while (atomic_load(&waiting.begun) == 0) {
		plan.duration += QPOOL_MSEC(1);
		assert_int_equal(load_execute(&plan, result, &error), QPOOL_OK);
	}
	assert_int_equal(result->cancelled, waiting.begun);
	assert_int_equal(result->wait.count, 0);
	qpool_free(waiting.lender.pool);
	free(result);
}

static void
who_opens_for_itself_is_as_patient_as_a_pool(void **state)
{
	struct waiting waiting;
	struct load_plan plan = {
	    .threads = 2, .count = 50, .request = takes_and_gives, .user = &waiting};
	struct load_result *result = calloc(1, sizeof *result);
	qpool_error error;
	(void)state;
	assert_non_null(result);
	begin_to_wait(&waiting, 3000);
	assert_int_equal(load_execute(&plan, result, &error), QPOOL_OK);
	assert_int_equal(result->served, 50);
	assert_int_equal(result->wait.count, 50);
	assert_true(waiting.lender.tap.open_failures > 0);
	assert_int_equal(waiting.lender.tap.opens, 50);
	assert_int_equal(waiting.lender.tap.closes, 50);
	free(result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(durations_are_read_exactly),
	    cmocka_unit_test(durations_that_are_none_say_why),
	    cmocka_unit_test(a_bare_number_counts_what_the_option_says),
	    cmocka_unit_test(durations_are_shown_in_three_digits),
	    cmocka_unit_test(counts_are_grouped_by_three),
	    cmocka_unit_test(a_percentile_is_at_most_a_sixteenth_above_the_truth),
	    cmocka_unit_test(times_beyond_the_scale_keep_their_maximum),
	    cmocka_unit_test(secrets_are_blotted_out),
	    cmocka_unit_test(quoted_pieces_of_a_password_are_blotted_out),
	    cmocka_unit_test(a_count_is_kept_to_the_request),
	    cmocka_unit_test(what_is_under_way_long_after_the_end_is_cancelled),
	    cmocka_unit_test(a_tap_counts_and_fails_as_often_as_asked),
	    cmocka_unit_test(who_waits_in_line_is_cancelled_too),
	    cmocka_unit_test(who_opens_for_itself_is_as_patient_as_a_pool),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
