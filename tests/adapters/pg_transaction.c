/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_transaction: COMMIT, ROLLBACK and bodies against a real server: what is there afterwards, what
 * runs again, and what is told when nobody can know.
 */
#include "pg_call_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE QPOOL_SEC(60)
#define SHORTLY  QPOOL_MSEC(50)

/* An empty table of everybody's. */
static void
with_table(kit *k)
{
	pg_do(k->server, "DROP TABLE IF EXISTS tx CASCADE; CREATE TABLE tx(a int, b int)");
}

static void
expect_rows(kit *k, unsigned count)
{
	assert_int_equal(pg_count(k->server, "SELECT count(*) FROM tx"), count);
}

static void
commit(kit *k)
{
	if (qpool_pg_commit(&k->lease, &k->error) != QPOOL_OK)
		fail_msg("not committed: %s", k->error.message);
	kit_assert_blank(k);
}

static void
roll_back(kit *k)
{
	if (qpool_pg_rollback(&k->lease, &k->error) != QPOOL_OK)
		fail_msg("not rolled back: %s", k->error.message);
	kit_assert_blank(k);
}

/* ---- one at a time ------------------------------------------------------------------ */

static void
commit_and_rollback(void **state)
{
	kit *k = *state;

	with_table(k);
	kit_pool(k, NULL);
	commit(k);
	roll_back(k);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	expect_rows(k, 0);
	commit(k);
	expect_rows(k, 1);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (2)");
	roll_back(k);
	expect_rows(k, 1);
	kit_assert_kept(k);
}

static void
without_autocommit(void **state)
{
	kit *k = *state;
	qpool_pg_options options = qpool_pg_options_init();

	with_table(k);
	options.flags = QPOOL_PG_TRANSACTION;
	kit_pool(k, &options);
	commit(k);
	assert_int_equal(PQtransactionStatus(qpool_pg_conn(&k->lease)), PQTRANS_INTRANS);
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	expect_rows(k, 0);
	commit(k);
	expect_rows(k, 1);
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (2)");
	roll_back(k);
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (3)");
	kit_assert_kept(k);
	expect_rows(k, 1);
}

static void
commit_of_a_failed_transaction(void **state)
{
	kit *k = *state;

	with_table(k);
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	assert_int_equal(
	    qpool_pg_exec(&k->lease, "SELECT 1/0", NULL, NULL, &k->error), QPOOL_EPEER);
	kit_assert_failed(k, qpool_pg_commit(&k->lease, &k->error), QPOOL_EPEER, "25P02",
	    "COMMIT rolled the transaction back");
	assert_int_equal(qpool_pg_commit(&k->lease, &k->error), QPOOL_OK);
	expect_rows(k, 0);
	kit_exec(k, &k->lease, "BEGIN");
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1/0", NULL, NULL, NULL), QPOOL_EPEER);
	assert_int_equal(qpool_pg_commit(&k->lease, NULL), QPOOL_EPEER);
	kit_exec(k, &k->lease, "BEGIN");
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1/0", NULL, NULL, NULL), QPOOL_EPEER);
	roll_back(k);
	kit_assert_kept(k);
}

static void
commit_that_the_server_refuses(void **state)
{
	kit *k = *state;

	with_table(k);
	pg_do(k->server, "ALTER TABLE tx ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED");
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1), (1)");
	kit_assert_failed(k, qpool_pg_commit(&k->lease, &k->error), QPOOL_EPEER, "23505",
	    "COMMIT: duplicate key");
	expect_rows(k, 0);
	kit_assert_kept(k);
}

static void
with_the_wrong_lease(void **state)
{
	kit *k = *state;

	kit_assert_failed(
	    k, qpool_pg_commit(&k->lease, &k->error), QPOOL_EMISUSE, "", "the lease is empty");
	kit_assert_failed(
	    k, qpool_pg_rollback(NULL, &k->error), QPOOL_EMISUSE, "", "the lease is empty");
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	assert_int_equal(PQsendQuery(qpool_pg_conn(&k->lease), "SELECT 1"), 1);
	kit_assert_failed(k, qpool_pg_commit(&k->lease, &k->error), QPOOL_EMISUSE, "",
	    "COMMIT was not sent: a result of the statement before is unread");
	kit_assert_failed(k, qpool_pg_rollback(&k->lease, &k->error), QPOOL_EMISUSE, "",
	    "ROLLBACK was not sent: a result");
	for (PGresult *result; (result = PQgetResult(qpool_pg_conn(&k->lease))) != NULL;)
		PQclear(result);
	roll_back(k);
	kit_assert_kept(k);
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
	with_table(k);
	kit_pool_by_proxy(k, call_timeout);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
}

