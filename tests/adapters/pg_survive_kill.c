/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_survive_kill: sessions that the server ends, and a server that stops taking writes.
 */
#include "pg_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KILLS = 50, SESSIONS = 8, WRITES = 100 };

static pg_server *server;
static pg_proxy *proxy;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	proxy = pg_proxy_start(server);
	pg_do(server, "CREATE TABLE t (n int)");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_proxy_end(proxy);
	pg_server_end(server);
	return 0;
}

static qpool *
pool_of(const char *conninfo, unsigned size)
{
	qpool_options options = qpool_options_init();

	options.max_size = size;
	return load_pool(conninfo, NULL, &options, 0);
}

static void
take_many(qpool *pool, qpool_lease *leases, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		leases[i] = load_take(pool);
}

static void
put_many(qpool_lease *leases, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		load_put(&leases[i]);
}

/* Of the clients' messages: so many empty or simple queries. */
static unsigned
queries_sent(void)
{
	char *sent = pg_proxy_sent(proxy);
	unsigned count = 0;

	for (const char *at = sent; *at != '\0'; at++)
		count += *at == 'Q';
	free(sent);
	return count;
}

/* ---- killed while idle ---- */

static void
kill_idle(const char *conninfo)
{
	qpool *pool = pool_of(conninfo, 1);

	for (int i = 0; i < KILLS; i++) {
		qpool_lease lease = load_take(pool);
		int pid = load_pid(&lease);

		load_put(&lease);
		pg_kill_backend(server, pid);
		lease = load_take(pool);
		assert_int_not_equal(load_pid(&lease), pid);
		load_put(&lease);
	}
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_CHECK], KILLS);
	load_pool_end(pool);
}

static void
killed_while_idle(void **state)
{
	(void)state;
	kill_idle(pg_server_conninfo(server));
	kill_idle(pg_server_tcp_conninfo(server));
	printf("# killed while idle: %d times, handed out 0 times\n", 2 * KILLS);
}

static void
all_killed_while_idle(void **state)
{
	qpool *pool = pool_of(pg_server_conninfo(server), SESSIONS);
	qpool_lease leases[SESSIONS];
	int pids[SESSIONS];

	(void)state;
	take_many(pool, leases, SESSIONS);
	for (int i = 0; i < SESSIONS; i++)
		pids[i] = load_pid(&leases[i]);
	put_many(leases, SESSIONS);
	pg_do(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
		      " WHERE application_name = 'postgres'");
	for (int i = 0; i < SESSIONS; i++)
		pg_kill_backend(server, pids[i]); /* until it is gone */
	load_take_all(pool, SESSIONS);
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_CHECK], SESSIONS);
	load_pool_end(pool);
}

/* ---- killed in a transaction ---- */

static qpool_lease
in_transaction(qpool *pool)
{
	qpool_lease lease = load_take(pool);
	qpool_error error;

	if (qpool_pg_exec(&lease, "BEGIN", NULL, NULL, &error) != QPOOL_OK ||
	    qpool_pg_exec(&lease, "INSERT INTO t VALUES (1)", NULL, NULL, &error) != QPOOL_OK)
		fail_msg("%s", error.message);
	return lease;
}

static void
killed_in_a_transaction(void **state)
{
	qpool *pool = pool_of(pg_server_conninfo(server), 1);

	(void)state;
	for (int i = 0; i < 10; i++) {
		qpool_lease lease = in_transaction(pool);
		qpool_error error;

		pg_kill_backend(server, load_pid(&lease));
		assert_int_equal(
		    qpool_pg_exec(&lease, "INSERT INTO t VALUES (2)", NULL, NULL, &error),
		    QPOOL_EPEER);
		assert_string_equal(error.native, "57P01");
		/* Not a second time, and nothing is in doubt. */
		assert_int_equal(qpool_pg_commit(&lease, &error), QPOOL_EPEER);
		load_put(&lease);
	}
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_DISCARDED], 10);
	assert_int_equal(pg_count(server, "SELECT count(*) FROM t"), 0);
	load_pool_end(pool);
}

