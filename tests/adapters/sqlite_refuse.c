/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_refuse: what does not open: the code, SQLite's number, the errno, the words, and
 * nothing of it left behind.
 */
#include "sqlite_kit.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	(void)closedir(folder);
	return count;
}

/* Twice: the first time may leave what SQLite keeps for the whole process. */
static void
refused(kit *k, qpool_err code, int native, int sys_errno, const char *words)
{
	int64_t bytes;
	int files;

	kit_refused(k, code, native, words);
	assert_int_equal(k->error.sys_errno, sys_errno);
	bytes = sqlite3_memory_used();
	files = open_files();
	kit_refused(k, code, native, words);
	assert_int_equal(open_files(), files);
	assert_int_equal(sqlite3_memory_used(), bytes);
}

static void
refused_at(kit *k, const char *target, int flags, qpool_err code, int native, int sys_errno,
    const char *words)
{
	qpool_sqlite_options options = qpool_sqlite_options_init();

	options.open_flags = flags;
	kit_ops(k, target, &options);
	refused(k, code, native, sys_errno, words);
	kit_assert_says(&k->error, "sqlite \"");
}

static void
a_folder(void **state)
{
	kit *k = *state;
	char uri[128];

	refused_at(k, k->folder, 0, QPOOL_EDENIED, 0, EISDIR,
	    "Is a directory; name a database file inside");
	refused_at(k, k->folder, SQLITE_OPEN_READONLY, QPOOL_EDENIED, 0, EISDIR, "Is a directory");
	kit_assert_says(&k->error, k->folder);
	(void)snprintf(uri, sizeof uri, "file:%s?vfs=unix", k->folder);
	refused_at(k, uri, 0, QPOOL_EDENIED, 0, EISDIR, "Is a directory");
}

static void
nothing_there(void **state)
{
	kit *k = *state;

	refused_at(k, k->path, SQLITE_OPEN_READWRITE, QPOOL_EDENIED, SQLITE_CANTOPEN, ENOENT,
	    "No such file or directory (SQLite 14); mend the path");
	refused_at(k, k->path, SQLITE_OPEN_READONLY, QPOOL_EDENIED, SQLITE_CANTOPEN, ENOENT,
	    "No such file");
	refused_at(k, kit_file(k, "none/bank.db"), 0, QPOOL_EDENIED, SQLITE_CANTOPEN, ENOENT,
	    "create its folder");
	kit_write_file(k->path, "", 0);
	refused_at(k, kit_file(k, "bank.db/bank.db"), 0, QPOOL_EDENIED, SQLITE_CANTOPEN, ENOTDIR,
	    "Not a directory");
}

static void
a_path_too_long(void **state)
{
	kit *k = *state;
	char path[8192];
	size_t length = (size_t)snprintf(path, sizeof path, "%s/", k->folder);

	memset(path + length, 'n', sizeof path - length);
	path[sizeof path - 1] = '\0';
	refused_at(k, path, 0, QPOOL_EDENIED, 0, ENAMETOOLONG, "...nnnn");
	/* Not too long for the system, but for SQLite. */
	path[2000] = '\0';
	refused_at(k, path, 0, QPOOL_EDENIED, 0, ENAMETOOLONG, "no path of that length");
}

static void
no_permission(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	sqlite3 *other = kit_other(k->path);

	kit_sql(other, "CREATE TABLE t(a)");
	kit_other_close(other);
	if (!kit_become_nobody(k))
		skip();
	assert_int_equal(seteuid(getuid()), 0);
	assert_int_equal(chmod(k->path, 0), 0);
	(void)kit_become_nobody(k);
	refused_at(
	    k, k->path, 0, QPOOL_EDENIED, SQLITE_CANTOPEN, EACCES, "give this user permission");
	kit_become_self();
	assert_int_equal(chmod(k->path, 0444), 0);
	(void)kit_become_nobody(k);
	refused_at(k, k->path, 0, QPOOL_EDENIED, 0, EACCES, "may only be read, Permission denied");
	kit_assert_says(&k->error, "SQLITE_OPEN_READONLY");
	options.open_flags = SQLITE_OPEN_READONLY;
	kit_ops(k, k->path, &options);
	(void)kit_open(k);
}