static void
assert_given_up(kit *k)
{
	kit_assert_failed(k, qpool_pg_rollback(&k->lease, &k->error), QPOOL_EPEER, "",
	    "ROLLBACK was not sent: the connection of this lease is lost");
	kit_assert_spoiled(k);
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
	expect_rows(k, 1);
	assert_given_up(k);
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
	expect_rows(k, 0);
	assert_given_up(k);
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
	assert_given_up(k);
}

static void
rollback_that_is_lost_or_late(void **state)
{
	kit *k = *state;

	insert_by_proxy(k, QPOOL_MSEC(500));
	pg_proxy_set(k->proxy, PG_SWALLOW);
	kit_assert_failed(k, qpool_pg_rollback(&k->lease, &k->error), QPOOL_ETIMEOUT, "",
	    "ROLLBACK got no answer within 500 ms");
	assert_given_up(k);
	pg_proxy_set(k->proxy, PG_PASS);
	insert_by_proxy(k, PATIENCE);
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, qpool_pg_rollback(&k->lease, &k->error), QPOOL_EPEER, "",
	    "ROLLBACK lost its connection, and with it the open transaction");
	assert_given_up(k);
	expect_rows(k, 0);
}

/* A trigger that runs during COMMIT: `code` is plpgsql. */
static void
at_commit(kit *k, const char *code)
{
	pg_do(k->server,
	    "CREATE OR REPLACE FUNCTION tx_at_commit() RETURNS trigger LANGUAGE plpgsql AS "
	    "$f$ BEGIN %s; RETURN NULL; END $f$; "
	    "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON tx DEFERRABLE INITIALLY DEFERRED "
	    "FOR EACH ROW EXECUTE FUNCTION tx_at_commit()",
	    code);
}

/* FATAL during COMMIT: this one is rolled back; one that waits for a standby is not. */
static void
commit_that_is_killed(void **state)
{
	kit *k = *state;

	with_table(k);
	at_commit(k, "PERFORM pg_sleep(600)");
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	kit_start(k, commit_work);
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_do(k->server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
			 "WHERE wait_event = 'PgSleep'");
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "57P01",
	    "COMMIT, which may or may not have taken effect: terminating connection");
	expect_rows(k, 0);
	assert_given_up(k);
}

/* It is told to end when the row is already there, and says nothing more. */
static void
commit_that_waits_for_a_standby(void **state)
{
	kit *k = *state;

	with_table(k);
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "SET synchronous_commit = on");
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	kit_start(k, commit_work);
	kit_await_activity(k, "wait_event = 'SyncRep'");
	pg_do(k->server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
			 "WHERE wait_event = 'SyncRep'");
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "", "may or may not have taken effect");
	expect_rows(k, 1);
	assert_given_up(k);
}

/* ---- bodies ------------------------------------------------------------------------- */

/* What a body does: the statements, then it returns `err`. */
typedef struct script {
	const char *sql[4];
	qpool_err err;
	unsigned runs;
	/* In the first run only, between the first statement and the second. */
	void (*meanwhile)(void *user);
	void *user;
} script;

static qpool_err
play(void *user, qpool_lease *lease, qpool_error *error)
{
	script *s = user;
	bool is_first = s->runs++ == 0;

	for (size_t i = 0; i < sizeof s->sql / sizeof s->sql[0] && s->sql[i] != NULL; i++) {
		qpool_err err = qpool_pg_exec(lease, s->sql[i], NULL, NULL, error);

		if (err != QPOOL_OK)
			return err;
		if (i == 0 && is_first && s->meanwhile != NULL)
			s->meanwhile(s->user);
	}
	return s->err;
}

static qpool_err
transact(kit *k, const qpool_pg_transaction_options *options, script *s)
{
	return qpool_pg_transaction(&k->lease, options, play, s, &k->error);
}

static void
assert_idle(kit *k)
{
	assert_int_equal(PQtransactionStatus(qpool_pg_conn(&k->lease)), PQTRANS_IDLE);
	kit_assert_kept(k);
}

