/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_transaction: COMMIT, ROLLBACK and bodies against a real server: what is there afterwards, and what
 * is told of it.
 */
#include "pg_call_kit.h"

#include <stdio.h>

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

	kit_with_table(k);
	kit_pool(k, NULL);
	commit(k);
	roll_back(k);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	kit_expect_rows(k, 0);
	commit(k);
	kit_expect_rows(k, 1);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (2)");
	roll_back(k);
	kit_expect_rows(k, 1);
	kit_assert_kept(k);
}

static void
without_autocommit(void **state)
{
	kit *k = *state;
	qpool_pg_options options = qpool_pg_options_init();

	kit_with_table(k);
	options.flags = QPOOL_PG_TRANSACTION;
	kit_pool(k, &options);
	commit(k);
	assert_int_equal(PQtransactionStatus(qpool_pg_conn(&k->lease)), PQTRANS_INTRANS);
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	kit_expect_rows(k, 0);
	commit(k);
	kit_expect_rows(k, 1);
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (2)");
	roll_back(k);
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (3)");
	kit_assert_kept(k);
	kit_expect_rows(k, 1);
}

static void
commit_of_a_failed_transaction(void **state)
{
	kit *k = *state;

	kit_with_table(k);
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1)");
	assert_int_equal(
	    qpool_pg_exec(&k->lease, "SELECT 1/0", NULL, NULL, &k->error), QPOOL_EPEER);
	kit_assert_failed(k, qpool_pg_commit(&k->lease, &k->error), QPOOL_EPEER, "25P02",
	    "COMMIT rolled the transaction back");
	assert_int_equal(qpool_pg_commit(&k->lease, &k->error), QPOOL_OK);
	kit_expect_rows(k, 0);
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

	kit_with_table(k);
	pg_do(k->server, "ALTER TABLE tx ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED");
	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_exec(k, &k->lease, "INSERT INTO tx VALUES (1), (1)");
	kit_assert_failed(k, qpool_pg_commit(&k->lease, &k->error), QPOOL_EPEER, "23505",
	    "COMMIT: duplicate key");
	kit_expect_rows(k, 0);
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

/* ---- bodies ------------------------------------------------------------------------- */

static void
a_body_is_committed(void **state)
{
	kit *k = *state;
	kit_script s = {.sql = {"INSERT INTO tx VALUES (1)", "INSERT INTO tx VALUES (2)"}};

	kit_with_table(k);
	kit_pool(k, NULL);
	assert_int_equal(kit_transact(k, NULL, &s), QPOOL_OK);
	kit_assert_blank(k);
	kit_expect_rows(k, 2);
	assert_int_equal(s.runs, 1);
	kit_assert_idle(k);
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
	kit_with_table(k);
	kit_pool(k, NULL);
	assert_int_equal(
	    qpool_pg_transaction(&k->lease, NULL, fail_in_words, &mine, &k->error), QPOOL_EDENIED);
	assert_memory_equal(&k->error, &mine, sizeof mine);
	assert_int_equal(
	    qpool_pg_transaction(&k->lease, NULL, fail_in_words, &mine, NULL), QPOOL_EDENIED);
	kit_expect_rows(k, 0);
	kit_assert_idle(k);
}

static void
a_body_that_fails_without_words(void **state)
{
	kit *k = *state;
	kit_script s = {.sql = {"INSERT INTO tx VALUES (1)"}, .err = QPOOL_EDENIED};

	kit_with_table(k);
	kit_pool(k, NULL);
	kit_assert_failed(k, kit_transact(k, NULL, &s), QPOOL_EDENIED, "",
	    "the body of the transaction returned EDENIED and filled in no error");
	kit_expect_rows(k, 0);
	kit_assert_idle(k);
}

static void
a_statement_fails_in_a_body(void **state)
{
	kit *k = *state;
	kit_script s = {.sql = {"INSERT INTO tx VALUES (1)", "SELECT 1/0"}};

	kit_with_table(k);
	kit_pool(k, NULL);
	kit_assert_failed(k, kit_transact(k, NULL, &s), QPOOL_EPEER, "22012", "division by zero");
	kit_expect_rows(k, 0);
	assert_int_equal(s.runs, 1);
	kit_assert_idle(k);
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
	kit_assert_idle(k);
}

static void
a_body_that_ends_the_transaction(void **state)
{
	kit *k = *state;
	kit_script commits = {.sql = {"INSERT INTO tx VALUES (1)", "COMMIT"}};
	kit_script rolls_back = {.sql = {"ROLLBACK"}};
	kit_script fails_then = {.sql = {"COMMIT", "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"}};

	kit_with_table(k);
	kit_pool(k, NULL);
	kit_assert_failed(k, kit_transact(k, NULL, &commits), QPOOL_EMISUSE, "",
	    "the body ended the transaction itself");
	kit_expect_rows(k, 1);
	kit_assert_failed(k, kit_transact(k, NULL, &rolls_back), QPOOL_EMISUSE, "", "ended");
	/* What it did is there for good, so it is not done again. */
	kit_assert_failed(k, kit_transact(k, NULL, &fails_then), QPOOL_EPEER, "40001", "40001");
	assert_int_equal(fails_then.runs, 1);
	kit_assert_idle(k);
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
	kit_assert_given_up(k);
	kit_acquire(k, &k->lease);
	err = QPOOL_EDENIED;
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, leave_unread, &err, &k->error),
	    QPOOL_EDENIED, "", "the body of the transaction returned EDENIED");
	kit_assert_given_up(k);
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
	kit_script s = {.sql = {"SELECT 1"}};
	qpool_pg_options options = qpool_pg_options_init();

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	kit_assert_failed(k, kit_transact(k, NULL, &s), QPOOL_EMISUSE, "",
	    "a transaction is open on this lease; end it by qpool_pg_commit");
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1/0", NULL, NULL, NULL), QPOOL_EPEER);
	kit_assert_failed(k, kit_transact(k, NULL, &s), QPOOL_EMISUSE, "", "a transaction is open");
	roll_back(k);
	assert_int_equal(kit_transact(k, NULL, &s), QPOOL_OK);
	assert_int_equal(PQsendQuery(qpool_pg_conn(&k->lease), "SELECT 1"), 1);
	kit_assert_failed(k, kit_transact(k, NULL, &s), QPOOL_EMISUSE, "", "BEGIN was not sent");
	assert_int_equal(s.runs, 1);
	/* Where helpers open transactions, it is open once one has run. */
	options.flags = QPOOL_PG_TRANSACTION;
	kit_pool(k, &options);
	assert_int_equal(kit_transact(k, NULL, &s), QPOOL_OK);
	assert_int_equal(s.runs, 2);
	kit_exec(k, &k->lease, "SELECT 1");
	kit_assert_failed(k, kit_transact(k, NULL, &s), QPOOL_EMISUSE, "", "a transaction is open");
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
	kit_script s = {.sql = {"SELECT 1"}};

	kit_assert_failed(k, kit_transact(k, &options, &s), code, "", words);
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
	kit_assert_failed(k, qpool_pg_transaction(&k->other, NULL, kit_play, NULL, &k->error),
	    QPOOL_EMISUSE, "", "the lease is empty");
	kit_assert_idle(k);
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
	};

	return KIT_RUN("pg_transaction", tests);
}
