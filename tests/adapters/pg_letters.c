/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_letters: servers and users who do not write UTF-8: whatever is shown is one line of it, so that programs in
 * which texts are Unicode can read it.
 */
#include "pg_opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pg_server *server;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	pg_do(server, "CREATE DATABASE old ENCODING LATIN1 TEMPLATE template0 LOCALE 'C'");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* Asked of the C library, which has no sympathy for shortcuts. */
static void
must_be_utf8(const char *text)
{
	char command[512];
	FILE *to = popen("iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1", "we");

	assert_non_null(to);
	assert_true(fputs(text, to) >= 0);
	if (pclose(to) == 0)
		return;
	(void)snprintf(command, sizeof command, "%s", text);
	for (char *at = command; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '#';
	fail_msg("not UTF-8, with # for what is no ASCII: %s", command);
}

/* Latin-1, too long, a surrogate, too large, cut short. */
static const char *const letters[] = {
    "\xfc", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"};

static void
refused_in_latin1(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
		opening o = opening_init();
		opening_pool(&o, "host=%s port=%d dbname=postgres user='M%sx'",
		    pg_server_socket_dir(server), pg_server_port(server), letters[i]);
		opening_refused(&o, QPOOL_EDENIED, "28000", "role \"M?");
		must_be_utf8(o.error.message);
		opening_end(&o);
	}
}

/* A database's encoding is the client's, too, unless it says otherwise. */
static void
a_statement_fails_in_latin1(void **state)
{
	opening o = opening_init();
	qpool_err err;

	(void)state;
	opening_pool(&o, "host=%s port=%d dbname=old user=postgres", pg_server_socket_dir(server),
	    pg_server_port(server));
	assert_string_equal(opening_say(opening_take(&o), "SHOW client_encoding"), "LATIN1");
	err = qpool_pg_exec(&o.lease, "SELECT \"M\xfcller\"", NULL, NULL, &o.error);
	assert_int_equal(err, QPOOL_EPEER);
	opening_failed(&o, QPOOL_EPEER, "42703", "column \"M?ller\" does not exist");
	must_be_utf8(o.error.message);
	err = qpool_pg_exec(&o.lease,
	    "DO $$ BEGIN RAISE 'gr\xfc\xdf' USING DETAIL = '\xfc ber', HINT = '\xfc ben'; END $$",
	    NULL, NULL, &o.error);
	assert_int_equal(err, QPOOL_EPEER);
	opening_failed(&o, QPOOL_EPEER, "P0001", "gr??; ? ber; ? ben");
	must_be_utf8(o.error.message);
	opening_put(&o);
	opening_end(&o);
}

static void
utf8_stays(void **state)
{
	opening o = opening_init();
	qpool_err err;

	(void)state;
	opening_pool(&o, "%s", pg_server_conninfo(server));
	(void)opening_take(&o);
	err = qpool_pg_exec(
	    &o.lease, "SELECT \"Mü\u20ac\U0001f4a7\ud7ff\ue000\"", NULL, NULL, &o.error);
	assert_int_equal(err, QPOOL_EPEER);
	opening_failed(&o, QPOOL_EPEER, "42703", "\"Mü\u20ac\U0001f4a7\ud7ff\ue000\"");
	opening_put(&o);
	opening_end(&o);
}

static bool
note(void *user, const qpool_entry *entry)
{
	(void)snprintf(user, 256, "%s", entry->describe);
	return true;
}

static void
described_in_one_line(void **state)
{
	opening o = opening_init();
	char said[256] = "";

	(void)state;
	pg_do(server, "CREATE DATABASE \"two\nlines\"");
	opening_pool(&o, "host=%s port=%d dbname='two\nlines' user=postgres",
	    pg_server_socket_dir(server), pg_server_port(server));
	opening_lease(&o);
	assert_int_equal(qpool_each(o.pool, note, said), 1);
	if (strstr(said, "database two;lines") == NULL)
		fail_msg("%s", said);
	opening_put(&o);
	opening_end(&o);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refused_in_latin1),
	    cmocka_unit_test(a_statement_fails_in_latin1),
	    cmocka_unit_test(utf8_stays),
	    cmocka_unit_test(described_in_one_line),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_letters", tests, begin, end);
}
