/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_rules: what a return promises beside the table of docs/POSTGRES.md: what comes back after a full
 * reset, what on_dirty tells, and what the callbacks may do.
 */
#include "pg_scene.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a full reset brings back --------------------------------------------------- */

static void
at_connect_again(void **state)
{
	static const char *const at_connect[] = {
	    "SET work_mem = '99kB'", "CREATE TEMP TABLE mine()", "LISTEN news", NULL};
	scene s = scene_init();
	PGconn *conn;
	int pid;

	(void)state;
	s.pg.at_connect = at_connect;
	s.pg.reset = QPOOL_PG_RESET_FULL;
	scene_open(&s, "");
	conn = take(&s);
	pid = PQbackendPID(conn);
	(void)pg_say(conn, "SET work_mem = '88kB'; DROP TABLE mine; UNLISTEN news; BEGIN");
	pg_proxy_reset(proxy);
	put(&s);
	conn = take(&s);
	assert_int_equal(pg_proxy_counts(proxy).turns, 1);
	assert_int_equal(PQbackendPID(conn), pid);
	assert_string_equal(pg_say(conn, "SHOW work_mem"), "99kB");
	assert_string_equal(pg_say(conn, "SELECT to_regclass('pg_temp.mine')"), "mine");
	assert_string_equal(pg_say(conn, "SELECT pg_listening_channels()"), "news");
	put(&s);
	scene_end(&s);
}

static void
startup_settings_stay(void **state)
{
	static const char *const settings[][2] = {{"default_transaction_isolation", "serializable"},
	    {"default_transaction_read_only", "on"}, {"default_transaction_deferrable", "on"},
	    {"statement_timeout", "7777ms"}, {"lock_timeout", "0"},
	    {"idle_in_transaction_session_timeout", "9s"}, {"application_name", "a name"},
	    {"work_mem", "111kB"}, {"role", "other"}};
	scene s = scene_init();
	PGconn *conn;

	(void)state;
	s.pg.reset = QPOOL_PG_RESET_SMART;
	s.pg.isolation_level = QPOOL_PG_SERIALIZABLE;
	s.pg.flags = QPOOL_PG_READ_ONLY | QPOOL_PG_DEFERRABLE;
	s.pg.statement_timeout = QPOOL_MSEC(7777);
	s.pg.lock_timeout = QPOOL_ZERO;
	s.pg.idle_in_transaction_session_timeout = QPOOL_SEC(9);
	s.pg.application_name = "a name";
	scene_open(&s, " options='-c work_mem=111kB -c role=other'");
	for (int i = 0; i < 2; i++) {
		conn = take(&s);
		for (size_t j = 0; j < sizeof settings / sizeof settings[0]; j++) {
			char sql[128];
			(void)snprintf(sql, sizeof sql, "SHOW %s", settings[j][0]);
			assert_string_equal(pg_say(conn, sql), settings[j][1]);
		}
		(void)pg_say(conn,
		    "SET default_transaction_isolation = 'read committed';"
		    "SET default_transaction_read_only = off; SET default_transaction_deferrable = off;"
		    "SET statement_timeout = 1111; SET lock_timeout = 1111;"
		    "SET idle_in_transaction_session_timeout = 1111; SET application_name = 'x';"
		    "SET work_mem = '222kB'; RESET ROLE; SET ROLE postgres");
		put(&s);
	}
	assert_int_equal(stats(&s).opens, 1);
	scene_end(&s);
}

static void
epochs(void **state)
{
	static const uint32_t resets[] = {QPOOL_PG_RESET_ROLLBACK, QPOOL_PG_RESET_NONE,
	    QPOOL_PG_RESET_SMART, QPOOL_PG_RESET_FULL};
	const qpool_lease empty = QPOOL_LEASE_INIT;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		scene s = scene_init();
		uint64_t first, second;

		s.pg.reset = resets[i];
		scene_open(&s, "");
		(void)take(&s);
		first = qpool_pg_epoch(&s.lease);
		put(&s);
		(void)take(&s);
		second = qpool_pg_epoch(&s.lease);
		assert_int_not_equal(first, 0);
		assert_int_equal(first != second, i >= 2);
		assert_int_equal(qpool_discard(&s.lease), QPOOL_OK);
		(void)take(&s);
		assert_int_not_equal(qpool_pg_epoch(&s.lease), first);
		assert_int_not_equal(qpool_pg_epoch(&s.lease), second);
		put(&s);
		scene_end(&s);
	}
	assert_int_equal(qpool_pg_epoch(&empty), 0);
}

