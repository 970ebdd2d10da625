/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_faults: a life of one connection (made, opened, checked, reset, closed), run again and
 * again, each time with the next allocation or the next call to the file system failing, once or
 * from then on, until a run meets no fault.  Each run must end in success or in one sentence,
 * and leave no byte and no file.
 */
#include "sqlite_kit.h"

#include <dirent.h>

/* What fails: the at-th of something, and with `on` all after it. */
static struct {
	unsigned count, at;
	bool on;
} allocations, calls;

static bool
fails(unsigned *count, unsigned at, bool on)
{
	++*count;
	return at != 0 && (*count == at || (on && *count > at));
}

/* ---- an allocator --------------------------------------------------------------------- */

static sqlite3_mem_methods real_memory;

static void *
faulty_malloc(int size)
{
	return fails(&allocations.count, allocations.at, allocations.on)
	           ? NULL
	           : real_memory.xMalloc(size);
}

static void *
faulty_realloc(void *old, int size)
{
	return fails(&allocations.count, allocations.at, allocations.on)
	           ? NULL
	           : real_memory.xRealloc(old, size);
}

/* ---- a file system -------------------------------------------------------------------- */

typedef struct faulty_file {
	sqlite3_file base;
	sqlite3_file *real; /* right behind this struct */
} faulty_file;

static sqlite3_vfs *real_vfs, faulty_vfs;

static bool
call_fails(void)
{
	return fails(&calls.count, calls.at, calls.on);
}

static sqlite3_file *
behind(sqlite3_file *file)
{
	return ((faulty_file *)file)->real;
}

#define FAULTY(name, parameters, arguments, code)                                   \
	static int faulty_##name parameters                                         \
	{                                                                           \
		return call_fails() ? (code) : behind(f)->pMethods->name arguments; \
	}
#define CERTAIN(name, parameters, arguments)                \
	static int faulty_##name parameters                 \
	{                                                   \
		return behind(f)->pMethods->name arguments; \
	}

FAULTY(xRead, (sqlite3_file * f, void *to, int n, sqlite3_int64 at), (behind(f), to, n, at),
    SQLITE_IOERR_READ)
FAULTY(xWrite, (sqlite3_file * f, const void *from, int n, sqlite3_int64 at),
    (behind(f), from, n, at), SQLITE_FULL)
FAULTY(xTruncate, (sqlite3_file * f, sqlite3_int64 n), (behind(f), n), SQLITE_IOERR_TRUNCATE)
FAULTY(xFileSize, (sqlite3_file * f, sqlite3_int64 *n), (behind(f), n), SQLITE_IOERR_FSTAT)
FAULTY(xLock, (sqlite3_file * f, int kind), (behind(f), kind), SQLITE_IOERR_LOCK)
FAULTY(xCheckReservedLock, (sqlite3_file * f, int *held), (behind(f), held),
    SQLITE_IOERR_CHECKRESERVEDLOCK)
FAULTY(xShmMap, (sqlite3_file * f, int page, int size, int extend, void volatile **to),
    (behind(f), page, size, extend, to), SQLITE_IOERR_SHMMAP)
FAULTY(xShmLock, (sqlite3_file * f, int at, int n, int flags), (behind(f), at, n, flags),
    SQLITE_IOERR_SHMLOCK)
CERTAIN(xUnlock, (sqlite3_file * f, int kind), (behind(f), kind))
CERTAIN(xFileControl, (sqlite3_file * f, int what, void *arg), (behind(f), what, arg))
CERTAIN(xSectorSize, (sqlite3_file * f), (behind(f)))
CERTAIN(xDeviceCharacteristics, (sqlite3_file * f), (behind(f)))
CERTAIN(xShmUnmap, (sqlite3_file * f, int remove), (behind(f), remove))
CERTAIN(xClose, (sqlite3_file * f), (behind(f)))

