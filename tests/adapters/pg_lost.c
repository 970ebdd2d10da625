/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_lost: connections that break and answers that do not come: what is known then, what is not, and
 * that the lease is not used again.
 */
#include "pg_call_kit.h"

#include <signal.h>
#include <stdlib.h>

#define PATIENCE QPOOL_SEC(60)
#define SHORTLY  QPOOL_MSEC(50)

/* ---- losses ------------------------------------------------------------------------- */

static void
killed_while_nothing_runs(void **state)
{
	kit *k = *state;
	qpool_err err;

	kit_pool(k, NULL);
	pg_kill_backend(k->server, kit_pid(&k->lease));
	err = qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "57P01", "terminating connection");
	kit_assert_given_up(k);
}

static void
killed_while_it_runs(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_do(k->server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
			 "WHERE wait_event = 'PgSleep'");
	/* It had its say: the statement is rolled back. */
	kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "57P01", "terminating connection");
	kit_assert_given_up(k);
}

static void
cut_outside_a_transaction(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "",
	    "the statement lost its connection and may or may not have taken effect");
	kit_assert_given_up(k);
}

static void
cut_inside_a_transaction(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	kit_exec(k, &k->lease, "BEGIN");
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "",
	    "the statement lost its connection, and with it the open transaction");
	kit_assert_given_up(k);
}

/* The holder saw it first, and told nobody. */
static void
cut_in_the_holders_hands(void **state)
{
	kit *k = *state;
	PGresult *result;

	kit_pool_by_proxy(k, PATIENCE);
	pg_proxy_set(k->proxy, PG_CUT);
	result = PQexec(qpool_pg_conn(&k->lease), "SELECT 1");
	assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
	PQclear(result);
	kit_assert_given_up(k);
}

/* The row is there, but nobody has said so. */
static void
cut_when_it_is_done(void **state)
{
	kit *k = *state;

	pg_do(k->server, "DROP TABLE IF EXISTS pg_lost_done; CREATE TABLE pg_lost_done(a int)");
	kit_pool_by_proxy(k, PATIENCE);
	kit_exec(k, &k->lease, "SELECT 1");
	pg_proxy_set(k->proxy, PG_HOLD_REPLIES);
	kit_start_sql(k, "INSERT INTO pg_lost_done VALUES (1)");
	pg_await(k->server, "SELECT EXISTS (SELECT FROM pg_lost_done)");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "", "may or may not have taken effect");
	kit_assert_given_up(k);
}

/* The holder's own COMMIT, whatever stands before the word. */
static void
cut_in_a_commit_of_the_holder(void **state)
{
	static const char *const sql[] = {
	    "COMMIT", " ;end work", "/* a /* b */ - */ -- c\n\tCommit", "PREPARE TRANSACTION 'x'"};
	kit *k = *state;

	for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
		kit_pool_by_proxy(k, PATIENCE);
		kit_exec(k, &k->lease, "BEGIN");
		pg_proxy_set(k->proxy, PG_SWALLOW);
		kit_start_sql(k, sql[i]);
		pg_proxy_set(k->proxy, PG_CUT);
		kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "", "may or may not");
	}
}

static void
cut_in_what_only_looks_like_one(void **state)
{
	static const char *const sql[] = {"COMMITTED", "-- COMMIT\nROLLBACK", "/* COMMIT", "--"};
	kit *k = *state;

	for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
		kit_pool_by_proxy(k, PATIENCE);
		kit_exec(k, &k->lease, "BEGIN");
		pg_proxy_set(k->proxy, PG_SWALLOW);
		kit_start_sql(k, sql[i]);
		pg_proxy_set(k->proxy, PG_CUT);
		kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "", "and with it the open");
	}
}

/* A loss makes every idle session suspect: one that died with it is found by the next acquire. */
static void
the_others_are_asked(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	kit_acquire(k, &k->other);
	assert_int_equal(qpool_release(&k->other), QPOOL_OK);
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	(void)kit_join(k);
	kit_assert_given_up(k);
	kit_acquire(k, &k->lease);
	kit_exec(k, &k->lease, "SELECT 1");
}

