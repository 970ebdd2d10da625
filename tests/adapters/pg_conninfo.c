/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_conninfo: a conninfo taken apart and redacted, and messages composed.  Pure text: no server, no
 * file, no socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/postgres/conninfo.h"
#include "adapters/postgres/fault.h"

#define COUNT_OF(rows) (sizeof(rows) / sizeof(rows)[0])

/* ---- split ---- */

/* The text for libpq, and the words that begin with pool_ as "name=value;". */
static void
splits(const char *text, const char *rest, const char *ours)
{
	qp_pg_conninfo out;
	qpool_error error;
	char seen[512] = "";

	if (qp_pg_conninfo_split(&out, text, &error) != QPOOL_OK)
		fail_msg("\"%s\": %s", text, error.message);
	assert_string_equal(out.rest, rest);
	for (size_t i = 0; i < out.count; i++)
		if (qp_pg_conninfo_is_ours(out.words[i].name))
			(void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s=%s;",
			    out.words[i].name, out.words[i].value);
	assert_string_equal(seen, ours);
	qp_pg_conninfo_free(&out);
}

static void
malformed(const char *text, const char *words)
{
	qp_pg_conninfo out = {0}, before = out;
	qpool_error error;

	assert_int_equal(qp_pg_conninfo_split(&out, text, &error), QPOOL_EINVAL);
	assert_int_equal(error.code, QPOOL_EINVAL);
	if (strstr(error.message, words) == NULL)
		fail_msg("\"%s\" said \"%s\", not \"%s\"", text, error.message, words);
	assert_memory_equal(&out, &before, sizeof out);
	assert_int_equal(qp_pg_conninfo_split(&out, text, NULL), QPOOL_EINVAL);
}

static void
words(void **state)
{
	(void)state;
	splits("", "", "");
	splits(" \t\n", "", "");
	splits("host=a", "host=a", "");
	splits("pool_max_size=20", "", "pool_max_size=20;");
	splits("host=a pool_max_size=20 port=5", "host=a port=5", "pool_max_size=20;");
	splits("pool_a=1 host=a pool_b=2", "host=a", "pool_a=1;pool_b=2;");
	splits("host = a\tpool_a\n=\n1", "host = a", "pool_a=1;");
	splits("host=a pool_a=1 pool_a=2", "host=a", "pool_a=1;pool_a=2;");
	splits("pool_=1 xpool_a=2", "xpool_a=2", "pool_=1;");
	splits("POOL_a=1", "POOL_a=1", "");
	splits("host=a\\ b pool_a=1", "host=a\\ b", "pool_a=1;");
	splits("dbname=pool_a=1", "dbname=pool_a=1", "");
}

static void
quotes(void **state)
{
	(void)state;
	splits("pool_name='a b'", "", "pool_name=a b;");
	splits("pool_name='a\\'b\\\\c'", "", "pool_name=a'b\\c;");
	splits("pool_name=a\\'b", "", "pool_name=a'b;");
	splits("pool_name=a\\ b", "", "pool_name=a b;");
	splits("pool_name=a\\", "", "pool_name=a;");
	splits("pool_name=\\\\", "", "pool_name=\\;");
	splits("pool_name=", "", "pool_name=;");
	splits("pool_name=''", "", "pool_name=;");
	splits("pool_name='' host=a", "host=a", "pool_name=;");
	splits("pool_name= host=a", "", "pool_name=host=a;");
	splits("pool_a='1'host='x'pool_b='2'port=3", "host='x' port=3", "pool_a=1;pool_b=2;");
	splits("password='pool_a=1' host=b", "password='pool_a=1' host=b", "");
	splits("password=it\\'s pool_a=1", "password=it\\'s", "pool_a=1;");
	splits("password=a'b'c pool_a=1", "password=a'b'c", "pool_a=1;");
	splits("pool_name=a&b%+20", "", "pool_name=a&b%+20;");
	splits("pool_name='\xc3\xa4\n'", "", "pool_name=\xc3\xa4\n;");
}

