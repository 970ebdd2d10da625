/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_end: what a check finds, what a reset may take, and what is left when a connection was
 * closed.
 */
#include "sqlite_kit.h"

#include <unistd.h>

static void
make_table(const kit *k, const char *mode)
{
	sqlite3 *other = kit_other(k->path);
	char sql[128];

	(void)snprintf(sql, sizeof sql,
	    "PRAGMA journal_mode = %s; CREATE TABLE t(a); INSERT INTO t VALUES(1)", mode);
	kit_sql(other, sql);
	kit_other_close(other);
}

static sqlite3 *
open_keep(kit *k, qpool_nsec busy)
{
	qpool_sqlite_options options = qpool_sqlite_options_init();

	options.journal_mode = "keep";
	options.busy_timeout = busy;
	kit_ops(k, k->path, &options);
	return kit_open(k);
}

static void
refused_by_check(kit *k, sqlite3 *db, const char *native, const char *words)
{
	assert_int_equal(kit_check(k, db), QPOOL_ECHECK);
	assert_string_equal(k->error.native, native);
	kit_assert_says(&k->error, words);
	assert_int_equal(kit_number(db, "PRAGMA busy_timeout"), 5000);
}

/* ---- check --------------------------------------------------------------------------- */

static void
check_of_what_is_well(void **state)
{
	static const char *const targets[] = {
	    NULL, ":memory:", "file:", "file:c?mode=memory&cache=shared"};
	kit *k = *state;

	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		sqlite3 *db;
		kit_ops(k, targets[i] != NULL ? targets[i] : k->path, NULL);
		db = kit_open(k);
		assert_int_equal(kit_check(k, db), QPOOL_OK);
		/* More than the cache holds: a temporary database has a file now, unlinked long
		 * since. */
		kit_sql(db,
		    "PRAGMA cache_size = 5; CREATE TABLE big(a);"
		    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500)"
		    "INSERT INTO big SELECT zeroblob(1000) FROM n");
		assert_int_equal(kit_check(k, db), QPOOL_OK);
		assert_int_equal(kit_number(db, "PRAGMA busy_timeout"), 5000);
		assert_int_equal(sqlite3_txn_state(db, NULL), SQLITE_TXN_NONE);
	}
}

/* Would wait for ever if it waited. */
static void
check_waits_for_no_lock(void **state)
{
	kit *k = *state;
	sqlite3 *other, *db;

	make_table(k, "delete");
	other = kit_other(k->path);
	db = open_keep(k, QPOOL_FOREVER);
	kit_sql(other, "BEGIN EXCLUSIVE");
	assert_int_equal(kit_check(k, db), QPOOL_OK);
	kit_sql(other, "COMMIT");
	kit_other_close(other);
}

static void
check_finds_a_file_gone(void **state)
{
	static const char gone[] = "moved, replaced or deleted";
	kit *k = *state;
	const char *elsewhere = kit_file(k, "elsewhere.db");
	sqlite3 *db;

	kit_ops(k, k->path, NULL);
	db = kit_open(k);
	assert_int_equal(rename(k->path, elsewhere), 0);
	refused_by_check(k, db, "", gone);
	make_table(k, "wal");
	refused_by_check(k, db, "", gone);
	assert_int_equal(rename(elsewhere, k->path), 0);
	assert_int_equal(kit_check(k, db), QPOOL_OK);
	assert_int_equal(remove(k->path), 0);
	refused_by_check(k, db, "", gone);
	kit_assert_says(&k->error, k->path);
}

static void
check_finds_a_file_overwritten(void **state)
{
	kit *k = *state;
	char junk[8192];
	sqlite3 *db;

	make_table(k, "delete");
	db = open_keep(k, 0);
	memset(junk, 'j', sizeof junk);
	kit_write_file(k->path, junk, sizeof junk);
	refused_by_check(k, db, "26", "checking: file is not a database (SQLite 26)");
}

/* A file system that answers PRAGMAs itself, as those do that encrypt or compress: here by as long a
 * look at the connection as the test says. */
static sqlite3_vfs *real_vfs, slow_vfs;
static const sqlite3_io_methods *real_methods;
static sqlite3_io_methods slow_methods;
static struct {
	sqlite3 *db;
	const char *look;
} slow;

static int
slow_control(sqlite3_file *file, int what, void *arg)
{
	if (what == SQLITE_FCNTL_PRAGMA && slow.db != NULL)
		return kit_exec(slow.db, slow.look);
	return real_methods->xFileControl(file, what, arg);
}

