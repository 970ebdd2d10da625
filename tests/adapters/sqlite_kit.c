/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_kit: see the header.
 */
#include "sqlite_kit.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOBODY = 65534 };

int
kit_begin(void **state)
{
	kit *k = calloc(1, sizeof *k);
	const char *where = getenv("TMPDIR");

	assert_non_null(k);
	(void)snprintf(k->folder, sizeof k->folder, "%s/qpool-sqlite-XXXXXX",
	    where != NULL && strlen(where) < 32 ? where : "/tmp");
	assert_non_null(mkdtemp(k->folder));
	(void)snprintf(k->path, sizeof k->path, "%s/bank.db", k->folder);
	*state = k;
	return 0;
}

static int
remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
	(void)about;
	(void)type;
	(void)where;
	return remove(path);
}

static void
end_ops(kit *k)
{
	for (size_t i = 0; i < sizeof k->db / sizeof k->db[0]; i++)
		if (k->db[i] != NULL)
			kit_close(k, k->db[i]);
	if (k->user != NULL)
		k->ops.destroy(k->user);
	k->user = NULL;
}

int
kit_end(void **state)
{
	kit *k = *state;
	int result;

	kit_become_self();
	end_ops(k);
	result = nftw(k->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(k);
	return result;
}

const char *
kit_file(const kit *k, const char *name)
{
	static char buffers[4][512];
	static unsigned next;
	char *to = buffers[next++ % 4];

	(void)snprintf(to, sizeof buffers[0], "%s/%s", k->folder, name);
	return to;
}

void
kit_write_file(const char *path, const void *bytes, size_t length)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

void
kit_ops(kit *k, const char *target, const qpool_sqlite_options *options)
{
	qpool_ops ops = qpool_ops_init();
	void *user = NULL;
	qpool_error error;

	end_ops(k);
	if (qpool_sqlite_ops(target, options, &ops, &user, &error) != QPOOL_OK)
		fail_msg("no ops: %s", error.message);
	k->ops = ops;
	k->user = user;
}

static void
keep(kit *k, sqlite3 *db)
{
	for (size_t i = 0; i < sizeof k->db / sizeof k->db[0]; i++)
		if (k->db[i] == NULL) {
			k->db[i] = db;
			return;
		}
	fail_msg("more connections than a kit holds");
}

qpool_err
kit_try(kit *k, qpool_nsec budget, sqlite3 **out)
{
	qpool_step step = {.size = sizeof step, .budget = budget};
	void *resource = NULL;
	qpool_err err;

	memset(&k->error, 0x5a, sizeof k->error);
	err = k->ops.open(k->user, &step, &resource, &k->error);
	if (err == QPOOL_OK) {
		assert_non_null(resource);
		assert_int_equal(k->error.code, 0x5a5a5a5a);
		keep(k, resource);
	} else {
		assert_null(resource);
		assert_int_equal(k->error.code, err);
	}
	if (out != NULL)
		*out = resource;
	return err;
}

sqlite3 *
kit_open(kit *k)
{
	sqlite3 *db;

	if (kit_try(k, QPOOL_SEC(60), &db) != QPOOL_OK)
		fail_msg("not opened: %s", k->error.message);
	return db;
}

void
kit_refused(kit *k, qpool_err code, int native, const char *words)
{
	qpool_err err = kit_try(k, QPOOL_SEC(60), NULL);
	char expected[16] = "";

	if (err == QPOOL_OK)
		fail_msg("opened, which it should not");
	kit_assert_says(&k->error, words);
	if (native != 0)
		(void)snprintf(expected, sizeof expected, "%d", native);
	assert_string_equal(k->error.native, expected);
	assert_string_equal(qpool_err_name(err), qpool_err_name(code));
}

qpool_err
kit_check(kit *k, sqlite3 *db)
{
	qpool_step step = {.size = sizeof step, .budget = QPOOL_SEC(60)};

	memset(&k->error, 0, sizeof k->error);
	return k->ops.check(k->user, db, &step, &k->error);
}

qpool_err
kit_reset(kit *k, sqlite3 *db)
{
	qpool_step step = {.size = sizeof step, .budget = QPOOL_SEC(60)};

	memset(&k->error, 0, sizeof k->error);
	return k->ops.reset(k->user, db, &step, &k->error);
}

void
kit_close(kit *k, sqlite3 *db)
{
	for (size_t i = 0; i < sizeof k->db / sizeof k->db[0]; i++)
		if (k->db[i] == db)
			k->db[i] = NULL;
	k->ops.close(k->user, db, QPOOL_WHY_CLOSED);
}

sqlite3 *
kit_other(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

void
kit_other_close(sqlite3 *db)
{
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int
kit_exec(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

void
kit_sql(sqlite3 *db, const char *sql)
{
	if (kit_exec(db, sql) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

sqlite3_stmt *
kit_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	return statement;
}

int64_t
kit_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = kit_prepare(db, sql);
	int64_t value = INT64_MIN;

	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

void
kit_assert_text(sqlite3 *db, const char *sql, const char *expected)
{
	sqlite3_stmt *statement = kit_prepare(db, sql);
	char value[128] = "(no row)";

	if (sqlite3_step(statement) == SQLITE_ROW)
		(void)snprintf(
		    value, sizeof value, "%s", (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	assert_string_equal(value, expected);
}

void
kit_assert_says(const qpool_error *error, const char *words)
{
	size_t length = strnlen(error->message, sizeof error->message);

	assert_in_range(length, 10, sizeof error->message - 1);
	assert_null(strpbrk(error->message, "\r\n\t"));
	if (strstr(error->message, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, error->message);
}

void
kit_assert_hides(const qpool_error *error, const char *secret)
{
	if (strstr(error->message, secret) != NULL)
		fail_msg("a secret is shown: %s", error->message);
}

bool
kit_become_nobody(const kit *k)
{
	if (geteuid() != 0)
		return true;
	return chmod(k->folder, 0777) == 0 && seteuid(NOBODY) == 0;
}

void
kit_become_self(void)
{
	if (geteuid() != getuid())
		assert_int_equal(seteuid(getuid()), 0);
}