static void
killed_under_libpq(void **state)
{
	qpool *pool = pool_of(pg_server_conninfo(server), 1);
	qpool_lease lease = in_transaction(pool);
	PGconn *conn = qpool_pg_conn(&lease);
	PGresult *result;

	(void)state;
	result = PQexec(conn, "SELECT no_such_column");
	assert_false(qpool_pg_note(&lease, result)); /* the statement's own failure */
	PQclear(result);
	pg_kill_backend(server, PQbackendPID(conn));
	result = PQexec(conn, "SELECT 1");
	assert_true(qpool_pg_note(&lease, result));
	PQclear(result);
	load_put(&lease);
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_DISCARDED], 1);
	load_pool_end(pool);
}

static void
killed_while_it_works(void **state)
{
	qpool *pool = pool_of(pg_server_tcp_conninfo(server), 1);
	qpool_lease lease = load_take(pool);
	qpool_error error;
	PGresult *result;
	PGconn *conn = qpool_pg_conn(&lease);

	(void)state;
	assert_int_equal(PQsendQuery(conn, "SELECT pg_sleep(600)"), 1);
	pg_await(server, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	pg_kill_backend(server, PQbackendPID(conn));
	while ((result = PQgetResult(conn)) != NULL) {
		assert_true(qpool_pg_note(&lease, result));
		PQclear(result);
	}
	assert_int_equal(qpool_pg_exec(&lease, "SELECT 1", NULL, NULL, &error), QPOOL_EPEER);
	load_put(&lease);
	load_pool_end(pool);
}

/* A crashing server says a word to each session.  libpq then tells of its own failed write, and
 * goes on believing in the connection. */
static void
crashed_under_libpq(void **state)
{
	qpool *pool = pool_of(pg_server_conninfo(server), 1);
	qpool_lease lease = load_take(pool);
	PGresult *result;

	(void)state;
	assert_non_null(qpool_pg_conn(&lease));
	pg_server_restart(server, PG_IMMEDIATE);
	result = PQexec(qpool_pg_conn(&lease), "SELECT 1");
	assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
	assert_true(qpool_pg_note(&lease, result));
	PQclear(result);
	load_put(&lease);
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_DISCARDED], 1);
	load_take_all(pool, 1);
	load_pool_end(pool);
}

/* What libpq refuses by itself is no loss. */
static void
refused_by_libpq(void **state)
{
	qpool *pool = pool_of(pg_server_conninfo(server), 1);
	qpool_lease lease = load_take(pool);
	PGconn *conn = qpool_pg_conn(&lease);

	(void)state;
	assert_int_equal(PQsendQuery(conn, "SELECT 1"), 1);
	assert_int_equal(PQsendQuery(conn, "SELECT 1"), 0);
	assert_false(qpool_pg_note(&lease, NULL));
	load_put(&lease);
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_DISCARDED], 0);
	load_pool_end(pool);
}

/* ---- after one, the others are asked ---- */

static void
others_are_asked(void **state)
{
	qpool *pool = pool_of(pg_proxy_conninfo(proxy), SESSIONS);
	qpool_lease leases[SESSIONS];
	qpool_error error;
	unsigned asked;

	(void)state;
	take_many(pool, leases, SESSIONS);
	pg_kill_backend(server, load_pid(&leases[0]));
	assert_int_equal(qpool_pg_exec(&leases[0], "SELECT 1", NULL, NULL, &error), QPOOL_EPEER);
	put_many(leases, SESSIONS);
	pg_proxy_reset(proxy);
	take_many(pool, leases, SESSIONS);
	asked = queries_sent();
	printf("# after a fatal error %u of %d others were asked\n", asked, SESSIONS - 1);
	assert_int_equal(asked, SESSIONS - 1);
	assert_int_equal(pg_proxy_counts(proxy).connects, 1);
	put_many(leases, SESSIONS);
	/* Once. */
	pg_proxy_reset(proxy);
	take_many(pool, leases, SESSIONS);
	assert_int_equal(pg_proxy_counts(proxy).to_server_bytes, 0);
	put_many(leases, SESSIONS);
	load_pool_end(pool);
}

/* ---- the server takes no more writes ---- */

/* Until the postmaster and all backends have been told. */
static void
set_read_only(const char *how)
{
	pg_do(server, "ALTER SYSTEM SET default_transaction_read_only = %s", how);
	pg_do(server, "SELECT pg_reload_conf()");
	for (;;) {
		/* A new session is made by the postmaster after it told the others. */
		PGconn *conn = pg_connected(pg_server_conninfo(server));
		const char *now = PQparameterStatus(conn, "default_transaction_read_only");
		bool done = now != NULL && strcmp(now, how) == 0;

		PQfinish(conn);
		if (done)
			return;
	}
}