static void
uris(void **state)
{
	(void)state;
	splits("postgresql://", "postgresql://", "");
	splits("postgres://h", "postgres://h", "");
	splits("postgresql://?pool_a=1", "postgresql://", "pool_a=1;");
	splits("postgresql://h?pool_a=1", "postgresql://h", "pool_a=1;");
	splits("postgresql://h/d?pool_a=1&port=2", "postgresql://h/d?port=2", "pool_a=1;");
	splits("postgresql://h/d?port=2&pool_a=1", "postgresql://h/d?port=2", "pool_a=1;");
	splits("postgresql://h/d?a=1&pool_a=1&b=2&pool_b=2&c=3", "postgresql://h/d?a=1&b=2&c=3",
	    "pool_a=1;pool_b=2;");
	splits("postgresql://h/d?", "postgresql://h/d", "");
	splits("postgresql://h?pool%5Fa=%31%26%25%3d+1", "postgresql://h", "pool_a=1&%=+1;");
	/* A ? may stand in user and password; brackets hold anything. */
	splits(
	    "postgresql://u:p?pool_a=1@h/d?pool_b=2", "postgresql://u:p?pool_a=1@h/d", "pool_b=2;");
	splits("postgresql://u:p@[::1]:5,[fe80::1%25lo]:6/d?pool_a=1",
	    "postgresql://u:p@[::1]:5,[fe80::1%25lo]:6/d", "pool_a=1;");
	splits("postgresql://h1:1,h2:2,h3/d?pool_a=1", "postgresql://h1:1,h2:2,h3/d", "pool_a=1;");
	splits("postgresql://%2Ftmp/d?pool_a=", "postgresql://%2Ftmp/d", "pool_a=;");
	/* Not the scheme: words. */
	splits("POSTGRESQL://h?pool_a=1", "POSTGRESQL://h?pool_a=1", "");
}

static void
texts_that_are_malformed(void **state)
{
	(void)state;
	malformed("bank", "word 1 of the conninfo has no =");
	malformed("host=a bank", "word 2 of the conninfo has no =");
	malformed("host", "word 1 of the conninfo has no =");
	malformed("password=a b c=d", "word 2 of the conninfo has no =");
	malformed("host='a", "word 1 of the conninfo begins with a quote (') that does not end");
	malformed("host=a pool_a='", "word 2 of the conninfo begins with a quote");
	malformed("host=a pool_a='x\\'", "word 2 of the conninfo begins with a quote");
	malformed("host=a pool_a='x\\", "word 2 of the conninfo begins with a quote");
	malformed("postgresql://h?a", "word 1 after the ? of the conninfo is not name=value");
	malformed("postgresql://h?a=1&pool_a", "word 2 after the ? of the conninfo is not");
	malformed("postgresql://h?pool_a=1=2", "word 1 after the ? of the conninfo is not");
	malformed("postgresql://h?a=1&&b=2", "word 2 after the ? of the conninfo is not");
	malformed("postgresql://h?pool_a=%", "word 1 after the ? of the conninfo has a %");
	malformed("postgresql://h?pool_a=%4", "word 1 after the ? of the conninfo has a %");
	malformed("postgresql://h?a=b&pool_a=%4x", "word 2 after the ? of the conninfo has a %");
	malformed("postgresql://h?pool_a=%00", "word 1 after the ? of the conninfo has a %");
	malformed("postgresql://h?pool%5=1", "word 1 after the ? of the conninfo has a %");
	malformed("postgresql://u:p@x@h/d", "has an @ among its hosts or in its database");
	malformed("postgresql://u:p/x@h/d", "has an @ among its hosts or in its database");
}

/* ---- redact ---- */

static void
redacts(const char *text, const char *expected)
{
	char *shown = qpool_pg_redact(text);

	assert_non_null(shown);
	assert_string_equal(shown, expected);
	free(shown);
}