static int
slow_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	int rc = real_vfs->xOpen(real_vfs, name, file, flags, out);

	(void)vfs;
	if (rc != SQLITE_OK || (flags & SQLITE_OPEN_MAIN_DB) == 0)
		return rc;
	real_methods = file->pMethods;
	slow_methods = *real_methods;
	slow_methods.xFileControl = slow_control;
	file->pMethods = &slow_methods;
	return rc;
}

static qpool_options
on_slow_files(qpool_sqlite_options *sqlite)
{
	qpool_options options = qpool_options_init();

	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	slow.db = NULL;
	real_vfs = sqlite3_vfs_find(NULL);
	slow_vfs = *real_vfs;
	slow_vfs.zName = "slow";
	slow_vfs.xOpen = slow_open;
	assert_int_equal(sqlite3_vfs_register(&slow_vfs, 0), SQLITE_OK);
	*sqlite = qpool_sqlite_options_init();
	sqlite->vfs = "slow";
	options.max_size = 1;
	options.check_after = QPOOL_ZERO;
	options.step_budget = QPOOL_FOREVER;
	return options;
}

static const char endless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

/* Cut short by its budget a check has found nothing wrong. */
static void
check_has_no_verdict_when_its_budget_ends(void **state)
{
	kit *k = *state;
	qpool_step step = {.size = sizeof step, .budget = QPOOL_MSEC(20)};
	qpool_sqlite_options sqlite;
	sqlite3 *db;

	(void)on_slow_files(&sqlite);
	kit_ops(k, k->path, &sqlite);
	db = kit_open(k);
	slow.db = db;
	slow.look = endless;
	memset(&k->error, 0, sizeof k->error);
	assert_int_equal(k->ops.check(k->user, db, &step, &k->error), QPOOL_EAGAIN);
	assert_int_equal(k->error.code, QPOOL_EAGAIN);
	assert_string_equal(k->error.native, "9");
	kit_assert_says(&k->error, "checking: interrupted (SQLite 9)");
	slow.look = "SELECT * FROM missing";
	assert_int_equal(k->ops.check(k->user, db, &step, &k->error), QPOOL_ECHECK);
	slow.look = "SELECT 1";
	assert_int_equal(kit_check(k, db), QPOOL_OK);
	slow.db = NULL;
	assert_int_equal(kit_number(db, "PRAGMA busy_timeout"), 5000);
	assert_int_equal(sqlite3_vfs_unregister(&slow_vfs), SQLITE_OK);
}

static void
a_caller_with_too_little_time_closes_nothing(void **state)
{
	kit *k = *state;
	qpool_sqlite_options sqlite;
	qpool_options options = on_slow_files(&sqlite);
	qpool_stats stats = qpool_stats_init();
	qpool_lease lease;
	qpool *pool;
	sqlite3 *db;

	assert_int_equal(qpool_sqlite_create(&pool, k->path, &sqlite, &options, NULL), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, NULL), QPOOL_OK);
	db = qpool_sqlite_db(&lease);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	slow.db = db;
	slow.look = endless;
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(20), &lease, &k->error), QPOOL_ETIMEOUT);
	slow.look = "SELECT 1";
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, NULL), QPOOL_OK);
	assert_ptr_equal(qpool_sqlite_db(&lease), db);
	slow.db = NULL;
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.opens, 1);
	assert_int_equal(stats.checks_failed, 0);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
	assert_int_equal(sqlite3_vfs_unregister(&slow_vfs), SQLITE_OK);
}

/* ---- reset --------------------------------------------------------------------------- */

/* The commit that ends a half-read INSERT ... RETURNING waits for a reader: hours, were it not
 * for one of the two limits. */
static void
reset_ends_with_the_budget(void **state)
{
	kit *k = *state;

	make_table(k, "delete");
	for (int i = 0; i < 2; i++) {
		qpool_step step = {
		    .size = sizeof step, .budget = i == 0 ? QPOOL_MSEC(20) : QPOOL_FOREVER};
		sqlite3 *db = open_keep(k, i == 0 ? QPOOL_FOREVER : QPOOL_MSEC(20));
		sqlite3 *other = kit_other(k->path);
		sqlite3_stmt *statement = kit_prepare(db, "INSERT INTO t VALUES(2) RETURNING a");
		assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
		kit_sql(other, "BEGIN; SELECT * FROM t");
		assert_int_equal(k->ops.reset(k->user, db, &step, &k->error), QPOOL_OK);
		kit_sql(other, "COMMIT; BEGIN EXCLUSIVE; COMMIT");
		assert_int_equal(kit_number(other, "SELECT count(*) FROM t"), 1);
		kit_other_close(other);
		assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	}
}