static void
a_body_is_committed(void **state)
{
	kit *k = *state;
	script s = {.sql = {"INSERT INTO tx VALUES (1)", "INSERT INTO tx VALUES (2)"}};

	with_table(k);
	kit_pool(k, NULL);
	assert_int_equal(transact(k, NULL, &s), QPOOL_OK);
	kit_assert_blank(k);
	expect_rows(k, 2);
	assert_int_equal(s.runs, 1);
	assert_idle(k);
}

static qpool_err
fail_in_words(void *user, qpool_lease *lease, qpool_error *error)
{
	assert_int_equal(
	    qpool_pg_exec(lease, "INSERT INTO tx VALUES (1)", NULL, NULL, NULL), QPOOL_OK);
	*error = *(const qpool_error *)user;
	return error->code;
}

/* Whatever the body says is said, to the byte. */
static void
a_body_that_fails(void **state)
{
	kit *k = *state;
	qpool_error mine;

	memset(&mine, 'w', sizeof mine);
	mine.code = QPOOL_EDENIED;
	mine.sys_errno = 7;
	(void)snprintf(mine.native, sizeof mine.native, "MINE");
	(void)snprintf(mine.message, sizeof mine.message, "of my own");
	with_table(k);
	kit_pool(k, NULL);
	assert_int_equal(
	    qpool_pg_transaction(&k->lease, NULL, fail_in_words, &mine, &k->error), QPOOL_EDENIED);
	assert_memory_equal(&k->error, &mine, sizeof mine);
	assert_int_equal(
	    qpool_pg_transaction(&k->lease, NULL, fail_in_words, &mine, NULL), QPOOL_EDENIED);
	expect_rows(k, 0);
	assert_idle(k);
}

static void
a_body_that_fails_without_words(void **state)
{
	kit *k = *state;
	script s = {.sql = {"INSERT INTO tx VALUES (1)"}, .err = QPOOL_EDENIED};

	with_table(k);
	kit_pool(k, NULL);
	kit_assert_failed(k, transact(k, NULL, &s), QPOOL_EDENIED, "",
	    "the body of the transaction returned EDENIED and filled in no error");
	expect_rows(k, 0);
	assert_idle(k);
}

static void
a_statement_fails_in_a_body(void **state)
{
	kit *k = *state;
	script s = {.sql = {"INSERT INTO tx VALUES (1)", "SELECT 1/0"}};

	with_table(k);
	kit_pool(k, NULL);
	kit_assert_failed(k, transact(k, NULL, &s), QPOOL_EPEER, "22012", "division by zero");
	expect_rows(k, 0);
	assert_int_equal(s.runs, 1);
	assert_idle(k);
}

static qpool_err
ignore_a_failure(void *user, qpool_lease *lease, qpool_error *error)
{
	++*(unsigned *)user;
	assert_int_equal(qpool_pg_exec(lease, "SELECT 1/0", NULL, NULL, error), QPOOL_EPEER);
	return QPOOL_OK;
}

static void
a_body_that_ignores_a_failure(void **state)
{
	kit *k = *state;
	unsigned runs = 0;

	kit_pool(k, NULL);
	kit_assert_failed(k,
	    qpool_pg_transaction(&k->lease, NULL, ignore_a_failure, &runs, &k->error), QPOOL_EPEER,
	    "25P02", "COMMIT rolled the transaction back");
	assert_int_equal(runs, 1);
	assert_idle(k);
}

static void
a_body_that_ends_the_transaction(void **state)
{
	kit *k = *state;
	script commits = {.sql = {"INSERT INTO tx VALUES (1)", "COMMIT"}};
	script rolls_back = {.sql = {"ROLLBACK"}};
	script fails_then = {.sql = {"COMMIT", "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"}};

	with_table(k);
	kit_pool(k, NULL);
	kit_assert_failed(k, transact(k, NULL, &commits), QPOOL_EMISUSE, "",
	    "the body ended the transaction itself");
	expect_rows(k, 1);
	kit_assert_failed(k, transact(k, NULL, &rolls_back), QPOOL_EMISUSE, "", "ended");
	/* What it did is there for good, so it is not done again. */
	kit_assert_failed(k, transact(k, NULL, &fails_then), QPOOL_EPEER, "40001", "40001");
	assert_int_equal(fails_then.runs, 1);
	assert_idle(k);
}

static qpool_err
leave_unread(void *user, qpool_lease *lease, qpool_error *error)
{
	(void)error;
	assert_int_equal(PQsendQuery(qpool_pg_conn(lease), "SELECT 1"), 1);
	return *(const qpool_err *)user;
}

