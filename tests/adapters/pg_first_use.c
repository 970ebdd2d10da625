/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_first_use: a lease between acquire and its end: on_lease, transactions that open by themselves, epochs,
 * what qpool_pg_note decides, detaching, and leases that are none.
 */
#include "pg_opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pg_server *server;
static pg_proxy *proxy;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	proxy = pg_proxy_start(server);
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

/* ---- on_lease ------------------------------------------------------------------------ */

typedef struct ear {
	const char *sql;     /* run, or NULL */
	qpool_err answer;    /* returned */
	const char *message; /* NULL: *error is not filled */
	unsigned calls, notices;
} ear;

static qpool_err
on_lease(void *user, PGconn *conn, qpool_error *error)
{
	ear *e = user;

	e->calls++;
	if (e->sql != NULL)
		PQclear(PQexec(conn, e->sql));
	if (e->answer == QPOOL_OK || e->message == NULL)
		return e->answer;
	/* As a program does that relies on it: without a look at NULL. */
	(void)snprintf(error->message, sizeof error->message, "%s", e->message);
	(void)snprintf(error->native, sizeof error->native, "P0001");
	return e->answer;
}

static opening
with_on_lease(ear *e)
{
	opening o = opening_init();

	o.pg.on_lease = on_lease;
	o.pg.user = e;
	opening_pool(&o, "%s", pg_proxy_unix_conninfo(proxy));
	return o;
}

static void
on_lease_at_first_use(void **state)
{
	ear e = {.sql = "SET work_mem = '99kB'"};
	opening o = with_on_lease(&e);
	uint64_t affected;

	(void)state;
	opening_lease(&o);
	assert_int_equal(e.calls, 0);
	assert_string_equal(opening_say(qpool_pg_conn(&o.lease), "SHOW work_mem"), "99kB");
	assert_non_null(qpool_pg_conn(&o.lease));
	assert_int_equal(qpool_pg_exec(&o.lease, "SELECT 1", NULL, &affected, NULL), QPOOL_OK);
	assert_int_equal(e.calls, 1);
	opening_put(&o);
	/* A helper is a first use, too. */
	opening_lease(&o);
	assert_int_equal(qpool_pg_exec(&o.lease, "SELECT 1", NULL, &affected, NULL), QPOOL_OK);
	assert_int_equal(e.calls, 2);
	opening_put(&o);
	opening_end(&o);
}

static void
an_untouched_lease_costs_nothing(void **state)
{
	ear e = {.sql = "SELECT 1"};
	opening o = opening_init();

	(void)state;
	o.pg.flags = QPOOL_PG_TRANSACTION;
	o.pg.on_lease = on_lease;
	o.pg.user = &e;
	opening_pool(&o, "%s", pg_proxy_unix_conninfo(proxy));
	opening_lease(&o);
	opening_put(&o);
	pg_proxy_reset(proxy);
	for (int i = 0; i < 5; i++) {
		opening_lease(&o);
		assert_int_not_equal(qpool_pg_epoch(&o.lease), 0);
		opening_put(&o);
	}
	assert_int_equal(pg_proxy_counts(proxy).to_server_bytes, 0);
	assert_int_equal(e.calls, 0);
	opening_end(&o);
}

/* The lease is refused, also when it is asked again, and its session is closed. */
static void
expect_spoiled(opening *o, ear *e)
{
	qpool_error error;
	PGconn *conn = (void *)o;
	uint64_t affected;

	assert_int_not_equal(qpool_pg_use(&o->lease, &conn, &error), QPOOL_OK);
	assert_null(conn);
	assert_null(qpool_pg_conn(&o->lease));
	assert_int_equal(
	    qpool_pg_exec(&o->lease, "SELECT 1", NULL, &affected, &error), QPOOL_EPEER);
	if (e != NULL)
		assert_int_equal(e->calls, 1);
	opening_put(o);
	assert_int_equal(opening_stats(o).closes[QPOOL_WHY_DISCARDED], 1);
	assert_int_equal(opening_stats(o).idle, 0);
}

static void
on_lease_fails(void **state)
{
	ear e = {.answer = QPOOL_ECANCEL, .message = "no such tenant"};
	opening o = with_on_lease(&e);
	PGconn *conn = (void *)&o;

	(void)state;
	opening_lease(&o);
	assert_int_equal(qpool_pg_use(&o.lease, &conn, &o.error), QPOOL_ECANCEL);
	assert_null(conn);
	opening_failed(&o, QPOOL_ECANCEL, "P0001", "no such tenant");
	expect_spoiled(&o, &e);
	opening_end(&o);
}