static void
what_is_well_formed_is_shown(void **state)
{
	(void)state;
	redacts(NULL, "");
	redacts("", "");
	redacts("  ", "  ");
	redacts("host=a user=me@realm dbname=d", "host=a user=me@realm dbname=d");
	redacts("host=a password=S3cret port=5", "host=a password=**** port=5");
	redacts("password = 'S3 cret\\'' sslpassword=S3cret", "password = **** sslpassword=****");
	redacts("PassWord=S3cret host=a", "PassWord=**** host=a");
	redacts("password= host=a", "password= ****");
	redacts(
	    "passfile=/home/me/.pgpass host=@abstract", "passfile=/home/me/.pgpass host=@abstract");
	redacts("host='/var/run' pool_max_size=3 pool_name='x y'",
	    "host='/var/run' pool_max_size=3 pool_name='x y'");
	redacts("options='-c a.b=\n1\x7f'", "options='-c a.b=?1?'");
	redacts("postgresql://", "postgresql://");
	redacts("postgresql://me@h1:1,[::1]:2/d?sslmode=require&pool_max_size=3",
	    "postgresql://me@h1:1,[::1]:2/d?sslmode=require&pool_max_size=3");
	redacts("postgres://me:S3cret@h/d", "postgres://me:****@h/d");
	redacts("postgresql://:S3cret@/d", "postgresql://:****@/d");
	redacts("postgresql://me:@h", "postgresql://me:****@h");
	redacts("postgresql://h/d?user=me&password=S3cret&port=5",
	    "postgresql://h/d?user=me&password=****&port=5");
	redacts("postgresql://h/d?pass%77ord=S3cret", "postgresql://h/d?pass%77ord=****");
	redacts("postgresql://h/d?SSLPASSWORD=S3cret", "postgresql://h/d?SSLPASSWORD=****");
	redacts("postgresql://me:S3?cret@h/d", "postgresql://me:****@h/d");
	redacts("postgresql://me:S3:cret@h/d", "postgresql://me:****@h/d");
}

static void
what_is_not_is_hidden(void **state)
{
	(void)state;
	redacts("S3cret", "****");
	redacts("host=a S3cret", "host=a ****");
	redacts("host=a password=S3cret cret host=b", "host=a password=**** ****");
	redacts("host=a port='5'S3cret", "host=a port=****");
	redacts("postgresql://me:S3/cret@h/d", "postgresql://****");
	redacts("postgresql://me:S3@cret@h/d", "postgresql://****");
}

