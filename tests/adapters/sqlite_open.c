/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_open: connections that open: in which mode, with what set, and how long they may take.
 * What is refused is in sqlite_refuse.c.
 */
#include "sqlite_kit.h"

#include <pthread.h>
#include <unistd.h>

static const char endless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

static void
a_new_file(void **state)
{
	kit *k = *state;
	sqlite3 *db;

	kit_ops(k, k->path, NULL);
	assert_int_not_equal(access(k->path, F_OK), 0); /* making ops opens nothing */
	db = kit_open(k);
	kit_assert_text(db, "PRAGMA journal_mode", "wal");
	assert_int_equal(kit_number(db, "PRAGMA busy_timeout"), 5000);
	kit_sql(db, "CREATE TABLE t(a INTEGER PRIMARY KEY)");
	kit_sql(db, "INSERT INTO t VALUES(1)");
	assert_int_equal(kit_exec(db, "INSERT INTO t VALUES(1)"), SQLITE_CONSTRAINT_PRIMARYKEY);
	assert_null(sqlite3_db_mutex(db)); /* NOMUTEX */
	kit_close(k, db);
	db = kit_open(k);
	assert_int_equal(kit_number(db, "SELECT count(*) FROM t"), 1);
}

static void
an_empty_file(void **state)
{
	kit *k = *state;

	kit_write_file(k->path, "", 0);
	kit_ops(k, k->path, NULL);
	kit_assert_text(kit_open(k), "PRAGMA journal_mode", "wal");
}

static void
busy_timeout(void **state)
{
	static const struct {
		qpool_nsec option;
		int64_t ms;
	} rows[] = {{0, 5000}, {QPOOL_ZERO, 0}, {1, 1}, {QPOOL_MSEC(250), 250},
	    {QPOOL_MSEC(250) + 1, 251}, {QPOOL_FOREVER, INT32_MAX}};
	kit *k = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		qpool_sqlite_options options = qpool_sqlite_options_init();
		options.busy_timeout = rows[i].option;
		kit_ops(k, k->path, &options);
		assert_int_equal(kit_number(kit_open(k), "PRAGMA busy_timeout"), rows[i].ms);
	}
}

static void
journal_mode(void **state)
{
	static const char *const modes[] = {
	    "delete", "truncate", "persist", "memory", "wal", "WAL"};
	kit *k = *state;

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		qpool_sqlite_options options = qpool_sqlite_options_init();
		char expected[16];
		options.journal_mode = modes[i];
		(void)snprintf(expected, sizeof expected, "%s",
		    sqlite3_stricmp(modes[i], "wal") ? modes[i] : "wal");
		kit_ops(k, k->path, &options);
		kit_assert_text(kit_open(k), "PRAGMA journal_mode", expected);
	}
}

static void
journal_mode_keep(void **state)
{
	qpool_sqlite_options options = qpool_sqlite_options_init();
	kit *k = *state;

	options.journal_mode = "Keep";
	kit_ops(k, k->path, &options);
	kit_assert_text(kit_open(k), "PRAGMA journal_mode", "delete");
	kit_ops(k, k->path, NULL);
	kit_assert_text(kit_open(k), "PRAGMA journal_mode", "wal");
	kit_ops(k, k->path, &options);
	kit_assert_text(kit_open(k), "PRAGMA journal_mode", "wal");
}

/* By default the mode is left alone where WAL cannot be had. */
static void
no_wal_to_be_had(void **state)
{
	static const struct {
		const char *target, *mode;
	} rows[] = {{":memory:", "memory"}, {"file::memory:", "memory"}, {"file:", "delete"},
	    {"file:x?mode=memory", "memory"}, {"file:x?mode=memory&cache=shared", "memory"}};
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sqlite3 *db;
		kit_ops(k, rows[i].target, NULL);
		db = kit_open(k);
		kit_assert_text(db, "PRAGMA journal_mode", rows[i].mode);
		kit_sql(db, "CREATE TABLE t(a)");
	}
	options.vfs = "unix-dotfile"; /* has no shared memory */
	kit_ops(k, k->path, &options);
	kit_assert_text(kit_open(k), "PRAGMA journal_mode", "delete");
	assert_int_equal(access("x", F_OK), -1);
}