/* The file may be written, its folder not: no WAL can be made beside it. */
static void
no_permission_on_the_folder(void **state)
{
	kit *k = *state;
	sqlite3 *other = kit_other(k->path);

	kit_sql(other, "CREATE TABLE t(a)");
	kit_other_close(other);
	assert_int_equal(chmod(k->path, 0666), 0);
	if (!kit_become_nobody(k))
		skip();
	kit_become_self();
	assert_int_equal(chmod(k->folder, 0555), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	kit_ops(k, k->path, NULL);
	assert_int_equal(kit_try(k, QPOOL_SEC(60), NULL), QPOOL_EDENIED);
	kit_assert_says(&k->error, "journal_mode wal");
	kit_assert_says(&k->error, "folder");
	kit_become_self();
	assert_int_equal(chmod(k->folder, 0700), 0);
}

static void
not_a_database(void **state)
{
	kit *k = *state;
	char text[4096];

	memset(text, 'x', sizeof text);
	kit_write_file(k->path, text, sizeof text);
	refused_at(
	    k, k->path, 0, QPOOL_EDENIED, SQLITE_NOTADB, 0, "file is not a database (SQLite 26)");
	refused_at(k, k->path, SQLITE_OPEN_READONLY, QPOOL_EDENIED, SQLITE_NOTADB, 0,
	    "reading the schema: file is not a database");
	kit_write_file(k->path, "short", 5);
	refused_at(k, k->path, 0, QPOOL_EDENIED, SQLITE_NOTADB, 0, "file is not a database");
}

/* Found at open and not by the first holder, also when nothing else there reads the file. */
static void
found_when_nothing_else_reads(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	kit_write_file(k->path, "this is no database, whatever its name says", 43);
	options.journal_mode = "keep";
	kit_ops(k, k->path, &options);
	refused(k, QPOOL_EDENIED, SQLITE_NOTADB, 0, "reading the schema: file is not a database");
}

static void
a_corrupt_header(void **state)
{
	kit *k = *state;
	sqlite3 *other = kit_other(k->path);
	FILE *file;

	kit_sql(other, "CREATE TABLE t(a)");
	kit_other_close(other);
	file = fopen(k->path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, 100, SEEK_SET), 0); /* the root page of the schema */
	assert_int_equal(fwrite("\xff\xff\xff\xff\xff\xff\xff\xff", 1, 8, file), 8);
	assert_int_equal(fclose(file), 0);
	refused_at(k, k->path, 0, QPOOL_EDENIED, SQLITE_CORRUPT, 0,
	    "malformed (SQLite 11); look with PRAGMA");
	file = fopen(k->path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, 16, SEEK_SET), 0); /* the page size: 3 is none */
	assert_int_equal(fwrite("\0\3", 1, 2, file), 2);
	assert_int_equal(fclose(file), 0);
	refused_at(k, k->path, 0, QPOOL_EDENIED, SQLITE_NOTADB, 0, "file is not a database");
}

static void
a_corrupt_schema(void **state)
{
	kit *k = *state;
	sqlite3 *other = kit_other(k->path);
	qpool_sqlite_options options = qpool_sqlite_options_init();

	kit_sql(other, "CREATE TABLE t(a); PRAGMA writable_schema = on;"
		       "UPDATE sqlite_master SET sql = 'CREATE TABEL t(a)'");
	kit_other_close(other);
	refused_at(
	    k, k->path, 0, QPOOL_EDENIED, SQLITE_CORRUPT, 0, "malformed database schema (t)");
	options.journal_mode = "keep";
	kit_ops(k, k->path, &options);
	refused(k, QPOOL_EDENIED, SQLITE_CORRUPT, 0, "reading the schema: malformed");
}

static void
neither_file_nor_folder(void **state)
{
	kit *k = *state;
	const char *pipe = kit_file(k, "a pipe");
	char uri[128];

	assert_int_equal(mkfifo(pipe, 0600), 0);
	refused_at(k, pipe, 0, QPOOL_EDENIED, 0, 0, "device, pipe or socket");
	/* In open() of this one SQLite would wait for somebody to write, for ever. */
	refused_at(k, pipe, SQLITE_OPEN_READONLY, QPOOL_EDENIED, 0, 0, "device, pipe or socket");
	(void)snprintf(uri, sizeof uri, "file:%s/a%%20p%%69pe?mode=ro", k->folder);
	refused_at(k, uri, 0, QPOOL_EDENIED, 0, 0, "device, pipe or socket");
	refused_at(k, "/dev/null", 0, QPOOL_EDENIED, 0, 0, "device, pipe or socket");
}