static void
on_lease_fails_without_a_word(void **state)
{
	ear e = {.answer = QPOOL_ECHECK};
	opening o = with_on_lease(&e);
	uint64_t affected;

	(void)state;
	opening_lease(&o);
	memset(&o.error, 'x', sizeof o.error);
	assert_int_equal(
	    qpool_pg_exec(&o.lease, "SELECT 1", NULL, &affected, &o.error), QPOOL_ECHECK);
	opening_failed(&o, QPOOL_ECHECK, "", "on_lease failed without a word");
	expect_spoiled(&o, &e);
	opening_end(&o);
}

/* qpool_pg_conn has no error to fill; the callback always has. */
static void
on_lease_fills_an_error_nobody_reads(void **state)
{
	ear e = {.answer = QPOOL_ECHECK, .message = "words"};
	opening o = with_on_lease(&e);

	(void)state;
	opening_lease(&o);
	assert_null(qpool_pg_conn(&o.lease));
	expect_spoiled(&o, &e);
	opening_end(&o);
}

/* ---- no autocommit ------------------------------------------------------------------- */

static void
expect_transaction(opening *o, const char *isolation, const char *is_read_only)
{
	PGconn *conn = qpool_pg_conn(&o->lease);

	assert_non_null(conn);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
	assert_string_equal(opening_say(conn, "SHOW transaction_isolation"), isolation);
	assert_string_equal(opening_say(conn, "SHOW transaction_read_only"), is_read_only);
}

static void
transactions_begin_at_use(void **state)
{
	opening o = opening_init();
	qpool_error error;
	char *sent;

	(void)state;
	o.pg.flags = QPOOL_PG_TRANSACTION | QPOOL_PG_READ_ONLY;
	o.pg.isolation_level = QPOOL_PG_REPEATABLE_READ;
	opening_pool(&o, "%s", pg_proxy_unix_conninfo(proxy));
	opening_lease(&o);
	pg_proxy_reset(proxy);
	assert_int_equal(pg_proxy_counts(proxy).turns, 0);
	assert_non_null(qpool_pg_conn(&o.lease));
	assert_non_null(qpool_pg_conn(&o.lease));
	sent = pg_proxy_sent(proxy);
	assert_string_equal(sent, "Q");
	free(sent);
	expect_transaction(&o, "repeatable read", "on");
	assert_int_equal(qpool_pg_commit(&o.lease, &error), QPOOL_OK);
	/* Nothing is open until the next use. */
	pg_proxy_reset(proxy);
	assert_int_equal(qpool_pg_commit(&o.lease, &error), QPOOL_OK);
	assert_int_equal(pg_proxy_counts(proxy).to_server_bytes, 0);
	expect_transaction(&o, "repeatable read", "on");
	assert_int_equal(qpool_pg_rollback(&o.lease, &error), QPOOL_OK);
	expect_transaction(&o, "repeatable read", "on");
	opening_put(&o);
	opening_lease(&o);
	expect_transaction(&o, "repeatable read", "on");
	opening_put(&o);
	assert_int_equal(opening_stats(&o).opens, 1);
	opening_end(&o);
}

