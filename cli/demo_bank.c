/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demo_bank: the bank's SQL.  A transfer begins IMMEDIATE: with a plain BEGIN two writers both read first, and
 * one must be turned away in the middle.
 */
#include "demo.h"

#include <string.h>

#include <queuepool/sqlite.h>

#include "statement.h"

/* Short: a transfer that meets a lock for longer is begun again, and that is counted. */
#define BUSY_TIMEOUT QPOOL_MSEC(250)

static const char schema[] =
    "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);"
    "CREATE TABLE ledger (teller INTEGER NOT NULL, number INTEGER NOT NULL,"
    " payer INTEGER NOT NULL, payee INTEGER NOT NULL, amount INTEGER NOT NULL);";

static const char fill[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
    " INSERT INTO account SELECT i, ?2 FROM n";

static const char read_sum[] = "SELECT sum(balance) FROM account";
static const char debit[] = "UPDATE account SET balance = balance - ?1 WHERE id = ?2";
static const char credit[] = "UPDATE account SET balance = balance + ?1 WHERE id = ?2";
static const char record[] = "INSERT INTO ledger VALUES (?1, ?2, ?3, ?4, ?5)";

qpool_err
bank_ops(const char *path, qpool_ops *ops, void **user, qpool_error *error)
{
	qpool_sqlite_options options = qpool_sqlite_options_init();
	options.busy_timeout = BUSY_TIMEOUT;
	options.at_open = "PRAGMA synchronous = NORMAL";
	return qpool_sqlite_ops(path, &options, ops, user, error);
}

/* SQLITE_DONE, or what went wrong, with *error filled. */
static int
run(sqlite3 *db, const char *sql, const uint32_t *values, int count, qpool_error *error)
{
	sqlite3_stmt *statement = statement_of(db, sql, error);
	if (statement == NULL)
		return sqlite3_errcode(db);
	for (int i = 0; i < count; i++)
		sqlite3_bind_int64(statement, i + 1, values[i]);
	int rc = statement_run(statement);
	if (rc != SQLITE_DONE)
		statement_error(db, error);
	return rc & 0xff;
}

qpool_err
bank_found(sqlite3 *db, qpool_error *error)
{
	const uint32_t values[] = {DEMO_ACCOUNTS, DEMO_START};
	if (sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return statement_error(db, error);
	return run(db, fill, values, 2, error) == SQLITE_DONE ? QPOOL_OK : error->code;
}

bool
bank_is_clean(sqlite3 *db)
{
	return sqlite3_get_autocommit(db) != 0;
}

static enum bank_answer
answer_of(int rc)
{
	return rc == SQLITE_DONE ? BANK_DONE : rc == SQLITE_BUSY ? BANK_BUSY : BANK_FAILED;
}

enum bank_answer
bank_read(sqlite3 *db, qpool_error *error)
{
	sqlite3_stmt *statement = statement_of(db, read_sum, error);
	if (statement == NULL)
		return answer_of(sqlite3_errcode(db));
	int rc = sqlite3_step(statement);
	int64_t sum = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	if (rc != SQLITE_ROW)
		statement_error(db, error);
	sqlite3_reset(statement);
	if (rc != SQLITE_ROW)
		return answer_of(rc & 0xff);
	return sum == (int64_t)DEMO_ACCOUNTS * DEMO_START ? BANK_DONE : BANK_WRONG;
}

static int
write_both_sides(sqlite3 *db, const struct bank_transfer *transfer, qpool_error *error)
{
	const uint32_t from[] = {transfer->amount, transfer->payer};
	const uint32_t to[] = {transfer->amount, transfer->payee};
	const uint32_t row[] = {
	    transfer->teller, transfer->number, transfer->payer, transfer->payee, transfer->amount};
	int rc = run(db, debit, from, 2, error);
	if (rc != SQLITE_DONE || transfer->walk_away)
		return rc;
	rc = run(db, credit, to, 2, error);
	return rc == SQLITE_DONE ? run(db, record, row, 5, error) : rc;
}

enum bank_answer
bank_move(sqlite3 *db, const struct bank_transfer *transfer, qpool_error *error)
{
	qpool_error ignored;
	int rc = run(db, "BEGIN IMMEDIATE", NULL, 0, error);
	if (rc != SQLITE_DONE)
		return answer_of(rc);
	rc = write_both_sides(db, transfer, error);
	if (rc == SQLITE_DONE && transfer->walk_away)
		return BANK_DONE;
	if (rc == SQLITE_DONE)
		rc = run(db, "COMMIT", NULL, 0, error);
	/* a COMMIT that failed has committed nothing; some failures roll back by themselves */
	if (rc != SQLITE_DONE && !bank_is_clean(db))
		run(db, "ROLLBACK", NULL, 0, &ignored);
	return answer_of(rc);
}