/* Nobody pulls the plug here, and the disk's time is most of the test's. */
static int
faulty_xSync(sqlite3_file *f, int flags)
{
	(void)f;
	(void)flags;
	return call_fails() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static void
faulty_xShmBarrier(sqlite3_file *f)
{
	behind(f)->pMethods->xShmBarrier(behind(f));
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = faulty_xClose,
    .xRead = faulty_xRead,
    .xWrite = faulty_xWrite,
    .xTruncate = faulty_xTruncate,
    .xSync = faulty_xSync,
    .xFileSize = faulty_xFileSize,
    .xLock = faulty_xLock,
    .xUnlock = faulty_xUnlock,
    .xCheckReservedLock = faulty_xCheckReservedLock,
    .xFileControl = faulty_xFileControl,
    .xSectorSize = faulty_xSectorSize,
    .xDeviceCharacteristics = faulty_xDeviceCharacteristics,
    .xShmMap = faulty_xShmMap,
    .xShmLock = faulty_xShmLock,
    .xShmBarrier = faulty_xShmBarrier,
    .xShmUnmap = faulty_xShmUnmap,
};

static int
faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	faulty_file *f = (faulty_file *)file;
	int rc;

	(void)vfs;
	f->base.pMethods = NULL;
	f->real = (sqlite3_file *)(f + 1);
	if (call_fails())
		return SQLITE_CANTOPEN;
	rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out);
	if (f->real->pMethods != NULL)
		f->base.pMethods = &methods;
	return rc;
}

static int
faulty_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	return call_fails() ? SQLITE_IOERR_DELETE : real_vfs->xDelete(real_vfs, name, sync);
}

static int
faulty_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs;
	return call_fails() ? SQLITE_IOERR_ACCESS : real_vfs->xAccess(real_vfs, name, flags, out);
}

/* For its WAL SQLite sleeps up to ten seconds in all, hoping that a fault goes away. */
static int
faulty_sleep(sqlite3_vfs *vfs, int microseconds)
{
	(void)vfs;
	return microseconds;
}

static int
install(void **state)
{
	static sqlite3_mem_methods faulty;

	(void)state;
	/* Every allocation counts, none comes from a store of ready ones. */
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
	faulty = real_memory;
	faulty.xMalloc = faulty_malloc;
	faulty.xRealloc = faulty_realloc;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &faulty), SQLITE_OK);
	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	real_vfs = sqlite3_vfs_find(NULL);
	faulty_vfs = *real_vfs;
	faulty_vfs.zName = "faulty";
	faulty_vfs.szOsFile += (int)sizeof(faulty_file);
	faulty_vfs.xOpen = faulty_open;
	faulty_vfs.xDelete = faulty_delete;
	faulty_vfs.xAccess = faulty_access;
	faulty_vfs.xSleep = faulty_sleep;
	return sqlite3_vfs_register(&faulty_vfs, 1);
}

/* ---- one life ------------------------------------------------------------------------- */

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

static void
assert_told(qpool_err err, const qpool_error *error, qpool_err a, qpool_err b)
{
	assert_int_equal(error->code, err);
	if (err != a && err != b)
		fail_msg(
		    "not of the kind this fault has: %s %s", qpool_err_name(err), error->message);
	kit_assert_says(
	    error, err == QPOOL_ENOMEM && error->native[0] == '\0' ? "no memory" : "sqlite \"");
}

/* What a holder might do; that it fails is his to see. */
static void
use(sqlite3 *db)
{
	sqlite3_stmt *half_read = NULL;

	(void)kit_exec(db, "BEGIN; INSERT INTO t VALUES(1)");
	if (sqlite3_prepare_v2(db, "SELECT a FROM t", -1, &half_read, NULL) == SQLITE_OK)
		(void)sqlite3_step(half_read);
	(void)kit_exec(db, "CREATE TEMP TABLE x(a)");
}

static void
finish(sqlite3 *db)
{
	sqlite3_stmt *left;

	while ((left = sqlite3_next_stmt(db, NULL)) != NULL)
		(void)sqlite3_finalize(left);
}