static void
a_transaction_cannot_begin(void **state)
{
	opening o = opening_init();
	PGconn *conn = (void *)&o;

	(void)state;
	o.pg.flags = QPOOL_PG_TRANSACTION;
	opening_pool(&o, "%s", pg_proxy_unix_conninfo(proxy));
	opening_lease(&o);
	pg_do(server, "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity "
		      "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
	assert_int_not_equal(qpool_pg_use(&o.lease, &conn, &o.error), QPOOL_OK);
	assert_null(conn);
	assert_non_null(strstr(o.error.message, "BEGIN"));
	expect_spoiled(&o, NULL);
	opening_end(&o);
}

/* The answer to BEGIN is late: what comes later is not taken for a session in use. */
static void
a_transaction_begins_late(void **state)
{
	opening o = opening_init();
	PGconn *conn = (void *)&o;

	(void)state;
	o.pg.flags = QPOOL_PG_TRANSACTION;
	o.pg.call_timeout = QPOOL_MSEC(50);
	opening_pool(&o, "%s", pg_proxy_unix_conninfo(proxy));
	opening_lease(&o);
	pg_proxy_set(proxy, PG_HOLD_REPLIES);
	assert_int_not_equal(qpool_pg_use(&o.lease, &conn, &o.error), QPOOL_OK);
	assert_null(conn);
	assert_non_null(strstr(o.error.message, "BEGIN"));
	pg_proxy_set(proxy, PG_PASS);
	expect_spoiled(&o, NULL);
	opening_end(&o);
}

/* ---- epochs -------------------------------------------------------------------------- */

static void
epochs_of_one_pool(void **state)
{
	opening o = opening_init();
	qpool_lease leases[4] = {QPOOL_LEASE_INIT};
	uint64_t seen[4];

	(void)state;
	assert_int_equal(qpool_pg_epoch(NULL), 0);
	assert_int_equal(qpool_pg_epoch(&leases[0]), 0);
	o.options.max_size = 4;
	opening_pool(&o, "%s", pg_server_conninfo(server));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(
		    qpool_acquire(o.pool, OPENING_PATIENCE, &leases[i], &o.error), QPOOL_OK);
		seen[i] = qpool_pg_epoch(&leases[i]);
		assert_int_not_equal(seen[i], 0);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
		/* A use does not change it. */
		assert_non_null(qpool_pg_conn(&leases[i]));
		assert_int_equal(qpool_pg_epoch(&leases[i]), seen[i]);
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(qpool_release(&leases[i]), QPOOL_OK);
	opening_end(&o);
}

/* ---- detach -------------------------------------------------------------------------- */

static void
on_notice(void *user, const PGresult *notice)
{
	ear *e = user;

	(void)notice;
	e->notices++;
}

static void
detached(void **state)
{
	static const char raise[] = "DO $$ BEGIN RAISE WARNING 'a word'; END $$";
	ear e = {0};
	opening o = opening_init();
	PGconn *conn, *taken;
	char *printed;
	int saved;

	(void)state;
	o.pg.on_notice = on_notice;
	o.pg.user = &e;
	opening_pool(&o, "%s", pg_server_conninfo(server));
	taken = opening_take(&o);
	(void)opening_say(taken, raise);
	assert_int_equal(e.notices, 1);
	conn = qpool_pg_detach(&o.lease);
	assert_ptr_equal(conn, taken);
	assert_null(o.lease.resource);
	assert_int_equal(opening_stats(&o).closes[0], 1);
	/* Its slot is empty again. */
	assert_ptr_not_equal(opening_take(&o), conn);
	opening_put(&o);
	opening_end(&o);
	saved = opening_hush_begin();
	(void)opening_say(conn, raise);
	printed = opening_hush_end(saved);
	assert_non_null(strstr(printed, "a word"));
	free(printed);
	assert_int_equal(e.notices, 1);
	assert_string_equal(opening_say(conn, "SELECT 42"), "42");
	PQfinish(conn);
}

static void
detached_untouched(void **state)
{
	ear e = {0};
	opening o = with_on_lease(&e);
	PGconn *conn;

	(void)state;
	opening_lease(&o);
	conn = qpool_pg_detach(&o.lease);
	assert_non_null(conn);
	assert_null(qpool_pg_detach(&o.lease));
	opening_end(&o);
	assert_int_equal(e.calls, 0);
	assert_string_equal(opening_say(conn, "SELECT 42"), "42");
	PQfinish(conn);
}

/* ---- leases that are none ------------------------------------------------------------ */

static void
expect_misuse(qpool_lease *lease, const char *words)
{
	opening o = opening_init();
	PGconn *conn = (void *)&o;

	assert_int_equal(qpool_pg_use(lease, &conn, &o.error), QPOOL_EMISUSE);
	assert_null(conn);
	opening_failed(&o, QPOOL_EMISUSE, "", words);
	conn = (void *)&o;
	assert_int_equal(qpool_pg_use(lease, &conn, NULL), QPOOL_EMISUSE);
	assert_null(conn);
	assert_null(qpool_pg_conn(lease));
	assert_int_equal(qpool_pg_epoch(lease), 0);
	assert_false(qpool_pg_note(lease, NULL));
	assert_null(qpool_pg_detach(lease));
}

static qpool_err
foreign_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step;
	(void)error;
	*out = user;
	return QPOOL_OK;
}