/* Passwords where they do not belong, or not escaped; each holds "S3cret" or its halves. */
static const char *const hostile[] = {
    "S3cret",
    "u:S3cret@h/d",
    "me/S3cret@h",
    "host=a S3cret",
    "host=a password=S3cret",
    "host=a password = S3cret",
    "host=a password\t=\n'S3cret'",
    "host=a PASSWORD=S3cret",
    "host=a PassWord = S3cret port=5",
    "password='S3cret",
    "password='it\\'S3cret",
    "password='S3cret\\",
    "password='a'S3cret' host=h",
    "password='a'S3cret=1 host=h",
    "password=a S3cret host=h",
    "password=a S3cret=h host=h",
    "password=a 'S3cret' host=h",
    "password=a'b S3cret'",
    "password=\\S3cret",
    "password= S3cret",
    "sslpassword=S3cret sslpassword='S3cret' password=\"S3cret\"",
    "password=\"a S3cret\"",
    "passwd=S3cret",
    "pwd=S3cret host=a",
    "pass=S3cret",
    "host=a pass word=S3cret",
    "host=a;password=S3cret",
    "host=a&password=S3cret",
    "host=a,password=S3cret",
    "host='a password=S3cret'",
    "host='a password=S3cret",
    "host=a user='me PASSWORD = S3cret'",
    "host=a password: S3cret",
    "host=a user=me:S3cret@h",
    "host=u:S3cret@h",
    "dbname=postgresql://u:S3cret@h/d",
    "dbname='postgresql://u:S3cret@h/d' port=5",
    "options='-c x.password=S3cret'",
    "=S3cret",
    "host=a =S3cret",
    "host=a\npassword=S3cret\n",
    "postgresql://u:S3cret",
    "postgresql://u:S3cret/d",
    "postgresql://u:S3cret@",
    "postgresql://u:S3cret@h",
    "postgresql://:S3cret@h",
    "postgresql://u:S3cret@@h/d",
    "postgresql://u:a@S3cret@h/d",
    "postgresql://u:a/S3cret@h/d",
    "postgresql://u:12/S3cret@h/d",
    "postgresql://u:/S3cret@h/d",
    "postgresql://u:?S3cret@h/d",
    "postgresql://u:a?S3cret/x@h/d",
    "postgresql://u:1?host=S3cret/x@h/d",
    "postgresql://u:1?x=S3cret/@h/d",
    "postgresql://u:a#S3cret@h/d",
    "postgresql://u:a:S3cret@h/d",
    "postgresql://u:[S3cret@h/d",
    "postgresql://u:a%S3cret@h/d",
    "postgresql://u:a%zzS3cret@h/d",
    "postgresql://u:a b S3cret@h/d",
    "postgresql://u:ab,S3cret",
    "postgresql://u%3AS3cret@h/d",
    "postgresql://u%3aS3cret@h/d",
    "postgresql://h/d?password=S3cret",
    "postgresql://h/d?PASSWORD=S3cret",
    "postgresql://h/d?user=u&pass%77ord=S3cret",
    "postgresql://h/d?%70assword=S3cret&x",
    "postgresql://h/d?sslpassword=S3cret&password=S3cret",
    "postgresql://h/d?password=a&S3cret",
    "postgresql://h/d?password=a&S3cret=b",
    "postgresql://h/d?password=a=S3cret",
    "postgresql://h/d?password=%S3cret",
    "postgresql://h/d?passwd=S3cret",
    "postgresql://h/d?options=-c%20x.password%3DS3cret",
    "postgresql://h/d?application_name=u:S3cret@h",
    "postgresql://h/d?user=u password=S3cret",
    "postgresql://h/d?user=u;password=S3cret",
    "postgresql://h/d;password=S3cret@x",
    "postgresql://h/d?sslmode=require?password=S3cret",
    "postgresql:/u:S3cret@h/d",
    "postgresql:u:S3cret@h/d",
    "POSTGRESQL://u:S3cret@h/d",
    "PostgreSQL://u:S3cret@h/d?host=a",
    " postgresql://u:S3cret@h/d",
    "jdbc:postgresql://u:S3cret@h/d",
    "jdbc:postgresql://h/d?user=u&password=S3cret",
    "mysql://u:S3cret@h/d",
    "u:S3cret@h?host=a",
    "password=''user=S3cret' host=h",
    "password='a'host=S3cret host=h",
    "password=a host=S3cret'b",
    "password=a host=\"S3cret\"",
    "postgresql://://password=S3cret?dbname=a",
    "postgresql://h/u:S3cret",
    "postgresql://h//S3cret",
    "pool_max_size=1 S3cret",
    "pool_S3cret=1",
    "pool_max_size=u:S3cret@h",
    "pool_name='password=S3cret'",
    "service=u:S3cret@h",
    "port=S3cret@h",
};

static void
no_secret_is_shown(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(hostile); i++) {
		char *shown = qpool_pg_redact(hostile[i]);
		qp_pg_conninfo out;
		qpool_error error = {0};
		assert_non_null(shown);
		if (strstr(shown, "S3cret") != NULL || strstr(shown, "cret") != NULL)
			fail_msg("\"%s\" is shown as \"%s\"", hostile[i], shown);
		for (const char *at = shown; *at != '\0'; at++)
			assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
		free(shown);
		if (qp_pg_conninfo_split(&out, hostile[i], &error) == QPOOL_OK)
			qp_pg_conninfo_free(&out);
		if (strstr(error.message, "cret") != NULL)
			fail_msg("\"%s\" is refused by \"%s\"", hostile[i], error.message);
	}
}

/* Every beginning and every end of each, so that quotes and signs go missing.  The marker may then
 * stand alone as a host or a user, where it is no password; what must hold is that nothing is read
 * beyond the text: the sanitizers look. */
