/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_standby: a primary and its real standby in one conninfo: who serves what target_session_attrs wants, and what a
 * promotion changes.
 */
#include "pg_door.h"

#include <stdio.h>
#include <stdlib.h>

static pg_server *primary, *standby;

static int
begin(void **state)
{
	pg_server_options options = {0};

	(void)state;
	primary = pg_server_start(NULL);
	pg_do(primary, "CREATE ROLE reader LOGIN");
	pg_do(primary, "ALTER ROLE reader SET default_transaction_read_only = on");
	options.standby_of = primary;
	standby = pg_server_start(&options);
	pg_await(standby, "SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_roles WHERE "
			  "rolname = 'reader')");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(standby);
	pg_server_end(primary);
	return 0;
}

typedef enum place { NONE = 0, PRIMARY, STANDBY, DEAD } place;
enum { MOST = 4 };

static int
port_of(place p)
{
	return p == PRIMARY   ? pg_server_port(primary)
	       : p == STANDBY ? pg_server_port(standby)
	                      : 1; /* nobody's */
}

static const char *
conninfo_of(const place among[MOST], const char *attrs, const char *user)
{
	static char text[512];
	char hosts[128] = "", ports[64] = "";

	for (size_t i = 0; i < MOST && among[i] != NONE; i++) {
		size_t h = strlen(hosts), p = strlen(ports);
		(void)snprintf(hosts + h, sizeof hosts - h, "%s127.0.0.1", i > 0 ? "," : "");
		(void)snprintf(
		    ports + p, sizeof ports - p, "%s%d", i > 0 ? "," : "", port_of(among[i]));
	}
	(void)snprintf(text, sizeof text,
	    "host=%s port=%s dbname=postgres user=%s target_session_attrs=%s", hosts, ports, user,
	    attrs);
	return text;
}

static void
serves(const char *conninfo, place expected)
{
	door d = door_init();
	char port[16];

	d.ask = "SHOW port";
	door_opens(&d, conninfo);
	(void)snprintf(port, sizeof port, "%d", port_of(expected));
	if (strcmp(d.value, port) != 0)
		fail_msg("%s: %s serves, not %s", conninfo, d.value, port);
}

static void
who_serves(void **state)
{
	static const struct {
		const char *attrs;
		place among[MOST], expected;
	} rows[] = {
	    {"any", {STANDBY, PRIMARY}, STANDBY},
	    {"read-write", {STANDBY, PRIMARY}, PRIMARY},
	    {"read-write", {PRIMARY, STANDBY}, PRIMARY},
	    {"read-only", {PRIMARY, STANDBY}, STANDBY},
	    {"primary", {STANDBY, PRIMARY}, PRIMARY},
	    {"primary", {DEAD, STANDBY, PRIMARY}, PRIMARY},
	    {"standby", {PRIMARY, STANDBY}, STANDBY},
	    {"standby", {PRIMARY, DEAD, STANDBY}, STANDBY},
	    {"prefer-standby", {STANDBY, PRIMARY}, STANDBY},
	    {"prefer-standby", {PRIMARY, STANDBY}, STANDBY},
	    {"prefer-standby", {PRIMARY, DEAD, STANDBY}, STANDBY},
	    {"prefer-standby", {DEAD, PRIMARY}, PRIMARY},
	    {"prefer-standby", {PRIMARY}, PRIMARY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		serves(conninfo_of(rows[i].among, rows[i].attrs, "postgres"), rows[i].expected);
}

static void
nobody_serves(void **state)
{
	static const struct {
		const char *attrs;
		place among[MOST];
		const char *user, *words;
	} rows[] = {
	    {"read-write", {STANDBY}, "postgres", "session is read-only"},
	    {"read-only", {PRIMARY}, "postgres", "session is not read-only"},
	    {"primary", {STANDBY, DEAD}, "postgres", "server is in hot standby mode"},
	    {"standby", {PRIMARY, PRIMARY}, "postgres", "server is not in hot standby mode"},
	    {"prefer-standby", {DEAD}, "postgres", "refused"},
	    /* A primary whose sessions do not write by default. */
	    {"read-write", {PRIMARY}, "reader", "session is read-only"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		door d = door_init();
		door_refuses(&d, conninfo_of(rows[i].among, rows[i].attrs, rows[i].user),
		    QPOOL_EOPEN, "", rows[i].words);
	}
	serves(conninfo_of((const place[MOST]){PRIMARY}, "read-only", "reader"), PRIMARY);
	serves(conninfo_of((const place[MOST]){PRIMARY}, "primary", "reader"), PRIMARY);
}

/* Sessions that were there before go on, and may write from then on. */
static void
promoted(void **state)
{
	qpool_options options = qpool_options_init();
	qpool_lease lease;
	qpool_error error;
	qpool *pool;
	int pid;

	(void)state;
	options.max_size = 1;
	assert_int_equal(
	    qpool_pg_create(&pool, pg_server_conninfo(standby), NULL, &options, &error), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error), QPOOL_OK);
	pid = PQbackendPID(qpool_pg_conn(&lease));
	assert_int_equal(
	    qpool_pg_exec(&lease, "CREATE TABLE t (a int)", NULL, NULL, &error), QPOOL_EPEER);
	assert_string_equal(error.native, "25006");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	pg_do(standby, "SELECT pg_promote(true, 60)");
	qpool_suspect(pool);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error), QPOOL_OK);
	assert_int_equal(
	    qpool_pg_exec(&lease, "CREATE TABLE t (a int)", NULL, NULL, &error), QPOOL_OK);
	assert_int_equal(PQbackendPID(qpool_pg_conn(&lease)), pid);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
	serves(conninfo_of((const place[MOST]){STANDBY}, "read-write", "postgres"), STANDBY);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_serves),
	    cmocka_unit_test(nobody_serves),
	    cmocka_unit_test(promoted),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_standby", tests, begin, end);
}
