/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_reset: the table of docs/SQLITE.md, one test a cell.  Each row leaves something in a
 * session; the reset then closes the session or keeps it, and what the next holder sees is
 * looked at on the connection itself and from another one that wants to write.
 */
#include "sqlite_kit.h"

enum { DEFAULT, STRICT };

/* What one row's functions share; the fields are the row's own. */
typedef struct session {
	kit *k;
	sqlite3 *db;
	sqlite3_stmt *statement;
	sqlite3_blob *blob;
	sqlite3 *other;
	int calls;
} session;

typedef struct row {
	const char *name; /* as in the table */
	const char *at_open;
	void (*leave)(session *s);
	/* What the reset says when it closes the session, by policy; NULL: it keeps it. */
	const char *closed[2];
	/* After a reset that kept it. */
	void (*look)(session *s);
} row;

/* No transaction, no lock, no busy statement: true of every session that is kept. */
static void
assert_clean(session *s)
{
	sqlite3 *other = kit_other(s->k->path);

	assert_int_not_equal(sqlite3_get_autocommit(s->db), 0);
	for (sqlite3_stmt *at = sqlite3_next_stmt(s->db, NULL); at;
	     at = sqlite3_next_stmt(s->db, at))
		assert_int_equal(sqlite3_stmt_busy(at), 0);
	assert_int_equal(sqlite3_txn_state(s->db, NULL), SQLITE_TXN_NONE);
	kit_sql(other, "BEGIN IMMEDIATE; INSERT INTO spare VALUES(1); COMMIT");
	/* Nobody reads an older state either: a checkpoint can begin the WAL anew. */
	assert_int_equal(kit_number(other, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
	kit_other_close(other);
	assert_int_equal(kit_number(s->db, "PRAGMA busy_timeout"), 5000);
	assert_int_equal(kit_exec(s->db, "INSERT INTO t VALUES(1)"), SQLITE_CONSTRAINT_PRIMARYKEY);
}

static int64_t
count(session *s)
{
	return kit_number(s->db, "SELECT count(*) FROM t");
}

/* ---- statements --------------------------------------------------------------------- */

static void
leave_busy_statement(session *s)
{
	s->statement = kit_prepare(s->db, "SELECT a FROM t");
	assert_int_equal(sqlite3_step(s->statement), SQLITE_ROW);
	assert_int_equal(sqlite3_txn_state(s->db, NULL), SQLITE_TXN_READ);
}

static void
look_statement_works(session *s)
{
	assert_int_equal(sqlite3_step(s->statement), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(s->statement, 0), 1);
	assert_int_equal(sqlite3_finalize(s->statement), SQLITE_OK);
}

static void
leave_busy_writer(session *s)
{
	s->statement = kit_prepare(s->db, "INSERT INTO t VALUES(8), (9) RETURNING a");
	assert_int_equal(sqlite3_step(s->statement), SQLITE_ROW);
	assert_int_equal(sqlite3_txn_state(s->db, NULL), SQLITE_TXN_WRITE);
}

static void
look_both_written(session *s)
{
	assert_int_equal(kit_number(s->db, "SELECT count(*) FROM t WHERE a > 7"), 2);
	assert_int_equal(sqlite3_finalize(s->statement), SQLITE_OK);
}

static void
leave_statement_that_met_busy(session *s)
{
	kit_sql(s->db, "PRAGMA busy_timeout = 0");
	s->other = kit_other(s->k->path);
	kit_sql(s->other, "BEGIN IMMEDIATE");
	s->statement = kit_prepare(s->db, "UPDATE t SET a = a + 10");
	assert_int_equal(sqlite3_step(s->statement), SQLITE_BUSY);
	assert_int_not_equal(sqlite3_stmt_busy(s->statement), 0);
	kit_sql(s->other, "COMMIT");
	kit_other_close(s->other);
}

static void
look_finalize(session *s)
{
	assert_int_equal(sqlite3_finalize(s->statement), SQLITE_OK);
	assert_int_equal(count(s), 3);
}

static void
leave_blob(session *s)
{
	char byte;

	kit_sql(s->db, "INSERT INTO spare VALUES(zeroblob(10))");
	assert_int_equal(sqlite3_blob_open(s->db, "main", "spare", "a",
			     sqlite3_last_insert_rowid(s->db), 1, &s->blob),
	    SQLITE_OK);
	assert_int_equal(sqlite3_blob_read(s->blob, &byte, 1, 0), SQLITE_OK);
}

static void
look_blob(session *s)
{
	(void)sqlite3_blob_close(s->blob);
}

static void
leave_idle_statement(session *s)
{
	s->statement = kit_prepare(s->db, "SELECT a FROM t");
	assert_int_equal(sqlite3_step(s->statement), SQLITE_ROW);
	assert_int_equal(sqlite3_reset(s->statement), SQLITE_OK);
}

/* ---- transactions ------------------------------------------------------------------- */

static void
leave_transaction(session *s)
{
	kit_sql(s->db, "BEGIN; DELETE FROM t; INSERT INTO t VALUES(99)");
}

static void
leave_transaction_and_busy_statement(session *s)
{
	leave_transaction(s);
	s->statement = kit_prepare(s->db, "INSERT INTO t VALUES(8), (9) RETURNING a");
	assert_int_equal(sqlite3_step(s->statement), SQLITE_ROW);
}

static void
leave_savepoint(session *s)
{
	kit_sql(s->db,
	    "SAVEPOINT one; DELETE FROM t; SAVEPOINT two; INSERT INTO t VALUES(99); RELEASE two");
}

static void
look_rolled_back(session *s)
{
	assert_int_equal(count(s), 3);
	assert_int_equal(kit_number(s->db, "SELECT count(*) FROM t WHERE a = 99"), 0);
}

/* ---- temp objects and files ---------------------------------------------------------- */

static void
leave_temp_table(session *s)
{
	kit_sql(s->db, "CREATE TEMP TABLE x(a); INSERT INTO x VALUES(5)");
}

static void
look_temp_table(session *s)
{
	assert_int_equal(kit_number(s->db, "SELECT a FROM x"), 5);
}

static void
leave_temp_view(session *s)
{
	kit_sql(s->db, "CREATE TEMP VIEW x AS SELECT 5 AS a");
}

static void
leave_temp_trigger(session *s)
{
	kit_sql(s->db,
	    "CREATE TEMP TRIGGER x AFTER DELETE ON t BEGIN INSERT INTO spare VALUES(old.a); END");
}

static void
look_temp_trigger(session *s)
{
	kit_sql(s->db, "DELETE FROM t WHERE a = 3");
	assert_int_equal(kit_number(s->db, "SELECT count(*) FROM spare WHERE a = 3"), 1);
}

static void
leave_temp_table_in_transaction(session *s)
{
	kit_sql(s->db, "BEGIN; CREATE TEMP TABLE x(a)");
}

static void
leave_temp_table_dropped(session *s)
{
	kit_sql(s->db, "CREATE TEMP TABLE x(a); DROP TABLE x");
}

static void
look_no_x(session *s)
{
	assert_int_equal(kit_exec(s->db, "SELECT * FROM x"), SQLITE_ERROR);
}

static void
leave_attached(session *s)
{
	kit_sql(s->db, "ATTACH ':memory:' AS x; CREATE TABLE x.x(a); INSERT INTO x VALUES(5)");
}

static void
leave_detached(session *s)
{
	leave_attached(s);
	kit_sql(s->db, "DETACH x");
}

static void
leave_nothing(session *s)
{
	(void)s;
}

static void
drop_x(session *s)
{
	kit_sql(s->db, "DROP TABLE x");
}

/* ---- settings ------------------------------------------------------------------------ */

static void
leave_pragma(session *s)
{
	kit_sql(s->db, "PRAGMA foreign_keys = on; PRAGMA cache_size = 77");
}

static void
look_pragma(session *s)
{
	assert_int_equal(kit_number(s->db, "PRAGMA foreign_keys"), 1);
	assert_int_equal(kit_number(s->db, "PRAGMA cache_size"), 77);
}

static void
leave_busy_timeout(session *s)
{
	kit_sql(s->db, "PRAGMA busy_timeout = 7");
}

static int
count_call(void *arg)
{
	session *s = arg;

	s->calls++;
	return 0;
}

static int
count_busy(void *arg, int attempt)
{
	(void)attempt;
	return count_call(arg);
}

static void
leave_busy_handler(session *s)
{
	(void)sqlite3_busy_handler(s->db, count_busy, s);
}

static void
leave_progress_handler(session *s)
{
	sqlite3_progress_handler(s->db, 1, count_call, s);
	kit_sql(s->db, "SELECT count(*) FROM t");
	assert_int_not_equal(s->calls, 0);
}

static void
look_not_called(session *s)
{
	s->calls = 0;
	kit_sql(s->db, "SELECT count(*) FROM t");
	assert_int_equal(s->calls, 0);
}

static void
leave_short_codes(session *s)
{
	(void)sqlite3_extended_result_codes(s->db, 0);
	assert_int_equal(kit_exec(s->db, "INSERT INTO t VALUES(1)"), SQLITE_CONSTRAINT);
}

static void
look_nothing(session *s)
{
	(void)s;
}

/* ---- what is registered through the C interface -------------------------------------- */

static void
forty_two(sqlite3_context *context, int count_of, sqlite3_value **values)
{
	(void)count_of;
	(void)values;
	sqlite3_result_int(context, 42);
}

static void
leave_function(session *s)
{
	assert_int_equal(
	    sqlite3_create_function(s->db, "f", 0, SQLITE_UTF8, NULL, forty_two, NULL, NULL),
	    SQLITE_OK);
}

static void
look_function(session *s)
{
	assert_int_equal(kit_number(s->db, "SELECT f()"), 42);
}

static void
on_update(void *arg, int what, const char *database, const char *table, sqlite3_int64 rowid)
{
	(void)what;
	(void)database;
	(void)table;
	(void)rowid;
	(void)count_call(arg);
}

static void
on_rollback(void *arg)
{
	(void)count_call(arg);
}

static void
leave_hooks(session *s)
{
	(void)sqlite3_update_hook(s->db, on_update, s);
	(void)sqlite3_commit_hook(s->db, count_call, s);
	(void)sqlite3_rollback_hook(s->db, on_rollback, s);
}

static void
look_hooks(session *s)
{
	s->calls = 0;
	kit_sql(s->db, "INSERT INTO t VALUES(50); BEGIN; ROLLBACK");
	assert_int_equal(s->calls, 3);
}

static int
deny_rollback(void *arg, int action, const char *a, const char *b, const char *c, const char *d)
{
	(void)arg;
	(void)b;
	(void)c;
	(void)d;
	return action == SQLITE_TRANSACTION && strcmp(a, "ROLLBACK") == 0 ? SQLITE_DENY : SQLITE_OK;
}

static void
leave_authorizer(session *s)
{
	leave_transaction(s);
	(void)sqlite3_set_authorizer(s->db, deny_rollback, NULL);
}

/* ---- the table ------------------------------------------------------------------------ */

#define TEMP_X   "CREATE TEMP TABLE x(a); INSERT INTO x VALUES(5)"
#define ATTACH_X "ATTACH ':memory:' AS x; CREATE TABLE x.x(a); INSERT INTO x VALUES(5)"
#define KEPT               \
	{                  \
		NULL, NULL \
	}
#define DENIED "rolling back: not authorized (SQLite 23)"

static const row rows[] = {
    {"busy statement", "", leave_busy_statement, KEPT, look_statement_works},
    {"busy statement that has written", "", leave_busy_writer, KEPT, look_both_written},
    {"statement that met SQLITE_BUSY", "", leave_statement_that_met_busy, KEPT, look_finalize},
    {"open BLOB", "", leave_blob, KEPT, look_blob},
    {"idle statement", "", leave_idle_statement, KEPT, look_statement_works},
    {"open transaction", "", leave_transaction, KEPT, look_rolled_back},
    {"open transaction with a busy statement", "", leave_transaction_and_busy_statement, KEPT,
	look_finalize},
    {"open savepoint", "", leave_savepoint, KEPT, look_rolled_back},
    {"temp table", "", leave_temp_table, {NULL, "temp objects remain (1, the newest: table \"x\")"},
	look_temp_table},
    {"temp view", "", leave_temp_view, {NULL, "temp objects remain (1, the newest: view \"x\")"},
	look_nothing},
    {"temp trigger", "", leave_temp_trigger,
	{NULL, "temp objects remain (1, the newest: trigger \"x\")"}, look_temp_trigger},
    {"temp table in an open transaction", "", leave_temp_table_in_transaction, KEPT, look_no_x},
    {"temp table, dropped again", "", leave_temp_table_dropped, KEPT, look_no_x},
    {"attached database", "", leave_attached,
	{NULL, "ATTACHed databases remain (1, the newest: \"x\")"}, look_temp_table},
    {"attached database, detached again", "", leave_detached, KEPT, look_no_x},
    {"temp table of at_open", TEMP_X, leave_nothing, KEPT, look_temp_table},
    {"temp table of at_open, dropped", TEMP_X, drop_x,
	{NULL, "temp objects that at_open made are gone"}, look_no_x},
    {"database attached by at_open", ATTACH_X, leave_nothing, KEPT, look_temp_table},
    {"changed PRAGMA", "", leave_pragma, KEPT, look_pragma},
    {"changed busy timeout", "", leave_busy_timeout, KEPT, look_nothing},
    {"own busy handler", "", leave_busy_handler, KEPT, look_nothing},
    {"own progress handler", "", leave_progress_handler, KEPT, look_not_called},
    {"extended result codes off", "", leave_short_codes, KEPT, look_nothing},
    {"SQL function", "", leave_function, KEPT, look_function},
    {"update, commit and rollback hooks", "", leave_hooks, KEPT, look_hooks},
    {"authorizer that denies the ROLLBACK", "", leave_authorizer, {DENIED, DENIED}, look_nothing},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static void
run_cell(kit *k, const row *r, int policy)
{
	qpool_sqlite_options options = qpool_sqlite_options_init();
	session s = {.k = k};
	sqlite3 *other = kit_other(k->path);
	qpool_err err;

	kit_sql(other, "CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES(1), (2), (3);"
		       "CREATE TABLE spare(a)");
	kit_other_close(other);
	options.strict = (uint32_t)policy;
	options.at_open = r->at_open;
	kit_ops(k, k->path, &options);
	s.db = kit_open(k);
	assert_int_equal(kit_reset(k, s.db), QPOOL_OK);
	r->leave(&s);
	err = kit_reset(k, s.db);
	assert_string_equal(qpool_err_name(err), r->closed[policy] != NULL ? "ECHECK" : "OK");
	if (err != QPOOL_OK) {
		kit_assert_says(&k->error, r->closed[policy]);
		kit_assert_says(&k->error, k->path);
		return;
	}
	assert_clean(&s);
	r->look(&s);
}

/* The row and policy of a cell, and its kit when it runs. */
typedef struct cell {
	const row *row;
	int policy;
	kit *k;
} cell;

static int
begin_cell(void **state)
{
	cell *c = *state;
	void *made;
	int result = kit_begin(&made);

	c->k = made;
	return result;
}

static int
end_cell(void **state)
{
	void *made = ((cell *)*state)->k;

	return kit_end(&made);
}

static void
test_cell(void **state)
{
	cell *c = *state;

	run_cell(c->k, c->row, c->policy);
}

int
main(void)
{
	static cell cells[ROWS * 2];
	static char names[ROWS * 2][80];
	struct CMUnitTest tests[ROWS * 2];

	for (size_t i = 0; i < ROWS * 2; i++) {
		cells[i] = (cell){.row = &rows[i / 2], .policy = i % 2 ? STRICT : DEFAULT};
		(void)snprintf(names[i], sizeof names[i], "%s: %s", rows[i / 2].name,
		    i % 2 ? "strict" : "default");
		tests[i] =
		    (struct CMUnitTest){names[i], test_cell, begin_cell, end_cell, &cells[i]};
	}
	return cmocka_run_group_tests_name("sqlite_reset", tests, NULL, NULL);
}