static void
reset_needs_no_time_when_there_is_nothing_to_do(void **state)
{
	kit *k = *state;
	qpool_step step = {.size = sizeof step, .budget = 0};
	sqlite3 *db;

	kit_ops(k, k->path, NULL);
	db = kit_open(k);
	assert_int_equal(k->ops.reset(k->user, db, &step, &k->error), QPOOL_OK);
	kit_sql(db, "BEGIN");
	assert_int_equal(k->ops.reset(k->user, db, &step, &k->error), QPOOL_OK);
	assert_int_not_equal(sqlite3_get_autocommit(db), 0);
}

/* A session that at_open made unlike the others is closed, and the message says why. */
static void
strict_with_sessions_that_differ(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	sqlite3 *first, *second, *third;

	options.strict = 1;
	options.at_open =
	    "ATTACH ':memory:' AS extra; CREATE TEMP TABLE one(a); CREATE TEMP TABLE two(a)";
	kit_ops(k, k->path, &options);
	first = kit_open(k);
	second = kit_open(k);
	third = kit_open(k);
	/* Another of the same name, or the same in another order, is not the same. */
	kit_sql(first, "DROP TABLE two; CREATE TEMP TABLE two(b)");
	assert_int_equal(kit_reset(k, first), QPOOL_ECHECK);
	kit_assert_says(&k->error, "temp objects remain (2, the newest: table \"two\")");
	kit_sql(second, "DETACH extra");
	assert_int_equal(kit_reset(k, second), QPOOL_ECHECK);
	kit_assert_says(&k->error, "ATTACHed databases that at_open made are gone");
	kit_sql(third, "DETACH extra; ATTACH ':memory:' AS other");
	assert_int_equal(kit_reset(k, third), QPOOL_ECHECK);
	kit_assert_says(&k->error, "ATTACHed databases remain (1, the newest: \"other\")");
}

/* Their result callbacks are called with no row then. */
static void
strict_with_odd_callbacks(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	sqlite3 *db;

	options.strict = 1;
	options.at_open = "PRAGMA empty_result_callbacks = 1; CREATE TEMP TABLE x(a); DROP TABLE x";
	kit_ops(k, k->path, &options);
	db = kit_open(k);
	assert_int_equal(kit_reset(k, db), QPOOL_OK);
	assert_int_equal(kit_check(k, db), QPOOL_OK);
}

/* ---- close --------------------------------------------------------------------------- */

static void
close_leaves_nothing(void **state)
{
	kit *k = *state;
	int64_t bytes;

	kit_ops(k, k->path, NULL);
	bytes = sqlite3_memory_used();
	kit_close(k, kit_open(k));
	assert_int_equal(sqlite3_memory_used(), bytes);
	/* The last one took the WAL away with it. */
	assert_int_not_equal(access(kit_file(k, "bank.db-wal"), F_OK), 0);
}

static void
close_leaves_statements_to_their_owner(void **state)
{
	kit *k = *state;
	int64_t bytes;
	sqlite3 *db;
	sqlite3_stmt *statement;

	kit_ops(k, k->path, NULL);
	bytes = sqlite3_memory_used();
	db = kit_open(k);
	statement = kit_prepare(db, "SELECT 1");
	kit_close(k, db);
	assert_string_equal(sqlite3_sql(statement), "SELECT 1");
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	assert_int_equal(sqlite3_memory_used(), bytes);
}

static int
count_call(void *arg)
{
	++*(int *)arg;
	return 0;
}

static void
count_rollback(void *arg)
{
	++*(int *)arg;
}

static int
deny(void *arg, int action, const char *a, const char *b, const char *c, const char *d)
{
	(void)action;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	++*(int *)arg;
	return SQLITE_DENY;
}

static int
count_busy(void *arg, int attempt)
{
	(void)attempt;
	++*(int *)arg;
	return 1;
}

static int
count_trace(unsigned what, void *arg, void *p, void *x)
{
	(void)what;
	(void)p;
	(void)x;
	return count_call(arg);
}

/* A spoiled lease is closed without a reset.  A zombie that kept its transaction would lock
 * every writer out for good. */
