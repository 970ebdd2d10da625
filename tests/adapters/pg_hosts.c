/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_hosts: a conninfo with several hosts, some of which refuse, say nothing, or are not of the wanted kind:
 * who serves, how soon, and what is said when nobody does.
 */
#include "pg_door.h"

#include <stdio.h>
#include <stdlib.h>

#define BUDGET QPOOL_SEC(2)

static pg_server *server, *reader; /* the other one writes nothing */
static pg_proxy *first, *second;   /* both before `server` */

static int
begin(void **state)
{
	static const pg_server_options options = {.conf = "default_transaction_read_only = on\n"};

	(void)state;
	server = pg_server_start(NULL);
	reader = pg_server_start(&options);
	pg_do(server, "CREATE ROLE many LOGIN CONNECTION LIMIT 0");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(reader);
	pg_server_end(server);
	return 0;
}

static int
begin_one(void **state)
{
	(void)state;
	first = pg_proxy_start(server);
	second = pg_proxy_start(server);
	return 0;
}

static int
end_one(void **state)
{
	(void)state;
	pg_proxy_end(second);
	pg_proxy_end(first);
	return 0;
}

static const char *
through(int port, int other, const char *more)
{
	static char text[256];

	(void)snprintf(text, sizeof text,
	    "host=127.0.0.1,127.0.0.1 port=%d,%d sslmode=disable %s%s", port, other,
	    strstr(more, "user=") != NULL ? "" : "user=postgres dbname=postgres ", more);
	return text;
}

static door
door_within(qpool_nsec budget)
{
	door d = door_init();

	d.options.open_budget = budget;
	return d;
}

/* By the port of the description. */
static void
served_by(const door *d, int port)
{
	char words[32];

	(void)snprintf(words, sizeof words, ":%d,", port);
	if (strstr(d->where, words) == NULL)
		fail_msg("not %s but %s", words, d->where);
}

static void
opens_at(const char *conninfo, int port)
{
	door d = door_within(BUDGET);

	door_opens(&d, conninfo);
	served_by(&d, port);
}

/* ---- one that does not serve ----------------------------------------------------------- */

static void
the_first_serves(void **state)
{
	(void)state;
	opens_at(through(pg_proxy_port(first), pg_proxy_port(second), ""), pg_proxy_port(first));
	assert_int_equal(pg_proxy_counts(second).connects, 0);
}

static void
the_first_is_silent(void **state)
{
	door d = door_within(BUDGET);

	(void)state;
	pg_proxy_set(first, PG_ACCEPT_SILENT);
	door_opens(&d, through(pg_proxy_port(first), pg_proxy_port(second), ""));
	served_by(&d, pg_proxy_port(second));
	assert_in_range(d.took_ns, BUDGET / 2, BUDGET / 2 + LOAD_TOLERANCE);
}

static void
the_first_refuses(void **state)
{
	door d = door_within(BUDGET);

	(void)state;
	pg_proxy_set(first, PG_REFUSE);
	door_opens(&d, through(pg_proxy_port(first), pg_proxy_port(second), ""));
	served_by(&d, pg_proxy_port(second));
	assert_true(d.took_ns < LOAD_TOLERANCE);
}

static void
the_first_is_no_folder(void **state)
{
	char conninfo[256];

	(void)state;
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=/nowhere,%s port=%d user=postgres dbname=postgres", pg_server_socket_dir(server),
	    pg_server_port(server));
	opens_at(conninfo, pg_server_port(server));
}

static void
connect_timeout(void **state)
{
	door d = door_within(QPOOL_SEC(60));

	(void)state;
	pg_proxy_set(first, PG_ACCEPT_SILENT);
	door_opens(&d, through(pg_proxy_port(first), pg_proxy_port(second), "connect_timeout=2"));
	served_by(&d, pg_proxy_port(second));
	assert_in_range(d.took_ns, QPOOL_SEC(2), QPOOL_SEC(2) + LOAD_TOLERANCE);
}

/* Who is denied is not asked elsewhere; who finds no room is. */
static void
what_ends_the_round(void **state)
{
	door d = door_within(BUDGET);

	(void)state;
	door_refuses(&d,
	    through(pg_proxy_port(first), pg_proxy_port(second), "user=postgres dbname=nowhere"),
	    QPOOL_EDENIED, "3D000", "does not exist");
	assert_int_equal(pg_proxy_counts(second).connects, 0);
	door_refuses(&d,
	    through(pg_proxy_port(first), pg_proxy_port(second), "user=many dbname=postgres"),
	    QPOOL_EFULL, "53300", "too many connections");
	assert_int_equal(pg_proxy_counts(second).connects, 1);
}

/* ---- nobody serves --------------------------------------------------------------------- */

static void
must_name_both(const door *d)
{
	char words[32];

	(void)snprintf(words, sizeof words, "127.0.0.1:%d", pg_proxy_port(first));
	door_must_say(d, words);
	(void)snprintf(words, sizeof words, "127.0.0.1:%d", pg_proxy_port(second));
	door_must_say(d, words);
}

static void
all_fail(void **state)
{
	static const pg_proxy_mode modes[][2] = {{PG_REFUSE, PG_REFUSE},
	    {PG_REFUSE, PG_ACCEPT_SILENT}, {PG_ACCEPT_SILENT, PG_REFUSE},
	    {PG_ACCEPT_SILENT, PG_ACCEPT_SILENT}};

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		door d = door_within(QPOOL_MSEC(300));

		pg_proxy_set(first, modes[i][0]);
		pg_proxy_set(second, modes[i][1]);
		door_refuses(&d, through(pg_proxy_port(first), pg_proxy_port(second), ""),
		    QPOOL_EOPEN, "", "127.0.0.1");
		must_name_both(&d);
		assert_true(d.took_ns <= QPOOL_MSEC(300) + LOAD_TOLERANCE);
	}
}