static qpool_err
insert(qpool_lease *lease, qpool_error *error)
{
	return qpool_pg_exec(lease, "INSERT INTO t VALUES (1)", NULL, NULL, error);
}

static void
a_server_becomes_read_only(void **state)
{
	qpool *pool = pool_of(pg_proxy_conninfo(proxy), SESSIONS);
	qpool_lease leases[SESSIONS];
	qpool_error error;
	uint64_t opens;

	(void)state;
	take_many(pool, leases, SESSIONS);
	put_many(leases, SESSIONS);
	set_read_only("on");
	leases[0] = load_take(pool);
	assert_int_equal(insert(&leases[0], &error), QPOOL_EPEER);
	assert_string_equal(error.native, "25006");
	load_put(&leases[0]);
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_DISCARDED], 1);
	take_many(pool, leases, SESSIONS);
	assert_int_equal(load_stats(pool).closes[QPOOL_WHY_CHECK], SESSIONS - 1);
	put_many(leases, SESSIONS);
	/* New sessions never could write: no reason to close them. */
	opens = load_stats(pool).opens;
	for (int i = 0; i < WRITES; i++) {
		qpool_lease lease = load_take(pool);
		assert_int_equal(insert(&lease, &error), QPOOL_EPEER);
		assert_string_equal(error.native, "25006");
		load_put(&lease);
	}
	printf("# read-only: %d failing writes opened %" PRIu64 " sessions\n", WRITES,
	    load_stats(pool).opens - opens);
	assert_int_equal(load_stats(pool).opens, opens);
	set_read_only("off");
	leases[0] = load_take(pool);
	assert_int_equal(insert(&leases[0], &error), QPOOL_OK);
	load_put(&leases[0]);
	load_pool_end(pool);
}

static void
who_wants_to_write_can(void **state)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_lease lease;
	qpool_error error;
	qpool *pool;

	(void)state;
	set_read_only("on");
	pg.flags = QPOOL_PG_READ_WRITE;
	pool = load_pool(pg_proxy_conninfo(proxy), &pg, NULL, 0);
	lease = load_take(pool);
	if (insert(&lease, &error) != QPOOL_OK)
		fail_msg("%s", error.message);
	load_put(&lease);
	set_read_only("off");
	load_pool_end(pool);
}

static void
fail_to_write(qpool *pool, const char *sql)
{
	qpool_error error;

	for (int i = 0; i < WRITES; i++) {
		qpool_lease lease = load_take(pool);
		PGresult *result = PQexec(qpool_pg_conn(&lease), sql);

		assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "25006");
		assert_false(qpool_pg_note(&lease, result));
		PQclear(result);
		assert_int_equal(qpool_pg_rollback(&lease, NULL), QPOOL_OK);
		load_put(&lease);
		lease = load_take(pool);
		assert_int_equal(qpool_pg_exec(&lease, "SELECT 1", NULL, NULL, &error), QPOOL_OK);
		load_put(&lease);
	}
	assert_int_equal(load_stats(pool).opens, 1);
	load_pool_end(pool);
}

static void
who_asks_for_reads_is_not_condemned(void **state)
{
	qpool_pg_options pg = qpool_pg_options_init();

	(void)state;
	pg.flags = QPOOL_PG_READ_ONLY;
	fail_to_write(
	    load_pool(pg_proxy_conninfo(proxy), &pg, NULL, 0), "INSERT INTO t VALUES (1)");
	pg.pooler = QPOOL_PG_POOLER_TRANSACTION;
	pg.flags = 0;
	fail_to_write(load_pool(pg_proxy_conninfo(proxy), &pg, NULL, 0),
	    "BEGIN READ ONLY; INSERT INTO t VALUES (1)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_while_idle),
	    cmocka_unit_test(all_killed_while_idle),
	    cmocka_unit_test(killed_in_a_transaction),
	    cmocka_unit_test(killed_under_libpq),
	    cmocka_unit_test(killed_while_it_works),
	    cmocka_unit_test(crashed_under_libpq),
	    cmocka_unit_test(refused_by_libpq),
	    cmocka_unit_test(others_are_asked),
	    cmocka_unit_test(a_server_becomes_read_only),
	    cmocka_unit_test(who_wants_to_write_can),
	    cmocka_unit_test(who_asks_for_reads_is_not_condemned),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