static void
close_frees_every_lock(void **state)
{
	static const char *const modes[] = {"wal", "delete"};
	kit *k = *state;

	for (size_t i = 0; i < 2; i++) {
		sqlite3 *db, *other;
		sqlite3_stmt *idle, *busy;
		int calls = 0;
		(void)remove(k->path);
		make_table(k, modes[i]);
		db = open_keep(k, QPOOL_FOREVER);
		idle = kit_prepare(db, "SELECT 1");
		kit_sql(db, "BEGIN IMMEDIATE; INSERT INTO t VALUES(2)");
		busy = kit_prepare(db, "SELECT a FROM t");
		assert_int_equal(sqlite3_step(busy), SQLITE_ROW);
		/* What the holder registered may point to what is gone, or be in the way. */
		(void)sqlite3_rollback_hook(db, count_rollback, &calls);
		(void)sqlite3_commit_hook(db, count_call, &calls);
		sqlite3_progress_handler(db, 1, count_call, &calls);
		(void)sqlite3_busy_handler(db, count_busy, &calls);
		(void)sqlite3_set_authorizer(db, deny, &calls);
		(void)sqlite3_trace_v2(db,
		    SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE | SQLITE_TRACE_CLOSE, count_trace,
		    &calls);
		kit_close(k, db);
		assert_int_equal(calls, 0);
		other = kit_other(k->path);
		kit_sql(other, "BEGIN EXCLUSIVE; INSERT INTO t VALUES(3); COMMIT");
		assert_int_equal(kit_number(other, "SELECT sum(a) FROM t"), 4);
		kit_other_close(other);
		assert_int_equal(sqlite3_finalize(idle), SQLITE_OK);
		assert_int_equal(sqlite3_finalize(busy), SQLITE_OK);
	}
}

static void
close_ends_a_half_read_write(void **state)
{
	kit *k = *state;
	sqlite3_stmt *statement;
	sqlite3 *db, *other;
	int calls = 0;

	make_table(k, "wal");
	db = open_keep(k, QPOOL_FOREVER);
	statement = kit_prepare(db, "INSERT INTO t VALUES(2) RETURNING a");
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	(void)sqlite3_commit_hook(db, count_call, &calls);
	kit_close(k, db);
	assert_int_equal(calls, 0);
	other = kit_other(k->path);
	kit_sql(other, "BEGIN EXCLUSIVE; COMMIT");
	kit_other_close(other);
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

/* ---- what the guide says ---------------------------------------------------------------- */

/* A reader that wants to write after somebody else has gets SQLITE_BUSY at once
 * (evcc-io/evcc#30902): it would wait for ever here.  BEGIN IMMEDIATE is the way. */
static void
an_upgrade_is_refused_at_once(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	sqlite3 *one, *two;

	make_table(k, "wal");
	options.busy_timeout = QPOOL_FOREVER;
	kit_ops(k, k->path, &options);
	one = kit_open(k);
	two = kit_open(k);
	kit_sql(one, "BEGIN; SELECT * FROM t");
	kit_sql(two, "INSERT INTO t VALUES(2)");
	assert_int_equal(kit_exec(one, "INSERT INTO t VALUES(3)"), SQLITE_BUSY_SNAPSHOT);
	kit_sql(one, "ROLLBACK; BEGIN IMMEDIATE; SELECT * FROM t; INSERT INTO t VALUES(3); COMMIT");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(check_of_what_is_well),
	    KIT_TEST(check_waits_for_no_lock),
	    KIT_TEST(check_finds_a_file_gone),
	    KIT_TEST(check_finds_a_file_overwritten),
	    KIT_TEST(check_has_no_verdict_when_its_budget_ends),
	    KIT_TEST(a_caller_with_too_little_time_closes_nothing),
	    KIT_TEST(reset_ends_with_the_budget),
	    KIT_TEST(reset_needs_no_time_when_there_is_nothing_to_do),
	    KIT_TEST(strict_with_sessions_that_differ),
	    KIT_TEST(strict_with_odd_callbacks),
	    KIT_TEST(close_leaves_nothing),
	    KIT_TEST(close_leaves_statements_to_their_owner),
	    KIT_TEST(close_frees_every_lock),
	    KIT_TEST(close_ends_a_half_read_write),
	    KIT_TEST(an_upgrade_is_refused_at_once),
	};

	return cmocka_run_group_tests_name("sqlite_end", tests, NULL, NULL);
}