/* The transaction cannot be ended, so the lease must end before anybody takes it for ended. */
static void
a_body_that_leaves_a_result(void **state)
{
	kit *k = *state;
	qpool_err err = QPOOL_OK;

	kit_pool(k, NULL);
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, leave_unread, &err, &k->error),
	    QPOOL_EMISUSE, "", "COMMIT was not sent: a result of the statement before is unread");
	assert_given_up(k);
	kit_acquire(k, &k->lease);
	err = QPOOL_EDENIED;
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, leave_unread, &err, &k->error),
	    QPOOL_EDENIED, "", "the body of the transaction returned EDENIED");
	assert_given_up(k);
}

static qpool_err
release(void *user, qpool_lease *lease, qpool_error *error)
{
	(void)error;
	assert_int_equal(qpool_release(lease), QPOOL_OK);
	return *(const qpool_err *)user;
}

static void
a_body_that_releases_the_lease(void **state)
{
	kit *k = *state;
	qpool_err err = QPOOL_OK;

	kit_pool(k, NULL);
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, release, &err, &k->error),
	    QPOOL_EMISUSE, "", "the lease is empty");
	kit_acquire(k, &k->lease);
	err = QPOOL_EDENIED;
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, release, &err, &k->error),
	    QPOOL_EDENIED, "", "filled in no error");
}

static void
a_transaction_is_open(void **state)
{
	kit *k = *state;
	script s = {.sql = {"SELECT 1"}};
	qpool_pg_options options = qpool_pg_options_init();

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_assert_failed(k, transact(k, NULL, &s), QPOOL_EMISUSE, "",
	    "a transaction is open on this lease; end it by qpool_pg_commit");
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1/0", NULL, NULL, NULL), QPOOL_EPEER);
	kit_assert_failed(k, transact(k, NULL, &s), QPOOL_EMISUSE, "", "a transaction is open");
	roll_back(k);
	assert_int_equal(transact(k, NULL, &s), QPOOL_OK);
	assert_int_equal(PQsendQuery(qpool_pg_conn(&k->lease), "SELECT 1"), 1);
	kit_assert_failed(k, transact(k, NULL, &s), QPOOL_EMISUSE, "", "BEGIN was not sent");
	assert_int_equal(s.runs, 1);
	/* Where helpers open transactions, it is open once one has run. */
	options.flags = QPOOL_PG_TRANSACTION;
	kit_pool(k, &options);
	assert_int_equal(transact(k, NULL, &s), QPOOL_OK);
	assert_int_equal(s.runs, 2);
	kit_exec(k, &k->lease, "SELECT 1");
	kit_assert_failed(k, transact(k, NULL, &s), QPOOL_EMISUSE, "", "a transaction is open");
}

/* ---- settings ----------------------------------------------------------------------- */

