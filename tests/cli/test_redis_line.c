/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_redis_line: lines of text as words of a Redis command, and what is no such line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis_line.h"

/* Words with a '|' between them, a NUL shown as '0'. */
static void
is(const char *text, const char *expected)
{
	struct redis_line line;
	char found[128] = "";
	size_t at = 0;

	assert_null(redis_line_read(&line, text));
	for (int i = 0; i < line.count; i++) {
		if (i > 0)
			found[at++] = '|';
		for (size_t j = 0; j < line.lengths[i]; j++)
			found[at++] = line.words[i][j] == '\0' ? '0' : line.words[i][j];
	}
	redis_line_free(&line);
	assert_string_equal(found, expected);
}

static void
is_wrong(const char *text, const char *why)
{
	struct redis_line line;
	const char *fault = redis_line_read(&line, text);

	redis_line_free(&line);
	assert_non_null(fault);
	assert_non_null(strstr(fault, why));
}

static void
test_words(void **state)
{
	(void)state;
	is("", "");
	is(" \t ", "");
	is("PING", "PING");
	is("  SET  k\tv ", "SET|k|v");
	is("SET k \"a b\"", "SET|k|a b");
	is("SET k ''", "SET|k|");
	is("SET k 'it\\'s'", "SET|k|it's");
	is("SET k 'a\\n'", "SET|k|a\\n");
	is("SET k \"a\\n\\x41\\x00\\\"\\\\\\q\"", "SET|k|a\nA0\"\\q");
	is("SET k \"\\xzz\"", "SET|k|xzz");
	is("SET k a\\n", "SET|k|a\\n");
	is("SET k x\"y z\"", "SET|k|xy z");
}

static void
test_mistakes(void **state)
{
	(void)state;
	is_wrong("SET k \"v", "not closed");
	is_wrong("SET k 'v", "not closed");
	is_wrong("SET k \"v\\\"", "not closed");
	is_wrong("SET k \"v\"w", "comes a blank");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words), cmocka_unit_test(test_mistakes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