static void
live(const qpool_ops *ops, void *user, sqlite3 *db)
{
	qpool_step step = {.size = sizeof step, .budget = QPOOL_SEC(60)};
	qpool_error error;
	qpool_err err;

	memset(&error, 0, sizeof error);
	err = ops->check(user, db, &step, &error);
	if (err != QPOOL_OK)
		assert_told(err, &error, QPOOL_ECHECK, QPOOL_ECHECK);
	use(db);
	memset(&error, 0, sizeof error);
	err = ops->reset(user, db, &step, &error);
	if (err != QPOOL_OK)
		assert_told(err, &error, QPOOL_ECHECK, QPOOL_ECHECK);
	else
		assert_int_not_equal(sqlite3_get_autocommit(db), 0);
}

static void
run(const kit *k, qpool_err plain, qpool_err other)
{
	qpool_sqlite_options options = qpool_sqlite_options_init();
	qpool_step step = {.size = sizeof step, .budget = QPOOL_SEC(60)};
	qpool_ops ops = qpool_ops_init();
	void *user = NULL, *resource = NULL;
	qpool_error error;
	qpool_err err;

	options.strict = 1;
	options.at_open = "CREATE TABLE IF NOT EXISTS t(a); CREATE TEMP TABLE own(a)";
	memset(&error, 0, sizeof error);
	err = qpool_sqlite_ops(k->path, &options, &ops, &user, &error);
	if (err != QPOOL_OK) {
		assert_told(err, &error, QPOOL_ENOMEM, QPOOL_ENOMEM);
		assert_null(user);
		return;
	}
	err = ops.open(user, &step, &resource, &error);
	if (err != QPOOL_OK) {
		assert_told(err, &error, plain, other);
		assert_null(resource);
	} else {
		live(&ops, user, resource);
		finish(resource);
		ops.close(user, resource, QPOOL_WHY_CLOSED);
	}
	ops.destroy(user);
}

/* A run without faults afterwards finds a sound database. */
static void
assert_sound(const kit *k)
{
	sqlite3 *db = kit_other(k->path);

	kit_assert_text(db, "PRAGMA integrity_check", "ok");
	assert_int_equal(kit_number(db, "SELECT count(*) FROM t"), 0); /* never committed */
	kit_other_close(db);
}

static void
run_all(kit *k, bool of_memory, bool on)
{
	unsigned at = 0, met;

	run(k, QPOOL_OK, QPOOL_OK); /* what SQLite keeps for good */
	do {
		int64_t bytes = sqlite3_memory_used();
		int files = open_files();
		(void)remove(k->path);
		allocations.count = calls.count = 0;
		allocations.on = calls.on = on;
		at++;
		*(of_memory ? &allocations.at : &calls.at) = at;
		if (of_memory)
			run(k, QPOOL_ENOMEM, QPOOL_ENOMEM);
		else
			run(k, QPOOL_EOPEN, QPOOL_EDENIED);
		allocations.at = calls.at = 0;
		met = of_memory ? allocations.count : calls.count;
		assert_int_equal(sqlite3_memory_used(), bytes);
		assert_int_equal(open_files(), files);
		run(k, QPOOL_OK, QPOOL_OK);
		assert_sound(k);
	} while (met >= at);
	/* It did go through a life. */
	assert_in_range(at, of_memory ? 100 : 20, 100000);
}

static void
no_memory_once(void **state)
{
	run_all(*state, true, false);
}

static void
no_memory_from_then_on(void **state)
{
	run_all(*state, true, true);
}

static void
no_file_system_once(void **state)
{
	run_all(*state, false, false);
}

static void
no_file_system_from_then_on(void **state)
{
	run_all(*state, false, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(no_memory_once),
	    KIT_TEST(no_memory_from_then_on),
	    KIT_TEST(no_file_system_once),
	    KIT_TEST(no_file_system_from_then_on),
	};

	return cmocka_run_group_tests_name("sqlite_faults", tests, install, NULL);
}