/* A copy of a lease that has ended is nobody's. */
static void
an_ended_lease_is_no_lease(void **state)
{
	scene s = scene_init();
	qpool_lease copy;
	PGconn *conn;

	(void)state;
	scene_open(&s, "");
	conn = take(&s);
	copy = s.lease;
	put(&s);
	assert_null(qpool_pg_conn(&copy));
	assert_int_equal(qpool_pg_use(&copy, &conn, &s.error), QPOOL_EMISUSE);
	assert_int_equal(qpool_pg_epoch(&copy), 0);
	assert_false(qpool_pg_note(&copy, NULL));
	assert_null(qpool_pg_detach(&copy));
	scene_end(&s);
}

/* ---- what a pool costs --------------------------------------------------------------- */

static void
nothing_is_added(void **state)
{
	scene s = scene_init();
	pg_proxy_count count;
	char *sent;

	(void)state;
	scene_open(&s, "");
	(void)take(&s);
	put(&s);
	pg_proxy_reset(proxy);
	for (int i = 0; i < 50; i++) {
		(void)pg_say(take(&s), "SELECT 1");
		put(&s);
	}
	for (int i = 0; i < 50; i++) {
		(void)take(&s);
		put(&s);
	}
	count = pg_proxy_counts(proxy);
	assert_int_equal(count.turns, 50);
	assert_int_equal(count.connects, 0);
	sent = pg_proxy_sent(proxy);
	assert_int_equal(strlen(sent), 50);
	assert_int_equal(strspn(sent, "Q"), 50);
	free(sent);
	scene_end(&s);
}

/* ---- on_dirty ------------------------------------------------------------------------ */

static void
on_dirty(void *user, const char *what, const char *site)
{
	scene *s = user;

	s->dirty_count++;
	(void)snprintf(s->dirty, sizeof s->dirty, "%s", what);
	(void)snprintf(s->site, sizeof s->site, "%s", site != NULL ? site : "");
}

static const struct {
	const char *sql, *told;
} leftovers[] = {
    {"SELECT 1", ""},
    {"BEGIN", "open transaction"},
    {"BEGIN; SET work_mem = '77kB'", "open transaction"},
    {"SET work_mem = '77kB'; SET search_path = pg_catalog", "SET search_path, SET work_mem"},
    {"SET ROLE other", "SET ROLE other"},
    {"SET SESSION AUTHORIZATION other", "session authorization other"},
    {"CREATE TEMP TABLE x(); CREATE TEMP VIEW v AS SELECT 1", "temp table x, temp view v"},
    {"CREATE TEMP SEQUENCE q", "temp sequence q"},
    {"LISTEN more", "LISTEN more"},
    {"SELECT pg_advisory_lock(1, 7)", "advisory lock 1,7"},
    {"PREPARE p AS SELECT 1", "prepared statement p"},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "cursor c"},
    {"BEGIN; LISTEN more; COMMIT; BEGIN", "open transaction, LISTEN more"},
};

static void
tells_of(uint32_t reset)
{
	static const char *const at_connect[] = {"SET work_mem = '99kB'",
	    "CREATE TEMP TABLE mine()", "LISTEN news", "PREPARE mine AS SELECT 1",
	    "SELECT pg_advisory_lock(9)", NULL};

	for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++) {
		scene s = scene_init();
		bool is_dirty = leftovers[i].told[0] != '\0';

		s.pg.reset = reset;
		s.pg.on_dirty = on_dirty;
		s.pg.at_connect = at_connect;
		scene_open(&s, "");
		for (int time = 0; time < 2; time++) {
			s.dirty[0] = '\0';
			(void)pg_say(take(&s), leftovers[i].sql);
			put(&s);
			assert_string_equal(s.dirty, leftovers[i].told);
			if (is_dirty)
				assert_non_null(strstr(s.site, "pg_scene.c:"));
			/* The next one touches it, and is told of what is still there. */
			s.dirty[0] = '\0';
			(void)pg_say(take(&s), "SELECT 1");
			put(&s);
			if (reset == QPOOL_PG_RESET_FULL)
				assert_string_equal(s.dirty, "");
			else
				break;
		}
		scene_end(&s);
	}
}

static void
on_dirty_tells(void **state)
{
	(void)state;
	tells_of(QPOOL_PG_RESET_ROLLBACK);
	tells_of(QPOOL_PG_RESET_FULL);
}

/* ---- on_return ----------------------------------------------------------------------- */

static qpool_err
on_return(void *user, PGconn *conn, const qpool_step *step, qpool_error *error)
{
	scene *s = user;

	(void)step;
	(void)error;
	s->returns++;
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
	(void)PQsetnonblocking(conn, 0);
	(void)pg_say(conn, s->sql);
	(void)PQsetnonblocking(conn, 1);
	return s->answer;
}