static qpool_err
read_settings(void *user, qpool_lease *lease, qpool_error *error)
{
	char *out = user;
	PGresult *result;
	qpool_err err = qpool_pg_query(lease,
	    "SELECT current_setting('transaction_isolation') || ' ' || "
	    "current_setting('transaction_read_only') || ' ' || "
	    "current_setting('transaction_deferrable')",
	    NULL, &result, error);

	if (err != QPOOL_OK)
		return err;
	(void)snprintf(out, 64, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return QPOOL_OK;
}

static void
expect_settings(kit *k, uint32_t isolation_level, uint32_t flags, const char *expected)
{
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();
	char settings[64];

	options.isolation_level = isolation_level;
	options.flags = flags;
	if (qpool_pg_transaction(&k->lease, &options, read_settings, settings, &k->error) !=
	    QPOOL_OK)
		fail_msg("%s", k->error.message);
	assert_string_equal(settings, expected);
}

static void
settings_of_a_transaction(void **state)
{
	kit *k = *state;
	qpool_pg_options options = qpool_pg_options_init();

	kit_pool(k, NULL);
	expect_settings(k, 0, 0, "read committed off off");
	expect_settings(k, QPOOL_PG_READ_UNCOMMITTED, 0, "read uncommitted off off");
	expect_settings(k, QPOOL_PG_REPEATABLE_READ, QPOOL_PG_READ_ONLY, "repeatable read on off");
	expect_settings(k, QPOOL_PG_SERIALIZABLE, QPOOL_PG_READ_ONLY | QPOOL_PG_DEFERRABLE,
	    "serializable on on");
	expect_settings(k, 0, 0, "read committed off off");
	options.isolation_level = QPOOL_PG_SERIALIZABLE;
	options.flags = QPOOL_PG_READ_ONLY;
	kit_pool(k, &options);
	expect_settings(k, 0, 0, "serializable on off");
	expect_settings(k, QPOOL_PG_READ_COMMITTED, QPOOL_PG_READ_WRITE, "read committed off off");
	kit_assert_kept(k);
}

static void
refuse(kit *k, qpool_pg_transaction_options options, qpool_err code, const char *words)
{
	script s = {.sql = {"SELECT 1"}};

	kit_assert_failed(k, transact(k, &options, &s), code, "", words);
	assert_int_equal(s.runs, 0);
}

static void
bad_options(void **state)
{
	const qpool_pg_transaction_options none = qpool_pg_transaction_options_init();
	qpool_pg_transaction_options options = none;
	kit *k = *state;

	kit_pool(k, NULL);
	options.size = 0;
	refuse(k, options, QPOOL_EINVAL, "qpool_pg_transaction_options.size is 0");
	options = none;
	options.isolation_level = 5;
	refuse(k, options, QPOOL_EINVAL, "isolation_level is 5");
	options = none;
	options.flags = QPOOL_PG_READ_ONLY | QPOOL_PG_READ_WRITE;
	refuse(k, options, QPOOL_EINVAL, "flags is 0x3");
	options.flags = QPOOL_PG_TRANSACTION;
	refuse(k, options, QPOOL_EINVAL, "flags is 0x8");
	options = none;
	options.reserved_ = 1;
	refuse(k, options, QPOOL_EINVAL, "reserved_ is 1");
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, NULL, NULL, &k->error),
	    QPOOL_EINVAL, "", "body is NULL");
	kit_assert_failed(k, qpool_pg_transaction(&k->other, NULL, play, NULL, &k->error),
	    QPOOL_EMISUSE, "", "the lease is empty");
	assert_idle(k);
}

/* ---- again -------------------------------------------------------------------------- */

static void
update_meanwhile(void *user)
{
	pg_do(((kit *)user)->server, "UPDATE tx SET b = b + 10");
}

/* Another has changed what this one has seen. */
static void
a_serialization_failure(void **state)
{
	kit *k = *state;
	script s = {.sql = {"SELECT b FROM tx", "UPDATE tx SET b = b + 1"},
	    .meanwhile = update_meanwhile,
	    .user = k};
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();

	with_table(k);
	pg_do(k->server, "INSERT INTO tx VALUES (1, 0)");
	kit_pool(k, NULL);
	options.isolation_level = QPOOL_PG_REPEATABLE_READ;
	assert_int_equal(transact(k, &options, &s), QPOOL_OK);
	kit_assert_blank(k);
	assert_int_equal(s.runs, 2);
	assert_int_equal(pg_count(k->server, "SELECT b FROM tx"), 11);
	assert_idle(k);
}

/* Two that each see the table without what the other one writes; `other` is the first to commit. */
static void
commit_meanwhile(void *user)
{
	kit *k = user;

	kit_exec(k, &k->other, "BEGIN ISOLATION LEVEL SERIALIZABLE");
	kit_exec(k, &k->other, "INSERT INTO tx SELECT count(*) FROM tx");
	kit_exec(k, &k->lease, "INSERT INTO tx SELECT count(*) FROM tx");
	kit_exec(k, &k->other, "COMMIT");
}

static void
a_serialization_failure_at_commit(void **state)
{
	kit *k = *state;
	script s = {.sql = {"SELECT count(*) FROM tx"}, .meanwhile = commit_meanwhile, .user = k};
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();

	with_table(k);
	kit_pool(k, NULL);
	kit_acquire(k, &k->other);
	options.isolation_level = QPOOL_PG_SERIALIZABLE;
	options.retries = QPOOL_ZERO32;
	kit_assert_failed(
	    k, transact(k, &options, &s), QPOOL_EPEER, "40001", "COMMIT: could not serialize");
	expect_rows(k, 1);
	s.runs = 0;
	options.retries = 1;
	assert_int_equal(transact(k, &options, &s), QPOOL_OK);
	assert_int_equal(s.runs, 2);
	assert_idle(k);
}

