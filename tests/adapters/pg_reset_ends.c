/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_ends: a return ends by its budget and costs at most the session, whatever the peer does and
 * however much the holder left under way.
 */
#include "pg_scene.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- budgets ------------------------------------------------------------------------- */

static void
waste_time(void *user, const PGresult *notice)
{
	scene *s = user;

	(void)notice;
	for (unsigned i = 0; i < 200000; i++)
		s->notices += i % 3;
}

/* Notices come faster than they are taken, so there is always something to read. */
static void
an_answer_that_never_ends(void **state)
{
	static const char *const at_connect[] = {
	    "DO $$ BEGIN LOOP RAISE WARNING 'on and on'; END LOOP; END $$", NULL};
	scene s = scene_init();

	(void)state;
	s.pg.on_notice = waste_time;
	s.pg.at_connect = at_connect;
	s.options.open_failure = QPOOL_OPEN_TELL;
	s.options.open_budget = QPOOL_MSEC(300);
	scene_open(&s, "");
	assert_int_equal(qpool_acquire(s.pool, QPOOL_SEC(60), &s.lease, &s.error), QPOOL_EOPEN);
	assert_non_null(strstr(s.error.message, "within the budget"));
	scene_end(&s);
}

/* The peer vanishes during the lease; the return ends, and the place in the pool is not lost. */
static void
swallowed(const char *sql, bool is_sent_only, uint32_t reset, bool has_worker)
{
	scene s = scene_init();
	PGconn *conn;

	s.options.step_budget = QPOOL_MSEC(200);
	s.pg.reset = reset;
	scene_open(&s, "");
	if (has_worker)
		assert_int_equal(qpool_start(s.pool, 1, NULL), QPOOL_OK);
	conn = take(&s);
	if (is_sent_only)
		assert_int_equal(PQsendQuery(conn, sql), 1);
	else
		(void)pg_say(conn, sql);
	pg_proxy_set(proxy, PG_SWALLOW);
	put(&s);
	while (stats(&s).resets_failed == 0)
		(void)sched_yield();
	pg_proxy_set(proxy, PG_PASS);
	assert_string_equal(pg_say(take(&s), "SELECT 5"), "5");
	assert_int_equal(stats(&s).opens, 2);
	put(&s);
	scene_end(&s);
}

static void
a_peer_that_vanished(void **state)
{
	(void)state;
	for (int has_worker = 0; has_worker < 2; has_worker++) {
		swallowed("BEGIN", false, QPOOL_PG_RESET_ROLLBACK, has_worker);
		swallowed("BEGIN", false, QPOOL_PG_RESET_FULL, has_worker);
		swallowed("SELECT 1", false, QPOOL_PG_RESET_SMART, has_worker);
		swallowed("SELECT pg_sleep(600)", true, QPOOL_PG_RESET_ROLLBACK, has_worker);
		swallowed("COPY t FROM STDIN", true, QPOOL_PG_RESET_FULL, has_worker);
	}
}

static void
a_peer_that_died(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		scene s = scene_init();
		PGconn *conn;

		s.pg.reset = i == 0   ? QPOOL_PG_RESET_ROLLBACK
		             : i == 1 ? QPOOL_PG_RESET_FULL
		                      : QPOOL_PG_RESET_NONE;
		scene_open(&s, "");
		conn = take(&s);
		(void)pg_say(conn, "BEGIN");
		pg_kill_backend(server, PQbackendPID(conn));
		put(&s);
		assert_int_equal(stats(&s).resets_failed, 1);
		assert_string_equal(pg_say(take(&s), "SELECT 5"), "5");
		put(&s);
		scene_end(&s);
	}
}

/* ---- cancelling ---------------------------------------------------------------------- */