static void
on_return_decides(void **state)
{
	static const struct {
		const char *sql;
		qpool_err answer;
		bool is_closed;
	} cases[] = {{"DISCARD TEMP", QPOOL_OK, false}, {"SELECT 1", QPOOL_ECHECK, true},
	    {"SELECT 1", QPOOL_EAGAIN, true}, {"SELECT 1", QPOOL_EPEER, true},
	    {"BEGIN", QPOOL_OK, true}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		scene s = scene_init();
		PGconn *conn;

		s.pg.on_return = on_return;
		s.answer = cases[i].answer;
		s.sql = cases[i].sql;
		scene_open(&s, "");
		(void)pg_say(take(&s), "CREATE TEMP TABLE x(); BEGIN");
		put(&s);
		assert_int_equal(s.returns, 1);
		assert_int_equal(stats(&s).resets_failed, cases[i].is_closed);
		conn = take(&s);
		assert_false(PQisnonblocking(conn));
		assert_string_equal(pg_say(conn, "SELECT to_regclass('pg_temp.x')"), "");
		put(&s);
		scene_end(&s);
	}
}

static qpool_err
leave_a_pipeline(void *user, PGconn *conn, const qpool_step *step, qpool_error *error)
{
	scene *s = user;

	(void)step;
	(void)error;
	s->returns++;
	assert_true(PQenterPipelineMode(conn));
	return QPOOL_OK;
}

static void
on_return_leaves_a_pipeline(void **state)
{
	scene s = scene_init();

	(void)state;
	s.pg.on_return = leave_a_pipeline;
	scene_open(&s, "");
	(void)take(&s);
	put(&s);
	assert_int_equal(s.returns, 1);
	assert_int_equal(stats(&s).resets_failed, 1);
	assert_int_equal(PQpipelineStatus(take(&s)), PQ_PIPELINE_OFF);
	put(&s);
	scene_end(&s);
}

/* ---- at_connect is checked when it first runs ----------------------------------------- */

static void
refuses(const char *const *at_connect, qpool_err expected, const char *native, const char *words)
{
	scene s = scene_init();

	s.pg.at_connect = at_connect;
	s.options.open_failure = QPOOL_OPEN_TELL;
	scene_open(&s, "");
	assert_int_equal(qpool_acquire(s.pool, QPOOL_SEC(60), &s.lease, &s.error), expected);
	assert_string_equal(s.error.native, native);
	if (strstr(s.error.message, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, s.error.message);
	scene_end(&s);
}

static void
at_connect_refused(void **state)
{
	(void)state;
	refuses((const char *const[]){"SET work_mem = '99kB'", "SET work_mem = 'secret'", NULL},
	    QPOOL_EOPEN, "22023", "at_connect[1]");
	refuses((const char *const[]){"nonsense", "SELECT 1", NULL}, QPOOL_EDENIED, "42601",
	    "at_connect[0]");
	refuses((const char *const[]){"SET work_mem = '99kB'; SELECT 1", NULL}, QPOOL_EDENIED,
	    "42601", "at_connect[0]");
	refuses((const char *const[]){"BEGIN", NULL}, QPOOL_EOPEN, "", "transaction open");
	refuses((const char *const[]){"COPY t FROM STDIN", NULL}, QPOOL_EOPEN, "", "COPY");
	refuses((const char *const[]){"COPY t TO STDOUT", NULL}, QPOOL_EOPEN, "", "COPY");
}

/* ---- no autocommit ------------------------------------------------------------------- */

/* A BEGIN of ours must leave the holder's choice of mode alone. */
static void
begin_keeps_nonblocking(void **state)
{
	scene s = scene_init();
	PGconn *conn;

	(void)state;
	s.pg.flags = QPOOL_PG_TRANSACTION;
	scene_open(&s, "");
	conn = take(&s);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
	assert_int_equal(PQsetnonblocking(conn, 1), 0);
	(void)pg_say(conn, "COMMIT");
	assert_ptr_equal(qpool_pg_conn(&s.lease), conn);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
	assert_true(PQisnonblocking(conn));
	put(&s);
	scene_end(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(at_connect_again),
	    cmocka_unit_test(startup_settings_stay),
	    cmocka_unit_test(epochs),
	    cmocka_unit_test(an_ended_lease_is_no_lease),
	    cmocka_unit_test(nothing_is_added),
	    cmocka_unit_test(on_dirty_tells),
	    cmocka_unit_test(on_return_decides),
	    cmocka_unit_test(on_return_leaves_a_pipeline),
	    cmocka_unit_test(at_connect_refused),
	    cmocka_unit_test(begin_keeps_nonblocking),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_reset_rules", tests, scene_begin, scene_finish);
}