static void
read_only(void **state)
{
	kit *k = *state;
	sqlite3 *other = kit_other(k->path);
	qpool_sqlite_options options = qpool_sqlite_options_init();
	char uri[256];
	sqlite3 *db;

	kit_sql(other, "CREATE TABLE t(a)");
	kit_other_close(other);
	options.open_flags = SQLITE_OPEN_READONLY;
	kit_ops(k, k->path, &options);
	db = kit_open(k);
	kit_assert_text(db, "PRAGMA journal_mode", "delete");
	assert_int_equal(kit_exec(db, "INSERT INTO t VALUES(1)"), SQLITE_READONLY);
	(void)snprintf(uri, sizeof uri, "file:%s?mode=ro", k->path);
	kit_ops(k, uri, NULL);
	assert_int_equal(kit_exec(kit_open(k), "INSERT INTO t VALUES(1)"), SQLITE_READONLY);
	(void)snprintf(uri, sizeof uri, "file:%s?immutable=1", k->path);
	kit_ops(k, uri, NULL);
	assert_int_equal(kit_exec(kit_open(k), "INSERT INTO t VALUES(1)"), SQLITE_READONLY);
}

static void
uris(void **state)
{
	static const char *const before[] = {"file:", "file://", "file://localhost", "file:"};
	static const char *const after[] = {"", "", "?mode=rwc", "#fragment"};
	kit *k = *state;

	for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
		char uri[256];
		(void)snprintf(
		    uri, sizeof uri, "%s%s/odd%%20name.db%s", before[i], k->folder, after[i]);
		kit_ops(k, uri, NULL);
		kit_assert_text(kit_open(k), "PRAGMA journal_mode", "wal");
		assert_int_equal(access(kit_file(k, "odd name.db"), F_OK), 0);
	}
}

static void
at_open(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	char sql[] = "PRAGMA foreign_keys = on; CREATE TABLE IF NOT EXISTS t(a); -- a comment\n"
		     "INSERT INTO t VALUES(7); SELECT a FROM t;";
	sqlite3 *db;

	options.at_open = sql;
	kit_ops(k, k->path, &options);
	memset(sql, 'x', sizeof sql - 1); /* it was copied */
	db = kit_open(k);
	assert_int_equal(kit_number(db, "PRAGMA foreign_keys"), 1);
	assert_int_equal(kit_number(db, "SELECT sum(a) FROM t"), 7);
	assert_int_equal(kit_number(kit_open(k), "SELECT sum(a) FROM t"), 14);
}

static void
texts_are_copied(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	char target[128], vfs[] = "unix-none", mode[] = "truncate";

	(void)snprintf(target, sizeof target, "%s", k->path);
	options.vfs = vfs;
	options.journal_mode = mode;
	kit_ops(k, target, &options);
	memset(target, 'x', sizeof target - 1);
	memset(vfs, 'x', sizeof vfs - 1);
	memset(mode, 'x', sizeof mode - 1);
	kit_assert_text(kit_open(k), "PRAGMA journal_mode", "truncate");
	assert_int_equal(access(k->path, F_OK), 0);
}

/* What docs/SQLITE.md says of databases in memory. */
static void
memory_is_shared_by_memdb_only(void **state)
{
	kit *k = *state;
	sqlite3 *one, *two;

	kit_ops(k, ":memory:", NULL);
	one = kit_open(k);
	two = kit_open(k);
	kit_sql(one, "CREATE TABLE t(a)");
	assert_int_equal(kit_exec(two, "SELECT * FROM t"), SQLITE_ERROR);
	if (sqlite3_vfs_find("memdb") == NULL || sqlite3_libversion_number() < 3036000)
		return;
	kit_ops(k, "file:/qpool-bank?vfs=memdb", NULL);
	one = kit_open(k);
	two = kit_open(k);
	kit_sql(one, "CREATE TABLE t(a)");
	kit_sql(two, "INSERT INTO t VALUES(5)");
	kit_close(k, one);
	one = kit_open(k);
	assert_int_equal(kit_number(one, "SELECT a FROM t"), 5);
	kit_close(k, one);
	kit_close(k, two);
	assert_int_equal(kit_exec(kit_open(k), "SELECT * FROM t"), SQLITE_ERROR);
}