static void
links(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	const char *link = kit_file(k, "link.db");

	assert_int_equal(symlink("link.db", link), 0);
	refused_at(k, link, 0, QPOOL_EDENIED, 0, ELOOP, "mend the symbolic links");
	assert_int_equal(remove(link), 0);
	assert_int_equal(symlink("bank.db", link), 0);
	kit_ops(k, link, NULL);
	(void)kit_open(k);
	assert_int_equal(access(k->path, F_OK), 0);
	options.open_flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW;
	kit_ops(k, link, &options);
	refused(k, QPOOL_EDENIED, SQLITE_CANTOPEN_SYMLINK, 0, "SQLITE_OPEN_NOFOLLOW is set");
}

static void
bad_uris(void **state)
{
	kit *k = *state;
	char uri[160];

	(void)snprintf(uri, sizeof uri, "file:%s?mode=rx", k->path);
	refused_at(k, uri, 0, QPOOL_EDENIED, SQLITE_ERROR, 0, "no such access mode: rx");
	(void)snprintf(uri, sizeof uri, "file:%s?vfs=none&key=hunter2", k->path);
	refused_at(k, uri, 0, QPOOL_EDENIED, SQLITE_ERROR, 0, "no such vfs: none");
	kit_assert_says(&k->error, "key=***");
	kit_assert_hides(&k->error, "hunter2");
}

static void
no_such_vfs(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	options.vfs = "of my own";
	kit_ops(k, k->path, &options);
	refused(k, QPOOL_EDENIED, SQLITE_ERROR, 0, "no such vfs: of my own");
}

static int
open_nothing(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	(void)vfs;
	(void)name;
	if (out != NULL)
		*out = flags;
	file->pMethods = NULL;
	return SQLITE_CANTOPEN;
}

/* SQLite reports errno as it finds it; what was set before this open is no part of the story. */
static void
a_stale_errno(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	sqlite3_vfs vfs = *sqlite3_vfs_find(NULL);

	vfs.zName = "opens nothing";
	vfs.xOpen = open_nothing;
	assert_int_equal(sqlite3_vfs_register(&vfs, 0), SQLITE_OK);
	options.vfs = "opens nothing";
	kit_write_file(k->path, "", 0);
	kit_ops(k, k->path, &options);
	errno = EMFILE;
	kit_refused(
	    k, QPOOL_EDENIED, SQLITE_CANTOPEN, "opening: unable to open database file (SQLite 14)");
	assert_int_equal(k->error.sys_errno, 0);
	assert_int_equal(sqlite3_vfs_unregister(&vfs), SQLITE_OK);
}

static void
a_mode_that_cannot_be_had(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	options.journal_mode = "wal";
	kit_ops(k, ":memory:", &options);
	refused(k, QPOOL_EDENIED, 0, 0, "journal_mode wal: SQLite stays in \"memory\"");
	options.vfs = "unix-dotfile";
	kit_ops(k, k->path, &options);
	refused(k, QPOOL_EDENIED, 0, 0, "journal_mode wal: SQLite stays in \"delete\"");
}

static void
bad_sql_at_open(void **state)
{
	static const struct {
		const char *sql;
		int native;
		const char *words;
	} rows[] = {
	    {"SELEC 1", SQLITE_ERROR, "at_open: near \"SELEC\": syntax error (SQLite 1); mend"},
	    {"SELECT 1; SELECT * FROM missing", SQLITE_ERROR, "at_open: no such table: missing"},
	    {"CREATE TABLE IF NOT EXISTS t(a UNIQUE); INSERT INTO t VALUES(1), (1)",
		SQLITE_CONSTRAINT_UNIQUE, "at_open: UNIQUE constraint failed"},
	    {"CREATE TABLE IF NOT EXISTS p(id INTEGER PRIMARY KEY); SELECT nope FROM p",
		SQLITE_ERROR, "no such column: nope"},
	    {"BEGIN", 0, "at_open leaves a transaction open; end it with COMMIT"},
	    {"SAVEPOINT s", 0, "at_open leaves a transaction open"},
	    {"ATTACH '/nowhere/at/all.db' AS other", SQLITE_CANTOPEN,
		"unable to open database: /nowhere"},
	};
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		options.at_open = rows[i].sql;
		kit_ops(k, k->path, &options);
		assert_int_not_equal(kit_try(k, QPOOL_SEC(60), NULL), QPOOL_OK);
		refused(k, QPOOL_EDENIED, rows[i].native, k->error.sys_errno, rows[i].words);
	}
}