/* The backend stands still, so that the first cancel arrives before the query. */
static void
a_cancel_that_overtakes(void **state)
{
	scene s = scene_init();
	PGconn *conn;
	size_t links;
	int pid;

	(void)state;
	s.options.flags = QPOOL_RESET_ON_WORKERS;
	s.options.step_budget = QPOOL_SEC(8);
	scene_open(&s, "");
	assert_int_equal(qpool_start(s.pool, 1, NULL), QPOOL_OK);
	conn = take(&s);
	pid = PQbackendPID(conn);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(PQsendQuery(conn, "SELECT pg_sleep(600)"), 1);
	links = pg_proxy_links(proxy);
	pg_proxy_reset(proxy);
	put(&s);
	for (bool is_sent = false; !is_sent || pg_proxy_links(proxy) > links;) {
		char *sent = pg_proxy_sent(proxy);
		is_sent = strchr(sent, '-') != NULL;
		free(sent);
	}
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(PQbackendPID(take(&s)), pid);
	put(&s);
	scene_end(&s);
}

static void
a_pipeline_that_runs(void **state)
{
	scene s = scene_init();
	PGconn *conn;
	int pid;

	(void)state;
	s.options.step_budget = QPOOL_SEC(4);
	scene_open(&s, "");
	assert_int_equal(qpool_start(s.pool, 1, NULL), QPOOL_OK);
	conn = take(&s);
	pid = PQbackendPID(conn);
	assert_int_equal(PQenterPipelineMode(conn), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    PQsendQueryParams(conn, "SELECT pg_sleep(600)", 0, NULL, NULL, NULL, NULL, 0),
		    1);
		assert_int_equal(PQpipelineSync(conn), 1);
	}
	put(&s);
	conn = take(&s);
	assert_int_equal(PQbackendPID(conn), pid);
	assert_string_equal(pg_say(conn, "SELECT 5"), "5");
	put(&s);
	scene_end(&s);
}

/* libpq lets a holder leave pipeline mode without a sync.  DISCARD ALL finds out. */
static void
a_transaction_that_only_the_server_knows(void **state)
{
	scene s = scene_init();
	PGconn *conn;
	int pid;

	(void)state;
	s.pg.reset = QPOOL_PG_RESET_SMART;
	scene_open(&s, "");
	conn = take(&s);
	pid = PQbackendPID(conn);
	assert_int_equal(PQenterPipelineMode(conn), 1);
	assert_int_equal(
	    PQsendQueryParams(conn, "INSERT INTO t VALUES (99)", 0, NULL, NULL, NULL, NULL, 0), 1);
	assert_int_equal(PQsendFlushRequest(conn), 1);
	assert_int_equal(PQflush(conn), 0);
	PQclear(PQgetResult(conn));
	assert_null(PQgetResult(conn));
	assert_int_equal(PQexitPipelineMode(conn), 1);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
	put(&s);
	assert_int_not_equal(PQbackendPID(take(&s)), pid);
	assert_int_equal(pg_count(server, "SELECT count(*) FROM t"), 3);
	put(&s);
	scene_end(&s);
}

/* libpq forbids it, and loses count: whatever becomes of the session, the place is not lost. */
static void
a_copy_in_a_pipeline(void **state)
{
	static const char *const copies[] = {"COPY t FROM STDIN", "COPY t TO STDOUT"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		scene s = scene_init();
		PGconn *conn;

		s.options.step_budget = QPOOL_MSEC(300);
		scene_open(&s, "");
		if (i > 1)
			assert_int_equal(qpool_start(s.pool, 1, NULL), QPOOL_OK);
		conn = take(&s);
		assert_int_equal(PQenterPipelineMode(conn), 1);
		assert_int_equal(
		    PQsendQueryParams(conn, copies[i % 2], 0, NULL, NULL, NULL, NULL, 0), 1);
		assert_int_equal(PQpipelineSync(conn), 1);
		put(&s);
		assert_string_equal(pg_say(take(&s), "SELECT 5"), "5");
		put(&s);
		scene_end(&s);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_that_never_ends),
	    cmocka_unit_test(a_peer_that_vanished),
	    cmocka_unit_test(a_peer_that_died),
	    cmocka_unit_test(a_cancel_that_overtakes),
	    cmocka_unit_test(a_pipeline_that_runs),
	    cmocka_unit_test(a_transaction_that_only_the_server_knows),
	    cmocka_unit_test(a_copy_in_a_pipeline),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_reset_ends", tests, scene_begin, scene_finish);
}