/* ---- time --------------------------------------------------------------------------- */

/* The system's VFS with its sleep replaced: what waits for a lock sees it go while it sleeps. */
static struct {
	sqlite3_vfs vfs;
	sqlite3 *holder;
	unsigned sleeps, release_at;
} sleeper;

static int
on_sleep(sqlite3_vfs *vfs, int microseconds)
{
	(void)vfs;
	if (++sleeper.sleeps == sleeper.release_at)
		kit_sql(sleeper.holder, "COMMIT");
	return microseconds;
}

static void
install_sleeper(sqlite3 *holder, unsigned release_at)
{
	sleeper.vfs = *sqlite3_vfs_find(NULL);
	sleeper.vfs.zName = "sleeper";
	sleeper.vfs.xSleep = on_sleep;
	sleeper.holder = holder;
	sleeper.sleeps = 0;
	sleeper.release_at = release_at;
	assert_int_equal(sqlite3_vfs_register(&sleeper.vfs, 1), SQLITE_OK);
}

static int
remove_sleeper(void **state)
{
	if (sleeper.vfs.zName != NULL)
		(void)sqlite3_vfs_unregister(&sleeper.vfs);
	return kit_end(state);
}

static void
wal_waits_for(kit *k, const char *lock)
{
	sqlite3 *holder = kit_other(k->path);

	kit_sql(holder, "CREATE TABLE t(a)");
	kit_sql(holder, lock);
	kit_ops(k, k->path, NULL);
	install_sleeper(holder, 5);
	kit_assert_text(kit_open(k), "PRAGMA journal_mode", "wal");
	assert_int_equal(sleeper.sleeps, 5);
	kit_other_close(holder);
}

/* The change to WAL waits in the busy timeout (agntcy/slim#1658: set too late, it does not). */
static void
wal_waits_for_a_lock(void **state)
{
	wal_waits_for(*state, "BEGIN EXCLUSIVE");
}

static void
wal_waits_for_a_reader(void **state)
{
	wal_waits_for(*state, "BEGIN; SELECT * FROM t");
}

/* Here SQLite does not ask the busy handler. */
static void
wal_waits_for_a_writer(void **state)
{
	wal_waits_for(*state, "BEGIN IMMEDIATE");
}

static void
locked(kit *k, qpool_nsec busy, qpool_nsec budget, const char *lock, const char *mode)
{
	qpool_sqlite_options options = qpool_sqlite_options_init();
	sqlite3 *holder = kit_other(k->path);

	kit_sql(holder, "CREATE TABLE IF NOT EXISTS t(a)");
	kit_sql(holder, lock);
	options.busy_timeout = busy;
	options.journal_mode = mode;
	kit_ops(k, k->path, &options);
	assert_int_equal(kit_try(k, budget, NULL), QPOOL_EOPEN);
	assert_string_equal(k->error.native, "5");
	kit_assert_says(&k->error, "database is locked (SQLite 5)");
	kit_assert_says(&k->error, "raise busy_timeout");
	kit_sql(holder, "COMMIT");
	kit_other_close(holder);
	(void)kit_open(k);
}

/* Would run for hours if the lesser of the two did not end it. */
static void
locks_end_with_budget_and_busy_timeout(void **state)
{
	static const char *const locks[] = {
	    "BEGIN EXCLUSIVE", "BEGIN IMMEDIATE", "BEGIN; SELECT * FROM t"};
	kit *k = *state;

	for (size_t i = 0; i < 3; i++) {
		locked(k, QPOOL_FOREVER, QPOOL_MSEC(20), locks[i], NULL);
		(void)remove(k->path);
		locked(k, QPOOL_MSEC(20), QPOOL_FOREVER, locks[i], NULL);
		(void)remove(k->path);
		locked(k, QPOOL_ZERO, QPOOL_SEC(3600), locks[i], NULL);
		(void)remove(k->path);
		locked(k, QPOOL_SEC(3600), 0, locks[i], NULL);
		(void)remove(k->path);
	}
	locked(k, QPOOL_FOREVER, QPOOL_MSEC(20), "BEGIN EXCLUSIVE", "keep");
}