static void
expect_runs(kit *k, uint32_t retries, unsigned runs)
{
	script s = {.sql = {"INSERT INTO tx VALUES (1)"}};
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();

	options.retries = retries;
	kit_assert_failed(k, transact(k, &options, &s), QPOOL_EPEER, "40P01", "COMMIT: again");
	assert_int_equal(s.runs, runs);
	expect_rows(k, 0);
}

static void
so_often_and_no_more(void **state)
{
	kit *k = *state;

	with_table(k);
	at_commit(k, "RAISE EXCEPTION 'again' USING ERRCODE = '40P01'");
	kit_pool(k, NULL);
	expect_runs(k, 0, 4);
	expect_runs(k, QPOOL_ZERO32, 1);
	expect_runs(k, 1, 2);
	expect_runs(k, 9, 10);
	assert_idle(k);
}

/* What a body says in its own name counts too: it may have asked libpq itself. */
static qpool_err
claim_40001(void *user, qpool_lease *lease, qpool_error *error)
{
	unsigned *runs = user;

	(void)lease;
	if (++*runs == 3)
		return QPOOL_OK;
	memset(error, 0, sizeof *error);
	error->code = QPOOL_EPEER;
	(void)snprintf(error->native, sizeof error->native, "40001");
	return QPOOL_EPEER;
}

static void
a_body_that_says_so(void **state)
{
	kit *k = *state;
	unsigned runs = 0;

	kit_pool(k, NULL);
	assert_int_equal(
	    qpool_pg_transaction(&k->lease, NULL, claim_40001, &runs, &k->error), QPOOL_OK);
	kit_assert_blank(k);
	assert_int_equal(runs, 3);
	assert_idle(k);
}

static pthread_barrier_t both_hold_one;

static void
meet(void *user)
{
	(void)user;
	(void)pthread_barrier_wait(&both_hold_one);
}

/* The loser may be quicker than the winner, and lose again. */
static const qpool_pg_transaction_options patient = {.size = sizeof patient, .retries = 1000};

static script one_way = {
    .sql = {"UPDATE tx SET b = b + 1 WHERE a = 1", "UPDATE tx SET b = b + 1 WHERE a = 2"},
    .meanwhile = meet};
static script other_way = {
    .sql = {"UPDATE tx SET b = b + 1 WHERE a = 2", "UPDATE tx SET b = b + 1 WHERE a = 1"},
    .meanwhile = meet};

static qpool_err
other_work(kit *k)
{
	return qpool_pg_transaction(&k->other, &patient, play, &other_way, NULL);
}

static void
a_deadlock(void **state)
{
	kit *k = *state;

	with_table(k);
	pg_do(k->server, "INSERT INTO tx VALUES (1, 0), (2, 0)");
	kit_pool(k, NULL);
	kit_acquire(k, &k->other);
	kit_exec(k, &k->lease, "SET deadlock_timeout = '10ms'");
	kit_exec(k, &k->other, "SET deadlock_timeout = '10ms'");
	assert_int_equal(pthread_barrier_init(&both_hold_one, NULL, 2), 0);
	kit_start(k, other_work);
	assert_int_equal(transact(k, &patient, &one_way), QPOOL_OK);
	assert_int_equal(kit_join(k), QPOOL_OK);
	assert_int_equal(pthread_barrier_destroy(&both_hold_one), 0);
	assert_true(one_way.runs + other_way.runs >= 3);
	assert_int_equal(pg_count(k->server, "SELECT sum(b) FROM tx"), 4);
	assert_idle(k);
}

/* ---- bodies and losses -------------------------------------------------------------- */

static script lost = {.sql = {"INSERT INTO tx VALUES (1)"}};

static qpool_err
lost_work(kit *k)
{
	return transact(k, NULL, &lost);
}

static void
lost_during_commit(void **state)
{
	kit *k = *state;

	with_table(k);
	at_commit(k, "PERFORM pg_sleep(600)");
	kit_pool_by_proxy(k, PATIENCE);
	lost.runs = 0;
	kit_start(k, lost_work);
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(
	    k, kit_join(k), QPOOL_EUNKNOWN, "", "COMMIT lost its connection and may or may not");
	assert_int_equal(lost.runs, 1);
	assert_given_up(k);
}

static void
lost_in_the_body(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	lost = (script){.sql = {"SELECT pg_sleep(600)"}};
	kit_start(k, lost_work);
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "",
	    "the statement lost its connection, and with it the open transaction");
	assert_int_equal(lost.runs, 1);
	assert_given_up(k);
}