static void
fragments_are_no_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(hostile); i++)
		for (size_t cut = 0; cut < strlen(hostile[i]); cut++) {
			char *head = strndup(hostile[i], cut);
			char *tail = strdup(hostile[i] + cut);
			char *shown[] = {qpool_pg_redact(head), qpool_pg_redact(tail)};
			qp_pg_conninfo out;
			if (qp_pg_conninfo_split(&out, head, NULL) == QPOOL_OK)
				qp_pg_conninfo_free(&out);
			if (qp_pg_conninfo_split(&out, tail, NULL) == QPOOL_OK)
				qp_pg_conninfo_free(&out);
			free(shown[0]);
			free(shown[1]);
			free(head);
			free(tail);
		}
}

/* ---- messages ---- */

static void
messages_are_one_line(void **state)
{
	char text[] = "a\n\tb\r\nc\x01\x7f\xc3\xa4\nd \n";
	qpool_error error;

	(void)state;
	assert_int_equal(
	    qp_pg_fault_say(&error, QPOOL_EPEER, "a\n\tb\nc\x01%s\n", "d"), QPOOL_EPEER);
	assert_int_equal(error.code, QPOOL_EPEER);
	assert_string_equal(error.message, "a; b; c?d");
	assert_string_equal(error.native, "");
	assert_int_equal(qp_pg_fault_say(NULL, QPOOL_EPEER, "a"), QPOOL_EPEER);
	/* In place there is no room for what a single byte would become. */
	qp_pg_fault_clean(text);
	assert_string_equal(text, "a; b; c??\xc3\xa4;d");
}

static void
messages_end_with_a_whole_character(void **state)
{
	static const char *const letters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x98"};
	char text[400];
	qpool_error error;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(letters); i++)
		for (size_t shift = 0; shift < 5; shift++) {
			size_t wide = strlen(letters[i]), at = shift;
			memset(text, 'x', sizeof text);
			for (; at < 300; at += wide)
				memcpy(text + at, letters[i], wide);
			text[at] = '\0';
			(void)qp_pg_fault_say(&error, QPOOL_EOPEN, "%s", text);
			assert_int_equal(strlen(error.message),
			    sizeof error.message - 1 - (sizeof error.message - 1 - shift) % wide);
			assert_memory_equal(error.message, text, strlen(error.message));
		}
}

static void
results_and_connections(void **state)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
	qpool_error error;

	(void)state;
	assert_int_equal(qp_pg_fault_result(&error, QPOOL_EPEER, "BEGIN", result), QPOOL_EPEER);
	assert_string_equal(error.message, "BEGIN: no answer came");
	assert_int_equal(qp_pg_fault_result(&error, QPOOL_EPEER, "BEGIN", NULL), QPOOL_EPEER);
	assert_string_equal(error.message, "BEGIN: no answer came");
	assert_int_equal(qp_pg_fault_result(NULL, QPOOL_EPEER, "BEGIN", result), QPOOL_EPEER);
	PQclear(result);
	assert_int_equal(qp_pg_fault_conn(&error, QPOOL_EUNKNOWN, "COMMIT", NULL), QPOOL_EUNKNOWN);
	assert_true(strncmp(error.message, "COMMIT: ", 8) == 0);
	assert_string_equal(error.native, "");
	assert_int_equal(qp_pg_fault_conn(NULL, QPOOL_EUNKNOWN, "COMMIT", NULL), QPOOL_EUNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words),
	    cmocka_unit_test(quotes),
	    cmocka_unit_test(uris),
	    cmocka_unit_test(texts_that_are_malformed),
	    cmocka_unit_test(what_is_well_formed_is_shown),
	    cmocka_unit_test(what_is_not_is_hidden),
	    cmocka_unit_test(no_secret_is_shown),
	    cmocka_unit_test(fragments_are_no_fault),
	    cmocka_unit_test(messages_are_one_line),
	    cmocka_unit_test(messages_end_with_a_whole_character),
	    cmocka_unit_test(results_and_connections),
	};

	return cmocka_run_group_tests_name("pg_conninfo", tests, NULL, NULL);
}