static void
at_open_ends_with_the_budget(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	options.at_open = endless;
	kit_ops(k, k->path, &options);
	assert_int_equal(kit_try(k, QPOOL_MSEC(20), NULL), QPOOL_EOPEN);
	assert_string_equal(k->error.native, "9");
	kit_assert_says(&k->error, "at_open: interrupted");
	kit_assert_says(&k->error, "raise open_budget");
}

/* Once open, neither handler is left: how long a statement of a holder runs is his own business. */
static void
no_limit_outlives_the_opening(void **state)
{
	kit *k = *state;
	sqlite3 *db;

	kit_ops(k, k->path, NULL);
	/* No time at all: what needs no lock and little work opens, and a progress handler left
	 * behind would stop the long statement at its first look. */
	assert_int_equal(kit_try(k, 0, &db), QPOOL_OK);
	kit_sql(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) "
		    "SELECT count(*) FROM n");
}

/* ---- many at once ------------------------------------------------------------------- */

enum { OPENERS = 8, ROUNDS = 20 };

typedef struct opener {
	kit *k;
	pthread_barrier_t *start;
	sqlite3 *db;
	qpool_error error;
} opener;

static void *
run_opener(void *arg)
{
	opener *o = arg;
	qpool_step step = {.size = sizeof step, .budget = QPOOL_SEC(60)};
	void *resource = NULL;

	(void)pthread_barrier_wait(o->start);
	(void)o->k->ops.open(o->k->user, &step, &resource, &o->error);
	o->db = resource;
	return NULL;
}

/* A pool's first opens meet on a file that is still in the other mode. */
static void
all_open_a_new_file_at_once(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	options.busy_timeout = QPOOL_SEC(60);
	options.at_open = "CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(1)";
	options.strict = 1;
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_t start;
		pthread_t threads[OPENERS];
		opener openers[OPENERS];
		kit_ops(k, k->path, &options);
		assert_int_equal(pthread_barrier_init(&start, NULL, OPENERS), 0);
		for (int i = 0; i < OPENERS; i++) {
			openers[i] = (opener){.k = k, .start = &start};
			assert_int_equal(
			    pthread_create(&threads[i], NULL, run_opener, &openers[i]), 0);
		}
		for (int i = 0; i < OPENERS; i++)
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		(void)pthread_barrier_destroy(&start);
		for (int i = 0; i < OPENERS; i++) {
			if (openers[i].db == NULL)
				fail_msg("round %d: %s", round, openers[i].error.message);
			kit_assert_text(openers[i].db, "PRAGMA journal_mode", "wal");
			assert_int_equal(
			    kit_number(openers[i].db, "SELECT count(*) FROM t"), OPENERS);
		}
		for (int i = 0; i < OPENERS; i++)
			k->ops.close(k->user, openers[i].db, QPOOL_WHY_CLOSED);
		assert_int_equal(remove(k->path), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(a_new_file),
	    KIT_TEST(an_empty_file),
	    KIT_TEST(busy_timeout),
	    KIT_TEST(journal_mode),
	    KIT_TEST(journal_mode_keep),
	    KIT_TEST(no_wal_to_be_had),
	    KIT_TEST(read_only),
	    KIT_TEST(uris),
	    KIT_TEST(at_open),
	    KIT_TEST(texts_are_copied),
	    KIT_TEST(memory_is_shared_by_memdb_only),
	    cmocka_unit_test_setup_teardown(wal_waits_for_a_lock, kit_begin, remove_sleeper),
	    cmocka_unit_test_setup_teardown(wal_waits_for_a_reader, kit_begin, remove_sleeper),
	    cmocka_unit_test_setup_teardown(wal_waits_for_a_writer, kit_begin, remove_sleeper),
	    KIT_TEST(locks_end_with_budget_and_busy_timeout),
	    KIT_TEST(at_open_ends_with_the_budget),
	    KIT_TEST(no_limit_outlives_the_opening),
	    KIT_TEST(all_open_a_new_file_at_once),
	};

	return cmocka_run_group_tests_name("sqlite_open", tests, NULL, NULL);
}