static void
late_in_the_body(void **state)
{
	kit *k = *state;
	script s = {.sql = {"SELECT pg_sleep(600)"}};

	kit_pool_by_proxy(k, QPOOL_MSEC(500));
	kit_assert_failed(
	    k, transact(k, NULL, &s), QPOOL_ETIMEOUT, "", "got no answer within 500 ms");
	assert_int_equal(s.runs, 1);
	assert_given_up(k);
}

/* A body that does not care: nothing is committed, and that is known. */
static qpool_err
ignore_a_loss(void *user, qpool_lease *lease, qpool_error *error)
{
	qpool_pg_params params = qpool_pg_params_init();

	(void)user;
	params.timeout = SHORTLY;
	assert_int_equal(
	    qpool_pg_exec(lease, "SELECT pg_sleep(600)", &params, NULL, error), QPOOL_ETIMEOUT);
	return QPOOL_OK;
}

static void
a_body_that_ignores_a_loss(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, ignore_a_loss, NULL, &k->error),
	    QPOOL_EPEER, "", "COMMIT was not sent: the connection of this lease is lost");
	assert_given_up(k);
}

static void
lost_before_begin(void **state)
{
	kit *k = *state;
	script s = {.sql = {"SELECT 1"}};

	kit_pool_by_proxy(k, PATIENCE);
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, transact(k, NULL, &s), QPOOL_EPEER, "", "BEGIN lost its connection: ");
	assert_int_equal(s.runs, 0);
	assert_given_up(k);
}

/* A pooler that loses the server behind it says FATAL too, but not in the server's name. */
static void
lost_behind_a_pooler(void **state)
{
	kit *k = *state;
	char upstream[64];
	pg_bouncer_options options = {.upstream = upstream};
	pg_bouncer *bouncer;

	with_table(k);
	at_commit(k, "PERFORM pg_sleep(600)");
	(void)snprintf(
	    upstream, sizeof upstream, "host=127.0.0.1 port=%d", pg_proxy_port(k->proxy));
	bouncer = pg_bouncer_start(k->server, &options);
	kit_pool_at(k, pg_bouncer_conninfo(bouncer), NULL);
	kit_start_sql(k, "INSERT INTO tx VALUES (1)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "08P01", "may or may not");
	assert_given_up(k);
	qpool_free(k->pool);
	k->pool = NULL;
	pg_bouncer_end(bouncer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(commit_and_rollback),
	    KIT_TEST(without_autocommit),
	    KIT_TEST(commit_of_a_failed_transaction),
	    KIT_TEST(commit_that_the_server_refuses),
	    KIT_TEST(with_the_wrong_lease),
	    KIT_TEST(commit_lost_on_the_way_back),
	    KIT_TEST(commit_lost_on_the_way_there),
	    KIT_TEST(commit_that_is_late),
	    KIT_TEST(rollback_that_is_lost_or_late),
	    KIT_TEST(commit_that_is_killed),
	    KIT_TEST(commit_that_waits_for_a_standby),
	    KIT_TEST(a_body_is_committed),
	    KIT_TEST(a_body_that_fails),
	    KIT_TEST(a_body_that_fails_without_words),
	    KIT_TEST(a_statement_fails_in_a_body),
	    KIT_TEST(a_body_that_ignores_a_failure),
	    KIT_TEST(a_body_that_ends_the_transaction),
	    KIT_TEST(a_body_that_leaves_a_result),
	    KIT_TEST(a_body_that_releases_the_lease),
	    KIT_TEST(a_transaction_is_open),
	    KIT_TEST(settings_of_a_transaction),
	    KIT_TEST(bad_options),
	    KIT_TEST(a_serialization_failure),
	    KIT_TEST(a_serialization_failure_at_commit),
	    KIT_TEST(so_often_and_no_more),
	    KIT_TEST(a_body_that_says_so),
	    KIT_TEST(a_deadlock),
	    KIT_TEST(lost_during_commit),
	    KIT_TEST(lost_in_the_body),
	    KIT_TEST(late_in_the_body),
	    KIT_TEST(a_body_that_ignores_a_loss),
	    KIT_TEST(lost_before_begin),
	    KIT_TEST(lost_behind_a_pooler),
	};

	return KIT_RUN("pg_transaction", tests);
}