/* SQLite quotes the SQL that it cannot read. */
static void
keys_in_at_open(void **state)
{
	static const char *const sql[] = {
	    "PRAGMA key = 'hunter2",
	    "pragma hexkey = hunter2 hunter2 hunter2",
	    "ATTACH 'file:/nowhere/x?key=hunter2' AS other",
	    "ATTACH '/nowhere/hunter2' AS other KEY 'hunter2'",
	    "CREATE TABLE t(a PRIMARY KEY); PRAGMA rekey hunter2",
	};
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
		options.at_open = sql[i];
		kit_ops(k, k->path, &options);
		assert_int_equal(kit_try(k, QPOOL_SEC(60), NULL), QPOOL_EDENIED);
		kit_assert_says(&k->error, "at_open: ");
		kit_assert_hides(&k->error, "hunter2");
	}
}

/* ---- what passes ------------------------------------------------------------------- */

static void
no_more_files(void **state)
{
	kit *k = *state;
	struct rlimit old, none;

	kit_ops(k, k->path, NULL);
	kit_close(k, kit_open(k));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	(void)kit_try(k, QPOOL_SEC(60), NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(k->error.code, QPOOL_EFULL);
	assert_int_equal(k->error.sys_errno, EMFILE);
	assert_string_equal(k->error.native, "14");
	kit_assert_says(&k->error, "Too many open files");
	kit_assert_says(&k->error, "ulimit -n");
	(void)kit_open(k);
}

static void
a_full_database(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	options.at_open = "PRAGMA max_page_count = 1; CREATE TABLE t(a)";
	kit_ops(k, k->path, &options);
	refused(k, QPOOL_EOPEN, SQLITE_FULL, 0, "database or disk is full (SQLite 13); free space");
}

static void
a_locked_table(void **state)
{
	kit *k = *state;
	qpool_sqlite_options options = qpool_sqlite_options_init();
	static const char shared[] = "file:locked?mode=memory&cache=shared";
	sqlite3 *other;

	kit_ops(k, shared, NULL);
	assert_int_equal(sqlite3_open_v2(shared, &other,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, NULL),
	    SQLITE_OK);
	kit_sql(other, "CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1)");
	options.at_open = "SELECT * FROM t";
	kit_ops(k, shared, &options);
	assert_int_equal(kit_try(k, QPOOL_SEC(60), NULL), QPOOL_EOPEN);
	assert_int_equal(atoi(k->error.native) & 0xff, SQLITE_LOCKED);
	kit_sql(other, "COMMIT");
	(void)kit_open(k);
	kit_other_close(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(a_folder),
	    KIT_TEST(nothing_there),
	    KIT_TEST(a_path_too_long),
	    KIT_TEST(no_permission),
	    KIT_TEST(no_permission_on_the_folder),
	    KIT_TEST(not_a_database),
	    KIT_TEST(found_when_nothing_else_reads),
	    KIT_TEST(a_corrupt_header),
	    KIT_TEST(a_corrupt_schema),
	    KIT_TEST(neither_file_nor_folder),
	    KIT_TEST(links),
	    KIT_TEST(bad_uris),
	    KIT_TEST(no_such_vfs),
	    KIT_TEST(a_stale_errno),
	    KIT_TEST(a_mode_that_cannot_be_had),
	    KIT_TEST(bad_sql_at_open),
	    KIT_TEST(keys_in_at_open),
	    KIT_TEST(no_more_files),
	    KIT_TEST(a_full_database),
	    KIT_TEST(a_locked_table),
	};

	return cmocka_run_group_tests_name("sqlite_refuse", tests, NULL, NULL);
}