/* The code is that of the outcome, whichever host it came from. */
static void
one_is_full(void **state)
{
	door d = door_within(BUDGET);

	(void)state;
	pg_proxy_set(second, PG_REFUSE);
	door_refuses(&d,
	    through(pg_proxy_port(first), pg_proxy_port(second), "user=many dbname=postgres"),
	    QPOOL_EFULL, "53300", "too many connections");
	must_name_both(&d);
	door_refuses(&d,
	    through(pg_proxy_port(second), pg_proxy_port(first), "user=many dbname=postgres"),
	    QPOOL_EFULL, "53300", "too many connections");
	must_name_both(&d);
}

static void
many_hosts(void **state)
{
	char conninfo[256];
	door d = door_within(BUDGET);

	(void)state;
	pg_proxy_set(first, PG_REFUSE);
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1,127.0.0.2,127.0.0.3,/nowhere port=%d user=postgres",
	    pg_proxy_port(first));
	door_refuses(&d, conninfo, QPOOL_EOPEN, "", "127.0.0.1");
	door_must_say(&d, "127.0.0.2");
	door_must_say(&d, "127.0.0.3");
	door_must_say(&d, "/nowhere");
}

/* A name that is known, one that is not, and who is denied needs no room for others. */
static void
names(void **state)
{
	char conninfo[256];
	door d = door_within(BUDGET);

	(void)state;
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=nowhere.invalid,localhost port=%d user=postgres dbname=postgres",
	    pg_server_port(server));
	opens_at(conninfo, pg_server_port(server));
	pg_proxy_set(first, PG_REFUSE);
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=nowhere.invalid,localhost port=%d user=postgres", pg_proxy_port(first));
	door_refuses(&d, conninfo, QPOOL_EOPEN, "", "\"nowhere.invalid\" has no address");
	(void)snprintf(
	    conninfo, sizeof conninfo, "localhost:%d: Connection refused", pg_proxy_port(first));
	door_must_say(&d, conninfo);
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1,a.invalid,b.invalid,c.invalid,d.invalid port=%d user=postgres "
	    "dbname=a_rather_long_name_of_no_database",
	    pg_server_port(server));
	door_refuses(&d, conninfo, QPOOL_EDENIED, "3D000",
	    "FATAL: database \"a_rather_long_name_of_no_database\" does not exist");
}

/* ---- the wanted kind ------------------------------------------------------------------- */

static const char *
attrs(bool reader_is_first, const char *wanted)
{
	char more[128];
	int ports[] = {pg_server_port(server), pg_server_port(reader)};

	(void)snprintf(more, sizeof more, "target_session_attrs=%s", wanted);
	return through(ports[reader_is_first], ports[!reader_is_first], more);
}

static void
the_wanted_kind(void **state)
{
	int writes = pg_server_port(server), reads = pg_server_port(reader);

	(void)state;
	opens_at(attrs(true, "read-write"), writes);
	opens_at(attrs(false, "read-write"), writes);
	opens_at(attrs(true, "read-only"), reads);
	opens_at(attrs(false, "read-only"), reads);
	opens_at(attrs(true, "any"), reads);
	opens_at(attrs(true, "primary"), reads);
	opens_at(attrs(true, "prefer-standby"), reads);
	opens_at(attrs(false, "prefer-standby"), writes);
}

static void
none_of_the_kind(void **state)
{
	door d = door_within(BUDGET);

	(void)state;
	door_refuses(&d, attrs(true, "standby"), QPOOL_EOPEN, "", "not in hot standby mode");
	door_refuses(&d,
	    through(
		pg_server_port(reader), pg_server_port(reader), "target_session_attrs=read-write"),
	    QPOOL_EOPEN, "", "session is read-only");
}

/* Two rounds, each with its half: a host that is silent leaves time for the second. */
static void
prefer_standby_and_silence(void **state)
{
	door d = door_within(BUDGET);

	(void)state;
	pg_proxy_set(first, PG_ACCEPT_SILENT);
	door_opens(&d, through(pg_proxy_port(first), pg_proxy_port(second),
			   "target_session_attrs=prefer-standby"));
	served_by(&d, pg_proxy_port(second));
	assert_true(d.took_ns < BUDGET + LOAD_TOLERANCE);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_first_serves, begin_one, end_one),
	    cmocka_unit_test_setup_teardown(the_first_is_silent, begin_one, end_one),
	    cmocka_unit_test_setup_teardown(the_first_refuses, begin_one, end_one),
	    cmocka_unit_test(the_first_is_no_folder),
	    cmocka_unit_test_setup_teardown(connect_timeout, begin_one, end_one),
	    cmocka_unit_test_setup_teardown(what_ends_the_round, begin_one, end_one),
	    cmocka_unit_test_setup_teardown(all_fail, begin_one, end_one),
	    cmocka_unit_test_setup_teardown(one_is_full, begin_one, end_one),
	    cmocka_unit_test_setup_teardown(many_hosts, begin_one, end_one),
	    cmocka_unit_test_setup_teardown(names, begin_one, end_one),
	    cmocka_unit_test(the_wanted_kind),
	    cmocka_unit_test(none_of_the_kind),
	    cmocka_unit_test_setup_teardown(prefer_standby_and_silence, begin_one, end_one),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_hosts", tests, begin, end);
}