/* ---- deadlines ---------------------------------------------------------------------- */

static void
late_outside_a_transaction(void **state)
{
	kit *k = *state;
	qpool_err err;

	kit_pool_by_proxy(k, SHORTLY);
	err = qpool_pg_exec(&k->lease, "SELECT pg_sleep(600)", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EUNKNOWN, "",
	    "the statement got no answer within 50 ms and may or may not have taken effect; the "
	    "connection is given up");
	kit_assert_given_up(k);
}

static void
late_inside_a_transaction(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	qpool_err err;

	kit_pool_by_proxy(k, PATIENCE);
	kit_exec(k, &k->lease, "BEGIN");
	pg_proxy_set(k->proxy, PG_SWALLOW);
	params.timeout = 1;
	err = qpool_pg_exec(&k->lease, "SELECT 1", &params, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_ETIMEOUT, "",
	    "within 1 ms; the connection is given up, and with it the open transaction");
	kit_assert_given_up(k);
}

/* The parameters' own timeout wins over the pool's, also when it is longer. */
static void
a_timeout_of_its_own(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();

	kit_pool_by_proxy(k, SHORTLY);
	params.timeout = QPOOL_FOREVER;
	assert_int_equal(
	    qpool_pg_exec(&k->lease, "SELECT pg_sleep(0.1)", &params, NULL, &k->error), QPOOL_OK);
	kit_assert_kept(k);
}

/* A peer that reads nothing: what must be sent does not fit the sockets' buffers. */
static void
late_while_sending(void **state)
{
	enum { SIZE = 64 << 20 };
	kit *k = *state;
	char *value = malloc(SIZE + 1);
	int pid;
	qpool_pg_params params = qpool_pg_params_init();
	qpool_err err;

	assert_non_null(value);
	memset(value, 'v', SIZE);
	value[SIZE] = '\0';
	kit_pool(k, NULL);
	pid = kit_pid(&k->lease);
	params.count = 1;
	params.values = (const char *const[]){value};
	params.timeout = SHORTLY;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	err = qpool_pg_exec(&k->lease, "SELECT $1::text", &params, NULL, &k->error);
	assert_int_equal(kill(pid, SIGCONT), 0);
	free(value);
	kit_assert_failed(k, err, QPOOL_EUNKNOWN, "", "no answer within 50 ms");
	kit_assert_given_up(k);
}

/* Rows come all the time, but not all of them. */
static void
late_while_reading(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result;
	qpool_pg_rows rows;
	qpool_err err;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	params.timeout = SHORTLY;
	err =
	    qpool_pg_one(&k->lease, "SELECT i, pg_sleep(0.001) FROM generate_series(1, 1000000) i",
		&params, &result, &rows, &k->error);
	kit_assert_failed(k, err, QPOOL_ETIMEOUT, "", "no answer within 50 ms");
	assert_null(result);
	kit_assert_given_up(k);
}

/* ---- COMMITs that nobody answers for ------------------------------------------------- */

static qpool_err
commit_work(kit *k)
{
	return qpool_pg_commit(&k->lease, &k->error);
}

static void
insert_by_proxy(kit *k, qpool_nsec call_timeout)
{
	kit_with_table(k);
	kit_pool_by_proxy(k, call_timeout);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
}

static void
commit_lost_on_the_way_back(void **state)
{
	kit *k = *state;

	insert_by_proxy(k, PATIENCE);
	pg_proxy_set(k->proxy, PG_HOLD_REPLIES);
	kit_start(k, commit_work);
	pg_await(k->server, "SELECT EXISTS (SELECT FROM tx)");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "",
	    "COMMIT lost its connection and may or may not have taken effect");
	kit_expect_rows(k, 1);
	kit_assert_given_up(k);
}

