/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sentences: every code has a name and a text, what does not fit is cut between characters.
 */
#include "testing.h"

#include "core/error.h"

static void
every_code_has_a_name_and_a_sentence(void **state)
{
	(void)state;
#define LOOK(id, value, name, text)                    \
	assert_int_equal(id, value);                   \
	assert_string_equal(qpool_err_name(id), name); \
	assert_string_equal(qpool_err_text(id), text); \
	assert_true(qp_error_is_known(id));
	QPOOL_ERRORS(LOOK)
#undef LOOK
	assert_false(qp_error_is_known((qpool_err)999));
	assert_string_equal(qpool_err_name((qpool_err)999), "E?");
	assert_non_null(qpool_err_text((qpool_err)-1));
}

static void
every_why_has_a_name(void **state)
{
	(void)state;
	for (int why = QPOOL_WHY_IDLE; why <= QPOOL_WHY_CLOSED; why++)
		assert_string_not_equal(qpool_why_name((qpool_why)why), "?");
	assert_string_equal(qpool_why_name((qpool_why)0), "?");
	assert_string_equal(qpool_why_name((qpool_why)99), "?");
}

static void
a_long_sentence_is_cut_between_characters(void **state)
{
	qpool_error error;
	char text[300];

	(void)state;
	for (int shift = 0; shift < 4; shift++) {
		memset(text, 'a', sizeof text);
		for (size_t at = (size_t)shift; at + 3 < sizeof text; at += 3)
			memcpy(text + at, "\xe2\x82\xac", 3);
		text[sizeof text - 1] = '\0';
		assert_int_equal(qp_error_set(&error, QPOOL_EOPEN, "%s", text), QPOOL_EOPEN);
		assert_true(strlen(error.message) >= sizeof error.message - 4);
		assert_int_equal((strlen(error.message) - (size_t)shift) % 3, 0);
		qp_error_cut(&error, 100);
		assert_true(strlen(error.message) <= 100 && strlen(error.message) >= 97);
		assert_int_equal((strlen(error.message) - (size_t)shift) % 3, 0);
	}
}

static void
sentences_grow_as_far_as_they_fit(void **state)
{
	qpool_error error;

	(void)state;
	qp_error_set(&error, QPOOL_EOPEN, "refused");
	qp_error_add(&error, " (%s)", "port 1");
	assert_string_equal(error.message, "refused (port 1)");
	for (int i = 0; i < 100; i++)
		qp_error_add(&error, "%s", "xxxx");
	assert_int_equal(strlen(error.message), sizeof error.message - 1);
	assert_int_equal(qp_error_set(NULL, QPOOL_EBUSY, "nobody listens"), QPOOL_EBUSY);
	qp_error_add(NULL, "%s", "either");
}

static void
spans_are_readable(void **state)
{
	(void)state;
	assert_string_equal(qp_error_span(2 * QPOOL_SEC(1)).text, "2 s");
	assert_string_equal(qp_error_span(1250000).text, "1.25 ms");
	assert_string_equal(qp_error_span(7).text, "7 ns");
	assert_string_equal(qp_error_span(0).text, "0 ns");
	assert_string_equal(qp_error_span(QPOOL_SEC(600)).text, "10 min");
	assert_string_equal(qp_error_span(QPOOL_FOREVER).text, "for ever");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_code_has_a_name_and_a_sentence),
	    cmocka_unit_test(every_why_has_a_name),
	    cmocka_unit_test(a_long_sentence_is_cut_between_characters),
	    cmocka_unit_test(sentences_grow_as_far_as_they_fit),
	    cmocka_unit_test(spans_are_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