static void
foreign_close(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

static void
leases_that_are_none(void **state)
{
	opening o = opening_init(), other = opening_init();
	qpool_ops ops = qpool_ops_init();
	qpool_lease empty = QPOOL_LEASE_INIT, copy;

	(void)state;
	expect_misuse(NULL, "empty");
	expect_misuse(&empty, "empty");
	opening_pool(&o, "%s", pg_server_conninfo(server));
	opening_lease(&o);
	copy = o.lease;
	assert_int_equal(qpool_pg_use(&o.lease, NULL, &other.error), QPOOL_EINVAL);
	opening_put(&o);
	expect_misuse(&o.lease, "empty");
	expect_misuse(&copy, "over");
	/* The session is lent again: still not by this lease. */
	opening_lease(&o);
	expect_misuse(&copy, "over");
	assert_non_null(qpool_pg_conn(&o.lease));
	opening_put(&o);
	opening_end(&o);
	ops.kind = "foreign";
	ops.open = foreign_open;
	ops.close = foreign_close;
	assert_int_equal(qpool_create(&other.pool, NULL, &ops, &other, &other.error), QPOOL_OK);
	opening_lease(&other);
	expect_misuse(&other.lease, "of another kind of pool");
	opening_put(&other);
	opening_end(&other);
}

/* ---- note ---------------------------------------------------------------------------- */

/* Another session is idle meanwhile: does its next lease cost a check? */
static void
expect_noted(opening *o, const PGresult *result, bool is_spoiled)
{
	qpool_lease other;
	uint64_t checks;

	assert_int_equal(qpool_pg_note(&o->lease, result), is_spoiled);
	pg_proxy_reset(proxy);
	assert_int_equal(qpool_acquire(o->pool, OPENING_PATIENCE, &other, &o->error), QPOOL_OK);
	checks = pg_proxy_counts(proxy).turns;
	assert_int_equal(checks, is_spoiled);
	assert_int_equal(qpool_release(&other), QPOOL_OK);
	opening_put(o);
	assert_int_equal(opening_stats(o).closes[QPOOL_WHY_DISCARDED], is_spoiled);
	opening_end(o);
}

/* A pool of two, one of which is idle. */
static opening
two(void)
{
	opening o = opening_init();
	qpool_lease other;

	o.options.max_size = 2;
	opening_pool(&o, "%s application_name=noted", pg_proxy_unix_conninfo(proxy));
	(void)opening_take(&o);
	assert_int_equal(qpool_acquire(o.pool, OPENING_PATIENCE, &other, &o.error), QPOOL_OK);
	assert_int_equal(qpool_release(&other), QPOOL_OK);
	return o;
}

static void
note_after(const char *sql, bool is_spoiled)
{
	opening o = two();
	PGresult *result = PQexec(qpool_pg_conn(&o.lease), sql);

	expect_noted(&o, result, is_spoiled);
	PQclear(result);
}

static void
noted(void **state)
{
	(void)state;
	note_after("SELECT 1", false);
	note_after("SELECT 1/0", false);
	note_after("nonsense", false);
	/* Of class 57, as what ends sessions is: the class says nothing. */
	note_after("SET statement_timeout = 1; SELECT pg_sleep(600)", false);
	note_after("BEGIN READ ONLY; CREATE TABLE t()", false); /* 25006, and hers */
	note_after("SELECT pg_terminate_backend(pg_backend_pid())", true);
}

static void
noted_without_a_result(void **state)
{
	opening o = two();
	PGconn *conn;

	(void)state;
	assert_non_null(qpool_pg_conn(&o.lease));
	expect_noted(&o, NULL, false); /* nothing is wrong */
	o = two();
	conn = qpool_pg_conn(&o.lease);
	pg_kill_backend(server, PQbackendPID(conn));
	/* To the end of each answer: after the server's last word comes its end. */
	while (PQsendQuery(conn, "SELECT 1") == 1)
		for (PGresult *result; (result = PQgetResult(conn)) != NULL;)
			PQclear(result);
	expect_noted(&o, NULL, true);
}

static void
noted_a_server_that_became_read_only(void **state)
{
	opening o = two();
	PGconn *conn = qpool_pg_conn(&o.lease);
	PGresult *result;

	(void)state;
	PQclear(PQexec(conn, "SET default_transaction_read_only = on"));
	result = PQexec(conn, "CREATE TABLE t()");
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "25006");
	expect_noted(&o, result, true);
	PQclear(result);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(on_lease_at_first_use),
	    cmocka_unit_test(an_untouched_lease_costs_nothing),
	    cmocka_unit_test(on_lease_fails),
	    cmocka_unit_test(on_lease_fails_without_a_word),
	    cmocka_unit_test(on_lease_fills_an_error_nobody_reads),
	    cmocka_unit_test(transactions_begin_at_use),
	    cmocka_unit_test(a_transaction_cannot_begin),
	    cmocka_unit_test(a_transaction_begins_late),
	    cmocka_unit_test(epochs_of_one_pool),
	    cmocka_unit_test(detached),
	    cmocka_unit_test(detached_untouched),
	    cmocka_unit_test(leases_that_are_none),
	    cmocka_unit_test(noted),
	    cmocka_unit_test(noted_without_a_result),
	    cmocka_unit_test(noted_a_server_that_became_read_only),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_first_use", tests, begin, end);
}