static void
commit_lost_on_the_way_there(void **state)
{
	kit *k = *state;
	uint64_t before;

	insert_by_proxy(k, PATIENCE);
	before = pg_proxy_counts(k->proxy).to_server_bytes;
	pg_proxy_set(k->proxy, PG_SWALLOW);
	kit_start(k, commit_work);
	while (pg_proxy_counts(k->proxy).to_server_bytes == before)
		pg_await(k->server, "SELECT true");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "", "may or may not have taken effect");
	kit_expect_rows(k, 0);
	kit_assert_given_up(k);
}

static void
commit_that_is_late(void **state)
{
	kit *k = *state;

	insert_by_proxy(k, QPOOL_MSEC(500));
	pg_proxy_set(k->proxy, PG_SWALLOW);
	kit_assert_failed(k, qpool_pg_commit(&k->lease, &k->error), QPOOL_EUNKNOWN, "",
	    "COMMIT got no answer within 500 ms and may or may not have taken effect; the "
	    "connection is given up");
	kit_assert_given_up(k);
}

static void
rollback_that_is_lost_or_late(void **state)
{
	kit *k = *state;

	insert_by_proxy(k, QPOOL_MSEC(500));
	pg_proxy_set(k->proxy, PG_SWALLOW);
	kit_assert_failed(k, qpool_pg_rollback(&k->lease, &k->error), QPOOL_ETIMEOUT, "",
	    "ROLLBACK got no answer within 500 ms");
	kit_assert_given_up(k);
	pg_proxy_set(k->proxy, PG_PASS);
	insert_by_proxy(k, PATIENCE);
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, qpool_pg_rollback(&k->lease, &k->error), QPOOL_EPEER, "",
	    "ROLLBACK lost its connection, and with it the open transaction");
	kit_assert_given_up(k);
	kit_expect_rows(k, 0);
}

/* FATAL during COMMIT: this one is rolled back; one that waits for a standby is not. */
static void
commit_that_is_killed(void **state)
{
	kit *k = *state;

	kit_with_table(k);
	kit_at_commit(k, "PERFORM pg_sleep(600)");
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	kit_start(k, commit_work);
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_do(k->server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
			 "WHERE wait_event = 'PgSleep'");
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "57P01",
	    "COMMIT, which may or may not have taken effect: terminating connection");
	kit_expect_rows(k, 0);
	kit_assert_given_up(k);
}

/* It is told to end when the row is already there, and says nothing more. */
static void
commit_that_waits_for_a_standby(void **state)
{
	kit *k = *state;

	kit_with_table(k);
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "SET synchronous_commit = on");
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	kit_start(k, commit_work);
	kit_await_activity(k, "wait_event = 'SyncRep'");
	pg_do(k->server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
			 "WHERE wait_event = 'SyncRep'");
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "", "may or may not have taken effect");
	kit_expect_rows(k, 1);
	kit_assert_given_up(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(killed_while_nothing_runs),
	    KIT_TEST(killed_while_it_runs),
	    KIT_TEST(cut_outside_a_transaction),
	    KIT_TEST(cut_inside_a_transaction),
	    KIT_TEST(cut_in_the_holders_hands),
	    KIT_TEST(cut_when_it_is_done),
	    KIT_TEST(cut_in_a_commit_of_the_holder),
	    KIT_TEST(cut_in_what_only_looks_like_one),
	    KIT_TEST(the_others_are_asked),
	    KIT_TEST(late_outside_a_transaction),
	    KIT_TEST(late_inside_a_transaction),
	    KIT_TEST(a_timeout_of_its_own),
	    KIT_TEST(late_while_sending),
	    KIT_TEST(late_while_reading),
	    KIT_TEST(commit_lost_on_the_way_back),
	    KIT_TEST(commit_lost_on_the_way_there),
	    KIT_TEST(commit_that_is_late),
	    KIT_TEST(rollback_that_is_lost_or_late),
	    KIT_TEST(commit_that_is_killed),
	    KIT_TEST(commit_that_waits_for_a_standby),
	};

	return KIT_RUN("pg_lost", tests);
}
